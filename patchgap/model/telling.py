"""What people are told of an incident: what opens a thread at a sink, what is said on it later, and who knows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from patchgap.model.plan import Receipt


@dataclass(frozen=True, slots=True)
class Draft:
    """What opens a thread at a sink. `key` is the same for every attempt at it; nothing of it is older than `since`."""

    key: str
    incident: str
    verb: str
    severity: str
    title: str  # one line
    body: str  # Markdown, foreign text made code
    since: datetime


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a sink opened, as the sink names it. `url` may be empty where a person has nothing to open."""

    id: str
    url: str


@dataclass(frozen=True, slots=True)
class Note:
    """What is said later on what was opened. `key` is the same for every attempt at it; `ended` says that the incident
    is over, and `call` that a person must see it now."""

    key: str
    incident: str
    status: str
    title: str
    body: str
    ended: bool = False
    call: bool = False


@dataclass(frozen=True, slots=True)
class News:
    """One thing to be told. `key` is the same for the same reason, however often it is asked. `status` is the
    incident's, `why` a sentence; `call` says that a person is called, `asks` that a plan waits for a yes. `told` are the sinks that know it, `opened` what
    stands at a sink: (sink, id, url)."""

    key: str
    status: str
    why: str
    call: bool = False
    ended: bool = False
    asks: bool = False
    told: frozenset[str] = frozenset()
    opened: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Delivered:
    """How one sink took it. `problem` is "" where it did; then `id` and `url` are what was opened for it, if anything."""

    sink: str
    problem: str = ""
    id: str = ""
    url: str = ""


def opened_by(receipt: Receipt) -> tuple[str, str, str] | None:
    """(sink, id, url) of what a receipt says was opened at a sink; None where it is no such receipt."""
    held = receipt.result
    if not all(isinstance(held.get(name), str) for name in ("sink", "id", "url")):
        return None
    return held["sink"], held["id"], held["url"]
