"""NuGet's order, from "Package versioning" (learn.microsoft.com/nuget): SemVer 2.0 with a fourth number, where missing numbers
are 0, leading zeros and letters' case do not count."""

from __future__ import annotations

import re
from typing import Any

_VERSION = re.compile(
    r"\s*(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?\s*",
    re.ASCII,
)


def key(text: str) -> Any:
    """Raises ValueError where the text is no version of NuGet."""
    match = _VERSION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no version of NuGet")
    *numbers, labels = match.groups()
    release = tuple(int(one or 0) for one in numbers)
    if labels is None:
        return (*release, 1)
    return (*release, 0, *((0, int(one), "") if one.isdigit() else (1, 0, one) for one in labels.lower().split(".")))
