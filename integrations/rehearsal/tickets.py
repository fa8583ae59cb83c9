"""A ticket system for rehearsals: an HTTP server that keeps what is opened in memory.

It owns the contract of docs/sinks.md's webhook: POST with an Idempotency-Key opens once, GET ?key= finds again, PATCH
?id= says once a key what has become of it.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

_MAX_BODY = 1024 * 1024


class TicketSink:
    """Started by `with`. `tickets` are the opened ones, oldest first: what was posted, with its `id`, `url` and
    `key`. `token` is what a caller must bear ("" for none)."""

    def __init__(self, token: str = "") -> None:
        self.token = token
        self.tickets: list[dict[str, Any]] = []
        self.notes: dict[str, dict[str, Any]] = {}  # by key, oldest first
        self._lock = threading.Lock()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="tickets", daemon=True)

    @property
    def url(self) -> str:
        """Where tickets are opened and found."""
        return f"http://127.0.0.1:{self._server.server_port}/tickets"

    def open(self, key: str, posted: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        """The ticket of that key, and whether it is new."""
        with self._lock:
            held = next((t for t in self.tickets if t["key"] == key), None)
            if held is not None:
                return held, False
            number = f"T-{len(self.tickets) + 1}"
            ticket = {**posted, "key": key, "id": number, "url": f"{self.url}/{number}"}
            self.tickets.append(ticket)
            return ticket, True

    def find(self, key: str) -> dict[str, Any] | None:
        """The ticket of that key."""
        with self._lock:
            return next((t for t in self.tickets if t["key"] == key), None)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Server(ThreadingHTTPServer):
    def __init__(self, sink: TicketSink) -> None:
        self.sink = sink
        super().__init__(("127.0.0.1", 0), _Answering)


class _Answering(BaseHTTPRequestHandler):
    timeout = 10
    server: _Server

    def do_POST(self) -> None:
        if (given := self._given()) is not None:
            key, posted = given
            ticket, new = self.server.sink.open(key, posted)
            self._answer(201 if new else 200, {"id": ticket["id"], "url": ticket["url"]})

    def do_PATCH(self) -> None:
        if (given := self._given()) is None:
            return
        number = parse_qs(urlsplit(self.path).query).get("id", [""])[0]
        if not any(t["id"] == number for t in self.server.sink.tickets):
            self._answer(404, {"error": "there is no such ticket"})
            return
        self.server.sink.notes.setdefault(given[0], given[1])
        self._answer(200, {"id": number})

    def _given(self) -> tuple[str, dict[str, Any]] | None:
        """The Idempotency-Key and the object that was sent; None where that was answered with what is wrong."""
        length = self.headers.get("Content-Length", "")
        key = self.headers.get("Idempotency-Key", "")
        if not self._allowed():
            return None
        if not (length.isdecimal() and int(length) <= _MAX_BODY) or not key:
            self._answer(400, {"error": "send a Content-Length of at most 1 MiB and an Idempotency-Key"})
            return None
        try:
            posted = json.loads(self.rfile.read(int(length)))
        except ValueError:
            posted = None
        if isinstance(posted, dict):
            return key, posted
        self._answer(400, {"error": "send a JSON object"})
        return None

    def do_GET(self) -> None:
        if not self._allowed():
            return
        asked = urlsplit(self.path)
        key = parse_qs(asked.query).get("key", [""])[0]
        named = asked.path.removeprefix("/tickets").strip("/")
        if named:
            self._page(named)
            return
        ticket = self.server.sink.find(key)
        if ticket is None:
            self._answer(404, {"error": "there is no such ticket"})
        else:
            self._answer(200, {"id": ticket["id"], "url": ticket["url"]})

    def _page(self, number: str) -> None:
        ticket = next((t for t in self.server.sink.tickets if t["id"] == number), None)
        self._answer(200, ticket) if ticket else self._answer(404, {"error": "there is no such ticket"})

    def _allowed(self) -> bool:
        if self.server.sink.token and self.headers.get("Authorization") != f"Bearer {self.server.sink.token}":
            self._answer(401, {"error": "send the token"})
            return False
        return True

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base's)
        """The rehearsal tells its own story."""
