"""Tickets at a generic webhook: POST opens, with an Idempotency-Key; GET with ?key= finds again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from http import HTTPStatus

from integrations.outbound import Answer, Service
from integrations.ticketing.tickets import Draft, Ticket
from patchgap.errors import BadInputError, UnreachableError
from patchgap.graph.documents import parse_json

_OPENED = (HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED)
_LONGEST = 2_000


@dataclass(frozen=True, slots=True)
class WebhookSink:
    """The ticket system, or what stands before it."""

    service: Service

    @property
    def shown(self) -> str:
        """Its address."""
        return self.service.shown

    def find(self, key: str) -> Ticket | None:
        """The ticket of that key; None where the answer is 404. Raises UnreachableError."""
        answer = self.service.request("GET", self.service.url, query={"key": key})
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        return self._ticket(answer, (HTTPStatus.OK,))

    def open(self, draft: Draft) -> Ticket:
        """Opens it. Raises UnreachableError; whether it was opened after all, `find` tells."""
        answer = self.service.request(
            "POST",
            self.service.url,
            headers={"Idempotency-Key": draft.key, "Content-Type": "application/json"},
            content=json.dumps(asdict(draft)).encode(),
        )
        return self._ticket(answer, _OPENED)

    def _ticket(self, answer: Answer, wanted: tuple[HTTPStatus, ...]) -> Ticket:
        if answer.status not in wanted:
            raise self._unsound(f"answered {answer.status}")
        try:
            document = parse_json(answer.body, "the answer")
        except BadInputError as error:
            raise self._unsound("answered with what is no JSON document") from error
        name, url = document.get("id"), document.get("url")
        if type(name) is int:  # a bool is an int too, and no id
            name = str(name)
        if not _fit(name) or not _fit(url) or not str(url).startswith(("https://", "http://")):
            raise self._unsound('answered without {"id": …, "url": "http(s)://…"}')
        return Ticket(str(name), str(url))

    def _unsound(self, problem: str) -> UnreachableError:
        return UnreachableError(
            f"The ticket sink at {self.shown} {problem}",
            "Check tickets.url and tickets.token; docs/webhooks.md has what it must answer.",
        )


def _fit(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST and value.isprintable()
