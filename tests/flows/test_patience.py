"""A 503 of Prefect's server is tried again in the server, as a client would."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flows.runtime.patient import Patient


class Busy:
    """An application that answers 503 so many times, then says what it was sent. As Starlette does, it raises the
    error after its answer to it."""

    def __init__(self, times: int, *, raises: bool = True) -> None:
        self.left = times
        self.raises = raises
        self.bodies: list[bytes] = []

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        self.bodies.append((await receive())["body"])
        busy, self.left = self.left > 0, self.left - 1
        await send({"type": "http.response.start", "status": 503 if busy else 201, "headers": []})
        await send({"type": "http.response.body", "body": b"busy" if busy else b"done"})
        if busy and self.raises:
            raise RuntimeError("database is locked")


def answer(app: Busy, pauses: tuple[float, ...]) -> list[dict[str, Any]]:
    """What a client gets that sends its body in two parts."""
    parts = [{"type": "http.request", "body": b"one ", "more_body": True}, {"type": "http.request", "body": b"two"}]
    sent: list[dict[str, Any]] = []

    async def receive() -> Any:
        return parts.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(Patient(app, pauses)({"type": "http"}, receive, send))
    return sent


def test_a_client_sees_the_answer_and_not_the_503s_before_it() -> None:
    """The whole body is replayed each time, and one answer is sent."""
    app = Busy(2)
    sent = answer(app, (0, 0, 0))
    assert [m.get("status") or m["body"] for m in sent] == [201, b"done"]
    assert app.bodies == [b"one two"] * 3


def test_patience_ends() -> None:
    """A server that stays busy says so, and when to come again."""
    sent = answer(Busy(9, raises=False), (0, 0))
    assert sent[0]["status"] == 503
    assert sent[0]["headers"] == [(b"retry-after", b"0.5")]


def test_what_is_no_503_is_not_hidden() -> None:
    """An error without an answer reaches the server that logs it, after one try."""
    tried = []

    async def broken(_scope: Any, _receive: Any, _send: Any) -> None:
        tried.append(1)
        raise RuntimeError("a defect")

    with pytest.raises(RuntimeError, match="a defect"):
        answer(broken, (0, 0))  # type: ignore[arg-type]
    assert tried == [1]
