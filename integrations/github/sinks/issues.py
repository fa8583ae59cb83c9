"""GitHub issues: one a key, found again by a mark in its text among those created since the incident began."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from integrations.github.client import API, GitHub
from integrations.sinks import Options, hint, mark, needs, options, service
from integrations.ticketing.directory import VERBS
from patchgap.model.telling import Draft, Note, Ticket
from patchgap.registry import sink
from patchgap.settings import SinkSettings

_BODY = 60_000  # characters; an issue takes 65,536
_CLOCKS = timedelta(minutes=5)  # GitHub's clock and ours may differ


class _Issues(Options):
    repository: str = Field(pattern=r"^[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}$")
    labels: tuple[str, ...] = ("patchgap",)  # dropped silently where the token may not label
    close: bool = True  # whether the issue is closed when the incident ends


@sink
class IssuesKind:
    """Issues of one repository, at github.com or, with `url`, at an Enterprise Server.

    Example::

        name = "platform-issues"
        kind = "github"
        token = "env:GITHUB_TOKEN"
        verbs = ["open_ticket"]
        options = {repository = "example/platform-security"}
    """

    kind: ClassVar[str] = "github"
    permissions: ClassVar[tuple[str, ...]] = ("a fine-grained token of that repository: Issues, read and write",)
    verbs: ClassVar[tuple[str, ...]] = VERBS

    def make(self, settings: SinkSettings, home: Path) -> IssuesSink:  # noqa: ARG002  (the protocol's)
        """The repository's issues. Raises BadInputError where the token or the repository is missing."""
        needs(settings, "token")
        return IssuesSink(GitHub.at(service(settings, API), hint(settings)), options(settings, _Issues))


@dataclass(frozen=True, slots=True)
class IssuesSink:
    """One repository. It is listed and not searched: the search's index lags behind what was opened."""

    github: GitHub
    asked: _Issues

    @property
    def shown(self) -> str:
        """The API and the repository."""
        return f"{self.github.rest.service.shown.rstrip('/')}/repos/{self.asked.repository}/issues"

    @property
    def anew(self) -> bool:
        """Whether a person is called by a thread of its own."""
        return False

    def find(self, key: str, since: datetime) -> Ticket | None:
        """The first issue with that mark. Raises UnreachableError."""
        oldest, found = since - _CLOCKS, None
        query = {"state": "all", "sort": "created", "direction": "desc"}
        for row in self.github.pages(self._path, query):
            if _created(row) < oldest:
                break
            if "pull_request" not in row and mark(key) in str(row.get("body")):
                found = row
        return None if found is None else self._ticket(found)

    def open(self, draft: Draft) -> Ticket:
        """Creates the issue. Raises UnreachableError."""
        body = {
            "title": draft.title,
            "body": f"{draft.body[:_BODY]}\n\n{_hidden(draft.key)}",
            "labels": list(self.asked.labels),
        }
        return self._ticket(self.github.rest.ask("POST", self._path, body=body).document)

    def add(self, ticket: Ticket, note: Note) -> None:
        """A comment, once a key; closed where the incident ended. Raises UnreachableError."""
        where = f"{self._path}/{ticket.id}"
        said = any(mark(note.key) in str(c.get("body")) for c in self.github.pages(f"{where}/comments", {}))
        if not said:
            text = f"**{note.title}**\n\n{note.body[:_BODY]}\n\n{_hidden(note.key)}"
            self.github.rest.ask("POST", f"{where}/comments", body={"body": text})
        if note.ended and self.asked.close:
            self.github.rest.ask("PATCH", where, body={"state": "closed", "state_reason": "completed"})

    @property
    def _path(self) -> str:
        return f"/repos/{self.asked.repository}/issues"

    def _ticket(self, row: Any) -> Ticket:
        number, url = self.github.rest.pick(row, "number"), self.github.rest.pick(row, "html_url")
        if type(number) is not int or not str(url).startswith(("https://", "http://")):
            raise self.github.rest.unsound("answered without an issue's number and address")
        return Ticket(str(number), str(url))


def _hidden(key: str) -> str:
    return f"<!-- {mark(key)} -->"


def _created(row: dict[str, Any]) -> datetime:
    """When it was created; a time that cannot be read ends no search."""
    try:
        return datetime.fromisoformat(str(row.get("created_at")))
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)
