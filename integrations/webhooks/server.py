"""Serves an ASGI application on a real socket, in a thread of this process, and stops it cleanly."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from patchgap.errors import PatchgapError

_START_WITHIN = 15.0
_STOP_WITHIN = 10.0
HEADERS_WITHIN = 5.0  # seconds: uvicorn alone waits for ever, and half-sent requests would be all that it holds


@dataclass(frozen=True, slots=True)
class Address:
    """Where it listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """`http://host:port`."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"


@contextmanager
def serving(app: FastAPI, host: str = "127.0.0.1", port: int = 0) -> Iterator[Address]:
    """Serves until the block ends; port 0 takes a free one. Raises PatchgapError where the address cannot be had."""
    listening = _listen(host, port)
    # No proxy headers: what a client says of its own address is no evidence of it.
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=int(_STOP_WITHIN) // 2,
        limit_concurrency=200,
    )
    server = _Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="patchgap receiver", daemon=True)
    thread.start()
    try:
        if not server.up.wait(_START_WITHIN):
            raise PatchgapError("the receiver did not start", "Its log says why.")
        yield Address(host, listening.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(_STOP_WITHIN)
        listening.close()


class _Protocol(H11Protocol):
    """HTTP that gives a request's headers a deadline."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_headers()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._await_headers()

    def _await_headers(self) -> None:
        if self.conn.their_state is h11.IDLE:
            self._deadline = self._deadline or self.loop.call_later(HEADERS_WITHIN, self.transport.close)
        elif self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.up.set()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        raise PatchgapError(
            f"{host}:{port} cannot be listened on: {error.strerror or error}",
            "Stop what holds it, or set webhook.host and webhook.port.",
        ) from error
    return listening
