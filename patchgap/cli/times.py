"""Times as a person writes them: a date, a date with a time, or how long ago."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from patchgap.errors import BadInputError

_AGO = re.compile(r"(\d{1,6})\s*(m|min|h|d|w)(?:\s+ago)?")
_UNITS = {"m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_FIX = "Write it as 2026-11-24, 2026-11-24T07:10Z, or how long ago: 90m, 36h, 7d."
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)


def moment(text: str, where: str, now: datetime) -> datetime:
    """The time, in UTC where it names no zone; a date is its first moment. `where` is the option that holds it. Raises
    BadInputError for what is no time, and for one that has not come yet."""
    ago = _AGO.fullmatch(text.strip().lower())
    try:
        if ago:
            found = now - timedelta(**{_UNITS[ago.group(2)]: int(ago.group(1))})
        else:
            found = datetime.fromisoformat(text.strip())
            found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadInputError(where, f"{text!r} is no time", _FIX) from error
    if found < _FIRST:
        raise BadInputError(where, f"{text!r} is before any cluster ran", _FIX)
    if found > now:
        raise BadInputError(where, f"{text!r} has not come yet", "Name a time that has passed.")
    return found


def told(at: datetime) -> str:
    """To the minute, for a person; to the second where that says more."""
    at = at.astimezone(UTC)
    return at.strftime("%Y-%m-%d %H:%M:%S UTC" if at.second else "%Y-%m-%d %H:%M UTC")
