"""The world of a kill: what its platform is made of, an incident there, and what may be said of it afterwards: which
requests changed something, and what stands. It judges from the world's own records alone.

A verb needs no entry here where its defaults have a target among these workloads; STEPS and PARAMETERS hold the rest.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kill_cluster import BAD, GOOD, OTHER, REPOSITORY
from kill_places import ENVIRONMENT, PLACES, Kubernetes

from integrations.rehearsal import RehearsalCluster
from patchgap.ports import Action

Json = dict[str, Any]
PLATFORMS = tuple(PLACES)
# What a verb takes where its defaults do not do, and the steps that a playbook must have before it.
PARAMETERS: Mapping[str, Json] = {
    "rotate_credentials": {"irreversible": "accept"},
    "evict_workloads": {"irreversible": "accept"},
    "open_incident": {"severity": "sev1"},
    "open_ticket": {"severity": "sev3"},
    "notify": {"severity": "sev3"},
    "promote_canary": {"after": "1s"},
}
STEPS: Mapping[str, tuple[Json, ...]] = {"promote_canary": ({"start_patched_canary": {}},)}
_PASSING = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*(Z|\+00:00)|act-[0-9a-f]{12}|sg-[0-9a-f]{17}|Patchgap[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)


class Warm:
    """The warm process that forks the ones to be killed."""

    def __init__(self) -> None:
        child = Path(__file__).with_name("kill_child.py")
        self.empty = b""  # a database at the current schema, once there is one
        self._process = subprocess.Popen(  # noqa: S603  (our own)
            [sys.executable, str(child)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **ENVIRONMENT},
        )

    def do(self, job: Json) -> Json:
        """What became of the job."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the warm process has no pipes")
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        answer: Json = json.loads(self._process.stdout.readline())
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.stdin.close() if self._process.stdin else None
        self._process.wait(10)
        self._process.stdout.close() if self._process.stdout else None


@dataclass(frozen=True)
class Seen:
    """What the world's own records say: how often each request changed something, and what stands."""

    effects: Counter[str]
    stands: Mapping[str, str]

    def differs(self, other: Seen) -> list[str]:
        """How this differs from what a run that nobody cut off left, a sentence each."""
        twice, lost = self.effects - other.effects, other.effects - self.effects
        names = sorted(self.stands.keys() | other.stands.keys())
        return [
            *(f"done {n} times too often: {what}" for what, n in sorted(twice.items())),
            *(f"lost {n} times: {what}" for what, n in sorted(lost.items())),
            *(
                f"stands otherwise: {n}: {self.stands.get(n, 'nothing')} and not {other.stands.get(n, 'nothing')}"
                for n in names
                if self.stands.get(n) != other.stands.get(n)
            ),
        ]


