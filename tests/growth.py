"""How a work's processor time grows with its input: no limit of seconds, which is the machine's and its load's."""

from __future__ import annotations

import gc
from collections.abc import Callable
from time import process_time

FOURFOLD = 10  # times as long, at most, for four times the input: between 4, a straight line, and 16, a square
NOISE = 0.05  # seconds that say nothing
TRIES = 5  # a square is never below the bound, and a busy machine not always above it


def grows_straight(work: Callable[[int], object], size: int) -> bool:
    """Whether work of `size` takes at most FOURFOLD times as long as of a quarter of it."""
    return any(_seconds(work, size) < FOURFOLD * _seconds(work, size // 4) + NOISE for _ in range(TRIES))


def _seconds(work: Callable[[int], object], size: int) -> float:
    """Of the processor, without the collector's rounds, which look through all that the tests before left."""
    gc.disable()
    try:
        began = process_time()
        work(size)
        return process_time() - began
    finally:
        gc.enable()
