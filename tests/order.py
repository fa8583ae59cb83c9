"""What one worker runs in a row, and in which order: a worker that begins the longest last is waited for."""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

ROWS = (  # the longest first; the files of a row share what takes long to start
    (
        "test_incident_through_up.py",
        "test_deployments.py",
        "test_warm_worker.py",
        "test_patch_window.py",
        "test_up.py",
    ),
    ("test_drill.py",),
    ("test_started.py",),
    ("test_kill_points.py",),
    ("test_drill_scenarios.py",),
    ("test_two_platforms.py",),
)


def row(file: str) -> int:
    """Which row the file of that path is of; the number after the last for none."""
    name = file.rpartition("/")[2]
    return next((number for number, names in enumerate(ROWS) if name in names), len(ROWS))


def asks_for_up(item: pytest.Item) -> bool:
    """Whether the test talks to the running `patchgap up` that many share."""
    return "up" in getattr(item, "fixturenames", ())


def place(item: pytest.Item) -> tuple[int, bool]:
    """By its row; in it, those that ask for `up` first."""
    number = row(item.path.as_posix())
    return number, number < len(ROWS) and not asks_for_up(item)


class InRows(LoadFileScheduling):
    """Gives a worker a row, or a file of none, in the order in which they stand."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # by their number of tests, which says nothing of their time

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        number = row(file)
        return f"row {number}" if number < len(ROWS) else file
