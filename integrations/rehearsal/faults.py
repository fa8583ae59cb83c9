"""Faults on demand: answers that fail, hang, or never come.

Owns which of the next calls is spoilt and how; knows nothing of the API.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import Literal

from integrations.rehearsal.status import ApiError

Fault = Literal["error", "throttle", "close", "hang"]


@dataclass
class _Planned:
    fault: Fault
    method: str
    path: re.Pattern[str]
    left: int


class Faults:
    """The faults that are planned."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned: list[_Planned] = []

    def plan(self, fault: Fault, *, method: str = "", path: str = "", times: int = 1) -> None:
        """Spoil the next `times` calls whose method is this (any where empty) and whose path matches the pattern."""
        with self._lock:
            self._planned.append(_Planned(fault, method.upper(), re.compile(path), times))

    def clear(self) -> None:
        """Forget every planned fault."""
        with self._lock:
            self._planned.clear()

    def next_for(self, method: str, path: str) -> Fault | None:
        """The fault for a call, which is counted, or None."""
        with self._lock:
            for planned in self._planned:
                if planned.left and planned.method in ("", method) and planned.path.search(path):
                    planned.left -= 1
                    return planned.fault
        return None


def refusal(fault: Fault) -> ApiError:
    """The answer of a fault that answers."""
    if fault == "throttle":
        message = "the server has received too many requests and has asked us to try again later"
        return ApiError(429, "TooManyRequests", message, {"retryAfterSeconds": 1}, {"Retry-After": "1"})
    return ApiError(500, "InternalError", "Internal error occurred: a planned fault of the rehearsal cluster", {})
