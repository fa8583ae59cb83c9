"""The patch window: who holds the ticket is reminded, and the incident is taken up again."""

from __future__ import annotations

from typing import Any

from prefect import get_run_logger
from prefect.client.schemas.objects import State

from flows import parameters
from flows.process import engine
from flows.respond import respond
from flows.stage import completed, stage, unit, within
from integrations.ticketing.messenger import SinkMessenger
from patchgap.incident.state import ENDED
from patchgap.model.finding import IncidentId
from patchgap.stages import telling
from patchgap.stages.situation import state_of


@unit("remind people of {incident}")
def _remind(incident: str) -> tuple[str, ...]:
    failed = telling.remind(engine(), IncidentId(incident), SinkMessenger())
    return tuple(f"{one.sink}: {one.problem}" for one in failed)


@stage("patch-window", "patch window of {incident}")
def patch_window(incident: parameters.Incident) -> State[Any]:
    """Reminds whoever holds the incident's ticket that the window is open, then scopes, contains and verifies again.

    Freezes and blocks let through what was named as the mend since. While the incident stays open, containing again
    queues the run for the window after; where the gate passes, recovery cancels it. Nothing is patched by itself."""
    if state_of(engine(), IncidentId(incident)).status in ENDED:
        return completed("the incident is over; nothing is left to do in this window")
    for unheard in _remind(incident):
        get_run_logger().warning("not reminded: %s", unheard)
    return within(respond, incident)
