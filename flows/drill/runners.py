"""How a drill drives the loop: as in production, through the webhook and a Prefect server; or by its stages alone, in
this process, for whoever wants the answer in seconds.

Both deliver the same signal and leave the same ledger; what a stage does is patchgap/stages', not theirs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import httpx

from flows.runtime import local
from flows.runtime.local import Ran
from flows.runtime.stack import Stack
from integrations.webhooks.sign import sign
from patchgap.errors import PatchgapError
from patchgap.model.finding import IncidentId
from patchgap.model.plan import Outcome
from patchgap.model.signal import SignalId
from patchgap.stages import contain, detect, recover, scope, verify
from patchgap.stages.engine import Engine
from patchgap.stages.incidents import open_incidents
from patchgap.stages.situation import state_of


class Runner(Protocol):
    """Delivers a signal, and runs a flow by name to its end."""

    def deliver(self, document: dict[str, Any], now: datetime) -> SignalId: ...

    def run(self, flow: str, **parameters: str) -> Ran: ...


class InProduction:
    """The webhook receiver and flows on a Prefect server, as `patchgap up` runs them."""

    def __init__(self, stack: Stack, home: Path, secret: str) -> None:
        self._stack, self._home, self._secret = stack, home, secret

    def deliver(self, document: dict[str, Any], now: datetime) -> SignalId:
        """Posts it, signed; the receiver starts what follows."""
        body = json.dumps(document).encode()
        answer = httpx.post(
            f"{self._stack.receiver_url}/v1/signals",
            content=body,
            headers=sign(self._secret, "drill-1", now, body),
            trust_env=False,
            timeout=60,
        )
        answer.raise_for_status()
        return SignalId(answer.json()["signal"])

    def run(self, flow: str, **parameters: str) -> Ran:
        """A run of its deployment."""
        tags = (parameters["incident"],) if "incident" in parameters else ()
        return local.run(flow, parameters, self._home, tags=tags)


class ByStages:
    """The same stages, one after the other."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._flows: dict[str, Callable[..., str]] = {
            "refresh-inventory": self._refresh,
            "contain": self._contain,
            "verify": self._verify,
            "recover": self._recover,
            "verify-open-incidents": self._round,
        }

    def deliver(self, document: dict[str, Any], now: datetime) -> SignalId:  # noqa: ARG002  (the protocol's)
        """Stores it, and does at once what the receiver would start."""
        signal = detect.receive(self._engine, document, "drill")
        found = detect.detect(self._engine, signal)
        if found.incident is not None:
            self._refresh()
            scope.scope(self._engine, found.incident)
            self._contain(found.incident)
            self._verify(found.incident)
        return signal

    def run(self, flow: str, **parameters: str) -> Ran:
        """The stage of that flow; a PatchgapError is how it failed."""
        try:
            return Ran(flow, "", "COMPLETED", self._flows[flow](**parameters))
        except PatchgapError as error:
            return Ran(flow, "", "FAILED", str(error))

    def _refresh(self) -> str:
        for cluster in scope.clusters(self._engine):
            scope.refresh(self._engine, cluster)
        return "refreshed"

    def _contain(self, incident: str) -> str:
        of = IncidentId(incident)
        contain.plan(self._engine, of)
        for step in contain.admitted(self._engine, of):
            for action in step:
                contain.carry_out(self._engine, of, action.id)
        contain.finish(self._engine, of)
        return state_of(self._engine, of).status

    def _round(self) -> str:
        """What waited is tried again, and each open incident is verified."""
        for incident in open_incidents(self._engine):
            if steps := contain.to_go_on(self._engine, incident):
                for action in (a for step in steps for a in step):
                    contain.carry_out(self._engine, incident, action.id)
                contain.finish(self._engine, incident)
            if verify.due(self._engine, incident):
                self._verify(incident)
        return "looked at"

    def _verify(self, incident: str) -> str:
        of = IncidentId(incident)
        for verb, platform in verify.checks(self._engine, of):
            verify.observe(self._engine, of, verb, platform)
        return "; ".join(verify.judge(self._engine, of).reasons) or "passed"

    def _recover(self, incident: str) -> str:
        of = IncidentId(incident)
        self._verify(of)
        verdict = state_of(self._engine, of).verdict
        released = recover.releases(self._engine, of) if verdict is not None and verdict.passed else ()
        outcomes = [recover.release(self._engine, of, c.intent.action.id).outcome for c in released]
        if Outcome.DONE in outcomes:
            self._verify(of)
        return str(recover.close(self._engine, of).report)
