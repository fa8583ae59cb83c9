"""What the receiver answers when it refuses: RFC 9457 problem documents, one sentence and its fix.

Owns which error is which status. No body, header or secret that came in is ever quoted here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from http import HTTPStatus

import sqlalchemy as sa
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import Counter
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from patchgap.errors import BadInputError, ConflictError, PatchgapError

_DRAINED = 64 * 1024 * 1024  # bytes of a body that nobody takes
_DRAINED_WITHIN = 10.0  # seconds


class DeliveryRefusedError(PatchgapError):
    """A delivery that is not taken, with the status that says whose move is next."""

    def __init__(self, status: HTTPStatus, problem: str, fix: str) -> None:
        self.status = status
        super().__init__(problem, fix)


def problem(status: HTTPStatus, detail: str) -> JSONResponse:
    """An `application/problem+json` answer."""
    body = {"type": "about:blank", "title": status.phrase, "status": int(status), "detail": detail}
    return JSONResponse(body, status_code=int(status), media_type="application/problem+json")


class _Refusal(JSONResponse):
    """A problem document, sent whole at once; what still comes of the request's body is then read and dropped, since many
    clients send all of it before they look for an answer, and find the connection broken where nobody reads."""

    def __init__(self, request: Request, status: HTTPStatus, detail: str) -> None:
        whole = problem(status, detail)
        super().__init__(None, status_code=whole.status_code)
        self._request, self.body, self.raw_headers = request, whole.body, whole.raw_headers

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        await _drain(self._request)
        await send({"type": "http.response.body", "body": b""})


async def _drain(request: Request) -> None:
    """Whoever expects a 100 sends nothing after a refusal."""
    if request.headers.get("expect"):
        return
    left = _DRAINED
    with suppress(TimeoutError, ClientDisconnect, RuntimeError):  # the last where all of it was read before
        async with asyncio.timeout(_DRAINED_WITHIN):
            async for part in request.stream():
                left -= len(part)
                if left < 0:
                    return


def install(app: FastAPI) -> None:
    """Makes every error of the application a problem document."""
    app.add_exception_handler(PatchgapError, _patchgap)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(sa.exc.SQLAlchemyError, _storage)
    app.add_exception_handler(Exception, _unforeseen)


def status_of(error: Exception) -> HTTPStatus:
    """The status that an error is answered with."""
    if isinstance(error, DeliveryRefusedError):
        return error.status
    if isinstance(error, BadInputError):
        return HTTPStatus.BAD_REQUEST
    if isinstance(error, ConflictError):
        return HTTPStatus.CONFLICT
    return HTTPStatus.SERVICE_UNAVAILABLE


async def counted(work: Awaitable[Response], counter: Counter) -> Response:
    """The answer to a delivery, counted by its status whether it is taken or refused."""
    try:
        answer = await work
    except ClientDisconnect:
        answer = problem(HTTPStatus.BAD_REQUEST, "The sender went away. Send it again.")
    except (PatchgapError, sa.exc.SQLAlchemyError) as error:
        counter.labels(int(status_of(error))).inc()
        raise
    counter.labels(answer.status_code).inc()
    return answer


async def _patchgap(request: Request, error: Exception) -> JSONResponse:
    return _Refusal(request, status_of(error), str(error)[:600])


async def _http(request: Request, error: Exception) -> JSONResponse:
    status = HTTPStatus(error.status_code) if isinstance(error, HTTPException) else HTTPStatus.INTERNAL_SERVER_ERROR
    return _Refusal(
        request,
        status,
        f"{status.description or status.phrase}. Signals are sent by POST to /v1/signals, SBOMs to /v1/sboms,"
        " deployments to /v1/deployments.",
    )


async def _storage(_request: Request, _error: Exception) -> JSONResponse:
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, "The database did not take it; nothing was accepted. Send it again.")


async def _unforeseen(_request: Request, _error: Exception) -> JSONResponse:
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "The receiver failed; its log says why. Send it again later.")
