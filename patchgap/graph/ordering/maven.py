"""Maven's order, from "Version Order Specification" (maven.apache.org/pom.html) as ComparableVersion 3.9 has it.

`release`, `ga` and `final` are the release itself (univers 32 misses the first), and a qualifier after a dot is what it
is after a hyphen.
"""

from __future__ import annotations

import re
from typing import Any

_LEGAL = re.compile(r"[^\s\[\](){}$,<>=]*[0-9][^\s\[\](){}$,<>=]*")
_TOKEN = re.compile(r"([.-]?)([0-9]+|[^0-9.-]+|(?=[.-]|$))")
_QUALIFIERS = {
    "alpha": 0, "beta": 1, "milestone": 2, "rc": 3, "cr": 3, "snapshot": 4, "": 5, "final": 5, "ga": 5, "release": 5,
    "sp": 6,
}  # fmt: skip
_SHORT = {"a": "alpha", "b": "beta", "m": "milestone"}  # where a number follows at once
_RELEASE, _OTHER = 5, 7
_END = (0, _RELEASE, "")
_NULL = frozenset({_END, (1, 0), (2, 0)})


def key(text: str) -> Any:
    """Raises ValueError for what no one would release: no digit in it, a range, a property that was not filled in."""
    if not _LEGAL.fullmatch(text):
        raise ValueError(f"{text!r} is no version of Maven")
    return (*_trimmed(_tokens(text.lower())), _END)


def _tokens(text: str) -> list[tuple[Any, ...]]:
    """Each token with its prefix: a qualifier (0, rank, word), a number after a hyphen or where letters end (1, n), a
    number after a dot (2, n). `.qualifier` = `-qualifier` < `-number` < `.number`."""
    found = [(mark, word) for mark, word in _TOKEN.findall(text) if mark or word]
    tokens: list[tuple[Any, ...]] = []
    for n, (mark, word) in enumerate(found):
        if not word or word.isdigit():
            tokens.append((2 if mark == "." or not n else 1, int(word or 0)))
            continue
        number_follows = n + 1 < len(found) and not found[n + 1][0] and found[n + 1][1].isdigit()
        name = _SHORT.get(word, word) if number_follows else word
        rank = _QUALIFIERS.get(name, _OTHER)
        tokens.append((0, rank, name if rank == _OTHER else ""))
    return tokens


def _trimmed(tokens: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Without what says nothing, at the end and before each hyphen: `1.0.0-foo.0.0` is `1-foo`."""
    kept: list[tuple[Any, ...]] = []
    for token in tokens:
        if token[0] != 2:  # noqa: PLR2004  (all but a number after a dot stand after a hyphen)
            _drop_null(kept)
        kept.append(token)
    _drop_null(kept)
    return kept


def _drop_null(tokens: list[tuple[Any, ...]]) -> None:
    while len(tokens) > 1 and tokens[-1] in _NULL:
        tokens.pop()
