"""What stands between the engine and the servers of a world: each answer is passed on, or spoilt as planned.

A front for each address that the engine is told, with one plan and one count for all of them, so that any server's answers
can be spoilt without its knowing. The rehearsal cluster spoils its own.
"""

from __future__ import annotations

import http.client
import json
import socket
import struct
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from integrations.rehearsal.faults import DONE_FIRST, Fault, Faults

_DRIP_EVERY = 0.2  # seconds a byte: slower than any deadline, faster than any read's time-out
_ANSWERS_WITHIN = 30.0  # seconds, the server behind
_AWS = "AWS4-HMAC-SHA256"
_HOP = ("connection", "keep-alive", "transfer-encoding", "content-length", "server")


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Front:
    """Entered by `with`. `asked` are the requests that came, by method and path, those that were spoilt too."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.asked: list[str] = []
        self.healed = threading.Event()
        self._doors: dict[str, ThreadingHTTPServer] = {}

    def at(self, url: str) -> str:
        """The address in front of that one."""
        told = urlsplit(url)
        if told.netloc not in self._doors:
            handler = type("Handler", (_Handler,), {"front": self, "behind": told.netloc})
            door = ThreadingHTTPServer(("127.0.0.1", 0), handler)
            threading.Thread(target=door.serve_forever, args=(0.02,), daemon=True).start()
            self._doors[told.netloc] = door
        return told._replace(netloc=f"127.0.0.1:{self._doors[told.netloc].server_port}").geturl()

    def heal(self) -> None:
        """What is planned is forgotten, and what hangs or drips ends."""
        self.faults.clear()
        self.healed.set()
        self.healed = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.heal()
        for door in self._doors.values():
            door.shutdown()
            door.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # some clients wait to be told to go on before they send a body
    timeout = 60
    front: Front
    behind: str

    def _all(self) -> None:
        self.close_connection = True
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        healed = self.front.healed
        fault = self.front.faults.next_for(self.command, self.path, writes=self.command not in ("GET", "HEAD"))
        self.front.asked.append(f"{self.command} {self.path}")
        if fault == "hang":
            healed.wait()
        elif fault is None or fault in DONE_FIRST:
            self._spoil(fault, self._passed_on(body), healed)
        else:
            self._spoil(None, self._refusal(fault, body), healed)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _all  # noqa: N815  (the base's)

    def _passed_on(self, body: bytes) -> _Answer:
        behind = http.client.HTTPConnection(self.behind, timeout=_ANSWERS_WITHIN)
        try:
            behind.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("connection", "expect"):
                    behind.putheader(name, value)
            behind.endheaders(body or None)
            answer = behind.getresponse()
            return _Answer(answer.status, tuple(answer.getheaders()), answer.read())
        finally:
            behind.close()

    def _refusal(self, fault: Fault, body: bytes) -> _Answer:
        """As a service says it; AWS names its throttling in the protocol that was spoken, a gateway's 500 is plain text."""
        if fault != "throttle":
            return _Answer(500, (("Content-Type", "text/plain"),), b"Internal Server Error")
        aws = self.headers.get("Authorization", "").startswith(_AWS)
        if aws and (b"Action=" in body or "/s3/" in self.headers["Authorization"]):
            said = (
                b"<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>"
            )
            return _Answer(429, (("Content-Type", "text/xml"),), said)
        document = {"__type": "ThrottlingException", "message": "Rate exceeded"}
        return _Answer(429, (("Content-Type", "application/json"), ("Retry-After", "1")), json.dumps(document).encode())

    def _spoil(self, fault: Fault | None, answer: _Answer, healed: threading.Event) -> None:
        head, body = self._raw(answer)
        if fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()  # with RST in place of FIN
            return
        if not body:
            head, body = b"", head  # then it is the head that comes late or in half
        try:
            if fault == "drip":
                self._drip(head, body, healed)
            else:
                self.wfile.write(head + (body[: len(body) // 2] if fault == "truncate" else body))
        except OSError:
            return  # the caller did not wait

    def _drip(self, head: bytes, body: bytes, healed: threading.Event) -> None:
        self.wfile.write(head)
        for byte in body:
            if healed.wait(_DRIP_EVERY):
                return
            self.wfile.write(bytes([byte]))

    def _raw(self, answer: _Answer) -> tuple[bytes, bytes]:
        kept = [(n, v) for n, v in answer.headers if n.lower() not in _HOP]
        length = {n.lower(): v for n, v in answer.headers}.get("content-length", "0")
        size = length if self.command == "HEAD" else str(len(answer.body))
        rows = [*kept, ("Content-Length", size), ("Connection", "close")]
        lines = [f"HTTP/1.1 {answer.status} {http.client.responses.get(answer.status, 'Said')}"]
        text = "\r\n".join([*lines, *(f"{n}: {v}" for n, v in rows)]) + "\r\n\r\n"
        return text.encode("latin-1"), answer.body

    def finish(self) -> None:
        """A connection that was reset has nothing left to flush."""
        try:
            super().finish()
        except (OSError, ValueError):
            return

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base's)
        """Nothing is printed."""
