"""Debian's and Ubuntu's order, from deb-version(7): `epoch:upstream-revision`, where `~` is before the very end.

univers 32 takes no part: its versions with revisions `0` and `00` are neither before, after nor the same.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

_VERSION = re.compile(r"(?:(\d+):)?([A-Za-z0-9.+~:-]+)", re.ASCII)
_PARTS = re.compile(r"([^0-9]*)([0-9]*)")
_END = (0,)


def key(text: str) -> Any:
    """Raises ValueError where the text is no Debian version. No epoch is epoch 0, and no revision is revision 0."""
    match = _VERSION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no Debian version")
    epoch, rest = match.groups(default="")
    upstream, mark, revision = rest.rpartition("-")  # the last hyphen: an upstream version may hold others
    if not mark:
        upstream, revision = rest, ""
    if not upstream or (mark and (not revision or ":" in revision)):
        raise ValueError(f"{text!r} has no Debian version or revision at its hyphen")
    if not epoch and ":" in upstream:  # a colon stands in an upstream version only after an epoch
        raise ValueError(f"{text!r} has an epoch that is no number")
    return (int(epoch or 0), _part(upstream), _part(revision))


def _part(text: str) -> tuple[Any, ...]:
    """Words and numbers in turn, a number that is missing being 0; the end stands where a word could follow."""
    found = _PARTS.findall(text)
    if len(found) > 1:
        found.pop()  # the empty match at the end
    flat: list[Any] = []
    for word, number in found:
        flat += (_word(word), int(number or 0))
    return (*flat, _END)


@lru_cache(maxsize=4096)
def _word(text: str) -> tuple[int, ...]:
    return (*map(_weight, text), 0)


def _weight(char: str) -> int:
    """`~`, then the end (0), then letters, then everything else."""
    if char == "~":
        return -1
    return ord(char) if char.isalpha() else ord(char) + 256
