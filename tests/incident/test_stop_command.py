"""`patchgap stop`: what a person raises stops the next write, and says who, why and how to go on."""

from __future__ import annotations

import json
import os
import pwd
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from click.testing import CliRunner, Result

from patchgap.cli.context import Cli
from patchgap.cli.stop import resume, stop
from patchgap.errors import RefusedError
from patchgap.incident.stop import Stop
from patchgap.storage import connect

NOW = datetime(2026, 11, 24, 7, 10, tzinfo=UTC)
BY_DANA = ("--why", "wrong cluster", "--as", "dana")


def run(home: Path, *words: str, command: click.Command = stop) -> Result:
    return CliRunner().invoke(command, words, obj=Cli(home=home, clock=lambda: NOW))


def switch(home: Path) -> Stop:
    """The switch as any other process on this database opens it."""
    return Stop(connect(f"sqlite:///{home / 'patchgap.db'}"))


def test_raised_it_refuses_writes_until_it_is_lowered(tmp_path: Path) -> None:
    """The refusal names who, why and the command that lowers it; lowered, writes go on."""
    told = run(tmp_path, *BY_DANA)
    assert (told.exit_code, told.stdout.splitlines()[0]) == (
        0,
        "raised by dana at 2026-11-24 07:10:00 UTC: wrong cluster",
    )
    with pytest.raises(RefusedError, match=r"dana raised it at .*: wrong cluster\. .*`patchgap resume`"):
        switch(tmp_path).may_write()
    assert (
        run(tmp_path, "--why", "the right one", "--as", "kim", command=resume).stdout == "lowered: writes are allowed\n"
    )
    switch(tmp_path).may_write()


def test_show_tells_a_program_what_stands(tmp_path: Path) -> None:
    """Down where nobody ever raised it; else by whom."""
    assert json.loads(run(tmp_path, "--json").stdout) == {"raised": False, "by": None}
    run(tmp_path, *BY_DANA)
    assert json.loads(run(tmp_path, "--json").stdout) == {
        "raised": True,
        "by": {"why": "wrong cluster", "who": "dana", "at": "2026-11-24T07:10:00Z"},
    }


def test_a_name_does_not_hold_it_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where none is given the user of the machine raised it, as the machine knows them and no variable says."""
    monkeypatch.setattr(pwd, "getpwuid", {os.getuid(): SimpleNamespace(pw_name="kim")}.__getitem__)
    monkeypatch.setenv("LOGNAME", "lee")
    assert run(tmp_path, "--why", "wrong cluster").exit_code == 0
    assert json.loads(run(tmp_path, "--json").stdout)["by"]["who"] == "kim"


@pytest.mark.parametrize("words", [("--as", "dana"), ("--why", " ", "--as", "dana"), ("--why", "x", "--as", "")])
def test_without_a_reason_and_a_name_nothing_is_switched(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Both are asked for, and the switch stays as it was."""
    assert run(tmp_path, *words).exit_code == 2
    assert switch(tmp_path).raised() is None
    switch(tmp_path).raise_("wrong cluster", "dana", NOW)
    assert run(tmp_path, *words, command=resume).exit_code == 2
    assert switch(tmp_path).raised()
