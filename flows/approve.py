"""Approve: a form in the Prefect UI for the plan that waits. The run is suspended while it waits and holds no slot.

Prefect knows nobody, so the form asks for a code of one use that says who answers. Prefect stores what a form gets in the
clear: the code is spent by being sent, whatever becomes of the answer, and what was stored of it is deleted.
"""

from __future__ import annotations

from typing import Any, Literal

import httpx
from prefect import get_client, get_run_logger
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.exceptions import PrefectException
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from prefect.states import Failed
from pydantic import Field, ValidationError

from flows import artifacts, parameters
from flows.contain import contain
from flows.process import engine
from flows.stage import completed, stage, within
from patchgap.errors import PatchgapError
from patchgap.incident.heading import title
from patchgap.incident.links import Asked
from patchgap.model.finding import IncidentId
from patchgap.stages.consent import Answer, requester
from patchgap.stages.situation import state_of

_FORM = 44  # letters that a line of code in Prefect's form shows; what is longer is cut off at its edge
_SHORT = len("sha256:") + 12

TRIES = 10  # answers that are refused, before only the command line and the links are left


class PlanAnswer(RunInput):
    """What a person says to the plan."""

    decision: Literal["approve", "decline"] = Field(description="Your answer to just this plan.")
    code: str = Field(
        description="A code of one use that patchgap issued to you. It is spent by being sent.",
        max_length=100,
        json_schema_extra={"format": "password"},
    )
    why: str = Field(default="", max_length=500, description="Where you decline: why, in a sentence.")


@stage("approve", "approve the plan of {incident}?")
def approve(incident: parameters.Incident) -> State[Any]:
    """Asks for a person's answer to the plan that waits, by the form under "Resume", and contains after a yes.

    Have a code ready: `patchgap approver issue NAME`. Nobody's answer in time is a no, and a person is called."""
    name, said = IncidentId(incident), ""
    for attempt in range(TRIES):
        asked = engine().consent.asked(name)
        if asked is None:
            return _answered(incident)
        said = _ask(asked, attempt, said)
    if engine().consent.asked(name) is None:
        return _answered(incident)
    return Failed(message=f"{TRIES} answers were refused, the last: {said} Answer by `patchgap incident approve`.")


def _answered(incident: str) -> State[Any]:
    """After a yes, by whichever way it came: contained. Else why nothing is waited for."""
    state = state_of(engine(), IncidentId(incident))
    if state.declined is not None:
        return completed(f"{state.declined.who} declined: {state.declined.why}; what waits in the plan does not run")
    if state.plan is not None and state.approved(state.plan.digest, engine().clock()):
        return within(contain, incident)
    return Failed(message="no plan waits for an answer: nobody said yes in time, or there is none")


def _ask(asked: Asked, attempt: int, said: str) -> str:
    """Suspends the run until the form is sent; run again after that, it takes what was sent. Returns why that was
    refused, "" where it was not."""
    left = max(1, round((asked.until - engine().clock()).total_seconds()))
    key = f"{asked.plan.removeprefix('sha256:')[:16]}-{asked.until:%Y%m%d%H%M%S}-{attempt}"
    form = PlanAnswer.with_initial_data(description=_question(asked, said))
    try:
        given = suspend_flow_run(wait_for_input=form, timeout=left, key=key)
    except ValidationError as error:
        if error.title != PlanAnswer.__name__:
            raise
        # It was taken and deleted before: this process is another than the one that took it.
        return said or "The last answer was refused."
    return _take(asked, given)


def _question(asked: Asked, said: str) -> str:
    state = state_of(engine(), asked.incident)
    held = state.plan
    actions = tuple(a for a in held.actions if a.needs_approval) if held else ()
    refused = (
        f"**Your answer was not taken: {artifacts.cell(said)}** The code that was sent is spent.\n\n" if said else ""
    )
    return (
        f"{refused}{artifacts.cell(title(state))}\n\n"
        f"{len(actions)} targets wait for a yes by {asked.until:%Y-%m-%d %H:%M} UTC; then the answer is no. "
        f"Reported by {artifacts.cell(requester(state))}, who may not approve. Plan `{asked.plan[:_SHORT]}…`.\n\n"
        f"{artifacts.diff(actions, _FORM)}\n"
    )


def _take(asked: Asked, given: PlanAnswer) -> str:
    answer = Answer(asked.incident, asked.plan, yes=given.decision == "approve", why=given.why)
    try:
        engine().consent.by_form(answer, given.code)
    except PatchgapError as error:
        get_run_logger().warning("the answer was not taken: %s", error)
        return str(error)
    finally:
        _forget(given)
    return ""


def _forget(given: PlanAnswer) -> None:
    """Deletes what Prefect stored of the answer. The code in it is spent by now, so that a failure costs nothing."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    try:
        with get_client(sync_client=True) as client:
            client.delete_flow_run_input(context.flow_run.id, given.metadata.key)
    except (httpx.HTTPError, PrefectException) as error:
        get_run_logger().warning("what Prefect stored of the answer was not deleted: %s", type(error).__name__)
