"""Respond: the whole loop for one finding, as far as it can go now. It waits for nothing: what is open stays open,
and verify-open-incidents goes on from the ledger."""

from __future__ import annotations

from typing import Any

from prefect import get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Failed

from flows import parameters
from flows.contain import contain
from flows.process import engine
from flows.recover import recover
from flows.scope import scope
from flows.stage import completed, ended, stage, within
from flows.tell import tell
from flows.verify import verify
from patchgap.model.evidence import Verdict
from patchgap.model.finding import IncidentId
from patchgap.stages.situation import state_of


@stage("respond", "respond to {incident}")
def respond(incident: parameters.Incident) -> State[Any]:
    """Scope, contain and verify one incident, and close it where the gate passes already.

    Otherwise it ends with what is awaited; the scheduled verification closes the incident later. People are told last;
    a sink that does not answer is told again by the scheduled round."""
    state = _loop(incident)
    for unheard in tell(incident):
        get_run_logger().warning("not told yet: %s", unheard)
    return state


def _loop(incident: str) -> State[Any]:
    scoped = within(scope, incident)
    if scoped.is_failed():
        return Failed(message=f"scope: {ended(scoped)}")
    contained = within(contain, incident)
    verified = within(verify, incident)
    problem = f"contain: {ended(contained)}" if contained.is_failed() else ""
    if gate_passes(incident) and not problem:
        return within(recover, incident)
    proved = awaited(incident) if verified.is_completed() else f"verify: {ended(verified)}"
    return Failed(message=f"{problem}; {proved}") if problem else completed(f"{ended(contained)}; {proved}")


def gate_passes(incident: str) -> bool:
    """Whether the last verification passed."""
    verdict = state_of(engine(), IncidentId(incident)).verdict
    return verdict is not None and verdict.passed


def awaited(incident: str) -> str:
    """Which checks hold the gate; their reasons are in the run of verify and in its artifacts."""
    verdict = state_of(engine(), IncidentId(incident)).verdict
    missing = [check for check, seen in verdict.by_check.items() if seen is not Verdict.PASS] if verdict else []
    return f"open, awaiting proof of {', '.join(missing)}"
