"""Flows that a test needs and patchgap does not: one that lasts, and one that dies without a word."""

from __future__ import annotations

import os
import time

from prefect import flow


@flow
def nap(seconds: float = 0) -> None:
    """Lasts."""
    time.sleep(seconds)


@flow
def die() -> None:
    """Ends its process as a crash would."""
    os._exit(9)
