"""The engine of this process, opened once from its settings, and the only clock of the flows."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import lru_cache

from integrations.patching.connection import Patching
from integrations.patching.windows import load
from patchgap import settings
from patchgap.ports import RunScheduler
from patchgap.settings import Settings
from patchgap.stages.engine import Engine

HANDED_OVER = "PATCHGAP_SETTINGS"


def utc_now() -> datetime:
    """The clock that everything below flows/ is handed."""
    return datetime.now(UTC)


@lru_cache(maxsize=1)
def engine() -> Engine:
    """Settings come from the process alone: no parameter of a flow can point it at another database or cluster."""
    given = os.environ.get(HANDED_OVER)
    resolved = Settings.model_validate_json(given) if given else settings.load(os.environ)
    patching = Patching(lambda: load(resolved.patch.windows), _scheduler)
    return Engine.open(resolved, utc_now, given=(patching,))


def _scheduler() -> RunScheduler:
    from flows.runtime.scheduler import for_this_process  # imported late: most commands schedule nothing

    return for_this_process()


def hand_over(resolved: Settings) -> dict[str, str]:
    """The variable that gives another process just these settings, flags included. Secrets are references in them."""
    return {HANDED_OVER: resolved.model_dump_json()}
