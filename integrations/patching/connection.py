"""What the patch window needs of a run: the calendar, and the way to schedule, find and cancel a flow's run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from integrations.patching.windows import Calendar, load
from patchgap.errors import UnreachableError
from patchgap.ports import RunScheduler
from patchgap.settings import Settings


def _nobody() -> RunScheduler:
    raise UnreachableError("no Prefect API is configured", "Set PREFECT_API_URL, or use `patchgap up`.")


@dataclass(frozen=True)
class Patching:
    """The calendar as it is now, and the scheduler, made when it is first needed."""

    calendar: Callable[[], Calendar]
    scheduler: Callable[[], RunScheduler] = _nobody

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """Without a scheduler: flows/ gives a connection that has one."""
        return cls(lambda: load(settings.patch.windows))
