"""The ledger: each incident's append-only, hash-chained record, in one transaction an entry.

Owns how entries are written, read and verified. What they mean together is in `state`; nothing here decides.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from threading import RLock
from typing import Any, Self, TypeVar

import sqlalchemy as sa
from pydantic import ValidationError

from patchgap.errors import BadInputError, BrokenLedgerError, ConflictError, NotFoundError, RefusedError
from patchgap.incident import quota, tables
from patchgap.incident.chain import GENESIS, ChainProblem, Link, problems, seal
from patchgap.incident.events import (
    THEIRS,
    Body,
    Closed,
    Dismissed,
    IntentMade,
    Opened,
    PersonCalled,
    PersonTold,
    SignalJoined,
    TimeExtended,
    decode,
)
from patchgap.incident.lease import must_be_last
from patchgap.model.codec import canonical, plain
from patchgap.model.finding import IncidentId
from patchgap.model.signal import Signal
from patchgap.ports import Clock
from patchgap.redact import SecretError, secret_in, withheld, without_secrets
from patchgap.storage import writing

B = TypeVar("B", bound=Body | None)

_ATTEMPTS = 5  # to add to what was just read
_REMEMBERED = 16  # incidents whose verified entries a process keeps
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


@dataclass(frozen=True, slots=True)
class Entry:
    """One sealed event. `previous` and `hash` are `sha256:` digests (`previous` of the first is empty)."""

    incident: IncidentId
    seq: int
    previous: str
    hash: str
    at: datetime
    actor: str
    body: Body


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """An incident in a list. `status` is open, closed or dismissed; `state.fold` tells the rest."""

    id: IncidentId
    key: str
    status: str
    opened_at: datetime


# What was found whole: its rows, their entries, and the token of the lease under which it was last read (0 for none).
_Verified = tuple[list[Link], tuple[Entry, ...], int]
_NOTHING: _Verified = ([], (), 0)


class Ledger:
    """The record of every incident, in one database. Two writers never fork a chain. An intent that would change more
    within an hour than `per_hour` (of all incidents together) is not recorded: OverHourError."""

    def __init__(self, engine: sa.Engine, clock: Clock, per_hour: int | None = None) -> None:
        self._engine = engine
        self._clock = clock
        self._per_hour = per_hour
        self._fence = 0  # no lease's token
        self._read: dict[str, _Verified] = {}  # by incident
        self._turn = RLock()  # of this process's threads, which would wait longer for the database's lock

    def under(self, token: int) -> Self:
        """The same ledger for one that acts under an incident's lease: it adds only while that token is the last one, in the same
        transaction, and raises LeaseLostError once another engine took over."""
        made = copy.copy(self)
        made._fence = token  # noqa: SLF001  (of its own class)
        return made

    def open(self, key: str, opened: Opened, actor: str) -> tuple[IncidentId, bool]:
        """The new incident, or (the open one with this key or an alias of its advisory, False)."""
        key = without_secrets(key)
        keys = {key, *_names(opened.finding.signal)}
        try:
            return self._open(key, keys, opened, actor)
        except sa.exc.IntegrityError:  # another writer opened it in between: now it is there to be found
            return self._open(key, keys, opened, actor)

    def _open(self, key: str, keys: set[str], opened: Opened, actor: str) -> tuple[IncidentId, bool]:
        text, at = _sealable(opened), self._now()
        held = tables.incident_key
        with writing(self._engine) as connection:
            query = sa.select(held.c.incident).where(held.c.key.in_(keys)).order_by(held.c.incident)
            if found := connection.scalars(query).first():
                return IncidentId(found), False
            incident = _new_id(connection, key, at)
            link = Link(incident, 1, GENESIS, seal(incident, 1, GENESIS, at, actor, text), at, actor, text)
            row = {"id": incident, "key": key, "status": "open", "opened_at": at, "seq": 1, "head": link.hash}
            connection.execute(sa.insert(tables.incident).values(row))
            _insert(connection, link)
            _hold(connection, incident, keys)
        return incident, True

    def append(self, incident: IncidentId, body: Body, actor: str) -> Entry:
        """Adds to the chain's end. Raises RefusedError for an ended incident or for what looks like a secret,
        NotFoundError, and BrokenLedgerError where the end is not the one recorded."""
        text = _sealable(body)
        with self._turn, writing(self._engine) as connection:
            link = self._add(connection, self._for_update(connection, incident), text, body, actor)
        return _entry(link)

    def append_if(self, incident: IncidentId, expected_head: str, body: Body, actor: str) -> Entry | None:
        """Adds only where the last hash is still `expected_head`, so that a decision stands on what it was taken
        from; else None, and nothing is written."""
        text = _sealable(body)
        with self._turn, writing(self._engine) as connection:
            row = self._for_update(connection, incident)
            if row.head != expected_head:
                return None
            link = self._add(connection, row, text, body, actor)
        return _entry(link)

    def append_after(self, incident: IncidentId, weigh: Callable[[tuple[Entry, ...]], B], actor: str) -> B:
        """Adds what `weigh` makes of the entries, after just those: where another slips in between, it weighs again. None
        where it makes nothing. Raises what `append` raises, and ConflictError where others write all the time."""
        for _ in range(_ATTEMPTS):
            entries = self.read(incident)
            body = weigh(entries)
            if body is None or self.append_if(incident, entries[-1].hash, body, actor) is not None:
                return body
        raise ConflictError(f"the ledger of {incident} is too busy", "Run it again.")

    def _for_update(self, connection: sa.Connection, incident: str) -> sa.Row[Any]:
        query = sa.select(tables.incident).where(tables.incident.c.id == incident).with_for_update()
        row = connection.execute(query).first()
        if row is None:
            raise NotFoundError(f"there is no incident {incident}", "`patchgap incident list --all` names them all.")
        if self._fence:
            must_be_last(connection, incident, self._fence)
        return row

    def _add(self, connection: sa.Connection, row: sa.Row[Any], text: str, body: Body, actor: str) -> Link:
        _must_be_whole(connection, row)
        if row.status != "open" and not _outlives(body):
            raise RefusedError(f"{row.id} is {row.status}", "An ended incident takes no entry: open another one.")
        if isinstance(body, Opened):
            raise RefusedError(f"{row.id} is open already", "Join a further signal instead.")
        if isinstance(body, IntentMade) and (names := body.intent.action.reached):
            quota.take(connection, row.id, names, self._clock(), self._per_hour, intended=True)
        at, seq = self._now(), row.seq + 1
        link = Link(row.id, seq, row.head, seal(row.id, seq, row.head, at, actor, text), at, actor, text)
        _insert(connection, link)
        _follow(connection, link, body)
        return link

    def must_be_recordable(self, body: Body) -> None:
        """Raises what `append` would raise for the body's own content, before anything is done for its sake."""
        _sealable(body)

    def admit(self, incident: IncidentId, names: Collection[str]) -> None:
        """Counts all that a plan is about to change toward the hour's limit, before its first intent, so that none of
        them is cut off half-way. Raises OverHourError, with none of them counted."""
        with writing(self._engine) as connection:
            self._for_update(connection, incident)
            quota.take(connection, incident, names, self._clock(), self._per_hour, intended=False)

    def over_hour(self, incident: IncidentId, names: Collection[str]) -> tuple[str, ...]:
        """Why `admit` would refuse these now; empty where it would not. Records nothing."""
        with self._engine.connect() as connection:
            return quota.over(connection, incident, names, self._clock(), self._per_hour)

    def read(self, incident: IncidentId) -> tuple[Entry, ...]:
        """Every entry, oldest first, its chain verified. Raises NotFoundError, or BrokenLedgerError naming the first
        break.

        Every row is read anew; one that is to the letter what it was when it was verified is not hashed and decoded
        again. Under a lease the first reading is whole too; what was verified under that very lease is not read again, as
        long as its last entry stands and the rest follows it: else a containment would cost the square of its targets."""
        before, _, fence = self._read.get(incident, _NOTHING)
        row, links = self._load(incident, before if self._fence and self._fence == fence else ())
        with self._turn:  # so that threads are given the same objects, and what follows from them is counted once
            return self._verified(incident, row, links)

    def _verified(self, incident: IncidentId, row: sa.Row[Any], links: list[Link]) -> tuple[Entry, ...]:
        before, entries, fence = self._read.get(incident, _NOTHING)
        shared = min(len(before), len(links))
        known = entries[:shared] if links[:shared] == before[:shared] else ()
        broken = next(_all_problems(row, links, known), None)
        if broken:
            raise BrokenLedgerError(
                f"the ledger does not hold: {broken}",
                f"Decide nothing from it; `patchgap ledger verify {incident}` names every break. Restore a backup.",
            )
        found = (*known, *(_entry(link) for link in links[len(known) :]))
        if len(known) == shared < len(before):  # another thread has read on meanwhile
            return found
        if incident not in self._read and len(self._read) >= _REMEMBERED:
            self._read.pop(next(iter(self._read)), None)
        self._read[incident] = (links, found, self._fence or fence)
        return found

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Within it no other thread of this process adds an entry: what was read and is then added to with `append_if` loses
        no race but one with another process."""
        with self._turn:
            yield

    def incidents(self) -> Sequence[IncidentRow]:
        """Every incident, oldest first."""
        query = sa.select(tables.incident).order_by(tables.incident.c.opened_at, tables.incident.c.id)
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        try:
            return tuple(IncidentRow(IncidentId(r.id), r.key, r.status, _time(r.opened_at)) for r in rows)
        except (TypeError, ValueError) as error:
            raise BrokenLedgerError("an incident's time is no time", "Run `patchgap ledger verify`.") from error

    def chains(self) -> tuple[IncidentId, ...]:
        """Every incident that has a row or an entry, whether or not both."""
        columns = tables.incident.c.id, tables.entry.c.incident
        with self._engine.connect() as connection:
            known = {str(one) for c in columns for one in connection.scalars(sa.select(c).distinct())}
        return tuple(IncidentId(one) for one in sorted(known))

    def verify(self, incident: IncidentId | None = None) -> Sequence[ChainProblem]:
        """Every break of every chain (or of one): content, links, numbers, and the end recorded beside it."""
        every = self.chains()
        if incident is not None and incident not in every:
            raise NotFoundError(f"there is no incident {incident}", "`patchgap incident list --all` names them all.")
        found: list[ChainProblem] = []
        for one in every if incident is None else (incident,):
            try:
                found += _all_problems(*self._load(one))
            except (NotFoundError, BrokenLedgerError) as error:
                found.append(ChainProblem(one, 0, error.problem))
        return tuple(found)

    def _load(self, incident: IncidentId, known: Sequence[Link] = ()) -> tuple[sa.Row[Any], list[Link]]:
        """The incident's row and its entries, in one statement: one moment of the database. Of the entries that are known
        only the last is read, and all where that is another by now."""
        entry, owner = tables.entry.c, tables.incident.c
        since = known[-1].seq if known else 0
        query = (
            sa.select(tables.incident, *(entry[name].label(f"entry_{name}") for name in Link.__dataclass_fields__))
            .select_from(tables.incident.outerjoin(tables.entry, (entry.incident == owner.id) & (entry.seq >= since)))
            .where(owner.id == incident)
            .order_by(entry.seq)
        )
        try:
            with self._engine.connect() as connection:
                rows = connection.execute(query).all()
        except sa.exc.OperationalError as error:
            if "decode" not in str(error.orig):
                raise
            raise BrokenLedgerError(f"{incident} holds text that is no text", "Restore a backup.") from error
        if not rows:
            raise NotFoundError(f"there is no incident {incident}", "`patchgap incident list --all` names them all.")
        first = len(rows[0]) - len(Link.__dataclass_fields__)
        links = [Link(*r[first:]) for r in rows if r[first] is not None]
        if not known:
            return rows[0], links
        return (rows[0], [*known, *links[1:]]) if links[:1] == [known[-1]] else self._load(incident)

    def _now(self) -> str:
        return str(plain(self._clock()))


def _sealable(body: Body) -> str:
    """The canonical text of a body that reads back as itself and holds no secret; of words of others, what is left
    without it."""
    try:
        text = canonical(decode(plain(body))).decode()
        if shape := secret_in(text):
            theirs = {f.name for f in fields(body) if f.metadata == THEIRS}
            document = {k: withheld(v) if k in theirs else v for k, v in json.loads(text).items()}
            text = canonical(decode(document)).decode()
            shape = secret_in(text)
        same = canonical(decode(json.loads(text))).decode() == text
    except (ValidationError, TypeError, ValueError) as error:
        raise BadInputError(
            f"ledger entry {body.kind}", f"it cannot be recorded: {error}", "Correct what is to be recorded."
        ) from error
    if not same:
        raise BadInputError(f"ledger entry {body.kind}", "it does not read back as itself", "Use plain JSON values.")
    if shape:
        raise SecretError(f"an entry {body.kind} holds {shape}", "Record a reference to it, never the value.")
    return text


def _names(signal: Signal) -> set[str]:
    if signal.advisory is None:
        return set()
    return {without_secrets(f"advisory:{name}") for name in (signal.advisory.id, *signal.advisory.aliases)}


def _new_id(connection: sa.Connection, key: str, at: str) -> IncidentId:
    day = at[:10].replace("-", "")
    for attempt in range(64):
        number = int(hashlib.sha256(f"{key}\n{at}\n{attempt}".encode()).hexdigest(), 16)
        letters = "".join(_LETTERS[number >> (5 * place) & 31] for place in range(4))
        name = f"inc-{day}-{letters}"
        if connection.scalar(sa.select(tables.incident.c.id).where(tables.incident.c.id == name)) is None:
            return IncidentId(name)
    raise RefusedError(f"{day} has no free incident id", "Close or dismiss incidents; a flood of signals came in.")


def _insert(connection: sa.Connection, link: Link) -> None:
    values = {name: getattr(link, name) for name in Link.__dataclass_fields__}
    connection.execute(sa.insert(tables.entry).values(values))


def _hold(connection: sa.Connection, incident: str, keys: set[str]) -> None:
    held = tables.incident_key.c.key
    taken = set(connection.scalars(sa.select(held).where(held.in_(keys))))
    for key in sorted(keys - taken):
        connection.execute(sa.insert(tables.incident_key).values(key=key, incident=incident))


def _outlives(body: Body) -> bool:
    """Whether an incident that has ended takes it: it changes nothing of the end, but says who heard of it, and who was
    called for what it left standing."""
    return isinstance(body, (PersonTold, TimeExtended)) or (isinstance(body, PersonCalled) and bool(body.about))


def _must_be_whole(connection: sa.Connection, row: sa.Row[Any]) -> None:
    entry = tables.entry.c
    query = sa.select(entry.seq, entry.hash).where(entry.incident == row.id).order_by(entry.seq.desc()).limit(1)
    last = connection.execute(query).first()
    if last is None or (last.seq, last.hash) != (row.seq, row.head):
        raise BrokenLedgerError(
            f"the ledger of {row.id} does not end where it should (entry {row.seq})",
            f"Nothing was written. Run `patchgap ledger verify {row.id}` and restore a backup.",
        )


def _follow(connection: sa.Connection, link: Link, body: Body) -> None:
    """What stands beside the chain: its end, the status, the keys of an open incident."""
    values: dict[str, Any] = {"seq": link.seq, "head": link.hash}
    if isinstance(body, (Closed, Dismissed)):
        values["status"] = body.kind
        connection.execute(sa.delete(tables.incident_key).where(tables.incident_key.c.incident == link.incident))
    elif isinstance(body, SignalJoined):
        _hold(connection, link.incident, _names(body.signal))
    connection.execute(sa.update(tables.incident).where(tables.incident.c.id == link.incident).values(values))


def _all_problems(row: sa.Row[Any], links: Sequence[Link], known: tuple[Entry, ...] = ()) -> Iterator[ChainProblem]:
    """Every break; `known` are the first links' entries where those were found whole before."""
    yield from problems(row.id, links, len(known))
    if not links:
        yield ChainProblem(row.id, 0, "it has no entries")
        return
    last = links[-1]
    if (row.seq, row.head) != (last.seq, last.hash):
        yield ChainProblem(row.id, 0, f"the chain ends at entry {last.seq}, and {row.seq} is recorded: a cut tail")
    if row.opened_at != links[0].at:
        yield ChainProblem(row.id, 0, "its time of opening is not that of its first entry")
    try:
        bodies = [*(e.body for e in known), *(decode(json.loads(link.body)) for link in links[len(known) :])]
    except (ValidationError, TypeError, ValueError):
        yield ChainProblem(row.id, 0, "it holds an entry that this patchgap does not know")
        return
    if not isinstance(bodies[0], Opened):
        yield ChainProblem(row.id, 1, "the first entry opens nothing")
    ended = next((b.kind for b in bodies if isinstance(b, (Closed, Dismissed))), "open")
    if row.status != ended:
        yield ChainProblem(row.id, 0, f"it is listed as {row.status}, and its ledger says {ended}")


def _entry(link: Link) -> Entry:
    body = decode(json.loads(link.body))
    return Entry(IncidentId(link.incident), link.seq, link.previous, link.hash, _time(link.at), link.actor, body)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
