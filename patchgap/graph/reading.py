"""How the query reads: plain SQL with named parameters, the same text for SQLite and PostgreSQL.

The query does not go through SQLAlchemy's expressions: importing it takes most of the half second that the command
line has, and a warm answer has ten milliseconds. `open_file` reads an SQLite database with nothing but the standard
library; `of_connection` reads any engine's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from patchgap.errors import PatchgapError
from patchgap.model.claimed import SUFFIX

if TYPE_CHECKING:  # imported for its type alone: it is slow to import
    import sqlalchemy as sa

T = TypeVar("T")

_NAMED = re.compile(r":([a-z]\w*)")  # the statements are our own; none holds a colon or a per cent sign otherwise
NOTHING: Mapping[str, Any] = MappingProxyType({})
SCHEMA = "0013"  # the schema that the query below knows; a test holds it to patchgap.storage.HEAD


class Run(Protocol):
    """Runs one statement; gives its rows, none where it has none."""

    def __call__(self, statement: str, parameters: Mapping[str, Any] = NOTHING, /) -> Sequence[tuple[Any, ...]]: ...


def of_connection(connection: sa.Connection) -> Run:
    """Runs statements through a SQLAlchemy connection's driver: SQLAlchemy's own layers cost more than it."""
    cursor: Any = connection.connection.cursor()
    if connection.dialect.name == "sqlite":
        return _of_sqlite(cursor)

    def run(statement: str, parameters: Mapping[str, Any] = NOTHING, /) -> Sequence[tuple[Any, ...]]:
        cursor.execute(_NAMED.sub(r"%(\1)s", statement), parameters or None)
        return cursor.fetchall() if cursor.description else ()

    return run


def _of_sqlite(cursor: Any) -> Run:
    """Its driver takes the statements as they are."""

    def run(statement: str, parameters: Mapping[str, Any] = NOTHING, /) -> Sequence[tuple[Any, ...]]:
        rows: Sequence[tuple[Any, ...]] = cursor.execute(statement, dict(parameters)).fetchall()
        return rows

    return run


def next_id(run: Run, table: str) -> int:
    """The next free id of one of our tables; the graph's lock is held."""
    return int(run(f"SELECT coalesce(max(id), 0) FROM {table}")[0][0]) + 1  # noqa: S608  (our own name)


class Moment(NamedTuple):
    """The condition under which a container `c` stands: now, or at a past time, in every cluster or in some. Where it
    asks for more than `c` tells, its workload `w` is joined."""

    joined: str
    stands: str
    parameters: Mapping[str, Any]
    at: datetime | None = None
    clusters: frozenset[str] = frozenset()  # the only ones that are asked for; none: every one

    def asks_for(self, cluster: str) -> bool:
        return not self.clusters or cluster in self.clusters


def moment_of(at: datetime | None, clusters: Iterable[str] = ()) -> Moment:
    """Now (None), or that time; in these clusters, or in every one."""
    wanted = with_claims(clusters)
    if at is None and not wanted:
        return Moment("", "c.live", NOTHING)
    stands, parameters = "c.live", {}
    if at is not None:
        stands, parameters = "w.since <= :at AND (w.until IS NULL OR w.until > :at)", {"at": sortable(at)}
    if wanted:
        some, named = among("w.cluster", sorted(wanted))
        stands, parameters = f"{stands} AND {some}", {**parameters, **named}
    return Moment(" JOIN graph_workload w ON w.id = c.workload_id", stands, parameters, at, wanted)


def with_claims(clusters: Iterable[str]) -> frozenset[str]:
    """The clusters, and what exposure documents claim of them."""
    return frozenset(name for cluster in clusters for name in (cluster, f"{cluster}{SUFFIX}"))


def sortable(at: datetime) -> str:
    """A time as text that sorts as time does."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def to_the_minute(stamp: str) -> str:
    """A stored time for a sentence."""
    return datetime.fromisoformat(stamp).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


@contextmanager
def open_file(database_url: str) -> Iterator[Run | None]:
    """Reads an existing SQLite file at this schema; None where the URL is not one (then an engine must open it)."""
    path = Path(database_url.removeprefix("sqlite:///")) if database_url.startswith("sqlite:///") else None
    if path is None or not path.is_file():
        yield None
        return
    import sqlite3

    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)
    except sqlite3.DatabaseError as error:
        raise _unreadable(path, error) from error
    try:
        cursor = connection.cursor()
        cursor.execute("BEGIN")  # one snapshot for all that an answer reads
        read = _of_sqlite(cursor)
        yield read if _is_current(read) else None
    except sqlite3.DatabaseError as error:
        raise _unreadable(path, error) from error
    finally:
        connection.close()


def _unreadable(path: Path, error: Exception) -> PatchgapError:
    return PatchgapError(
        f"the database {path} cannot be read: {error}", "Restore it, or name another with PATCHGAP_DATABASE_URL."
    )


def _is_current(read: Run) -> bool:
    if not read("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"):
        return False
    return read("SELECT version_num FROM alembic_version") == [(SCHEMA,)]


def among(column: str, values: Iterable[str]) -> tuple[str, dict[str, str]]:
    """`column IN (…)` over texts, with its parameters."""
    parameters = {f"{column.replace('.', '_')}_{n}": value for n, value in enumerate(values)}
    return f"{column} IN ({', '.join(f':{name}' for name in parameters) or 'NULL'})", parameters


def among_ids(column: str, ids: Iterable[int]) -> str:
    """`column IN (…)` over ids, which need no parameters."""
    return f"{column} IN ({','.join(str(int(one)) for one in ids) or 'NULL'})"


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items, so many at a time."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
