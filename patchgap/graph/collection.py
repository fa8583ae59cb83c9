"""The garbage collector, kept from walking what is no garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collection_at_rest() -> Iterator[None]:
    """Where many packages or exposures are made it walks all that is held again and again and finds nothing, since none of
    it is in a cycle: half of a folder's ingest, nine tenths of a large answer."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
