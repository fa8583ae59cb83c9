"""What every flow and task of patchgap has in common: names, tags, retries, and errors told as a state.

No result is stored and no cache is asked: evidence must be new each time, and the ledger is the memory.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar, cast
from uuid import UUID

from prefect import Flow, Task, flow, get_client, tags, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import FlowRunContext
from prefect.futures import PrefectFuture, wait
from prefect.states import Completed, Failed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from flows.aside import aside, made_before_the_end
from patchgap.errors import PatchgapError, UnreachableError

P = ParamSpec("P")
R = TypeVar("R")
AT_ONCE = 8  # targets of one step in flight; the database has one writer at a time


def stage(name: str, run_name: str | Callable[[], str]) -> Callable[[Callable[P, State[Any]]], Flow[P, State[Any]]]:
    """A flow. Its runs are tagged with their incident, and a PatchgapError ends them as Failed with its own words."""

    def made(work: Callable[P, State[Any]]) -> Flow[P, State[Any]]:
        signature = inspect.signature(work, eval_str=True)  # resolved where the flow is written, not here

        @wraps(work)
        def told(*given: P.args, **named: P.kwargs) -> State[Any]:
            incident = signature.bind(*given, **named).arguments.get("incident")
            try:
                with made_before_the_end(), tagged(incident):
                    return work(*given, **named)
            except PatchgapError as error:
                return Failed(message=str(error))

        told.__signature__ = signature  # type: ignore[attr-defined]  # what inspect and Prefect's form read
        return flow(
            name=name,
            flow_run_name=run_name,
            description=inspect.getdoc(work),
            task_runner=_at_once(),
            persist_result=False,
            result_serializer="json",
        )(told)

    return made


def _at_once() -> TaskRunner[Any]:
    return ThreadPoolTaskRunner(max_workers=AT_ONCE)


def unit(run_name: str, retries: int = 2) -> Callable[[Callable[P, R]], Task[P, R]]:
    """A task, tried again where a control plane did not answer or something unforeseen broke; never where a safety
    rule refused. Every unit may be run twice: it reads the ledger, observes, and does what is left."""

    def made(work: Callable[P, R]) -> Task[P, R]:
        return task(
            name=work.__name__.removeprefix("_").replace("_", " "),
            task_run_name=run_name,
            cache_policy=NO_CACHE,
            persist_result=False,
            result_serializer="json",
            retries=retries,
            retry_delay_seconds=[1.0, 5.0][:retries],
            retry_condition_fn=_may_pass,
        )(work)

    return made


def _may_pass(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    error = state.data if isinstance(state.data, BaseException) else None
    return isinstance(error, UnreachableError) or not isinstance(error, PatchgapError)


@contextmanager
def tagged(incident: str | None) -> Iterator[None]:
    """The run, its tasks and its subflows carry the incident's id as a tag, also when a form started it."""
    if incident is None:
        yield
        return
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    if run is not None and incident not in run.tags:
        run.tags = [*run.tags, incident]
        aside(partial(_tag, run.id, run.tags))
    with tags(incident):
        yield


def _tag(run: UUID, labels: list[str]) -> None:
    with get_client(sync_client=True) as client:
        client.update_flow_run(run, tags=labels)


def settle(futures: Iterable[PrefectFuture[Any]]) -> tuple[str, ...]:
    """Waits for all of them; the message of each that failed, in order. One that fails holds up no other."""
    waited = list(futures)
    wait(waited)
    return tuple(ended(f.state) for f in waited if not f.state.is_completed())


def within(subflow: Flow[..., Any], incident: str) -> State[Any]:
    """The subflow's last state; a failed one is told, not raised."""
    run: Any = subflow
    return cast("State[Any]", run(incident=incident, return_state=True))


def ended(state: State[Any]) -> str:
    """A subflow's last words."""
    return state.message or state.name or "ended"


def completed(message: str) -> State[Any]:
    """The run did what it was for; the message says what came of it."""
    return Completed(message=message)
