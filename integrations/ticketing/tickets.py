"""The configured ticket sink: what it must be able to do, and which one the settings name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

from integrations.outbound import Service
from patchgap.errors import BadInputError
from patchgap.settings import Settings

_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Draft:
    """A ticket to be opened. `key` is the same for every attempt at it: incident and verb."""

    key: str
    incident: str
    verb: str
    severity: str
    title: str
    body: str  # Markdown


@dataclass(frozen=True, slots=True)
class Ticket:
    """An open ticket, as its sink names it."""

    id: str
    url: str


class Sink(Protocol):
    """Where tickets are opened. Both raise UnreachableError where the sink does not answer soundly."""

    @property
    def shown(self) -> str:
        """Where it is, for a person; without secrets."""

    def find(self, key: str) -> Ticket | None:
        """The ticket of that key, or None where the sink says there is none."""

    def open(self, draft: Draft) -> Ticket:
        """Opens it, once a key."""


class Tickets:
    """The connection to the configured sink."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """From the settings: a folder in patchgap's home where nothing is configured.

        Raises BadInputError where a webhook is wanted and no address is given."""
        from integrations.ticketing.file_sink import FileSink  # here, because the sinks know this module's values
        from integrations.ticketing.webhook_sink import WebhookSink

        wanted = settings.tickets
        if wanted.kind == "file":
            return cls(FileSink(wanted.folder or settings.home / "tickets"))
        if not wanted.url:
            raise BadInputError("settings", "tickets.url is not set", 'Set it, or choose tickets.kind = "file".')
        return cls(WebhookSink(Service("The ticket sink", wanted.url, wanted.token, _TIMEOUT)))
