"""Slack by an incoming webhook, whose address is the secret: it posts, and can do nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import ClassVar

from integrations.chat.text import blocks, escaped
from integrations.outbound import Service
from integrations.rest import Rest
from integrations.sinks import TIMEOUT, Options, bad, hint, needs, options
from patchgap.errors import UnreachableError
from patchgap.model.telling import Draft, Note, Ticket
from patchgap.model.unknown import Unknown
from patchgap.registry import sink
from patchgap.settings import SinkSettings, secret


class _Hook(Options):
    """None: the webhook knows its channel."""


@sink
class SlackWebhookKind:
    """An incoming webhook; `token` refers to its whole address. Where a bot token may be had, use the kind `slack`.

    Example::

        name = "announcements"
        kind = "slack-webhook"
        token = "file:/run/secrets/slack-webhook-url"
        verbs = ["notify", "person_called"]
    """

    kind: ClassVar[str] = "slack-webhook"
    permissions: ClassVar[tuple[str, ...]] = ("an incoming webhook of one channel",)
    verbs: ClassVar[tuple[str, ...]] = ("notify", "person_called")

    def make(self, settings: SinkSettings, home: Path) -> SlackWebhookSink:  # noqa: ARG002  (the protocol's)
        """The webhook. Raises BadInputError where its token is missing, or an address is given in the clear."""
        options(settings, _Hook)
        needs(settings, "token")
        if settings.url:
            raise bad(settings, "url is set: an incoming webhook's address is its secret, so that token refers to it")
        return SlackWebhookSink(settings.name, settings.token, hint(settings))


@dataclass(frozen=True, slots=True)
class SlackWebhookSink:
    """One channel, write-only: a crash between the message and its receipt may post it twice, never not at all."""

    name: str
    address: str  # a reference
    fix: str

    @property
    def shown(self) -> str:
        """The reference: the address is the secret."""
        return f"the Slack webhook behind {self.address}"

    @property
    def anew(self) -> bool:
        """Whether a person is called by a thread of its own."""
        return False

    def find(self, key: str, since: datetime) -> Unknown:  # noqa: ARG002  (the protocol's)
        """It cannot be asked."""
        return Unknown(self.shown, "an incoming webhook cannot be asked; a crash may post a message twice")

    def open(self, draft: Draft) -> Ticket:
        """Posts it. Raises UnreachableError."""
        self._post(draft.title, draft.body)
        return Ticket(draft.key, "")

    def add(self, ticket: Ticket, note: Note) -> None:  # noqa: ARG002  (it has no threads)
        """Posts it. Raises UnreachableError."""
        self._post(note.title, note.body)

    def _post(self, title: str, body: str) -> None:
        url = secret(self.address)
        if not url.startswith(("https://", "http://")):
            raise UnreachableError(f"{self.shown} holds no address", self.fix)
        where = Service(f"The sink {self.name}", url, timeout_seconds=TIMEOUT, hides_path=True)
        answer = Rest(where, self.fix).send("POST", {"text": escaped(title), "blocks": blocks(title, body)})
        if answer.status != HTTPStatus.OK:
            raise UnreachableError(f"{self.shown} did not take the message", self.fix)
