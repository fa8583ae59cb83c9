"""Requests to Prefect that an incident must not wait for: artifacts and tags, made beside the flow's own work.

They are for people to look at; the ledger holds what they show. One that fails is a warning in the run's log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import lru_cache

import httpx
from prefect import get_run_logger
from prefect.exceptions import PrefectException

_MADE: ContextVar[list[Future[object]]] = ContextVar("made aside")


@lru_cache(maxsize=1)
def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="aside")  # one: they are made in order


def aside(request: Callable[[], object]) -> None:
    """Makes the request in its own time, in this run's context; at once where no flow waits for it."""
    made = _MADE.get(None)
    if made is None:
        request()
        return
    context = copy_context()
    made.append(_thread().submit(context.run, request))


@contextmanager
def made_before_the_end() -> Iterator[None]:
    """Whatever was made aside within is done when this ends."""
    token = _MADE.set([])
    try:
        yield
    finally:
        for one in _MADE.get():
            _await(one)
        _MADE.reset(token)


def _await(one: Future[object]) -> None:
    try:
        one.result()
    except (httpx.HTTPError, PrefectException, RuntimeError) as error:
        get_run_logger().warning("not shown in Prefect: %s", error)
