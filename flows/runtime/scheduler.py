"""Runs of a later time on a Prefect server: scheduled once a key, found by their tags, cancelled by their id."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName, FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.states import Cancelled, Scheduled

from flows.runtime.starter import PrefectStarter, for_process
from patchgap.errors import NotFoundError, UnreachableError
from patchgap.ports import ScheduledRun

_OURS = "released by patchgap"
_WAITING = {StateType.SCHEDULED, StateType.PENDING}


class PrefectScheduler:
    """`patchgap.ports.RunScheduler` on the server of a starter."""

    def __init__(self, starter: PrefectStarter) -> None:
        self._starter = starter

    def schedule(self, flow: str, parameters: Mapping[str, object], key: str, at: datetime, tags: Sequence[str]) -> str:
        """The run's id; the same key is the same run. Raises UnreachableError or NotFoundError."""
        with self._asking(f"{flow} could not be scheduled") as client:
            deployment = client.read_deployment_by_name(f"{flow}/{flow}")
            run = client.create_flow_run_from_deployment(
                deployment.id,
                parameters=dict(parameters),
                idempotency_key=key,
                tags=[*deployment.tags, *tags],
                state=Scheduled(scheduled_time=at),
            )
            return str(run.id)

    def find(self, flow: str, tags: Sequence[str]) -> tuple[ScheduledRun, ...]:
        """The runs with all these tags, the newest first. Raises UnreachableError."""
        with self._asking(f"the runs of {flow} could not be read") as client:
            runs = client.read_flow_runs(
                flow_run_filter=FlowRunFilter(tags=FlowRunFilterTags(all_=list(tags))),
                deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[flow])),
            )
        return tuple(_seen(run) for run in sorted(runs, key=_time, reverse=True))

    def cancel(self, run: str) -> None:
        """Cancels what has not begun. Raises UnreachableError."""
        with self._asking(f"the run {run} could not be cancelled") as client:
            client.set_flow_run_state(UUID(run), Cancelled(message=_OURS))

    @contextmanager
    def _asking(self, problem: str) -> Iterator[SyncPrefectClient]:
        try:
            with self._starter.client() as client:
                yield client
        except ObjectNotFound as error:
            raise NotFoundError(
                f"{problem}: it is not declared there",
                "Declare it: `patchgap up`, or `prefect --no-prompt deploy --all`.",
            ) from error
        except (httpx.HTTPError, PrefectException, RuntimeError, OSError) as error:
            raise UnreachableError(
                f"{problem}: {type(error).__name__}", "See that the Prefect server runs, then try again."
            ) from error


def for_this_process() -> PrefectScheduler:
    """On the server that this process is configured for. Raises UnreachableError where it is for none."""
    return PrefectScheduler(for_process(os.environ))


def _time(run: FlowRun) -> datetime:
    at = run.next_scheduled_start_time or run.expected_start_time
    if at is None:
        raise UnreachableError(f"the run {run.id} has no time", "See it in the Prefect UI.")
    return at


def _seen(run: FlowRun) -> ScheduledRun:
    state = run.state
    cancelled = run.state_type in {StateType.CANCELLED, StateType.CANCELLING}
    ours = cancelled and state is not None and state.message == _OURS
    return ScheduledRun(str(run.id), _time(run), waiting=run.state_type in _WAITING, cancelled=cancelled, ours=ours)
