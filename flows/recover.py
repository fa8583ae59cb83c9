"""Recover: what the gate allows is released in the playbook's order, proved again, and the incident closed."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from prefect import get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Failed

from flows import artifacts, parameters
from flows.contain import describe
from flows.process import engine
from flows.refresh_inventory import refresh_all
from flows.stage import completed, settle, stage, unit, within
from flows.verify import verify
from patchgap.errors import RefusedError
from patchgap.model.finding import IncidentId
from patchgap.model.plan import ActionId, Control, Outcome
from patchgap.stages import recover as stages
from patchgap.stages.recover import Papers


@unit("ask the gate what of {incident} may be released", retries=0)
def _may_release(incident: str) -> tuple[Control, ...] | RefusedError:
    try:
        return stages.releases(engine(), IncidentId(incident))
    except RefusedError as refused:
        get_run_logger().info("%s", refused)
        return refused


@unit("release {what}")
def _release(incident: str, action: str, what: str) -> State[Any]:
    receipt = stages.release(engine(), IncidentId(incident), ActionId(action))
    said = "; ".join(receipt.detail) or receipt.outcome
    get_run_logger().info("release %s: %s", what, said)
    if receipt.outcome is Outcome.DONE:
        return completed(said)
    engine().stop.may_write()  # what the kill switch refused on the way is not tried again
    return Failed(message=f"{what} stays: {said}")


@unit("close {incident} on its evidence")
def _close(incident: str) -> Papers:
    return stages.close(engine(), IncidentId(incident))


@stage("recover", "recover {incident}")
def recover(incident: parameters.Incident) -> State[Any]:
    """Releases what was contained, proves the result again and closes the incident with its report and evidence.

    Where a proof is missing it is refused, with every reason, and the incident stays open."""
    allowed = _may_release(incident)
    if isinstance(allowed, RefusedError):  # no fresh pass: look now, before saying no
        within(verify, incident)
        allowed = _may_release(incident)
    if not isinstance(allowed, RefusedError):
        if allowed:
            engine().stop.may_write()  # refused once, and not for each release
        with engine().acting(IncidentId(incident)):
            for _verb, controls in groupby(allowed, key=lambda c: c.intent.action.verb):
                settle([_release.submit(incident, c.intent.action.id, describe(c.intent.action)) for c in controls])
        if allowed:
            within(verify, incident)
    closed = _close(incident)
    artifacts.closing(incident, closed)
    for problem in refresh_all():  # what the gate saw live is what `patchgap exposure` answers from now on
        get_run_logger().warning("%s", problem)
    return completed(f"closed; the report is {closed.report}")
