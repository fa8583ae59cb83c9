"""The story as it is written: what is new in the ledger, line by line. Reads the ledger alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from patchgap.errors import BrokenLedgerError
from patchgap.incident.story import Teller
from patchgap.model.finding import IncidentId
from patchgap.stages.engine import Engine

EVERY_SECONDS = 0.4


class Story:
    """Remembers what was told. Begins with what is new from now on."""

    def __init__(self, engine: Engine, tell: Callable[[str], None], *, missing: bool = True) -> None:
        self._engine = engine
        self._missing = missing
        self._tell = tell
        self._told: dict[IncidentId, int] = {}
        self._tellers: dict[IncidentId, Teller] = {}
        self._ended: set[IncidentId] = set()
        self._looking = threading.Lock()
        self._look(silently=True)

    def tell_new(self) -> None:
        """Tells every entry that was appended since the last time. Safe from several threads: nothing is told twice."""
        with self._looking:
            self._look(silently=False)

    def _look(self, *, silently: bool) -> None:
        for row in self._engine.ledger.incidents():
            if row.id in self._ended:
                continue
            try:
                entries = self._engine.ledger.read(row.id)
            except BrokenLedgerError as error:
                self._tell(f"!  {row.id}  {error}")
                self._ended.add(row.id)  # said once; the others are followed all the same
                continue
            teller = self._tellers.setdefault(row.id, Teller(brief=True, missing=self._missing))
            for entry in entries[self._told.get(row.id, 0) :]:
                lines = teller.lines(entry)  # also in silence: what follows refers to it
                for line in () if silently else lines:
                    self._tell(f"{entry.at:%H:%M:%S}  {row.id}  {line}")
            self._told[row.id] = len(entries)
            if row.status != "open":
                self._ended.add(row.id)


@contextmanager
def following(engine: Engine, tell: Callable[[str], None], *, missing: bool = True) -> Iterator[Story]:
    """Tells the story from a thread while the context is open, to its last line; `missing` as `Teller` has it."""
    told, over = Story(engine, tell, missing=missing), threading.Event()

    def follow() -> None:
        while not over.wait(EVERY_SECONDS):
            told.tell_new()

    thread = threading.Thread(target=follow, name="story", daemon=True)
    thread.start()
    try:
        yield told
    finally:
        over.set()
        thread.join()
        told.tell_new()
