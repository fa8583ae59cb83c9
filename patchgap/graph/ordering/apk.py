"""Alpine's order (and Wolfi's and Chainguard's), from apk-package(5) and apk-tools 3: digits, a letter, suffixes, revision.

A number may follow a letter (`1.9.5p2`, as Alpine's sudo was called when Baron Samedit was mended): apk-tools 2 takes it, and
apk-tools 3 orders it alike, though abuild no longer lets it be released.
univers 32 refuses `1.2.4_git20230717-r4` (musl's own), a commit's hash (`1.2~0a1b2c-r0`) and a first number with zeros (`013`).
A hash orders nothing and does not count. What starts as a version and goes on as none (`23_foo`, `1.0bc`) is ordered as far as it is
one, as apk itself does; a comparison that its rest would decide raises ValueError.
"""

from __future__ import annotations

import re
from typing import Any

_SUFFIXES = ("alpha", "beta", "pre", "rc", "", "cvs", "svn", "git", "hg", "p")
_NONE = _SUFFIXES.index("")
_VERSION = re.compile(
    r"(\d+)((?:\.\d+|[a-z]\d+)*)([a-z]?)((?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)(?:\d+|(?![a-z])))*)(?:~[0-9a-f]+)?(?:-r(\d+))?",
    re.ASCII,
)
_PART = re.compile(r"([.a-z])(\d+)", re.ASCII)
_SUFFIX = re.compile(r"_([a-z]+)(\d*)", re.ASCII)
# What stands at a place, from the least: a pre-release's suffix is before the end, and all others are after it.
_PRE, _END, _REVISION, _NUMBER_OF_SUFFIX, _POST, _LETTER, _DIGITS = range(7)


class _Rest:
    """What follows a version and is no part of one: it stands nowhere."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def _nowhere(self, _: object = None) -> Any:
        raise ValueError(f"{self._text!r} is no version of apk")

    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __hash__ = _nowhere


def key(text: str) -> Any:
    """Raises ValueError where the text is no version of apk, and where two keys are compared of which one is none in what
    would decide. No revision is before revision 0."""
    match = _VERSION.match(text)
    if match is None:
        raise ValueError(f"{text!r} is no version of apk")
    first, others, letter, suffixes, revision = match.groups()
    tokens: list[tuple[Any, ...]] = [(_DIGITS, 1, int(first))]
    for mark, number in _PART.findall(others):
        tokens += [(_DIGITS, *_digits(number))] if mark == "." else [(_LETTER, mark), (_DIGITS, 1, int(number))]
    if letter:
        tokens.append((_LETTER, letter))
    for name, number in _SUFFIX.findall(suffixes):
        rank = _SUFFIXES.index(name)
        tokens.append((_PRE if rank < _NONE else _POST, rank))
        if number:
            tokens.append((_NUMBER_OF_SUFFIX, int(number)))
    if revision is not None:
        tokens.append((_REVISION, int(revision)))
    return (*tokens, (_END,) if match.end() == len(text) else _Rest(text))


def _digits(text: str) -> tuple[int, Any]:
    """After the first dot digits with a leading zero are read as a fraction's: `1.05` is before `1.1`."""
    return (0, text) if text.startswith("0") else (1, int(text))
