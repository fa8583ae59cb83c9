"""Prefect's heartbeats, off: joining their thread costs a second a flow, and the ledger, not a heartbeat, says what a
killed run left undone. No variable can say "none" for them, so that it is said in each process that runs flows."""

from __future__ import annotations

from contextlib import AbstractContextManager

from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings


def without_heartbeats() -> AbstractContextManager[object]:
    """Flows of this context send none."""
    return temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None})
