"""One whole incident through a running `patchgap up`, driven as a person and another system drive it: the signed
webhook, and the command line with --json."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from flows import osv_text
from flows.drill.scenario import FOLDER
from flows.drill.world import World
from flows.process import utc_now
from integrations.rehearsal import fleet
from integrations.webhooks.sign import sign
from patchgap import settings
from patchgap.model.finding import IncidentId
from patchgap.stages.engine import Engine
from patchgap.stages.incidents import open_incidents
from patchgap.stages.situation import state_of
from tests.flows.forms import Form, client_of
from tests.flows.running import PATCHGAP, Up, clean_environ, run, wait_until

ADVISORY = FOLDER / "PYSEC-2021-874.yaml"
MEND = {"trainer-v2": "trainer-v2-patched", "finetune-nightly": "finetune-nightly-patched"}
ROLLOUTS = (
    ("training", "Deployment", "trainer-v2", "trainer-v2"),
    ("staging", "Deployment", "trainer-v2", "trainer-v2"),
    ("training", "CronJob", "finetune-nightly", "finetune-nightly"),
)


@dataclass
class Loop:
    """What was asked and answered. `said` holds, for each command, its exit code, document and story; `codes` the
    exit codes of the incident's way from the signal to the closing."""

    up: Up
    world: World
    incident: str = ""
    said: dict[str, tuple[int, Any, str]] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    form: list[str] = field(default_factory=list)  # what each showing of the approval's form said
    schema: dict[str, Any] = field(default_factory=dict)
    empty: str = ""  # how Prefect took a form without an answer
    answered: Any = None  # the last state of the form's run
    stored: str = ""  # what Prefect holds of the answers
    codes_sent: tuple[str, ...] = ()

    def patchgap(self, *words: object, called: str = "") -> Any:
        """Runs a command with --json; its stdout must be one document."""
        command = [PATCHGAP, *words, "--json"]
        done = run(command, clean_environ(PATCHGAP_HOME=str(self.up.home)), self.up.home.parent)
        name = called or " ".join(str(w) for w in words[:2] if w != self.incident)
        assert done.stdout, f"{name}: {done.stderr}"
        self.said[name] = done.returncode, json.loads(done.stdout), done.stderr
        return self.said[name][1]

    def post(self) -> str:
        """The advisory as another system sends it, signed; the signal's id."""
        osv = osv_text.document(ADVISORY.read_text(encoding="utf-8"), ADVISORY.name)
        claims = {"known_exploited": True}
        body = json.dumps({"kind": "advisory", "source": "a scanner", "claims": claims, "advisory": osv}).encode()
        secret = (self.up.home / "webhook-secret").read_text(encoding="ascii")
        headers = sign(secret, "loop-1", datetime.now(UTC), body)
        answer = httpx.post(f"{self.up.printed['receiver']}/v1/signals", content=body, headers=headers, timeout=60)
        answer.raise_for_status()
        return str(answer.json()["signal"])

    def play(self) -> None:
        """From the signal to the closing."""
        self.patchgap("graph", "add", *fleet.sboms())
        self.patchgap("inventory", "refresh")
        self.post()
        engine = engine_of(self.up.home)  # a command that is asked again and again would hold up what it waits for
        assert wait_until(lambda: bool(open_incidents(engine)), 120)
        self.incident = self.patchgap("incident", "list")[0]["id"]
        assert wait_until(lambda: state_of(engine, IncidentId(self.incident)).verdict is not None, 240)
        digest = self.patchgap("incident", "plan", self.incident)["digest"]
        self._answer()
        (code,) = self.patchgap("approver", "issue", "kim@example.org", "--as", "the loop")["codes"]
        held = self.up.home / "kim.code"
        held.write_text(code)
        self.patchgap("incident", "approve", self.incident, "--plan", digest, "--code-file", str(held))
        self.patchgap("incident", "contain", self.incident)
        self.patchgap("incident", "close", self.incident, called="close too early")
        for stem, mend in MEND.items():
            named = fleet.image(mend)
            self.patchgap("incident", "patch", self.incident, "--image", named, "--as", "dana@example.org")
            for namespace, kind, name, runs in ROLLOUTS:
                assert runs != stem or not self.world.team.roll_out(namespace, kind, name, named)
        self.world.cluster.settle(timeout=60)
        assert wait_until(lambda: self._done("verify"), 240)
        assert wait_until(lambda: self._done("close"), 240)  # where a proof is missing for a moment, it is asked again
        self.codes = {name: code for name, (code, _, _) in self.said.items()}

    def _answer(self) -> None:
        """By the form: with a code that is none, by who reported it, and at last by a second person."""
        codes = {
            who: self.patchgap("approver", "issue", who, "--as", "the loop", called="issue")["codes"][0]
            for who in ("a scanner", "dana@example.org")
        }
        with client_of(self.up) as client:
            form = Form(client, self.incident)
            for code in ("abcde-abcde-abcde-abcde-abcde-a", *codes.values()):
                self.schema = form.shown()
                self.empty = form.send().status.value
                form.send(decision="approve", code=code)
            assert wait_until(form.ended, 240), form.run()
            self.form, self.answered, self.stored = form.said, form.run().state, form.stored()
            self.codes_sent = tuple(codes.values())

    def _done(self, verb: str) -> bool:
        self.patchgap("incident", verb, self.incident)
        return self.said[f"incident {verb}"][0] == 0


def engine_of(home: Path) -> Engine:
    """An engine on what that home is configured for."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PATCHGAP_")} | {"PATCHGAP_HOME": str(home)}
    return Engine.open(settings.load(environ, file=home / "patchgap.toml"), utc_now)


def kinds(home: Path, incident: str) -> list[str]:
    """The acts of an incident's ledger, in their order."""
    return [entry.body.kind for entry in engine_of(home).ledger.read(IncidentId(incident))]
