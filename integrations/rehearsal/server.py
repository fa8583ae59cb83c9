"""The HTTPS server: sockets, bodies, watches and planned faults around the API.

Owns the ASGI application and its thread; every answer is the API's.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import tempfile
import threading
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response, StreamingResponse

from integrations.rehearsal import faults as planned
from integrations.rehearsal.api import Answer, Api
from integrations.rehearsal.certificates import Authority, write
from integrations.rehearsal.document import Json
from integrations.rehearsal.machine import Machine
from integrations.rehearsal.reading import Query, Watch, bookmark, line, watched
from integrations.rehearsal.request import Request
from integrations.rehearsal.resources import Resource
from integrations.rehearsal.status import ApiError
from integrations.rehearsal.storage import Change

_log = logging.getLogger(__name__)
_LONGEST_WATCH = 3600.0
_START_WITHIN = 10.0
_FAILURES_FROM = 300
_BOOKMARK_EVERY = 60.0
_DRIP_EVERY = 0.2  # seconds a byte: slower than any deadline, faster than any read's time-out


@dataclass(frozen=True)
class Logged:
    """One answered request."""

    user: str
    method: str
    path: str
    dry_run: bool
    status: int
    agent: str = ""  # the caller's User-Agent
    changes: int = 0  # objects that it made, changed or removed in the storage; a patch that changes nothing has none

    @property
    def mutates(self) -> bool:
        """Whether it may have changed something that is stored."""
        return self.method not in ("GET", "HEAD") and not self.dry_run and self.status < _FAILURES_FROM


class Server:
    """The server of one machine, on its own thread and a free port of loopback. `certificate` is its authority's, as PEM."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._api = Api(machine)
        authority = Authority()
        self.certificate = authority.certificate
        self.faults = planned.Faults()
        self.requests: deque[Logged] = deque(maxlen=100_000)
        self._server = uvicorn.Server(self._configured(authority))
        self._stopping = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._changes = 0
        machine.storage.listen(self._note)
        self._thread = threading.Thread(target=self._run, name="rehearsal-server", daemon=True)
        self.url = ""

    def _configured(self, authority: Authority) -> uvicorn.Config:
        """TLS, as clients send bearer tokens over nothing else; its key is in a file until it is read."""
        pair = authority.server()
        with tempfile.TemporaryDirectory(prefix="patchgap-rehearsal-") as folder:
            config = uvicorn.Config(
                self._application,
                host="127.0.0.1",
                port=0,
                log_level="critical",
                access_log=False,
                lifespan="off",
                interface="asgi3",
                timeout_graceful_shutdown=1,
                ssl_certfile=write(Path(folder) / "tls.crt", pair.certificate),
                ssl_keyfile=write(Path(folder) / "tls.key", pair.key),
            )
            config.load()
        return config

    def start(self) -> None:
        """Listen; returns when calls are answered. Raises RuntimeError where that fails."""
        self._thread.start()
        if not self._ready.wait(_START_WITHIN) or not self.url:
            message = "the rehearsal cluster's server did not start; is loopback available?"
            raise RuntimeError(message)

    def stop(self) -> None:
        """Close every connection and end the thread."""
        self._server.should_exit = True
        if self._loop is not None and self._loop.is_running():
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(timeout=_START_WITHIN)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        serving = asyncio.create_task(self._server.serve())
        while not self._server.started and not serving.done():  # noqa: ASYNC110 - see below
            await asyncio.sleep(0.005)  # uvicorn has a flag for this and no event
        if self._server.started:
            port = self._server.servers[0].sockets[0].getsockname()[1]
            self.url = f"https://127.0.0.1:{port}"
        self._ready.set()
        await serving

    async def _application(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        http = HttpRequest(scope, receive)
        try:
            body = await http.body()
        except ClientDisconnect:
            return
        headers = {name.lower(): value for name, value in http.headers.items()}
        request = Request(http.method, scope["path"], dict(http.query_params), headers, body)
        agent = headers.get("user-agent", "")
        dry = request.dry_run or b'"dryRun":["All"]' in body.replace(b" ", b"")
        writes = request.method not in ("GET", "HEAD") and not dry
        fault = self.faults.next_for(request.method, request.path, agent, writes=writes)
        if fault in ("close", "hang"):
            await self._spoil(fault, send)
            return
        self._changes = 0
        if fault is None or fault in planned.DONE_FIRST:
            user, answer = self._answer(request)
        else:
            refusal = planned.refusal(fault)
            user, answer = "", Answer(refusal.code, refusal.document(), headers=refusal.headers)
        logged = Logged(user, request.method, request.path, dry, answer.status, agent, self._changes)
        self.requests.append(logged)
        if fault in planned.DONE_FIRST:
            await self._spoil_answer(fault, answer, send)
            return
        await self._response(answer, request)(scope, receive, send)

    def _note(self, change: Change) -> None:  # noqa: ARG002  (the listener's)
        """Counts what the request at hand changes; the controllers' changes come from other threads."""
        if threading.current_thread() is self._thread:
            self._changes += 1

    def _answer(self, request: Request) -> tuple[str, Answer]:
        try:
            return self._api.answer(request)
        except Exception as failure:  # noqa: BLE001 - the server's edge: a defect is told to the caller and logged whole
            _log.exception("%s %s failed", request.method, request.path)
            message = f"Internal error occurred: {type(failure).__name__}: {failure}"
            return "", Answer(500, ApiError(500, "InternalError", message, {}).document())

    async def _spoil(self, fault: str, send: Any) -> None:
        """Answer nothing for as long as the caller waits, or break off in the middle."""
        if fault == "hang":
            await self._stopping.wait()
        head = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]}
        await send(head)
        await send({"type": "http.response.body", "body": b"{", "more_body": True})

    async def _spoil_answer(self, fault: str, answer: Answer, send: Any) -> None:
        """What was asked is done; the caller hears nothing of it, or half, or a byte at a time."""
        if fault == "reset":
            _reset(send)
            return
        body = answer.body()
        length = (b"content-length", str(len(body)).encode())
        head = [(b"content-type", b"application/json"), length]
        await send({"type": "http.response.start", "status": answer.status, "headers": head})
        if fault == "truncate":
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
            return  # uvicorn closes a connection whose answer was not finished
        for byte in body:
            await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
            if self._stopping.is_set():
                return
            await asyncio.sleep(_DRIP_EVERY)

    def _response(self, answer: Answer, request: Request) -> Response:
        headers = {**answer.headers, "Cache-Control": "no-cache, private"}
        if answer.watch is not None:
            stream = self._watch(answer.watch, request)
            return StreamingResponse(stream, media_type="application/json", headers=headers)
        kind = "text/plain; charset=utf-8" if answer.text else "application/json"
        if answer.raw is not None:
            headers["Content-Type"], kind = "text/plain", ""
        response = Response(answer.body(), answer.status, headers, kind)
        for words in answer.warnings:
            text = words.replace("\\", "\\\\").replace('"', '\\"')
            response.raw_headers.append((b"warning", f'299 - "{text}"'.encode()))
        return response

    async def _watch(self, watch: Watch, request: Request) -> AsyncIterator[bytes]:
        feed = _Feed(watch.resource.key)
        with self._machine.storage.lock:
            first, revision = self._machine.reader.initial(watch.resource, watch.namespace, watch.query)
            unlisten = self._machine.storage.listen(feed.heard)
        try:
            for event in first:
                yield line(event, watch.shown)
            if revision >= 0:
                async for event in self._follow(feed, watch.resource, watch.namespace, watch.query, request):
                    yield line(event, watch.shown)
        finally:
            unlisten()

    async def _follow(
        self, feed: _Feed, resource: Resource, namespace: str, query: Query, request: Request
    ) -> AsyncIterator[Json]:
        matches = query.matcher(resource)
        loop = asyncio.get_running_loop()
        ends = loop.time() + _timeout(request)
        marks = request.query.get("allowWatchBookmarks") in ("1", "true")
        stopped = asyncio.create_task(self._stopping.wait())
        heard: asyncio.Task[Change] | None = None
        try:
            while (left := ends - loop.time()) > 0 and not stopped.done():
                heard = asyncio.create_task(feed.next())
                await asyncio.wait({heard, stopped}, timeout=min(left, _BOOKMARK_EVERY), return_when="FIRST_COMPLETED")
                if not heard.done():
                    heard.cancel()
                    if marks and ends - loop.time() > 0:
                        yield bookmark(resource, self._machine.storage.revision)
                    continue
                for event in watched(heard.result(), namespace, matches):
                    yield event
        finally:
            for waiting in (stopped, heard):
                if waiting is not None:
                    waiting.cancel()


class _Feed:
    """The changes of one kind, handed from the writers' threads to the server's loop."""

    def __init__(self, resource: str) -> None:
        self._resource = resource
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Change] = asyncio.Queue()

    def heard(self, change: Change) -> None:
        """Take a change; called under the storage's lock, from any thread."""
        if change.resource == self._resource and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._queue.put_nowait, change)

    async def next(self) -> Change:
        """The next change."""
        return await self._queue.get()


def _reset(send: Any) -> None:
    """Resets the connection: uvicorn's `send` is a method of the cycle that holds it."""
    transport = send.__self__.transport
    linger = struct.pack("ii", 1, 0)  # closing sends RST in place of FIN
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()


def _timeout(request: Request) -> float:
    text = request.query.get("timeoutSeconds", "")
    return float(text) if text.isascii() and text.isdigit() and int(text) else _LONGEST_WATCH
