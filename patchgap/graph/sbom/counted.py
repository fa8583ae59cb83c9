"""How many values of a kind a document held: of two keys in one object msgspec keeps the last, and says nothing.

Counts as the values are built, which costs no look at the document's text.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import TypeVar

import msgspec

from patchgap.graph.documents import decode_json

_next = count().__next__
_T = TypeVar("_T")


class Counted(msgspec.Struct, gc=False, kw_only=True):
    """A value that is counted when it is built."""

    number: int = msgspec.field(default_factory=_next, name="(number)")  # a key that no format has


def decode_counted(content: bytes, where: str | Path, decoder: msgspec.json.Decoder[_T]) -> tuple[_T, int]:
    """The document, and how many counted values were built of it: more than it holds where one of its lists was dropped,
    or another thread built some meanwhile. Raises BadInputError."""
    before = _next()
    document = decode_json(content, where, decoder)
    return document, _next() - before - 1
