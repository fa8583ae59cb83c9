"""Keeps the forms in the Prefect UI in step with the ledger: one suspended run of `approve` while a plan waits, none else.

For people to answer in; the command line and the links do without it. A form that cannot be had is a line in the log.
"""

from __future__ import annotations

import os
from functools import partial

from prefect import get_client, get_run_logger
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import State, StateType
from prefect.states import Cancelled

from flows.aside import aside
from flows.process import engine
from flows.runtime.starter import for_process
from patchgap.errors import PatchgapError
from patchgap.incident.links import Asked
from patchgap.model.finding import IncidentId

FLOW = "approve"


def keep_asking(incident: str) -> None:
    """Asks by a form for the plan that waits, and ends the forms of what was answered elsewhere or planned again. Only
    in a deployment's run: where nothing serves deployments, nobody could send a form."""
    if "PREFECT__FLOW_RUN_ID" not in os.environ:  # set for the process of a deployment's run
        return
    asked = engine().consent.asked(IncidentId(incident))
    aside(partial(_in_step, incident, asked))


def _in_step(incident: str, asked: Asked | None) -> None:
    key = _key(asked) if asked else ""
    if asked is not None:
        try:
            for_process().start(FLOW, {"incident": incident}, key, (incident,))
        except PatchgapError as error:
            get_run_logger().warning("no form asks for the plan's approval: %s", error)
    with get_client(sync_client=True) as client:
        _end_others(client, incident, key)


def _key(asked: Asked) -> str:
    """One form a plan and wait: made again, it asks again."""
    return f"{FLOW}:{asked.incident}:{asked.plan}:{asked.until.isoformat()}"


def _end_others(client: SyncPrefectClient, incident: str, key: str) -> None:
    waiting = client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=[FLOW])),
        flow_run_filter=FlowRunFilter(
            tags=FlowRunFilterTags(all_=[incident]),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED])),
        ),
    )
    for run in waiting:
        if run.idempotency_key != key:
            done: State[None] = Cancelled(message="the plan was answered elsewhere, or planned again")
            client.set_flow_run_state(run.id, done, force=True)
