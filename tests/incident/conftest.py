"""A database, a clock and the made-up incident for each test."""

from __future__ import annotations

from pathlib import Path

import pytest
from made import Telling, Ticking, ledger_in

from patchgap.incident.ledger import Ledger


@pytest.fixture
def clock() -> Ticking:
    return Ticking()


@pytest.fixture
def ledger(tmp_path: Path, clock: Ticking) -> Ledger:
    return ledger_in(tmp_path, clock)


@pytest.fixture
def telling(ledger: Ledger, clock: Ticking) -> Telling:
    return Telling(ledger, clock)
