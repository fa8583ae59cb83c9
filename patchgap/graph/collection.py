"""The garbage collector, kept from walking what is no garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collection_at_rest() -> Iterator[None]:
    """Where many packages are made it walks all of them again and again, and finds nothing: up to half of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
