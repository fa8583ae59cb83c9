"""The process that is killed: the real engine on its own home, forked from a warm one that reads jobs from stdin.

A job is a line of JSON: `home` (its patchgap.toml says the rest), `do` (migrate, prepare, contain or dismiss), and `kill`: null,
{"at": NAME, "nth": N} or {"tick": N} for a SIGKILL to itself, {"after_ms": N} for one from outside; with `fork` false the
warm process does it itself, so that what is forked later finds everything imported. The answer is a line
too: `signal` that ended it (0 for none), `left` what it wrote (null where it was killed), `said` its error.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import botocore.loaders
import httpx
import kubernetes.client  # noqa: F401  (warm before the fork)
import urllib3
from kill_places import READING
from kill_runs import BookScheduler

from integrations.patching.connection import Patching
from integrations.patching.windows import Calendar
from patchgap import registry, settings
from patchgap.errors import PatchgapError
from patchgap.graph.sbom.read import read_sbom
from patchgap.incident.ledger import Ledger
from patchgap.model.finding import IncidentId
from patchgap.stages import contain, detect, patch, recover, scope
from patchgap.stages.engine import Engine
from patchgap.stages.situation import state_of

Json = dict[str, Any]
PATIENCE_SECONDS = 60.0
_WAITS_SECONDS = 8.0  # for what an action waits for, as the scheduled rounds would
BEFORE = {"intent_made": "before_intent", "receipt_made": "after_effect"}
AFTER = {"intent_made": "after_intent", "receipt_made": "after_receipt"}
WITHIN = {"release_intended": "in_inverse", "released": ""}


class Killer:
    """Counts what happens, and ends the process where it was asked to."""

    def __init__(self, kill: Json | None, platform: str = "") -> None:
        self.kill = kill or {}
        self._aimed = platform
        self.met = Counter[str]()  # how often each named point of that platform was passed
        self.ticks = 0
        self._within = "in_effect"  # what a run writes before it releases anything
        self._platform = ""  # that the last entry was about
        self.platforms: dict[str, str] = {}  # of each action
        self._left = int(self.kill.get("nth", 1))

    def tick(self) -> None:
        """A moment at which a process may die: on either side of every request and of every entry."""
        self.ticks += 1
        if self.kill.get("tick") == self.ticks:
            os.kill(os.getpid(), signal.SIGKILL)

    def passed(self, point: str) -> None:
        """A named point, of the platform that the kill is aimed at."""
        if self._platform not in (self._aimed, ""):
            return
        self.met[point] += 1
        if self.kill.get("at") == point:
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)

    def around_entry(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Ledger.append or append_if."""

        def append(*given: Any, **named: Any) -> Any:
            body = next(v for v in (*given, *named.values()) if hasattr(v, "kind"))
            kind = body.kind
            self._about(body)
            self.passed(BEFORE.get(kind, ""))
            self.tick()
            entry = real(*given, **named)
            self._within = WITHIN.get(kind, self._within)
            self.passed(AFTER.get(kind, ""))
            self.tick()
            return entry

        return append

    def _about(self, body: Any) -> None:
        """Which platform the entry is about; one that is about none leaves it."""
        if body.kind == "intent_made":
            self.platforms[body.intent.action.id] = body.intent.action.platform
            self._platform = body.intent.action.platform
        elif body.kind == "receipt_made":
            self._platform = self.platforms.get(body.receipt.action, "")
        elif body.kind in ("release_intended", "released"):
            self._platform = self.platforms.get(body.action, "")

    def asked(self, method: str, url: str, operation: str = "") -> None:
        """A request was answered; of one that may have written something this may be the end."""
        reads = method in ("GET", "HEAD") or operation.startswith(READING)
        if not reads and "dryRun" not in url and "selfsubject" not in url:
            self.passed(self._within)
        self.tick()

    def arm(self) -> None:
        """Puts itself around every entry and every request of this process."""
        Ledger.append = self.around_entry(Ledger.append)  # type: ignore[method-assign]
        Ledger.append_if = self.around_entry(Ledger.append_if)  # type: ignore[method-assign]
        pool, plain = urllib3.connectionpool.HTTPConnectionPool, httpx.AsyncHTTPTransport
        open_url, handle = pool.urlopen, plain.handle_async_request
        at_once = httpx.HTTPTransport.handle_request

        def urlopen(held: Any, method: str, url: str, *given: Any, **named: Any) -> Any:
            self.tick()
            answer = open_url(held, method, url, *given, **named)
            self.asked(method, url, _operation(named))
            return answer

        async def handle_async_request(held: Any, request: httpx.Request) -> httpx.Response:
            self.tick()
            answer = await handle(held, request)
            self.asked(request.method, str(request.url))
            return answer

        pool.urlopen = urlopen  # type: ignore[method-assign, assignment]

        def handle_request(held: Any, request: httpx.Request) -> httpx.Response:
            self.tick()
            answer = at_once(held, request)
            self.asked(request.method, str(request.url))
            return answer

        httpx.HTTPTransport.handle_request = handle_request  # type: ignore[method-assign, assignment]
        plain.handle_async_request = handle_async_request  # type: ignore[method-assign, assignment]


