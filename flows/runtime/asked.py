"""A run that is asked for at our Prefect server, told to our worker by a file that it looks at.

To ask the server itself several times a second takes it a tenth of a core.
"""

from __future__ import annotations

from pathlib import Path

from flows.runtime.patient import App, Message, Receive, Send

_ENDS = ("/create_flow_run", "/resume")


def asked_file(home: Path) -> Path:
    """In the folder of the server's own."""
    return home / "asked"


class Telling:
    """An ASGI application around the server's: touches the file once a run that was asked for is stored."""

    def __init__(self, app: App, file: Path) -> None:
        self._app = app
        self._file = file

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)
        if scope["type"] == "http" and scope["path"].endswith(_ENDS):
            self._file.touch()


class Listening:
    """The worker's side: whether the file was touched since it was last looked at."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen = 0

    def heard(self) -> bool:
        """True once for each touch, or for several since the last look."""
        before, self._seen = self._seen, self._file.stat().st_mtime_ns if self._file.exists() else 0
        return self._seen != before