class World:
    """What an action's platform is made of, and an incident with one verb to carry out, made anew for each trial."""

    def __init__(
        self,
        warm: Warm,
        home: Path,
        steps: tuple[Json, ...],
        inverses: tuple[str, ...],
        platform: str = "kubernetes",
        at: Callable[[str], str] = str,
    ) -> None:
        self._warm, self.home, self.platform = warm, home, platform
        self._open = ExitStack()
        verb = next(iter(steps[-1]))
        self.places = [self._open.enter_context(made(verb)) for made in PLACES[platform]]
        for place in self.places:
            place.at = at
        try:
            self._prepare(steps, inverses)
        except BaseException:
            self._open.close()
            raise

    def _prepare(self, steps: tuple[Json, ...], inverses: tuple[str, ...]) -> None:
        home, warm = self.home, self._warm
        (home / "playbooks").mkdir(parents=True)
        own = "".join(place.settings(home) for place in self.places)
        (home / "patchgap.toml").write_text(f"playbooks = [{json.dumps(str(home / 'playbooks'))}]\n{own}")
        (home / "playbooks" / "compromised-dependency.yaml").write_text(playbook(steps, inverses))
        sboms = [sbom(home, digest, version) for digest, version in ((BAD, "1.5.2"), (GOOD, "1.6.5"), (OTHER, ""))]
        database = home / "patchgap.db"
        if warm.empty:
            database.write_bytes(warm.empty)
        elif self.do("migrate")["left"] is not None:
            warm.empty = database.read_bytes()
        made = self.do("prepare", sboms=sboms, signal=SIGNAL, mend=f"{REPOSITORY}@{GOOD}")
        if made["left"] is None:
            raise RuntimeError(f"the incident was not made: {made['said']}")
        self.incident = str(made["left"]["incident"])
        for place in self.places:
            place.keep()
        self._kept = home.with_name(f"{home.name}.kept")
        shutil.copytree(home, self._kept)
        self.reset()

    @property
    def cluster(self) -> RehearsalCluster:
        """The rehearsal cluster of a world that has one."""
        held: RehearsalCluster = next(place.server for place in self.places if isinstance(place, Kubernetes))
        return held

    def reset(self) -> None:
        """Brings the world back to the moment after the plan."""
        shutil.rmtree(self.home)
        shutil.copytree(self._kept, self.home)
        for place in self.places:
            place.reset()

    def do(self, what: str, kill: Json | None = None, **more: Any) -> Json:
        """Runs the engine in a process of its own, which may be killed at what the world's platform does."""
        held = {"home": str(self.home), "do": what, "kill": kill, "incident": getattr(self, "incident", "")}
        return self._warm.do({**held, "platform": self.platform, **more})

    def seen(self) -> Seen:
        """The world as its own records have it, with the names and times of this trial taken out."""
        effects, stands = Counter[str](), {}
        for place in self.places:
            for what, times in place.effects().items():
                effects[self._plain(what)] += times
            stands.update({self._plain(n): self._plain(v) for n, v in place.stands().items()})
        return Seen(effects, stands)

    def _plain(self, text: str) -> str:
        return _PASSING.sub("…", text.replace(self.incident, "INCIDENT"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()


def steps_of(action: Action) -> tuple[Json, ...]:
    """The playbook's steps that carry the verb out."""
    return (*STEPS.get(action.verb, ()), {action.verb: PARAMETERS.get(action.verb, {})})


def inverses_of(action: Action) -> tuple[str, ...]:
    """What the playbook's recovery takes back, as far as a playbook may say so."""
    return (action.inverse,) if action.inverse else ()


SIGNAL = {
    "kind": "advisory",
    "source": "kill test",
    "claims": {"known_exploited": True},
    "advisory": {
        "id": "PYSEC-2021-874",
        "modified": "2023-05-25T05:07:00Z",
        "affected": [{"package": {"ecosystem": "PyPI", "name": "pytorch-lightning"}, "versions": ["1.5.2"]}],
    },
}


def playbook(steps: tuple[Json, ...], inverses: tuple[str, ...]) -> str:
    """A playbook of one tier with these steps, that takes the shipped one's place."""
    listed = "\n".join(f"      - {json.dumps(step)}" for step in steps)
    recover = f"recover: {json.dumps(list(inverses))}\n" if inverses else ""
    return (
        "playbook: compromised-dependency\nversion: 1\nsummary: One verb.\nowner: tests\n"
        "detect:\n  on: [advisory]\n  only_if:\n    any:\n      - known_exploited: true\n    running: true\n"
        "scope:\n  transitive: true\n  include: [running, scheduled, scaled_to_zero]\n"
        f"tiers:\n  - tier: 1\n    contain:\n{listed}\n"
        "verify:\n  every: 1m\n  within: 24h\n  fresh_within: 5m\n  all_of: [package_absent]\n" + recover
    )


def sbom(home: Path, digest: str, version: str) -> str:
    """The path of an image's SBOM, with pytorch-lightning at that version, or without it where it is empty."""
    purl = f"pkg:pypi/pytorch-lightning@{version}" if version else "pkg:pypi/flask@2.0.0"
    name = purl.split("/")[1].split("@", maxsplit=1)[0]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "metadata": {"component": {"type": "container", "name": REPOSITORY, "version": digest, "bom-ref": "root"}},
        "components": [{"type": "library", "name": name, "version": purl.split("@")[1], "purl": purl}],
    }
    path = home / f"{digest[7:9]}.cdx.json"
    path.write_text(json.dumps(document))
    return str(path)