def _operation(named: Json) -> str:
    """The name of an AWS operation, by the header or the form that carries it; "" for what is none."""
    target = (named.get("headers") or {}).get("X-Amz-Target", "")
    target = target.decode() if isinstance(target, bytes) else target
    body = named.get("body") or b""
    form = re.search(rb"(?:^|&)Action=(\w+)", body if isinstance(body, bytes) else str(body).encode())
    return target.rpartition(".")[2] or (form[1].decode() if form else "")


def _given(home: Path) -> list[Any]:
    """The scheduler of a world that keeps runs."""
    told = home / "runs.url"
    return [Patching(Calendar, lambda: BookScheduler(told.read_text()))] if told.is_file() else []


def run(job: Json) -> Json:
    """One job, to its end."""
    killer = Killer(job["kill"], job["platform"])
    home = Path(job["home"])
    engine = Engine.open(
        settings.load({**os.environ, "PATCHGAP_HOME": str(home)}, file=home / "patchgap.toml"),
        lambda: datetime.now(UTC),
        _given(home),
    )
    if job.get("fork", True):
        killer.arm()
    if job["do"] == "migrate":
        return {}  # it was opened
    if job["do"] == "prepare":
        return _prepare(engine, job)
    incident = IncidentId(job["incident"])
    killer.platforms = {i: held.action.platform for i, held in state_of(engine, incident).intents.items()}
    if job["do"] == "contain":
        return {**_contain(engine, incident), "ticks": killer.ticks, "met": killer.met}
    recover.dismiss(engine, incident, "a rehearsal", "kill test")
    return {"ticks": killer.ticks, "met": killer.met, **_standing(engine, incident)}


def _prepare(engine: Engine, job: Json) -> Json:
    for path in job["sboms"]:
        engine.graph.add_sbom(read_sbom(Path(path), None), engine.clock())
    for cluster in scope.clusters(engine):
        scope.refresh(engine, cluster)
    found = detect.detect(engine, detect.receive(engine, job["signal"], "kill test"))
    if found.incident is None:
        raise RuntimeError(found.reason)
    scope.scope(engine, found.incident)
    if job.get("mend"):
        patch.name_patch(engine, found.incident, job["mend"], "kill test")
    contain.plan(engine, found.incident)
    return {"incident": found.incident}


def _contain(engine: Engine, incident: IncidentId) -> Json:
    plan = contain.plan(engine, incident)
    receipts = {a.id: contain.carry_out(engine, incident, a.id) for s in contain.ready(engine, incident) for a in s}
    until = time.monotonic() + _WAITS_SECONDS
    while (due := contain.to_go_on(engine, incident)) and time.monotonic() < until:
        time.sleep(0.1)
        receipts |= {a.id: contain.carry_out(engine, incident, a.id) for step in due for a in step}
    contain.finish(engine, incident)
    said = [f"{u.verb} on {u.target} is not covered: {u.reason}" for u in plan.uncovered]
    said += [f"{r.outcome}: {'; '.join(r.detail)}" for r in receipts.values() if r.outcome.value != "done"]
    return {"actions": [a.verb for a in plan.actions], "said": said, **_standing(engine, incident)}


def _standing(engine: Engine, incident: IncidentId) -> Json:
    state = state_of(engine, incident)
    return {
        "status": state.status.value,
        "open": [f"{i.action.verb} on {i.action.target}" for i in state.open_intents],
        "controls": len(state.to_release),
        "head": state.head,
    }


def _forked(job: Json) -> Json:
    left = Path(job["home"]) / "left.json"
    left.unlink(missing_ok=True)
    child = os.fork()
    if not child:
        _child(job, left)
    deadline = time.monotonic() + PATIENCE_SECONDS
    strike = (job["kill"] or {}).get("after_ms")
    at = time.monotonic() + strike / 1000 if strike is not None else deadline
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > min(at, deadline):
            os.kill(child, signal.SIGKILL)
            at = deadline
        time.sleep(0.002)
    return {
        "signal": os.WTERMSIG(ended[1]) if os.WIFSIGNALED(ended[1]) else 0,
        "stuck": time.monotonic() > deadline,
        **(json.loads(left.read_text()) if left.is_file() else {"left": None, "said": "", "unforeseen": False}),
    }


def _child(job: Json, left: Path) -> None:
    made: Json = {"left": None, "said": "", "unforeseen": False}
    try:
        made["left"] = run(job)
    except BaseException as error:  # noqa: BLE001  (told to whoever judges)
        made["unforeseen"] = not isinstance(error, PatchgapError)
        made["said"] = f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
    left.write_text(json.dumps(made))
    os._exit(0)


def _keep_parsed() -> None:
    """AWS' descriptions of its services are parsed once, and forked."""
    loader = botocore.loaders.JSONFileLoader
    real, held = loader.load_file, dict[str, Any]()

    def load_file(self: Any, path: str) -> Any:
        if path not in held:
            held[path] = real(self, path)
        return held[path]

    loader.load_file = load_file


def main() -> None:
    """Answers jobs until stdin ends."""
    registry.load()
    _keep_parsed()
    for line in sys.stdin:
        job = json.loads(line)
        answer = _forked(job) if job.get("fork", True) else {"signal": 0, "stuck": False, "left": run(job), "said": ""}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
