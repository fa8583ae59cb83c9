"""PagerDuty by its Events API v2: one alert a dedup_key, resolved when the incident ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar

from integrations.outbound import Service
from integrations.rest import Rest
from integrations.sinks import TIMEOUT, Options, hint, needs, options
from patchgap.model.telling import Draft, Note, Ticket
from patchgap.model.unknown import Unknown
from patchgap.registry import sink
from patchgap.settings import SinkSettings, secret

_URL = "https://events.pagerduty.com"
_SEVERITY = {"sev1": "critical", "sev2": "error", "sev3": "warning", "sev4": "info"}
_SUMMARY, _DETAILS = 1024, 20_000  # characters; an event may have 512 KiB


class _PagerDuty(Options):
    """None yet: the integration key says where it goes."""


@sink
class PagerDutyKind:
    """A PagerDuty service's Events API v2 integration; `token` refers to its integration key.

    Example::

        name = "oncall"
        kind = "pagerduty"
        token = "env:PAGERDUTY_INTEGRATION_KEY"
        verbs = ["open_incident", "person_called"]
        severities = ["sev1", "sev2"]
    """

    kind: ClassVar[str] = "pagerduty"
    permissions: ClassVar[tuple[str, ...]] = ("an Events API v2 integration key of one service",)
    verbs: ClassVar[tuple[str, ...]] = ("open_incident", "notify", "person_called")

    def make(self, settings: SinkSettings, home: Path) -> PagerDutySink:  # noqa: ARG002  (the protocol's)
        """The service behind that key; `url` only for its EU region or a proxy."""
        options(settings, _PagerDuty)
        needs(settings, "token")
        where = Service(f"The sink {settings.name}", settings.url or _URL, timeout_seconds=TIMEOUT)
        return PagerDutySink(Rest(where, hint(settings)), settings.token)


@dataclass(frozen=True, slots=True)
class PagerDutySink:
    """Events are sent with the key's value in their body, resolved for each and held nowhere."""

    rest: Rest
    routing_key: str  # a reference

    @property
    def shown(self) -> str:
        """Its address."""
        return self.rest.service.shown

    @property
    def anew(self) -> bool:
        """Whether a person is called by a thread of its own."""
        return True

    def find(self, key: str, since: datetime) -> Unknown:  # noqa: ARG002  (the protocol's)
        """Events are write-only; the same dedup_key stays one alert while it is open."""
        return Unknown(f"an alert of {self.shown}", "the Events API cannot be asked; its dedup_key keeps one alert")

    def open(self, draft: Draft) -> Ticket:
        """Triggers; PagerDuty itself keeps one open alert a dedup_key. Raises UnreachableError."""
        payload = {
            "summary": draft.title[:_SUMMARY],
            "source": "patchgap",
            "severity": _SEVERITY[draft.severity],
            "group": draft.incident,
            "class": draft.verb,
            "custom_details": {"incident": draft.incident, "text": draft.body[:_DETAILS]},
        }
        self._send({"event_action": "trigger", "dedup_key": draft.key, "client": "patchgap", "payload": payload})
        return Ticket(draft.key, "")

    def add(self, ticket: Ticket, note: Note) -> None:
        """Resolves where the incident ended. The Events API has no notes, and a second trigger would open again what a
        person has resolved: nothing else is sent."""
        if note.ended:
            self._send({"event_action": "resolve", "dedup_key": ticket.id})

    def _send(self, event: dict[str, Any]) -> None:
        body = {"routing_key": secret(self.routing_key), **event}
        self.rest.ask("POST", "/v2/enqueue", body=body, wanted=(HTTPStatus.ACCEPTED,))
