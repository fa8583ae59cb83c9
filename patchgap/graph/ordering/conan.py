"""ConanCenter's order, from Conan 2 (docs.conan.io, "Versioning"): SemVer with any number of parts, which may end in a letter
(`1.1.1k`). Parts that start with a letter (`cci.20200203`) name no place in an order."""

from __future__ import annotations

import re
from typing import Any

_VERSION = re.compile(r"(\d+[a-z]*(?:\.\d+[a-z]*)*)(?:-([0-9A-Za-z.-]+))?(?:\+([0-9A-Za-z.-]+))?", re.ASCII)
_PART = re.compile(r"(\d+)([a-z]*)", re.ASCII)


def key(text: str) -> Any:
    """Raises ValueError where the text is no version that can be placed."""
    match = _VERSION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no version of Conan")
    release, pre, build = match.groups(default="")
    parts = [(int(number), letters) for number, letters in _PART.findall(release)]
    while len(parts) > 1 and parts[-1] == (0, ""):
        parts.pop()
    return (tuple(parts), (0, *_words(pre)) if pre else (1,), _words(build))


def _words(text: str) -> tuple[Any, ...]:
    parts = text.split(".") if text else []
    while len(parts) > 1 and parts[-1] == "0":
        parts.pop()
    return tuple((0, int(one), "") if one.isdigit() else (1, 0, one) for one in parts)
