"""The engine of this process, opened once from its settings, and the only clock of the flows."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import lru_cache

from patchgap import settings
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
    return Engine.open(Settings.model_validate_json(given) if given else settings.load(os.environ), utc_now)


def hand_over(resolved: Settings) -> dict[str, str]:
    """The variable that gives another process just these settings, flags included. Secrets are references in them."""
    return {HANDED_OVER: resolved.model_dump_json()}
