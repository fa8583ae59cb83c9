"""What the advisories of a mirror touch, kept beside the graph: what changes is read and judged again, and nothing else.

    kept = Advisories(engine, Path("/var/lib/osv"))
    kept.refresh(now)                # new and changed records against every component, new components against every record

After each transaction the stored matches are those of every stored record with every component up to the mirror's mark. A
component's row is never changed or removed and ids only grow, so what is above the mark is what is new. A stop at any
moment loses one transaction, and another process may do the same at the same time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

import sqlalchemy as sa

from patchgap.graph.mirror import Stamp, changes
from patchgap.graph.reading import batches, of_connection, sortable
from patchgap.graph.records import Records, State, key_of, rules, state
from patchgap.storage import told, writing

_RECORDS = 500  # changed records in one transaction


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh did: records that were new or changed, those whose file is gone, components that were new."""

    changed: int = 0
    gone: int = 0
    components: int = 0


class Advisories:
    """One mirror's advisories in the graph's database."""

    def __init__(self, engine: sa.Engine, mirror: Path) -> None:
        self._engine = engine
        self._path = mirror

    def refresh(self, at: datetime) -> Refreshed:
        """Brings the matches up to date with the mirror and with the graph. Raises BadInputError where there is no mirror.
        A record that cannot be read is kept as it last could, with the reason."""
        with told(self._engine):
            return self._refreshed(sortable(at))

    def _refreshed(self, at: str) -> Refreshed:
        known = self._state()
        if known is None or known.rules != rules():
            list(islice(changes(self._path, {}), 1))  # raises where there is no mirror, before anything is written
            with self._writing() as records:
                records.begin()
        changed = gone = components = 0
        for batch in batches(changes(self._path, self._seen()), _RECORDS):
            with self._writing() as records:
                records.store([*{one.source: one for one in batch}.values()], at)  # a zip may hold a name twice
            changed += sum([one.advisory is not None for one in batch])
            gone += sum([one.stamp is None for one in batch])
        while (now := self._state()) and now.mark < now.newest:
            with self._writing() as records:
                components += records.judge_new(at)
        return Refreshed(changed, gone, components)

    def _seen(self) -> dict[str, Stamp]:
        """How each record was when it was read."""
        with self._engine.connect() as connection:
            rows = of_connection(connection)(
                "SELECT a.source, a.size, a.mtime_ns, a.digest, a.problem FROM graph_mirror m"
                " JOIN graph_advisory a ON a.mirror_id = m.id WHERE m.path = :path",
                {"path": key_of(self._path)},
            )
        return {source: Stamp(*stamp) for source, *stamp in rows}

    def _state(self) -> State | None:
        with self._engine.connect() as connection:
            return state(of_connection(connection), self._path)

    @contextmanager
    def _writing(self) -> Iterator[Records]:
        with writing(self._engine) as connection:
            yield Records(connection, self._path)
