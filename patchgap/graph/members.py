"""A set's members as they are stored: component ids, four bytes each, little endian."""

from __future__ import annotations

from array import array
from collections.abc import Iterable


def pack(ids: Iterable[int]) -> bytes:
    """A set's members as they are stored: four bytes each, little endian."""
    packed = array("I", ids)
    if packed.itemsize != 4:  # noqa: PLR2004  (no machine that runs Python today)
        raise RuntimeError("an unsigned int has not four bytes here")
    return packed.tobytes()


def unpack(members: bytes) -> list[int]:
    """The component ids of a set as it is stored."""
    return array("I", bytes(members)).tolist()
