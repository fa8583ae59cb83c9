"""Faults on demand: answers that fail, hang, come too slowly, break off, or never come.

Owns which of the next calls is spoilt and how; knows nothing of the API.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from integrations.rehearsal.status import ApiError

Fault = Literal["error", "throttle", "close", "hang", "reset", "drip", "truncate"]
BY_NAME: Mapping[str, Fault] = {  # as people write them
    "429": "throttle",
    "500": "error",
    "timeout": "hang",
    "reset": "reset",
    "drip": "drip",
    "truncated": "truncate",
}
DONE_FIRST = frozenset({"reset", "drip", "truncate"})  # the server does what was asked; its answer is spoilt


@dataclass
class Planned:
    """One fault that is planned; `fired` counts the calls that it has spoilt."""

    fault: Fault
    method: str
    path: re.Pattern[str]
    agent: str
    skip: int
    left: int
    fired: int = 0

    def takes(self, method: str, path: str, agent: str, *, writes: bool) -> bool:
        """Whether this call is one of those meant; "WRITE" is any that may change something."""
        meant = self.method in ("", method) or (self.method == "WRITE" and writes)
        return bool(self.left) and meant and self.agent in agent and self.path.search(path) is not None


class Faults:
    """The faults that are planned."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned: list[Planned] = []

    def plan(
        self, fault: Fault, *, method: str = "", path: str = "", agent: str = "", skip: int = 0, times: int = 1
    ) -> Planned:
        """Spoil `times` calls after the first `skip` whose method is this (any where empty, "WRITE" any that may
        change something), whose path matches the pattern and whose User-Agent holds `agent`."""
        with self._lock:
            self._planned.append(Planned(fault, method.upper(), re.compile(path), agent, skip, times))
            return self._planned[-1]

    def clear(self) -> None:
        """Forget every planned fault."""
        with self._lock:
            self._planned.clear()

    @property
    def left(self) -> int:
        """How many calls are still to be spoilt."""
        with self._lock:
            return sum(planned.left for planned in self._planned)

    def next_for(self, method: str, path: str, agent: str = "", *, writes: bool = False) -> Fault | None:
        """The fault for a call, which is counted, or None."""
        with self._lock:
            for planned in self._planned:
                if not planned.takes(method, path, agent, writes=writes):
                    continue
                if planned.skip:
                    planned.skip -= 1
                    continue
                planned.left -= 1
                planned.fired += 1
                return planned.fault
        return None


def refusal(fault: Fault) -> ApiError:
    """The answer of a fault that answers."""
    if fault == "throttle":
        message = "the server has received too many requests and has asked us to try again later"
        return ApiError(429, "TooManyRequests", message, {"retryAfterSeconds": 1}, {"Retry-After": "1"})
    return ApiError(500, "InternalError", "Internal error occurred: a planned fault of the rehearsal cluster", {})
