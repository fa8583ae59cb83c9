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


def test_a_hole_is_told_with_the_setting_that_closes_it(tmp_path: Path) -> None:
    """Where nobody is named whose yes counts, a code of any name can be had by who asks for the plan."""
    assert "No `approvers` are named in the settings" in run(tmp_path).stderr
    (tmp_path / "patchgap.toml").write_text('approvers = ["kim"]\n')
    told = run(tmp_path)
    assert told.exit_code == 0, told.output
    assert "approvers" not in told.stderr


def test_nobody_issues_a_code_to_themselves(tmp_path: Path) -> None:
    """However either name is spelt, with or without a domain; no code is made."""
    for person in ("Kim ", "kim@example.org"):
        told = CliRunner().invoke(approver, ["issue", person, "--as", "kim"], obj=Cli(home=tmp_path, clock=lambda: NOW))
        assert "would issue a code to themselves" in str(told.exception)
        assert not told.stdout


def test_a_time_that_is_none_is_bad_input(tmp_path: Path) -> None:
    """It is named with an example, and no code is made."""
    told = run(tmp_path, "--for", "soon")
    assert "'soon' is not a duration" in str(told.exception)
    assert not told.stdout
