"""The calendar of patch windows: local time, clocks that change, freezes, and files that are wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from integrations.patching.windows import Calendar, load
from patchgap.errors import BadInputError, NotFoundError

FILE = """
[windows.weekly]
zone = "Europe/Berlin"
first = 2026-01-06T20:00:00
rule = "FREQ=WEEKLY;BYDAY=TU"
lasts = "2h"

[windows.night]
zone = "Europe/Berlin"
first = 2026-01-01T02:30:00
rule = "FREQ=DAILY"
lasts = "1h"

[[freezes]]
first = 2026-12-20
last = 2027-01-05
why = "the year's end"
windows = ["weekly"]
"""


def held(folder: Path, text: str = FILE) -> Calendar:
    file = folder / "windows.toml"
    file.write_text(text, encoding="utf-8")
    return load(file)


CASES = [
    ("weekly", "2026-11-24T07:10", "2026-11-24T19:00"),  # the same evening, in winter time
    ("weekly", "2026-11-24T19:00", "2026-12-01T19:00"),  # one that has begun is not the next
    ("weekly", "2026-10-21T00:00", "2026-10-27T19:00"),  # 20:00 stays 20:00 when the clocks go back
    ("weekly", "2026-10-20T00:00", "2026-10-20T18:00"),
    ("weekly", "2026-12-16T00:00", "2027-01-12T19:00"),  # three fall into the freeze, its last day included
    ("night", "2026-12-24T12:00", "2026-12-25T01:30"),  # another's freeze
    ("night", "2026-03-28T12:00", "2026-03-29T01:30"),  # 02:30 is skipped that night: it opens at 03:30
]


@pytest.mark.parametrize(("name", "now", "begins"), CASES)
def test_the_next_window_is_told_in_utc(name: str, now: str, begins: str, tmp_path: Path) -> None:
    """By its wall time, after its freezes."""
    found = held(tmp_path).next(name, datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert found.begins == datetime.fromisoformat(begins).replace(tzinfo=UTC)


def test_a_window_across_midnight_into_a_freeze_does_not_open(tmp_path: Path) -> None:
    """It would end in it."""
    late = FILE.replace("T20:00:00", "T23:00:00").replace("2026-12-20", "2026-12-16")
    now = datetime(2026, 12, 14, tzinfo=UTC)
    assert held(tmp_path, late).next("weekly", now).begins == datetime(2027, 1, 12, 22, tzinfo=UTC)


def test_a_freeze_without_end_leaves_no_window(tmp_path: Path) -> None:
    """That is said, and no search goes on for ever."""
    text = FILE.replace("2027-01-05", "2099-01-01")
    with pytest.raises(NotFoundError, match="no patch window 'weekly' opens within 400 days"):
        held(tmp_path, text).next("weekly", datetime(2026, 12, 21, tzinfo=UTC))


def test_without_a_file_there_is_a_weekly_window() -> None:
    """In the hours of people; another name is told what there is."""
    now = datetime(2026, 11, 24, 7, 10, tzinfo=UTC)
    assert str(load(None).next("weekly", now)) == "weekly on Tuesday 2026-11-24 09:00 UTC"
    with pytest.raises(NotFoundError, match=r"no patch window 'nightly'\. Use one of: weekly"):
        load(None).next("nightly", now)


BAD = [
    ("Europe/Berlin", "Europe/Bonn", r"windows\.weekly\.zone: it is no time zone"),
    ("Europe/Berlin", "../etc/passwd", r"windows\.weekly\.zone: it is no time zone"),
    ("FREQ=WEEKLY;BYDAY=TU", "FREQ=SECONDLY", r"windows\.weekly\.rule: write one RRULE"),
    ("FREQ=WEEKLY;BYDAY=TU", "FREQ=WEEKLY;BYDAY=XX", r"windows\.weekly\.rule: it is no RRULE"),
    ("FREQ=WEEKLY;BYDAY=TU", "FREQ=DAILY;UNTIL=20270101T000000Z", r"windows\.weekly\.rule: UNTIL"),
    ('lasts = "2h"', 'lasts = "soon"', r"windows\.weekly\.lasts: "),
    ('why = "the year\'s end"', "", r"freezes\.0\.why: Field required"),
    ("[windows.weekly]", "[windows.weekly", "cannot be read as TOML"),
]


@pytest.mark.parametrize(("old", "new", "words"), BAD)
def test_a_file_that_is_wrong_is_named_with_its_field(old: str, new: str, words: str, tmp_path: Path) -> None:
    """The file, the field, and where to read what it may hold."""
    with pytest.raises(BadInputError, match=rf"windows\.toml: {words}"):
        held(tmp_path, FILE.replace(old, new, 1))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """It was asked for: no other calendar takes its place."""
    with pytest.raises(BadInputError, match="cannot be read"):
        load(tmp_path / "none.toml")
