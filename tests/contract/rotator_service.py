"""A team's own rotator over a real socket: asked for a Secret, it writes another value, once a key."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class RotatorService:
    """Answers `status`; where that is 202, `rotate` is called with what was asked, once an idempotency key. `cuts` makes
    it break off instead of answering, with the work done."""

    def __init__(self, token: str, rotate: Callable[[dict[str, Any]], None]) -> None:
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.status, self.cuts = 202, False
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = service.status if self.headers["Authorization"] == f"Bearer {token}" else 401
                if status == 202:
                    service.asked.append(body)
                    fresh = self.headers["Idempotency-Key"] not in service.keys
                    service.keys.append(self.headers["Idempotency-Key"])
                    if fresh:
                        rotate(body)
                if service.cuts:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Nothing is printed."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/rotate"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
