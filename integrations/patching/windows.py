"""The calendar of patch windows: a file of rules in local time, and the freezes in which none of them opens.

Pure over the file and the time. Rules are expanded in local wall time and then placed in their zone, so that a window at
20:00 stays at 20:00 when the clocks change; a time that the clocks skip opens as much later.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from dateutil.rrule import rrule, rrulestr
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from patchgap.errors import BadInputError, NotFoundError
from patchgap.playbook.quantities import duration

_AHEAD = timedelta(days=400)
_FIX = "Correct the file that patch.windows names; docs/windows.md shows one."
_SLOWEST = ("FREQ=DAILY", "FREQ=WEEKLY", "FREQ=MONTHLY", "FREQ=YEARLY")  # a finer one is no window


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise ValueError("it is no time zone; write one such as Europe/Berlin") from None
    return name


def _rule(text: str) -> str:
    parts = text.upper().split(";")
    if "\n" in text or not any(p in _SLOWEST for p in parts) or any(p.startswith(("BYSEC", "BYMIN")) for p in parts):
        raise ValueError("write one RRULE of FREQ=DAILY, WEEKLY, MONTHLY or YEARLY, such as FREQ=WEEKLY;BYDAY=TU")
    if any(p.startswith("UNTIL=") for p in parts):
        raise ValueError("UNTIL is in UTC in a rule; say when it ends with a freeze")
    try:
        rrulestr(text, dtstart=datetime(2026, 1, 1))  # noqa: DTZ001  (wall time)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ValueError("it is no RRULE of RFC 5545; write one such as FREQ=WEEKLY;BYDAY=TU") from None
    return text


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WindowRule(_Part):
    """One kind of window. `first` is the wall time from which its rule counts."""

    zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    first: datetime = datetime(2026, 1, 6, 9, 0)  # noqa: DTZ001  (wall time: a Tuesday, at nine)
    rule: Annotated[str, AfterValidator(_rule)] = "FREQ=WEEKLY;BYDAY=TU"
    lasts: Annotated[timedelta, BeforeValidator(duration)] = timedelta(hours=4)


class Freeze(_Part):
    """Days, both included, on which no window opens; of all windows where none is named. Its days are the window's."""

    first: date
    last: date
    why: str = Field(min_length=1)
    windows: tuple[str, ...] = ()


class Calendar(_Part):
    """The file. Without one there is `weekly`: Tuesdays from 09:00 to 13:00 UTC."""

    windows: Mapping[str, WindowRule] = Field(default_factory=lambda: {"weekly": WindowRule()})
    freezes: tuple[Freeze, ...] = ()

    def next(self, name: str, now: datetime) -> Window:
        """The next window of that name that begins after now. Raises NotFoundError where there is none such, or none
        begins within 400 days."""
        rule = self.windows.get(name)
        if rule is None:
            raise NotFoundError(f"there is no patch window {name!r}", f"Use one of: {', '.join(sorted(self.windows))}.")
        zone = ZoneInfo(rule.zone)
        wall = now.astimezone(zone).replace(tzinfo=None) - timedelta(days=1)
        for start in _expanded(rule).xafter(wall, inc=True):
            if start > wall + _AHEAD:
                break
            begins = start.replace(tzinfo=zone).astimezone(UTC)
            if begins > now and not self._frozen(name, start, start + rule.lasts):
                return Window(name, begins, begins + rule.lasts, rule.zone)
        raise NotFoundError(f"no patch window {name!r} opens within {_AHEAD.days} days", _FIX)

    def _frozen(self, name: str, start: datetime, end: datetime) -> bool:
        mine = (f for f in self.freezes if not f.windows or name in f.windows)
        return any(
            start < datetime.combine(f.last + timedelta(days=1), time()) and end > datetime.combine(f.first, time())
            for f in mine
        )


@dataclass(frozen=True, slots=True)
class Window:
    """One opening, in UTC; `zone` is where its wall time is."""

    name: str
    begins: datetime
    ends: datetime
    zone: str

    def __str__(self) -> str:
        local = self.begins.astimezone(ZoneInfo(self.zone))
        return f"{self.name} on {local:%A %Y-%m-%d %H:%M} {self.zone}"


def _expanded(rule: WindowRule) -> rrule:
    expanded = rrulestr(rule.rule, dtstart=rule.first)
    assert isinstance(expanded, rrule)  # noqa: S101  (one line is one rule)
    return expanded


def load(path: Path | None) -> Calendar:
    """The calendar in that file. Raises BadInputError naming the file and the field."""
    if path is None:
        return Calendar()
    try:
        return Calendar.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        problem = f"cannot be read: {error.strerror or error}"
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(p) for p in first["loc"])
        problem = f"{where}: {first['msg'].removeprefix('Value error, ')}"
    except (ValueError, RecursionError) as error:
        problem = f"cannot be read as TOML: {type(error).__name__}"
    raise BadInputError(path, problem, _FIX)
