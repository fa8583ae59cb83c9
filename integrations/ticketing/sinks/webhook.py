"""Tickets at a generic webhook: POST opens, with an Idempotency-Key; GET with ?key= finds again; PATCH with ?key= says
what has become of it, where the receiver wants that."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar

from integrations.rest import Reply, Rest
from integrations.sinks import Options, options, service
from integrations.ticketing.directory import VERBS
from patchgap.model.telling import Draft, Note, Ticket
from patchgap.registry import sink
from patchgap.settings import SinkSettings

_LONGEST = 2_000
_TOLD = ("key", "incident", "verb", "severity", "title", "body")


class _Webhook(Options):
    updates: bool = False  # whether it takes PATCH


@sink
class WebhookKind:
    """Any system that keeps the contract of docs/sinks.md.

    Example::

        name = "desk"
        kind = "webhook"
        url = "https://tickets.example.org/api/incidents"
        token = "env:TICKETS_TOKEN"
        options = {updates = true}
    """

    kind: ClassVar[str] = "webhook"
    permissions: ClassVar[tuple[str, ...]] = ("GET,POST url, and PATCH url with options.updates",)
    verbs: ClassVar[tuple[str, ...]] = VERBS

    def make(self, settings: SinkSettings, home: Path) -> WebhookSink:  # noqa: ARG002  (the protocol's)
        """The webhook. Raises BadInputError where no address is given."""
        fix = f"Check the url and the token of the sink {settings.name!r}; docs/sinks.md has what it must answer."
        return WebhookSink(Rest(service(settings), fix), updates=options(settings, _Webhook).updates)


@dataclass(frozen=True, slots=True)
class WebhookSink:
    """The ticket system, or what stands before it."""

    rest: Rest
    updates: bool = False

    @property
    def shown(self) -> str:
        """Its address."""
        return self.rest.service.shown

    @property
    def anew(self) -> bool:
        """Whether a person is called by a thread of its own."""
        return not self.updates

    def find(self, key: str, since: datetime) -> Ticket | None:  # noqa: ARG002  (the protocol's)
        """The ticket of that key; None where the answer is 404. Raises UnreachableError."""
        wanted = (HTTPStatus.OK, HTTPStatus.NOT_FOUND)
        reply = self.rest.ask("GET", "", query={"key": key}, wanted=wanted)
        return None if reply.status == HTTPStatus.NOT_FOUND else self._ticket(reply)

    def open(self, draft: Draft) -> Ticket:
        """Opens it. Raises UnreachableError; whether it was opened after all, `find` tells."""
        body = {k: v for k, v in asdict(draft).items() if k in _TOLD}
        return self._ticket(self.rest.ask("POST", "", body=body, headers={"Idempotency-Key": draft.key}))

    def add(self, ticket: Ticket, note: Note) -> None:
        """Tells the receiver, where it wants to know; the key of the note is its Idempotency-Key."""
        if self.updates:
            body = {"id": ticket.id, **asdict(note)}
            self.rest.ask("PATCH", "", query={"id": ticket.id}, body=body, headers={"Idempotency-Key": note.key})

    def _ticket(self, reply: Reply) -> Ticket:
        document: Any = reply.document if isinstance(reply.document, dict) else {}
        name, url = document.get("id"), document.get("url")
        if type(name) is int:  # a bool is an int too, and no id
            name = str(name)
        if not _fit(name) or not _fit(url) or not str(url).startswith(("https://", "http://")):
            raise self.rest.unsound('answered without {"id": …, "url": "http(s)://…"}')
        return Ticket(str(name), str(url))


def _fit(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST and value.isprintable()
