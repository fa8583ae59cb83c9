"""Child processes that never outlive us: each in a group of its own, ended on request or when we are gone.

A child reads its standard input, a pipe whose other end we alone hold: when we die, however we die, it ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

GRACE_SECONDS = 5.0


class Child:
    """`python -m module arguments…` with its output in `log`. Start it with `Child.start`, end it with `stop`."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self.log = log

    @classmethod
    def start(cls, module: str, arguments: list[str], environ: Mapping[str, str], log: Path) -> Child:
        """Starts it in a session of its own, so that a terminal's Ctrl-C reaches us alone."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            process = subprocess.Popen(  # noqa: S603  (our own interpreter and modules)
                [sys.executable, "-P", "-m", module, *arguments],
                env=dict(environ),
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(process, log)

    @property
    def pid(self) -> int:
        """The process id, which is also its group's."""
        return self._process.pid

    def ended(self) -> int | None:
        """The exit code, None while it runs."""
        return self._process.poll()

    def last_words(self, lines: int = 5) -> str:
        """The end of its log, for an error's sentence."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return " / ".join(line.strip() for line in text.splitlines()[-lines:] if line.strip())[:500]

    def stop(self) -> None:
        """Ends the whole group: asked first, then made to. Returns when nothing of it runs."""
        self._signal(signal.SIGTERM)
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._process.wait()
        self._signal(signal.SIGKILL)  # grandchildren that stayed behind in the group

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):  # it has ended: what was asked for
            os.killpg(self._process.pid, number)


def end_with_parent() -> None:
    """For the child: a thread that ends this process and its children when the pipe from its parent closes."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        os.killpg(0, signal.SIGTERM)  # the whole group: a worker's runs too

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()
