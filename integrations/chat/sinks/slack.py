"""Slack by its Web API: a thread an incident, found again by the metadata of its messages, its first message kept up to
date in place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from integrations.chat.text import blocks, escaped
from integrations.rest import Rest
from integrations.sinks import Options, hint, incident_of, needs, options, service
from patchgap.model.telling import Draft, Note, Ticket
from patchgap.registry import sink
from patchgap.settings import SinkSettings

_URL = "https://slack.com/api"
_EVENT = "patchgap_incident"
_CLOCKS = timedelta(minutes=5)  # Slack's clock and ours may differ
_PAGES = 50  # of 200 messages: a channel busier than that cannot be searched
Message = Mapping[str, Any]


class _Slack(Options):
    channel: str = Field(pattern=r"^[CGD][A-Z0-9]{2,20}$")  # the id: a name may be given to another channel


@sink
class SlackKind:
    """A channel that a Slack app with a bot token is a member of.

    Example::

        name = "incidents"
        kind = "slack"
        token = "env:SLACK_BOT_TOKEN"
        options = {channel = "C0123456789"}
    """

    kind: ClassVar[str] = "slack"
    permissions: ClassVar[tuple[str, ...]] = (
        "the bot scopes chat:write and channels:history (groups:history in a private channel)",
    )
    verbs: ClassVar[tuple[str, ...]] = ("open_incident", "notify", "person_called")

    def make(self, settings: SinkSettings, home: Path) -> SlackSink:  # noqa: ARG002  (the protocol's)
        """The channel. Raises BadInputError where its token or id is missing."""
        needs(settings, "token")
        return SlackSink(Rest(service(settings, _URL), hint(settings)), options(settings, _Slack).channel)


@dataclass(frozen=True, slots=True)
class SlackSink:
    """One channel. A ticket's id is its thread's first message and its own: `1700000000.000100/1700000000.000100`."""

    rest: Rest
    channel: str

    @property
    def shown(self) -> str:
        """The workspace's API and the channel."""
        return f"{self.rest.service.shown} ({self.channel})"

    @property
    def anew(self) -> bool:
        """Whether a person is called by a thread of its own."""
        return False

    def find(self, key: str, since: datetime) -> Ticket | None:
        """The message posted under that key, in the channel or in the incident's thread. Raises UnreachableError."""
        incident = incident_of(key)
        root = self._root(incident, since)
        if root is None:
            return None
        thread = str(root["ts"])
        mine = next((m for m in self._thread(thread) if _payload(m).get("key") == key), None)
        return None if mine is None else self._ticket(thread, str(mine["ts"]))

    def open(self, draft: Draft) -> Ticket:
        """Posts it, in the incident's thread where there is one. Raises UnreachableError."""
        root = self._root(draft.incident, draft.since)
        thread = None if root is None else str(root["ts"])
        body = self._said(draft.title, draft.body, draft.key, draft.incident)
        sent = self._post(body, thread, loud=draft.verb == "person_called")
        return self._ticket(thread or sent, sent)

    def add(self, ticket: Ticket, note: Note) -> None:
        """A reply in the thread, once a key, shown in the channel too where it calls a person or is the end; then the
        first message says how it stands. Raises UnreachableError."""
        thread, _, _ = ticket.id.partition("/")
        messages = list(self._thread(thread))
        if not messages:
            raise self.rest.unsound("has no such thread any more")
        if not any(_payload(m).get("key") == note.key for m in messages):
            body = self._said(note.title, note.body, note.key, note.incident)
            self._post(body, thread, loud=note.call or note.ended)
        self._restate(messages[0], note.status)

    def _restate(self, root: Message, status: str) -> None:
        """The first message's first line says the status; what it said stays."""
        held = dict(_payload(root))
        if held.get("status") == status:
            return
        title = str(held.get("title", ""))
        kept = [b for b in root.get("blocks", []) if b.get("type") != "header"]
        body = {
            "channel": self.channel,
            "ts": root["ts"],
            "text": escaped(f"[{status}] {title}"),
            "blocks": [*blocks(f"[{status}] {title}", ""), *kept],
            "metadata": {"event_type": _EVENT, "event_payload": {**held, "status": status}},
        }
        self._call("chat.update", body)

    def _said(self, title: str, text: str, key: str, incident: str) -> dict[str, Any]:
        payload = {"incident": incident, "key": key, "title": title, "status": ""}
        return {
            "channel": self.channel,
            "text": escaped(title),
            "blocks": blocks(title, text),
            "parse": "none",
            "link_names": False,
            "unfurl_links": False,
            "unfurl_media": False,
            "metadata": {"event_type": _EVENT, "event_payload": payload},
        }

    def _post(self, body: Mapping[str, Any], thread: str | None, *, loud: bool) -> str:
        reply = {"thread_ts": thread, "reply_broadcast": loud} if thread else {}
        sent = self.rest.pick(self._call("chat.postMessage", {**body, **reply}), "ts")
        if not isinstance(sent, str) or not sent.replace(".", "").isdecimal():
            raise self.rest.unsound("answered without a message's ts")
        return sent

    def _root(self, incident: str, since: datetime) -> Message | None:
        """The incident's first message in the channel."""
        asked = {"oldest": f"{(since - _CLOCKS).timestamp():.6f}"}
        mine = [m for m in self._pages("conversations.history", asked) if _payload(m).get("incident") == incident]
        return min(
            (m for m in mine if m.get("thread_ts", m["ts"]) == m["ts"]), key=lambda m: str(m["ts"]), default=None
        )

    def _thread(self, thread: str) -> Iterator[Message]:
        yield from self._pages("conversations.replies", {"ts": thread})

    def _pages(self, method: str, asked: Mapping[str, str]) -> Iterator[Message]:
        query = {"channel": self.channel, "include_all_metadata": "true", "limit": "200", **asked}
        for _ in range(_PAGES):
            held = self._checked(method, self.rest.ask("GET", f"/{method}", query=query).document)
            yield from (m for m in self.rest.pick(held, "messages") if isinstance(m, dict) and "ts" in m)
            cursor = (held.get("response_metadata") or {}).get("next_cursor", "")
            if not cursor:
                return
            query["cursor"] = str(cursor)
        raise self.rest.unsound(f"has more than {_PAGES * 200} messages since then")

    def _call(self, method: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._checked(method, self.rest.ask("POST", f"/{method}", body=body).document)

    def _checked(self, method: str, document: Any) -> dict[str, Any]:
        """Slack says in the body of a 200 what went wrong: a word of its own list."""
        if not isinstance(document, dict) or document.get("ok") is not True:
            told = str(document.get("error", "")) if isinstance(document, dict) else ""
            why = told if told.replace("_", "").isalnum() and len(told) < 60 else "no reason"  # noqa: PLR2004
            raise self.rest.unsound(f"refused {method}: {why}")
        return document

    def _ticket(self, thread: str, sent: str) -> Ticket:
        query = {"channel": self.channel, "message_ts": sent}
        held = self._checked("chat.getPermalink", self.rest.ask("GET", "/chat.getPermalink", query=query).document)
        url = held.get("permalink")
        return Ticket(f"{thread}/{sent}", url if isinstance(url, str) and url.startswith("https://") else "")


def _payload(message: Message) -> Mapping[str, Any]:
    held = message.get("metadata")
    if not isinstance(held, dict) or held.get("event_type") != _EVENT:
        return {}
    payload = held.get("event_payload")
    return payload if isinstance(payload, dict) else {}
