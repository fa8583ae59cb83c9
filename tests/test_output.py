"""How commands speak to a person and to a pipe: widths, lines that go on, sentences of several parts."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click
import pytest

from patchgap.cli.output import Story, columns, parted

LONG = (
    "11:30:13  inc-1  ✓ isolate_workloads a/b/c: its pods are asked to deny all traffic; nothing else lets any through"
)


@contextmanager
def terminal(width: int) -> Iterator[tuple[IO[str], int]]:
    """A stream to a terminal of that width, and the other end of it."""
    reads, writes = os.openpty()
    termios.tcsetwinsize(writes, (24, width))
    with os.fdopen(writes, "w", encoding="utf-8") as stream:
        yield stream, reads
    os.close(reads)


@pytest.mark.parametrize(("wide", "read_at"), [(40, 40), (300, 100), (0, 80)])
def test_a_page_is_as_wide_as_the_terminal_up_to_where_lines_are_hard_to_read(wide: int, read_at: int) -> None:
    """One that does not know its width counts as 80; COLUMNS says otherwise, a word that is no number nothing."""
    with terminal(wide) as (stream, _):
        assert columns(stream, {}) == read_at
        assert columns(stream, {"COLUMNS": "66"}) == 66
        assert columns(stream, {"COLUMNS": "wide"}) == read_at


def test_a_pipe_has_no_page_but_where_columns_says_so() -> None:
    """What reads it takes lines."""
    assert columns(io.StringIO(), {}) is None
    assert columns(io.StringIO(), {"COLUMNS": "80"}) == 80


def test_the_story_is_wrapped_for_a_person_and_a_line_each_for_a_pipe() -> None:
    """What goes on stands under its beginning."""
    piped = io.StringIO()
    Story(piped).say(LONG)
    assert piped.getvalue() == f"{LONG}\n"
    with terminal(48) as (stream, reads):
        Story(stream).say(LONG, hanging=" " * 10)
        lines = click.unstyle(os.read(reads, 4096).decode()).splitlines()
    assert max(map(len, lines)) <= 48
    assert [line[:10].strip() for line in lines] == ["11:30:13", *[""] * (len(lines) - 1)]
    assert " ".join(" ".join(lines).split()) == " ".join(LONG.split())


def test_an_error_fits_the_page(tmp_path: Path) -> None:
    """Its second line stands in; the words are the same."""
    command = [sys.executable, "-c", "from patchgap.cli import main; main()", "--home", str(tmp_path), "exposure"]
    told = [
        subprocess.run(command, env={**os.environ, **more}, capture_output=True, text=True, check=False).stderr  # noqa: S603
        for more in ({"COLUMNS": "60"}, {})
    ]
    first, *others = told[0].splitlines()
    assert first.startswith("patchgap: ")
    assert others
    assert all(line.startswith("  ") and len(line) <= 60 for line in others)
    assert told[0].split() == told[1].split()
    assert len(told[1].splitlines()) == 1


def test_the_parts_of_a_sentence_stand_under_the_first() -> None:
    """A part that is too long goes on further in."""
    assert parted(f"opened inc-1; 12 targets contained; open: {'a_check, ' * 9}a_check").splitlines() == [
        "opened inc-1",
        "  12 targets contained",
        "  open: a_check, a_check, a_check, a_check, a_check, a_check, a_check, a_check,",
        "    a_check, a_check",
    ]
