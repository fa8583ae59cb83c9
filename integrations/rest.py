"""JSON asked of an HTTP service, patiently: where it says to wait, that is done within bounds, and anything unsound is
one error that names the service.

Owns what REST clients have in common. Knows nothing of any one of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from time import sleep as pause
from typing import Any

from integrations.outbound import Answer, Service
from patchgap.errors import BadInputError, UnreachableError
from patchgap.graph.documents import parse_json

MOST_PATIENT = 30.0  # seconds of all waits of one request together; a later run goes on
_SAFE = ("GET", "PUT", "DELETE")  # may be sent again after an answer that does not say whether it took effect
_OK = (HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of a status that was wanted. `document` is None where there is none."""

    status: int
    document: Any
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rest:
    """One service. `hint` is the fix that its errors end with."""

    service: Service
    hint: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        wanted: tuple[int, ...] = _OK,
        may_send: Callable[[], None] = lambda: None,
    ) -> Reply:
        """The reply. `path` is joined to the service's address; `may_send` is asked before each try. Raises
        UnreachableError for another status, for what is no JSON, and where the service asks to wait longer than a run may."""
        answer = self.send(method, body, path=path, query=query, headers=headers, may_send=may_send)
        if answer.status not in wanted:
            raise self.unsound(f"answered {answer.status}")
        if not answer.body.strip():
            return Reply(answer.status, None, answer.headers)
        try:
            return Reply(answer.status, json_value(answer.body), answer.headers)
        except BadInputError as error:
            raise self.unsound("answered with what is no JSON document") from error

    def send(
        self,
        method: str,
        body: Any,
        *,
        path: str = "",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        may_send: Callable[[], None] = lambda: None,
    ) -> Answer:
        """The answer of whatever status, once the service asks to wait no more."""
        content = None if body is None else json.dumps(body).encode()
        typed = {} if content is None else {"Content-Type": "application/json; charset=utf-8"}
        url = self.service.url.rstrip("/") + path
        waited = 0.0
        while True:
            may_send()
            all_headers = {**self.headers, **typed, **(headers or {})}
            answer = self.service.request(method, url, query=query, headers=all_headers, content=content)
            asked = _wait(answer, method)
            if asked is None:
                return answer
            waited += asked
            if waited > MOST_PATIENT:
                raise self.unsound("asks to wait longer than a run does")
            pause(asked)

    def pick(self, document: Any, *path: str) -> Any:
        """What stands there in a document. Raises UnreachableError where nothing does."""
        for name in path:
            if not isinstance(document, dict) or name not in document:
                raise self.unsound(f"answered without {'.'.join(path)}")
            document = document[name]
        return document

    def unsound(self, problem: str) -> UnreachableError:
        """The error that names this service."""
        return UnreachableError(f"{self.service.name} at {self.service.shown} {problem}", self.hint)


def json_value(body: bytes) -> Any:
    """A JSON document that may be a list. Raises BadInputError."""
    held = parse_json(b'{"value": ' + body + b"}", "the answer")
    if list(held) != ["value"]:
        raise BadInputError("the answer", "it is more than one JSON document", "Send one.")
    return held["value"]


def _wait(answer: Answer, method: str) -> float | None:
    """The seconds that the service asks to wait before the same request; None where it does not. A primary rate limit of
    GitHub is a 403 without remaining calls."""
    limited = answer.status == HTTPStatus.TOO_MANY_REQUESTS or (
        answer.status == HTTPStatus.FORBIDDEN
        and ("retry-after" in answer.headers or answer.headers.get("x-ratelimit-remaining") == "0")
    )
    if not limited and not (answer.status == HTTPStatus.SERVICE_UNAVAILABLE and method in _SAFE):
        return None
    told = answer.headers.get("retry-after", "").strip()
    if told.isascii() and told.isdigit():
        return float(told[:6]) or 0.1  # a service that says 0 forever must not be asked forever
    return MOST_PATIENT + 1 if limited else None
