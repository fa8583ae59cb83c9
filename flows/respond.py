"""Respond: the whole loop for one finding, as far as it can go now. It waits for nothing: what is open stays open,
and verify-open-incidents goes on from the ledger."""

from __future__ import annotations

from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Failed

from flows import parameters
from flows.contain import contain
from flows.process import engine
from flows.recover import recover
from flows.scope import scope
from flows.stage import completed, ended, stage, within
from flows.verify import verify
from patchgap.model.finding import IncidentId
from patchgap.stages.situation import state_of


@stage("respond", "respond to {incident}")
def respond(incident: parameters.Incident) -> State[Any]:
    """Scope, contain and verify one incident, and close it where the gate passes already.

    Otherwise it ends with what is awaited; the scheduled verification closes the incident later."""
    scoped = within(scope, incident)
    if scoped.is_failed():
        return Failed(message=f"scope: {ended(scoped)}")
    contained = within(contain, incident)
    verified = within(verify, incident)
    problem = f"contain: {ended(contained)}" if contained.is_failed() else ""
    if gate_passes(incident) and not problem:
        return within(recover, incident)
    said = f"{ended(contained)}; {ended(verified)}"
    return Failed(message=f"{problem}; {ended(verified)}") if problem else completed(said)


def gate_passes(incident: str) -> bool:
    """Whether the last verification passed."""
    verdict = state_of(engine(), IncidentId(incident)).verdict
    return verdict is not None and verdict.passed
