"""What the receiver answers when it refuses: RFC 9457 problem documents, one sentence and its fix.

Owns which error is which status. No body, header or secret that came in is ever quoted here.
"""

from __future__ import annotations

from collections.abc import Awaitable
from http import HTTPStatus

import sqlalchemy as sa
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import Counter
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from patchgap.errors import BadInputError, ConflictError, PatchgapError


class DeliveryRefusedError(PatchgapError):
    """A delivery that is not taken, with the status that says whose move is next."""

    def __init__(self, status: HTTPStatus, problem: str, fix: str) -> None:
        self.status = status
        super().__init__(problem, fix)


def problem(status: HTTPStatus, detail: str) -> JSONResponse:
    """An `application/problem+json` answer."""
    body = {"type": "about:blank", "title": status.phrase, "status": int(status), "detail": detail}
    return JSONResponse(body, status_code=int(status), media_type="application/problem+json")


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


async def _patchgap(_request: Request, error: Exception) -> JSONResponse:
    return problem(status_of(error), str(error)[:600])


async def _http(_request: Request, error: Exception) -> JSONResponse:
    status = HTTPStatus(error.status_code) if isinstance(error, HTTPException) else HTTPStatus.INTERNAL_SERVER_ERROR
    return problem(
        status,
        f"{status.description or status.phrase}. Signals are sent by POST to /v1/signals, SBOMs to /v1/sboms,"
        " deployments to /v1/deployments.",
    )


async def _storage(_request: Request, _error: Exception) -> JSONResponse:
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, "The database did not take it; nothing was accepted. Send it again.")


async def _unforeseen(_request: Request, _error: Exception) -> JSONResponse:
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "The receiver failed; its log says why. Send it again later.")
