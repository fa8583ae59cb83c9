"""Leases: of two engines on one store, one at a time changes the world for an incident; the other waits.

A lease carries a fencing token that grows each time it changes hands. The ledger takes an entry that names a token only
while that token is the last one, and each write to a control plane asks first. A control plane itself knows no token:
what an engine sends in the moment after it asked may still arrive, and that effects are idempotent is what is left then.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import sqlalchemy as sa

from patchgap.errors import RefusedError
from patchgap.incident.tables import lease as leases
from patchgap.model.finding import IncidentId
from patchgap.storage import writing

LIFE = 15.0  # seconds without a sign of life from its holder, after which a lease is another's to take
PATIENCE = 60.0  # seconds that an engine waits for another's lease
_BEAT, _PAUSE = 4.0, 0.1
_Seen = tuple[str, int, int]  # holder, token, beat


class LeaseLostError(RefusedError):
    """Another engine acts for the incident: what this one began is settled by looking, and nothing more is written."""


@dataclass
class _Held:
    token: int
    users: int = 1


@dataclass
class Leases:
    """The leases of this process, in one database. One process holds a lease once, however many of its threads use it."""

    engine: sa.Engine
    life: float = LIFE
    patience: float = PATIENCE
    pause: Callable[[float], None] = time.sleep
    elapsed: Callable[[], float] = time.monotonic
    _held: dict[IncidentId, _Held] = field(default_factory=dict)
    _turns: dict[IncidentId, threading.Lock] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _done: threading.Event | None = None

    @contextmanager
    def hold(self, incident: IncidentId) -> Iterator[int]:
        """Holds the incident's lease, and yields its fencing token. Raises RefusedError where another engine still has
        it after `patience`."""
        with self._lock:
            turn = self._turns.setdefault(incident, threading.Lock())
        with turn:  # one thread of this process waits for another engine, and holds up no other incident
            held = self._joined(incident) or self._begun(incident)
        try:
            yield held.token
        finally:
            self._leave(incident, held)

    def _joined(self, incident: IncidentId) -> _Held | None:
        """The lease that this process has, with one user more; None where it has none any more."""
        with self._lock:
            held = self._held.get(incident)
            if held is None:
                return None
            held.users += 1
        if self._holds(incident, held.token):
            return held
        self._leave(incident, held)
        return None

    def _begun(self, incident: IncidentId) -> _Held:
        token = self._acquire(incident)
        with self._lock:
            held = self._held[incident] = _Held(token)
            if self._done is None:
                self._done = threading.Event()
                threading.Thread(target=self._beat, args=(self._done,), name="patchgap lease", daemon=True).start()
        return held

    def must_hold(self, incident: IncidentId, token: int) -> None:
        """Returns while that token is the last. Raises LeaseLostError."""
        with self.engine.connect() as connection:
            must_be_last(connection, incident, token)

    def _holds(self, incident: IncidentId, token: int) -> bool:
        try:
            self.must_hold(incident, token)
        except LeaseLostError:
            return False
        return True

    def _acquire(self, incident: IncidentId) -> int:
        first: _Seen | None = None
        since = begun = self.elapsed()
        while True:
            seen = self._take(incident, first if self.elapsed() - since >= self.life else None)
            if isinstance(seen, int):
                return seen
            if seen != first:
                first, since = seen, self.elapsed()
            if self.elapsed() - begun >= self.patience:
                raise RefusedError(
                    f"another engine ({seen[0]}) is acting on {incident}, and still was after {self.patience:.0f} s",
                    "Run this again when it is done; it does only what is left.",
                )
            self.pause(_PAUSE)

    def _take(self, incident: IncidentId, silent: _Seen | None) -> int | _Seen:
        """The token, where the lease is free, its holder's process is gone, or it has not changed from `silent`; else
        how it stands."""
        mine, where = _process(), leases.c.incident == incident
        with writing(self.engine) as connection:
            row = connection.execute(sa.select(leases).where(where)).first()
            if row is None:
                connection.execute(sa.insert(leases).values(incident=incident, holder=mine, token=1, beat=0))
                return 1
            seen = (str(row.holder), int(row.token), int(row.beat))
            if row.holder and seen != silent and not _is_gone(row.holder):
                return seen
            connection.execute(sa.update(leases).where(where).values(holder=mine, token=row.token + 1, beat=0))
            return int(row.token) + 1

    def _leave(self, incident: IncidentId, held: _Held) -> None:
        with self._lock:
            held.users -= 1
            if held.users:
                return
            if self._held.get(incident) is held:
                del self._held[incident]
            if not self._held and self._done is not None:
                self._done.set()
                self._done = None
        mine = (leases.c.incident == incident) & (leases.c.token == held.token)
        with writing(self.engine) as connection:
            connection.execute(sa.update(leases).where(mine).values(holder=""))

    def _beat(self, done: threading.Event) -> None:
        """Gives signs of life for as long as anything is held."""
        while not done.wait(min(_BEAT, self.life / 4)):
            with self._lock:
                tokens = {incident: held.token for incident, held in self._held.items()}
            for incident, token in tokens.items():
                mine = (leases.c.incident == incident) & (leases.c.token == token)
                with suppress(Exception), writing(self.engine) as connection:  # the next one may pass; a loss is seen
                    connection.execute(sa.update(leases).where(mine).values(beat=leases.c.beat + 1))


def must_be_last(connection: sa.Connection, incident: str, token: int) -> None:
    """Returns while no other engine took the lease since that token. Raises LeaseLostError naming who did."""
    row = connection.execute(sa.select(leases).where(leases.c.incident == incident)).first()
    if row is None or row.token != token:
        raise LeaseLostError(
            f"another engine ({row.holder or 'gone again' if row else 'unknown'}) took over {incident}",
            "Nothing more is written here; it settles what was begun, by looking.",
        )


def _process() -> str:
    """Which process it is, of all: its host, boot, the namespace of its number, its number and its start."""
    return f"{_place()} pid {os.getpid()} {_start(os.getpid())}"


@cache
def _place() -> str:
    return f"{socket.gethostname()} {_line('/proc/sys/kernel/random/boot_id')[:8]} {_namespace()}"


def _namespace() -> str:
    try:
        return Path("/proc/self/ns/pid").readlink().name.strip("pid:[]")
    except OSError:
        return ""


def _start(pid: int) -> str:
    """When that process started, in the kernel's ticks; "" where none runs or the system does not tell."""
    told = _line(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return told[19] if len(told) > 19 and told[0] != "Z" else ""  # noqa: PLR2004  (proc(5): state is the third, start the 22nd)


def _line(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _is_gone(holder: str) -> bool:
    """Whether the holder was a process of this very place and is no more. Of other places nobody can tell: there
    silence alone frees a lease."""
    place, _, process = holder.partition(" pid ")
    pid, _, start = process.partition(" ")
    known = place == _place() and _namespace() and pid.isdigit() and start
    return bool(known) and _start(int(pid)) != start
