"""Tells the sinks what the ledger holds beyond what an action opened: a person is called, a state has changed.

Implements `patchgap.ports.Messenger`. Knows no ledger: what was told before is in the news, what was told now in the
result.
"""

from __future__ import annotations

from collections.abc import Iterator

from integrations.ticketing.directory import Entry, Sinks
from integrations.ticketing.words import render
from patchgap.errors import NotFoundError, PatchgapError
from patchgap.model.telling import Delivered, Draft, News, Note, Ticket
from patchgap.ports import Situation

CALL = "person_called"
_CALLED_AT = "sev1"  # how urgent it is that a person is called


class SinkMessenger:
    """Through the configured sinks."""

    def deliver(self, news: News, situation: Situation) -> tuple[Delivered, ...]:
        """A call goes to every sink that takes calls: on what is open there, else as a thread of its own. A changed
        state goes to what is open; one that asks for a yes also to the sinks of one person, each with a link that is
        theirs alone. What a sink was told before it is not told again."""
        sinks = situation.connections.of(Sinks)
        told: list[Delivered] = []
        for entry, tickets in _wanted(sinks, news):
            try:
                told.append(_tell(entry, tickets, _note(news, entry, situation), situation))
            except PatchgapError as error:
                told.append(Delivered(entry.name, problem=str(error)))
        return tuple(told)


def _wanted(sinks: Sinks, news: News) -> Iterator[tuple[Entry, tuple[Ticket, ...]]]:
    """The sinks to be told, each with what is open there. One that is configured no more is passed over: what a person
    took out of the settings is not to hold up the rest."""
    open_at: dict[str, list[Ticket]] = {}
    for name, identity, url in news.opened:
        open_at.setdefault(name, []).append(Ticket(identity, url))
    taking = sinks.taking(CALL, _CALLED_AT)
    names = {e.name for e in taking} if news.call else set(open_at)
    names |= {e.name for e in taking if e.person} if news.asks else set()
    for name in sorted(names - news.told):
        try:
            yield sinks.of(name), tuple(open_at.get(name, ()))
        except NotFoundError:
            continue


def _tell(entry: Entry, tickets: tuple[Ticket, ...], note: Note, situation: Situation) -> Delivered:
    if note.call and (entry.sink.anew or not tickets):
        opened = _opened(entry, note, situation)
        return Delivered(entry.name, id=opened.id, url=opened.url)
    for ticket in tickets[:1] if note.call else tickets:
        entry.sink.add(ticket, note)
    return Delivered(entry.name)


def _opened(entry: Entry, note: Note, situation: Situation) -> Ticket:
    since = situation.finding.signal.received_at
    held = entry.sink.find(note.key, since)
    if isinstance(held, Ticket):
        return held
    return entry.sink.open(Draft(note.key, note.incident, CALL, _CALLED_AT, note.title, note.body, since))


def _note(news: News, entry: Entry, situation: Situation) -> Note:
    """The words for that sink. The link in them goes nowhere else: it is proof of being that person."""
    title, body = render("note", _context(news, situation, situation.approval_link(entry.person)))
    called = news.call or (news.asks and bool(entry.person))
    return Note(news.key, situation.incident, news.status, title, body, ended=news.ended, call=called)


def _context(news: News, situation: Situation, link: str) -> dict[str, object]:
    return {
        "incident": situation.incident,
        "heading": "a person is called"
        if news.call
        else "your yes or no is asked for"
        if news.asks
        else f"it is {news.status}",
        "status": news.status,
        "call": news.call,
        "ended": news.ended,
        "why": news.why,
        "plan": situation.plan_digest,
        "approval_link": link,
    }
