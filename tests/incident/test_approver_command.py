"""`patchgap approver`: who may say yes, and for how long their codes serve."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from click.testing import CliRunner, Result

from patchgap.cli.approver import approver
from patchgap.cli.context import Cli

NOW = datetime(2026, 11, 24, 7, 10, tzinfo=UTC)


def run(home: Path, *words: str) -> Result:
    return CliRunner().invoke(approver, ["issue", "kim", "--as", "dana", *words], obj=Cli(home=home, clock=lambda: NOW))


def test_issuing_says_until_when_a_code_serves(tmp_path: Path) -> None:
    """In words beside the code, and as a field."""
    told = run(tmp_path, "--for", "2h")
    assert told.exit_code == 0, told.output
    assert "it serves once, until 2026-11-24 09:10 UTC" in told.stderr
    assert json.loads(run(tmp_path, "--json").stdout)["until"].startswith("2027-02-22T07:10:00")


def test_a_time_that_is_none_is_bad_input(tmp_path: Path) -> None:
    """It is named with an example, and no code is made."""
    told = run(tmp_path, "--for", "soon")
    assert "'soon' is not a duration" in str(told.exception)
    assert not told.stdout
