"""A mirror's records as they are stored, where each may match, and what it does match: one transaction's reads and writes.

Knows the tables and how a record is judged. It knows nothing of files; what calls it decides what is to be written.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import msgspec
import sqlalchemy as sa

from patchgap.graph import tables
from patchgap.graph.ecosystems import purl_type
from patchgap.graph.index import Hit, Index, judge_all, looked_up, places
from patchgap.graph.matching import Row, keys
from patchgap.graph.memory import ROW, named
from patchgap.graph.mirror import Change, Stamp, as_text
from patchgap.graph.question import Question
from patchgap.graph.reading import Run, among, among_ids, batches, next_id, of_connection
from patchgap.model import signal
from patchgap.model.signal import Advisory
from patchgap.storage import HEAD, insert_many

_COMPONENTS = 5000  # new components in one transaction
_VALUES = 400  # in one statement
_NEVER = Stamp(-1, -1, "")  # as no file is
_DOCUMENTS = msgspec.json.Decoder(Advisory)


class State(NamedTuple):
    """A mirror as it is kept: `mark` is the id up to which components are judged, `newest` the newest one's."""

    id: int
    rules: str
    mark: int
    newest: int


class Records:
    """What is stored of a mirror, in one transaction under the database's write lock."""

    def __init__(self, connection: sa.Connection, path: Path) -> None:
        self._connection = connection
        self._run: Run = of_connection(connection)
        self._mirror, _, self._mark, _ = state(self._run, path) or self._first(path)

    def _first(self, path: Path) -> State:
        """A mirror without a record: every component is judged."""
        newest = next_id(self._run, tables.component.name) - 1
        first = State(next_id(self._run, tables.mirror.name), rules(), newest, newest)
        insert_many(self._connection, tables.mirror, ((first.id, key_of(path), first.rules, first.mark),))
        return first

    def begin(self) -> None:
        """From now on all is judged by these rules: what was read before is to be read again."""
        values = {"mirror": self._mirror, "rules": rules(), "never": _NEVER.size}
        self._run(
            "UPDATE graph_advisory SET size = :never, mtime_ns = :never, digest = '' WHERE mirror_id = :mirror", values
        )
        self._run("UPDATE graph_mirror SET rules = :rules WHERE id = :mirror", values)

    def store(self, batch: Sequence[Change], at: str) -> None:
        """These records as they are now, and what they touch."""
        known = self._ids([change.source for change in batch])
        kept = {one.source for one in batch if one.source in known and not _is_other(one)}
        since = self._remove([id_ for source, id_ in known.items() if source not in kept])
        new = [one for one in batch if one.stamp and one.source not in kept]
        ids = {one.source: id_ for id_, one in enumerate(new, next_id(self._run, tables.advisory.name))}
        insert_many(self._connection, tables.advisory, [self._row(ids[one.source], one) for one in new])
        for change in batch:
            if change.source in kept:
                self._touch(known[change.source], change)
        read = {one.source: one.advisory for one in new if one.advisory}
        self._insert_names(ids, read)
        index = Index()
        for source, advisory in read.items():
            index.put(source, advisory)
        wanted = (key for one in read.values() if not one.withdrawn for key in keys(Question.of_advisory(one)))
        rows = {row.id: row for row in named(self._run, {*map(_clean, wanted)}) if row.id <= self._mark}
        self._insert_matches(ids, judge_all(index, rows.values()), since, at)

    def judge_new(self, at: str) -> int:
        """The next components above the mark, against every record; how many they were."""
        rows = [
            Row(*columns)
            for columns in self._run(
                f"SELECT {ROW} FROM graph_component WHERE id > :mark ORDER BY id LIMIT {_COMPONENTS}",  # noqa: S608  (ours)
                {"mark": self._mark},
            )
        ]
        ids, index = self._naming({_place(*one) for row in rows for one in looked_up(row)})
        self._insert_matches(ids, judge_all(index, rows), {}, at)
        self._mark = rows[-1].id if rows else self._mark
        self._run(
            "UPDATE graph_mirror SET components = :mark WHERE id = :mirror",
            {"mark": self._mark, "mirror": self._mirror},
        )
        return len(rows)

    def _naming(self, wanted: set[str]) -> tuple[dict[str, int], Index]:
        """The records that stand at any of these places, by source."""
        found: set[int] = set()
        for some in batches(sorted(wanted), _VALUES):
            one_of, parameters = among("p.place", some)
            rows = self._run(
                "SELECT p.advisory_id FROM graph_advisory_place p CROSS JOIN graph_advisory a"  # noqa: S608  (SQLite keeps the order)
                f" WHERE a.id = p.advisory_id AND a.mirror_id = :mirror AND {one_of}",
                parameters | {"mirror": self._mirror},
            )
            found |= {row[0] for row in rows}
        ids: dict[str, int] = {}
        index = Index()
        for id_, source, advisory in documents(self._run, found):
            ids[source] = id_
            index.put(source, advisory)
        return ids, index

    def _ids(self, sources: Sequence[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        for some in batches(sources, _VALUES):
            one_of, parameters = among("source", some)
            rows = self._run(
                f"SELECT source, id FROM graph_advisory WHERE mirror_id = :mirror AND {one_of}",  # noqa: S608  (parameters)
                parameters | {"mirror": self._mirror},
            )
            found |= dict(rows)
        return found

    def _remove(self, ids: Sequence[int]) -> dict[tuple[str, int], str]:
        """Takes records out; since when each of their matches was known, by source and component."""
        some = among_ids("advisory_id", ids)
        since = self._run(
            "SELECT a.source, m.component_id, m.found_at FROM graph_advisory_match m"  # noqa: S608  (ids alone)
            f" JOIN graph_advisory a ON a.id = m.advisory_id WHERE {some}"
        )
        for table in (tables.advisory_match, tables.advisory_place, tables.advisory_name):
            self._run(f"DELETE FROM {table.name} WHERE {some}")  # noqa: S608  (ids alone)
        self._run(f"DELETE FROM graph_advisory WHERE {among_ids('id', ids)}")  # noqa: S608  (ids alone)
        return {(source, component): at for source, component, at in since}

    def _touch(self, id_: int, change: Change) -> None:
        """Its file has another time, or cannot be read any more."""
        stamp = change.stamp or _NEVER
        self._run(
            "UPDATE graph_advisory SET size = :size, mtime_ns = :mtime, digest = :digest, problem = :problem WHERE id = :id",
            {
                "size": stamp.size,
                "mtime": stamp.mtime_ns,
                "digest": stamp.digest,
                "problem": _clean(stamp.problem),
                "id": id_,
            },
        )

    def _row(self, id_: int, change: Change) -> tuple[object, ...]:
        stamp, one = change.stamp or _NEVER, change.advisory
        held = (id_, self._mirror, change.source, stamp.size, stamp.mtime_ns, stamp.digest, _clean(stamp.problem))
        if one is None:
            return (*held, "", signal.Severity.UNKNOWN.value, False, "[]", None)
        kinds = sorted({_clean(purl_type(package.ecosystem)) for package in one.affected})
        return (*held, one.id, one.severity.value, one.withdrawn is not None, json.dumps(kinds), _packed(one))

    def _insert_names(self, ids: Mapping[str, int], read: Mapping[str, Advisory]) -> None:
        names = {(_clean(name), ids[source]) for source, one in read.items() for name in (one.id, *one.aliases)}
        stand = {
            (_place(*place), ids[source])
            for source, one in read.items()
            if one.withdrawn is None
            for package in one.affected
            for place in places(package)
        }
        insert_many(self._connection, tables.advisory_name, sorted(names))
        insert_many(self._connection, tables.advisory_place, sorted(stand))

    def _insert_matches(
        self, ids: Mapping[str, int], hits: Iterable[Hit], since: Mapping[tuple[str, int], str], at: str
    ) -> None:
        rows = [
            (
                ids[source],
                match.row.id,
                match.standing.value,
                _clean(match.reason),
                since.get((source, match.row.id), at),
            )
            for _, match, source in hits
        ]
        insert_many(self._connection, tables.advisory_match, rows)


def state(read: Run, path: Path) -> State | None:
    """The mirror as it is kept; None where nothing of it is."""
    rows = read(
        "SELECT id, rules, components, (SELECT coalesce(max(id), 0) FROM graph_component) FROM graph_mirror"
        " WHERE path = :path",
        {"path": key_of(path)},
    )
    return State(*rows[0]) if rows else None


def documents(read: Run, ids: Iterable[int]) -> Iterator[tuple[int, str, Advisory]]:
    """The records with these ids, each with its source; without details and references."""
    for some in batches(sorted(ids), _VALUES):
        rows = read(f"SELECT id, source, document FROM graph_advisory WHERE {among_ids('id', some)}")  # noqa: S608  (ids)
        yield from ((id_, source, _DOCUMENTS.decode(zlib.decompress(packed))) for id_, source, packed in rows)


def key_of(path: Path) -> str:
    """What a mirror is known by: where it is."""
    return as_text(os.path.normpath(path.expanduser().absolute()))


@cache
def rules() -> str:
    """What a match rests on besides the record and the component: this code, and the schema. Where it changes, all that is
    stored was judged otherwise, and is judged anew."""
    content = hashlib.sha256(HEAD.encode())
    for file in (*sorted(Path(__file__).parent.rglob("*.py")), Path(signal.__file__)):
        content.update(file.read_bytes())
    return content.hexdigest()


def _is_other(change: Change) -> bool:
    """Whether what is known of the record is void: it was read, or is gone."""
    return change.advisory is not None or change.stamp is None


def _packed(advisory: Advisory) -> bytes:
    return zlib.compress(msgspec.json.encode(replace(advisory, details="", references=())), 1)


def _place(kind: str, name: str) -> str:
    return _clean(f"{kind}:{name}")


def _clean(text: str) -> str:
    """PostgreSQL stores no NUL."""
    return text.replace("\0", "\ufffd")
