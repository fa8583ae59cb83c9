"""How a drill speaks: acts with a number and a title, what each is for, and the ledger's story between them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import click

from patchgap.cli.output import WIDTH, coloured, columns, safe, wrapped


class Telling:
    """Prints on one stream; colour only where it is a terminal."""

    def __init__(self) -> None:
        self._stream = sys.stderr
        self._began = time.monotonic()
        self._act = 0
        self._before: Callable[[], None] = lambda: None
        self._width = columns(self._stream) or WIDTH

    def before_each_act(self, settle: Callable[[], None]) -> None:
        """What must be told to its end before a new act begins."""
        self._before = settle

    def act(self, title: str, why: str = "") -> None:
        """A new act."""
        self._before()
        self._act += 1
        self._say("")
        self._say(f"{self._act}. {title}", bold=True)
        if why:
            self.say(why)

    def say(self, text: str) -> None:
        """A sentence of the narrator's."""
        self._say(wrapped(safe(text), indent="   ", width=self._width))

    def loud(self, text: str) -> None:
        """What nobody may overlook."""
        self._say(wrapped(safe(text), width=self._width), fg="yellow", bold=True)

    def command(self, line: str) -> None:
        """What a person would type here."""
        told = wrapped(safe(line), indent="   $ ", hanging=" " * 9, width=self._width - len(_GOES_ON))
        self._say(told.replace("\n", f"{_GOES_ON}\n"), fg="cyan")

    def line(self, text: str) -> None:
        """A line of the ledger's story, with the seconds since the drill began."""
        since = f"{time.monotonic() - self._began:5.1f}s "
        told = wrapped(safe(text), indent=f"   {since}", hanging=" " * 10, width=self._width)
        colour = next((c for mark, c in _COLOURS.items() if text.lstrip().startswith(mark)), None)
        self._say(told, fg=colour)

    @property
    def seconds(self) -> float:
        """Since the drill began."""
        return time.monotonic() - self._began

    def _say(self, text: str, **style: object) -> None:
        click.echo(click.style(text, **style) if style and coloured(self._stream) else text, file=self._stream)  # type: ignore[arg-type]


_GOES_ON = " \\"  # a shell's line that is not over
_COLOURS = {
    "✓": "green",
    "✗": "red",
    "?": "yellow",
    "!": "yellow",
    "unknown": "yellow",
    "missing": "red",
    "not covered": "yellow",
}
