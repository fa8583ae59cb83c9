"""NuGet's order, from "Package versioning" (learn.microsoft.com/nuget): SemVer 2.0 with a fourth number, where missing numbers
are 0, leading zeros and letters' case do not count.

A label is a number where .NET's int holds it, as NuGet.Versioning has it; a longer one is a word. A leading `v` is let pass.
"""

from __future__ import annotations

import re
from typing import Any

_VERSION = re.compile(
    r"\s*[vV]?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?\s*",
    re.ASCII,
)
_INT = 2**31 - 1
_DIGITS = len(str(_INT))


def key(text: str) -> Any:
    """Raises ValueError where the text is no version of NuGet."""
    match = _VERSION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no version of NuGet")
    *numbers, labels = match.groups()
    release = tuple(int(one or 0) for one in numbers)
    if labels is None:
        return (*release, 1)
    return (*release, 0, *map(_label, labels.lower().split(".")))


def _label(text: str) -> tuple[int, int, str]:
    if text.isdigit() and len(text.lstrip("0")) <= _DIGITS and int(text) <= _INT:
        return (0, int(text), "")
    return (1, 0, text)
