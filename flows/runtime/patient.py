"""Prefect's server on SQLite answers 503 under light load: two of its own transactions met, and it asks to try again.

Its clients then sleep two seconds and more, and give up after some; a containment would wait with them. This tries
again at once, in the server: the same request, which the server itself has said to be safe to repeat.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

PAUSES = (0.01, 0.02, 0.04, 0.08, *(0.15,) * 60)  # seconds; ten in all
RETRY_AFTER_SECONDS = b"0.5"


class Patient:
    """An ASGI application around another. What is no 503 passes through as it comes."""

    def __init__(self, app: App, pauses: tuple[float, ...] = PAUSES) -> None:
        self._app = app
        self._pauses = pauses

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await _whole_body(receive)
        for pause in self._pauses:
            if await self._answered(scope, body, receive, send):
                return
            await asyncio.sleep(pause)
        await self._app(dict(scope), _replayed(body, receive), _telling_when(send))

    async def _answered(self, scope: Message, body: bytes, receive: Receive, send: Send) -> bool:
        """Tries once; False where the answer was 503, of which nothing was sent."""
        busy = False

        async def passed_on(message: Message) -> None:
            nonlocal busy
            busy = busy or message.get("status") == HTTPStatus.SERVICE_UNAVAILABLE
            if not busy:
                await send(message)

        try:
            await self._app(dict(scope), _replayed(body, receive), passed_on)
        except Exception:  # Starlette answers an unforeseen error, and then raises it for its server to log
            if not busy:
                raise
        return not busy


async def _whole_body(receive: Receive) -> bytes:
    parts = []
    while (message := await receive())["type"] == "http.request":
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    return b"".join(parts)


def _replayed(body: bytes, receive: Receive) -> Receive:
    given = False

    async def receive_again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


def _telling_when(send: Send) -> Send:
    async def told(message: Message) -> None:
        if message.get("status") == HTTPStatus.SERVICE_UNAVAILABLE:
            message["headers"] = [*message["headers"], (b"retry-after", RETRY_AFTER_SECONDS)]
        await send(message)

    return told
