"""Quantities as people write them in a playbook: `30s`, `5m`, `24h`, `7d` and `30%`. Knows nothing of what they limit.

`Duration` and `Share` are pydantic types: parsed from text, written back as text, and text in the JSON Schema.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION = re.compile(r"([0-9]{1,7}(?:\.[0-9]{1,6})?)([smhd])", re.ASCII)
_SHARE = re.compile(r"(100|[1-9]?[0-9](?:\.[0-9]{1,3})?)%")


def duration(value: Any) -> timedelta:
    """A timedelta from `30s`, `5m`, `24h` or `7d`. Raises ValueError for anything else, zero included."""
    if isinstance(value, timedelta):
        return value
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None or float(found[1]) == 0:
        raise ValueError("is not a duration; write a number above 0 and s, m, h or d, such as 30s, 5m, 24h or 7d")
    return timedelta(seconds=float(found[1]) * _UNITS[found[2]])


def in_words(value: timedelta) -> str:
    """Text that `duration` reads back as the same time, in the largest unit that divides it; `0.3s` below a second."""
    seconds = value.total_seconds()
    for unit, size in reversed(_UNITS.items()):
        if seconds >= size and seconds % size == 0:
            return f"{int(seconds // size)}{unit}"
    return f"{seconds:f}".rstrip("0").rstrip(".") + "s"


def share(value: Any) -> float:
    """A number from 0 to 1, from `30%`. Raises ValueError for anything else."""
    found = _SHARE.fullmatch(value) if isinstance(value, str) else None
    if found is None or float(found[1]) == 0:
        raise ValueError("is not a share; write a percentage above 0% and up to 100%, such as 30%")
    return float(found[1]) / 100


def percent(value: float) -> str:
    """`30%` from 0.3."""
    return f"{value * 100:g}%"


Duration = Annotated[
    timedelta,
    BeforeValidator(duration),
    PlainSerializer(in_words),
    WithJsonSchema(
        {"type": "string", "pattern": r"^[0-9]{1,7}(\.[0-9]{1,6})?[smhd]$", "examples": ["30s", "5m", "24h", "7d"]}
    ),
]
Share = Annotated[
    float,
    BeforeValidator(share),
    PlainSerializer(percent),
    WithJsonSchema({"type": "string", "pattern": r"^(100|[1-9]?[0-9](\.[0-9]{1,3})?)%$", "examples": ["10%", "30%"]}),
]
