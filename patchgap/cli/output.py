"""How commands speak: results on stdout, the story on stderr, colour only on a terminal.

Every command prints through this, so that `--json` is one document everywhere and NO_COLOR holds everywhere.
"""

from __future__ import annotations

import json
import os
import sys
import textwrap
from collections.abc import Mapping
from typing import IO, Any

import click

from patchgap.model.codec import plain
from patchgap.model.text import safe as safe  # noqa: PLC0414  (told on: every command prints through here)

JSON = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
WIDTH = 80
_WIDEST = 100  # longer lines are hard to read, however wide the terminal


class Group(click.Group):
    """A group whose help has each command's whole first sentence; click would cut it at the line's end."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        whole = [(name, command.get_short_help_str(limit=1000)) for name, command in sorted(self.commands.items())]
        with formatter.section("Commands"):
            formatter.write_dl(whole)


def emit(document: Any) -> None:
    """One JSON document on stdout. Values of the model are turned into plain JSON."""
    click.echo(json.dumps(plain(document), ensure_ascii=False, indent=2, allow_nan=False))


def coloured(stream: IO[str], environ: Mapping[str, str] = os.environ) -> bool:
    """Whether that stream is a terminal that takes colours, and nobody said NO_COLOR."""
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def styled(text: str, stream: IO[str], **style: Any) -> str:
    """The text in `click.style`'s words, where the stream takes them."""
    return click.style(text, **style) if coloured(stream) else text


def columns(stream: IO[str], environ: Mapping[str, str] = os.environ) -> int | None:
    """How wide the page is that a person reads there: as COLUMNS says, else the terminal; None for a pipe or a file."""
    said = environ.get("COLUMNS", "")
    if said.isascii() and said.isdigit() and 0 < len(said) < 5 and int(said):  # noqa: PLR2004
        return min(int(said), _WIDEST)
    if not stream.isatty():
        return None
    return min(os.get_terminal_size(stream.fileno()).columns or WIDTH, _WIDEST)


def wrapped(text: str, indent: str = "", hanging: str | None = None, width: int | None = None) -> str:
    """Prose within the width, that of stdout where none is said; a word that is longer (a digest, a purl) stays whole."""
    return textwrap.fill(
        text,
        width or columns(sys.stdout) or WIDTH,
        initial_indent=indent,
        subsequent_indent=indent if hanging is None else hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )


def fitted(text: str, stream: IO[str], hanging: str = "    ") -> str:
    """What is told as it happens: wrapped where a person reads that stream, a line in a pipe or a file."""
    width = columns(stream)
    if width is None:
        return text
    return "\n".join(wrapped(line, "", hanging, width) for line in text.splitlines())


def parted(text: str) -> str:
    """A sentence of parts between semicolons, a line each: those that follow the first stand under it."""
    first, *rest = safe(text).split("; ")
    return "\n".join([wrapped(first, hanging="    "), *(wrapped(part, "  ", "    ") for part in rest)])


def many(number: int, noun: str, several: str = "") -> str:
    """`1 workload`, `2 workloads`; `several` is the plural where it is no mere s."""
    return f"{number} {noun if number == 1 else several or f'{noun}s'}"


class Story:
    """What happens, told on stderr: lines, and on a terminal a line of progress that is written over."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream or sys.stderr
        self._open = False

    def say(self, text: str, hanging: str = "    ", **style: Any) -> None:
        """A line; where a terminal wraps it, `hanging` stands before what follows."""
        self._clear()
        click.echo(styled(fitted(safe(text), self._stream, hanging), self._stream, **style), file=self._stream)

    def warn(self, text: str) -> None:
        """A line that must not be missed."""
        self.say(text, fg="yellow", bold=True)

    def progress(self, text: str) -> None:
        """Where it is; nothing where stderr is no terminal."""
        if self._stream.isatty():
            self._clear()
            click.echo(safe(text)[: (columns(self._stream) or WIDTH) - 1], file=self._stream, nl=False)
            self._open = True

    def done(self) -> None:
        """Takes the line of progress away."""
        self._clear()

    def _clear(self) -> None:
        if self._open:
            click.echo("\r\x1b[K", file=self._stream, nl=False)
            self._open = False
