"""On whose behalf a control plane is called: the incident and the verb, as the User-Agent that its audit log keeps.

Owns the words alone; whoever conducts an action says them, whoever sends a request asks for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_DOING: ContextVar[str] = ContextVar("doing", default="patchgap")


@contextmanager
def doing(incident: str, verb: str) -> Iterator[None]:
    """What this thread asks of a control plane meanwhile is asked for that verb of that incident."""
    token = _DOING.set(f"patchgap ({incident}; {verb})")
    try:
        yield
    finally:
        _DOING.reset(token)


def agent() -> str:
    """The User-Agent: `patchgap (inc-20261124-7k3f; isolate_workloads)`, or `patchgap` outside of any action."""
    return _DOING.get()
