"""Orders by numbers alone: CRAN's, from R's numeric_version (Writing R Extensions, 1.1.1: parts by `.` or `-`), and Hackage's, from the
Haskell Package Versioning Policy (pvp.haskell.org). More parts are after fewer: `1.0` is before `1.0.0`."""

from __future__ import annotations

import re
from typing import Any

_CRAN = re.compile(r"\d+(?:[.-]\d+)*", re.ASCII)
_HACKAGE = re.compile(r"\d+(?:\.\d+)*", re.ASCII)
_NUMBER = re.compile(r"\d+", re.ASCII)


def cran(text: str) -> Any:
    """Raises ValueError where the text is no version of R."""
    return _key(_CRAN, text, "R")


def hackage(text: str) -> Any:
    """Raises ValueError where the text is no version of Haskell."""
    return _key(_HACKAGE, text, "Haskell")


def _key(pattern: re.Pattern[str], text: str, what: str) -> tuple[int, ...]:
    if not pattern.fullmatch(text):
        raise ValueError(f"{text!r} is no version of {what}")
    return tuple(int(one) for one in _NUMBER.findall(text))
