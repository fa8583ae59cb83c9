"""The hash chain, on stored text alone: how an entry is sealed, and what is wrong with a row of them.

Pure; used on rows of the database and on the entries of a bundle alike. Knows nothing of what bodies mean.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from patchgap.model.codec import canonical, digest

GENESIS = ""  # what stands before the first entry


@dataclass(frozen=True, slots=True)
class Link:
    """An entry as stored: `at` and `body` are canonical text."""

    incident: str
    seq: int
    previous: str
    hash: str
    at: str
    actor: str
    body: str


@dataclass(frozen=True, slots=True)
class ChainProblem:
    """One break. `seq` is the entry's place, 0 where the incident's own row is at fault."""

    incident: str
    seq: int
    problem: str

    def __str__(self) -> str:
        return f"{self.incident} entry {self.seq}: {self.problem}" if self.seq else f"{self.incident}: {self.problem}"


def seal(incident: str, seq: int, previous: str, at: str, actor: str, body: str) -> str:
    """The hash of an entry: SHA-256 over the canonical JSON of everything but itself. Raises ValueError where `body`
    is no JSON."""
    return digest(
        {
            "incident": incident,
            "seq": seq,
            "previous": previous,
            "at": at,
            "actor": actor,
            "body": json.loads(body),
        }
    )


def problems(incident: str, links: Sequence[Link], known: int = 0) -> Iterator[ChainProblem]:
    """Every break of one incident's chain, in order of the entries; the first `known` were found whole before, and are
    the same to the letter."""
    previous = links[known - 1].hash if known else GENESIS
    for place, link in enumerate(links[known:], start=known + 1):
        for problem in _wrong(link, incident, place, previous):
            yield ChainProblem(incident, place, problem)
        previous = link.hash


def _wrong(link: Link, incident: str, place: int, previous: str) -> Iterator[str]:
    if link.incident != incident:
        yield f"it belongs to {link.incident}"
    if link.seq != place:
        yield f"its number is {link.seq}: an entry is missing or was added"
    if link.previous != previous:
        yield "it does not follow the entry before it"
    if flaw := _unsealed(link):
        yield flaw


def _unsealed(link: Link) -> str:
    try:
        if canonical(json.loads(link.body)) != link.body.encode():
            return "its body is not in canonical form: it was changed"
        sealed = seal(link.incident, link.seq, link.previous, link.at, link.actor, link.body)
    except (TypeError, ValueError, AttributeError, RecursionError):
        return "its body cannot be read: it was changed"
    return "" if sealed == link.hash else "its hash does not match its content: it was changed"
