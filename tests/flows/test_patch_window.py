"""queue_for_patch_window on a real Prefect server: one run a window, found after a crash, cancelled by a release."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.states import Cancelled, Running, Scheduled

from flows.runtime.scheduler import PrefectScheduler
from flows.runtime.starter import PrefectStarter
from integrations.patching.actions.queue_for_patch_window import QueueForPatchWindow, WindowParameters
from integrations.patching.connection import Patching
from integrations.patching.windows import Calendar
from patchgap.errors import ConflictError
from patchgap.model.finding import IncidentId
from patchgap.model.plan import ActionId, Control, Intent, PlannedAction, Target
from patchgap.ports import Connections, Situation
from patchgap.settings import Settings
from tests.flows.running import Up

VERB = QueueForPatchWindow()
WEEKLY = WindowParameters()


def queued(up: Up, number: str) -> tuple[Situation, Intent]:
    """An incident of that number, and its intent to queue."""
    scheduler = PrefectScheduler(PrefectStarter(up.address))
    given = Patching(Calendar, lambda: scheduler)
    now = datetime.now(UTC) + timedelta(days=30)  # nothing that is queued here begins while the tests run
    held = cast(
        "Situation",
        SimpleNamespace(
            incident=IncidentId(f"inc-20261124-{number}"),
            workloads=(),
            connections=Connections(Settings(home=Path("/nonexistent"), database_url="sqlite://"), [given]),
            clock=lambda: now,
            may_write=lambda: None,
        ),
    )
    (target,) = VERB.targets(WEEKLY, held)
    assert isinstance(target, Target)
    parameters = WEEKLY.model_dump()
    planned = PlannedAction(ActionId(f"act-{number}"), 0, 3, VERB.verb, VERB.platform, VERB.effect, target, parameters)
    return held, Intent(planned, VERB.find(planned, held))


def test_a_window_is_queued_once_and_a_release_cancels_it(up: Up, client: SyncPrefectClient) -> None:
    """Before it nothing is observed; applied twice it is one run, at the window's time, with the incident alone as its
    parameter; released twice it is cancelled once, and can be queued again."""
    held, intent = queued(up, "aaaa")
    assert VERB.observe(intent, held) is None
    first, second = VERB.apply(intent, held), VERB.apply(intent, held)
    assert first == second == VERB.observe(intent, held)
    run = client.read_flow_run(UUID(first.result["run"]))
    assert run.parameters == {"incident": held.incident}
    assert run.next_scheduled_start_time == datetime.fromisoformat(intent.found["begins"])
    control = Control(intent, first, held.clock())
    assert VERB.release(control, held).detail == ("1 queued run(s) cancelled",)
    assert VERB.release(control, held).detail == ("no run was waiting any more",)
    assert client.read_flow_run(run.id).state_type is StateType.CANCELLED
    assert VERB.observe(intent, held) is None
    VERB.find(intent.action, held)  # its own cancelling is no one else's
    assert VERB.apply(intent, held).result["run"] != first.result["run"]


def test_what_someone_else_did_in_prefect_is_a_conflict(up: Up, client: SyncPrefectClient) -> None:
    """A run that a person moved is not cancelled, and one that a person cancelled is not queued again."""
    held, intent = queued(up, "bbbb")
    receipt = VERB.apply(intent, held)
    run = UUID(receipt.result["run"])
    client.set_flow_run_state(run, Scheduled(scheduled_time=held.clock() + timedelta(days=20)), force=True)
    with pytest.raises(ConflictError, match="was moved from"):
        VERB.release(Control(intent, receipt, held.clock()), held)
    held, intent = queued(up, "cccc")
    client.set_flow_run_state(UUID(VERB.apply(intent, held).result["run"]), Cancelled(message="not this week"))
    with pytest.raises(ConflictError, match="cancelled in Prefect by someone else"):
        VERB.find(intent.action, held)


def test_when_its_run_begins_the_window_after_is_queued(up: Up, client: SyncPrefectClient) -> None:
    """The incident is open still: containing again finds no run that waits."""
    held, intent = queued(up, "dddd")
    first = VERB.apply(intent, held)
    client.set_flow_run_state(UUID(first.result["run"]), Running(), force=True)
    assert VERB.observe(intent, held) is None
    begun = datetime.fromisoformat(first.result["at"])
    later = cast("Any", SimpleNamespace(**{**vars(held), "clock": lambda: begun + timedelta(minutes=1)}))
    second = VERB.apply(replace(intent), later)
    assert datetime.fromisoformat(second.result["at"]) - begun == timedelta(days=7)
    VERB.release(Control(intent, second, begun), later)
    client.set_flow_run_state(UUID(first.result["run"]), Cancelled(), force=True)
