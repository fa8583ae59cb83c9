"""A request's body: capped while it streams, bounded in time, then read as strict JSON.

Owns size, time and form. Knows nothing of signatures or of what a signal is.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

from fastapi import Request

from integrations.webhooks.problems import DeliveryRefusedError
from patchgap.errors import BadInputError
from patchgap.graph.documents import depth_of, parse_json

MAX_BODY = 1024 * 1024
MAX_DEPTH = 64


async def body_of(request: Request, within: float) -> bytes:
    """The raw bytes of a JSON document. Raises DeliveryRefusedError: 415 for another type or an encoding, 413 over 1
    MiB, 408 where they have not all come within so many seconds."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise DeliveryRefusedError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the content type is not application/json", "Send JSON, and say so."
        )
    return await bytes_of(request, within, MAX_BODY)


async def bytes_of(request: Request, within: float, largest: int) -> bytes:
    """The raw bytes, of whatever type. Raises DeliveryRefusedError, as `body_of`."""
    _hold_headers(request, largest)
    body = bytearray()
    try:
        async with asyncio.timeout(within):
            async for part in request.stream():
                body += part
                if len(body) > largest:
                    raise _too_large(largest)
    except TimeoutError as error:
        raise DeliveryRefusedError(
            HTTPStatus.REQUEST_TIMEOUT, f"the body did not come whole within {within:g} s", "Send it in one go."
        ) from error
    return bytes(body)


def _hold_headers(request: Request, largest: int) -> None:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise DeliveryRefusedError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the body has a content encoding", "Send it uncompressed."
        )
    length = request.headers.get("content-length", "0")
    if not (length.isascii() and length.isdecimal() and len(length) <= len(str(largest)) and int(length) <= largest):
        raise _too_large(largest)


def _too_large(largest: int) -> DeliveryRefusedError:
    fix = (
        "Send one signal or deployment in a message."
        if largest == MAX_BODY
        else "Add it by patchgap graph add instead."
    )
    return DeliveryRefusedError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {largest >> 20} MiB", fix
    )


def document_of(body: bytes) -> dict[str, Any]:
    """The JSON object. Raises BadInputError for duplicate keys, numbers that are none, depth, and text that a
    database cannot hold."""
    document = parse_json(body, "the body")
    if depth_of(document) > MAX_DEPTH:
        raise BadInputError("the body", f"it is nested deeper than {MAX_DEPTH}", "Flatten it.")
    _hold_text(document)
    return document


def _hold_text(document: Any) -> None:
    rest = [document]
    while rest:
        value = rest.pop()
        if isinstance(value, dict):
            rest += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            rest += value
        elif isinstance(value, str) and ("\0" in value or any("\ud800" <= c <= "\udfff" for c in value)):
            raise BadInputError(
                "the body", "a text in it holds a NUL character or half of a surrogate pair", "Send plain text."
            )
