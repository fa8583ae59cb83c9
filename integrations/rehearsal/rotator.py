"""A team's own rotator, rehearsed over a real socket: asked for a Secret, it issues another value, once a key.

It is what `[[kubernetes.rotators]]` may name. It knows no cluster: `rotate` writes the value.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

TAKEN = 202
_REFUSED = 401


class Rotator:
    """Answers `status`; where that is 202, `rotate` is called with what was asked, once an idempotency key. `cuts` makes
    it break off instead of answering, with the work done."""

    def __init__(self, token: str, rotate: Callable[[dict[str, Any]], None]) -> None:
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.status, self.cuts = TAKEN, False
        self._token, self._rotate = token, rotate
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}/rotate"

    def answer(self, authorization: str, key: str, asked: dict[str, Any]) -> int:
        """The status of one request; the work is done first."""
        if authorization != f"Bearer {self._token}":
            return _REFUSED
        if self.status == TAKEN:
            fresh = key not in self.keys
            self.asked.append(asked)
            self.keys.append(key)
            if fresh:
                self._rotate(asked)
        return self.status

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(rotator: Rotator) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = rotator.answer(self.headers["Authorization"] or "", self.headers["Idempotency-Key"] or "", asked)
            if rotator.cuts:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing is printed."""

    return Handler
