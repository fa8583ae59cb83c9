"""Jira, Cloud and Data Center, by REST: an issue a key, found again by a label."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from integrations.rest import Rest
from integrations.sinks import Options, hint, mark, needs, options, service
from integrations.ticketing.directory import VERBS
from patchgap.model.telling import Draft, Note, Ticket
from patchgap.registry import sink
from patchgap.settings import SinkSettings

_KEY = re.compile(r"[A-Z][A-Z0-9_]{1,50}-[0-9]{1,12}", re.ASCII)
_SUMMARY, _LONGEST = 240, 30_000  # characters; a text field holds 32,767
_DONE = "done"  # the key of the status category that every workflow has


class _Jira(Options):
    project: str = Field(pattern=r"^[A-Z][A-Z0-9_]{1,50}$")
    issue_type: str = "Task"
    edition: Literal["cloud", "server"] = "cloud"
    user: str = ""  # the account's e-mail address, which Cloud asks for beside its API token
    resolve: bool = True  # whether the issue is moved to a done status when the incident ends


@sink
class JiraKind:
    """A Jira site.

    Example::

        name = "security-board"
        kind = "jira"
        url = "https://example.atlassian.net"
        token = "env:JIRA_TOKEN"
        verbs = ["open_ticket", "open_incident"]
        options = {project = "SEC", user = "patchgap@example.org"}
    """

    kind: ClassVar[str] = "jira"
    permissions: ClassVar[tuple[str, ...]] = (
        "Browse Projects, Create Issues, Add Comments and Transition Issues in options.project",
    )
    verbs: ClassVar[tuple[str, ...]] = VERBS

    def make(self, settings: SinkSettings, home: Path) -> JiraSink:  # noqa: ARG002  (the protocol's)
        """The site. Raises BadInputError where its url, token or project is missing."""
        needs(settings, "url", "token")
        asked = options(settings, _Jira)
        # A server refuses a browser's user agent without its token; this one says what it is.
        rest = Rest(service(settings, user=asked.user), hint(settings), {"X-Atlassian-Token": "no-check"})
        return JiraSink(rest, asked)


@dataclass(frozen=True, slots=True)
class JiraSink:
    """One project of a site. Cloud takes and gives documents of nodes, whose text is never markup; Data Center takes
    its wiki's markup, where a noformat block holds the text."""

    rest: Rest
    asked: _Jira

    @property
    def shown(self) -> str:
        """The site and the project."""
        return f"{self.rest.service.shown.rstrip('/')}/browse/{self.asked.project}"

    @property
    def anew(self) -> bool:
        """Whether a person is called by a thread of its own."""
        return False

    def find(self, key: str, since: datetime) -> Ticket | None:  # noqa: ARG002  (the protocol's)
        """The issue with that label, the oldest where there are two. Raises UnreachableError."""
        query = f'project = "{self.asked.project}" AND labels = "{_label(key)}" ORDER BY created ASC'
        body = {"jql": query, "maxResults": 2, "fields": ["labels"]}
        held = self.rest.ask("POST", f"{self._api}/search{'/jql' if self._cloud else ''}", body=body).document
        rows = self.rest.pick(held, "issues")
        mine = [r for r in rows if _label(key) in self.rest.pick(r, "fields", "labels")]
        return self._ticket(mine[0]) if mine else None

    def open(self, draft: Draft) -> Ticket:
        """Creates the issue. Raises UnreachableError."""
        fields = {
            "project": {"key": self.asked.project},
            "issuetype": {"name": self.asked.issue_type},
            "summary": draft.title[:_SUMMARY],
            "description": self._text(draft.body),
            "labels": ["patchgap", _label(draft.key), draft.severity],
        }
        return self._ticket(self.rest.ask("POST", f"{self._api}/issue", body={"fields": fields}).document)

    def add(self, ticket: Ticket, note: Note) -> None:
        """A comment, once a key; then a done status where the incident ended. Raises UnreachableError."""
        where = f"{self._api}/issue/{ticket.id}"
        held = self.rest.ask("GET", f"{where}/comment", query={"orderBy": "-created", "maxResults": "100"}).document
        if mark(note.key) not in str(held):
            text = f"{note.title}\n\n{note.body}\n{mark(note.key)}"
            self.rest.ask("POST", f"{where}/comment", body={"body": self._text(text)})
        if note.ended and self.asked.resolve:
            self._resolve(where)

    def _resolve(self, where: str) -> None:
        pick, category = self.rest.pick, ("statusCategory", "key")
        now = self.rest.ask("GET", where, query={"fields": "status"}).document
        if pick(now, "fields", "status", *category) == _DONE:
            return
        offered = pick(self.rest.ask("GET", f"{where}/transitions").document, "transitions")
        done = next((t for t in offered if pick(t, "to", *category) == _DONE), None)
        if done is None:
            raise self.rest.unsound("offers no transition to a done status")
        self.rest.ask("POST", f"{where}/transitions", body={"transition": {"id": pick(done, "id")}})

    def _text(self, text: str) -> Any:
        if self._cloud:
            block = {"type": "codeBlock", "attrs": {"language": "markdown"}}
            return {
                "type": "doc",
                "version": 1,
                "content": [{**block, "content": [{"type": "text", "text": text[:_LONGEST]}]}],
            }
        return "{noformat}\n" + text[:_LONGEST].replace("{noformat}", "(noformat)") + "\n{noformat}"

    def _ticket(self, row: Any) -> Ticket:
        name = row.get("key") if isinstance(row, dict) else None
        if not isinstance(name, str) or not _KEY.fullmatch(name):
            raise self.rest.unsound("answered without an issue's key")
        return Ticket(name, f"{self.rest.service.shown.rstrip('/')}/browse/{name}")

    @property
    def _cloud(self) -> bool:
        return self.asked.edition == "cloud"

    @property
    def _api(self) -> str:
        return "/rest/api/3" if self._cloud else "/rest/api/2"


def _label(key: str) -> str:
    return f"patchgap-{key}"
