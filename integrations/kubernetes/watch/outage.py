"""What a person is told while a cluster cannot be followed: that it is lost, now and then for how long, and its return.

Owns words alone. How soon it is tried again, and what the graph is told at each attempt, the follower says.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from patchgap.cli.output import many
from patchgap.ports import Clock

SELDOM = timedelta(minutes=5)  # between two words about the same failure
_UNITS = (("hour", 3600), ("minute", 60))


class Outage:
    """Of one cluster, whose `name` begins every line."""

    def __init__(self, name: str, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._since: datetime | None = None
        self._told: dict[str, datetime] = {}  # when each failure of this outage was last told

    def failed(self, problem: str, meanwhile: str = "") -> str:
        """What is to be told of an attempt that failed; "" for nothing, which most attempts are worth."""
        now = self._clock()
        words = self._without_name(problem)
        told = self._told.get(words)
        if told is not None and now - told < SELDOM:
            return ""
        self._told[words] = now
        since, self._since = self._since, self._since or now
        return f"{self._name}: {words}{f'; for {_long(now - since)} by now' if since and told else meanwhile}"

    def over(self) -> str:
        """What is to be told now that it is followed; "" where it was not lost."""
        since, self._since, self._told = self._since, None, {}
        return f"{self._name}: followed again, after {_long(self._clock() - since)}" if since else ""

    def _without_name(self, problem: str) -> str:
        for named in (f"cluster {self._name}: ", f"cluster {self._name} ", f"{self._name}: "):
            problem = problem.removeprefix(named)
        return problem


def _long(lasted: timedelta) -> str:
    """In the largest unit of which there are two at least."""
    seconds = max(0, int(lasted.total_seconds()))
    unit, size = next((one for one in _UNITS if seconds >= 2 * one[1]), ("second", 1))
    return many(seconds // size, unit)
