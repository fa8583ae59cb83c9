"""ServiceNow by its Table API: an incident record a key, found again by its correlation_id."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from integrations.rest import Rest
from integrations.sinks import Options, hint, mark, needs, options, service
from integrations.ticketing.directory import VERBS
from patchgap.model.telling import Draft, Note, Ticket
from patchgap.registry import sink
from patchgap.settings import SinkSettings

_TABLE = "/api/now/table/incident"
_URGENCY = {"sev1": "1", "sev2": "2", "sev3": "3", "sev4": "3"}
_RESOLVED = "6"
_SHORT, _LONG = 160, 4_000  # characters of short_description and of a journal field as they come


class _ServiceNow(Options):
    user: str = ""  # basic authentication; a bearer token where it is empty
    assignment_group: str = ""
    close_code: str = "Solution provided"  # instances differ: one of its own choices
    resolve: bool = True  # whether the record is resolved when the incident ends


@sink
class ServiceNowKind:
    """A ServiceNow instance.

    Example::

        name = "snow"
        kind = "servicenow"
        url = "https://example.service-now.com"
        token = "env:SERVICENOW_PASSWORD"
        verbs = ["open_incident", "open_ticket"]
        options = {user = "patchgap", assignment_group = "Platform Security"}
    """

    kind: ClassVar[str] = "servicenow"
    permissions: ClassVar[tuple[str, ...]] = ("a user with read, create and write on the incident table (role itil)",)
    verbs: ClassVar[tuple[str, ...]] = VERBS

    def make(self, settings: SinkSettings, home: Path) -> ServiceNowSink:  # noqa: ARG002  (the protocol's)
        """The instance. Raises BadInputError where its url or token is missing."""
        needs(settings, "url", "token")
        asked = options(settings, _ServiceNow)
        return ServiceNowSink(Rest(service(settings, user=asked.user), hint(settings)), asked)


@dataclass(frozen=True, slots=True)
class ServiceNowSink:
    """The incident table. An instance may ignore a term of a query that it does not know and answer with everything, so
    that each record's own correlation_id is looked at."""

    rest: Rest
    asked: _ServiceNow

    @property
    def shown(self) -> str:
        """Its address."""
        return self.rest.service.shown

    @property
    def anew(self) -> bool:
        """Whether a person is called by a thread of its own."""
        return False

    def find(self, key: str, since: datetime) -> Ticket | None:  # noqa: ARG002  (the protocol's)
        """The record of that correlation_id, the oldest where there are two. Raises UnreachableError."""
        query = {
            "sysparm_query": f"correlation_id={key}^ORDERBYsys_created_on",
            "sysparm_fields": "sys_id,number,correlation_id",
            "sysparm_limit": "5",
        }
        rows = self._result(self.rest.ask("GET", _TABLE, query=query, wanted=(200,)).document, list)
        mine = [r for r in rows if isinstance(r, dict) and r.get("correlation_id") == key]
        return self._ticket(mine[0]) if mine else None

    def open(self, draft: Draft) -> Ticket:
        """Creates the record. Raises UnreachableError."""
        body = {
            "correlation_id": draft.key,
            "correlation_display": "patchgap",
            "short_description": draft.title[:_SHORT],
            "description": draft.body[:_LONG],
            "urgency": _URGENCY[draft.severity],
            "impact": _URGENCY[draft.severity],
            **({"assignment_group": self.asked.assignment_group} if self.asked.assignment_group else {}),
        }
        return self._ticket(self._result(self.rest.ask("POST", _TABLE, body=body).document, dict))

    def add(self, ticket: Ticket, note: Note) -> None:
        """A work note, once a key; with it the resolution where the incident ended. Raises UnreachableError."""
        where = f"{_TABLE}/{ticket.id}"
        asked = {"sysparm_fields": "work_notes,state", "sysparm_display_value": "true"}
        held = self._result(self.rest.ask("GET", where, query=asked, wanted=(200,)).document, dict)
        if mark(note.key) in str(held.get("work_notes", "")):
            return
        # [code] would turn on markup in a journal field; brackets do not get there
        text = f"{note.title}\n{note.body[:_LONG]}\n{mark(note.key)}".replace("[", "(").replace("]", ")")
        body = {"work_notes": text}
        if note.ended and self.asked.resolve:
            body |= {"state": _RESOLVED, "close_code": self.asked.close_code, "close_notes": note.title}
        self.rest.ask("PATCH", where, body=body)

    def _ticket(self, row: dict[str, Any]) -> Ticket:
        name = str(row.get("sys_id", ""))
        if not (name.isascii() and name.isalnum()):
            raise self.rest.unsound("answered without a sys_id")
        return Ticket(name, f"{self.shown.rstrip('/')}/nav_to.do?uri=incident.do?sys_id={name}")

    def _result(self, document: Any, kind: type) -> Any:
        held = self.rest.pick(document, "result")
        if not isinstance(held, kind):
            raise self.rest.unsound("answered without a result")
        return held
