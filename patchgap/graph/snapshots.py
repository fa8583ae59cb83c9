"""What runs where, and when it did: each cluster's snapshot, kept as intervals.

A workload that is seen as before keeps its row; one that is seen otherwise, or no more, ends it. Writes on the connection
of whoever holds the graph's lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

import msgspec
import sqlalchemy as sa

from patchgap.errors import ConflictError
from patchgap.graph import tables
from patchgap.graph.images import Images
from patchgap.graph.reading import Run, among_ids, batches, next_id, of_connection, sortable
from patchgap.graph.sbom.document import DIGEST
from patchgap.graph.selection import labels
from patchgap.model.claimed import SUFFIX
from patchgap.model.codec import plain
from patchgap.model.workload import READ_WHOLE, ClusterInventory, RunState, Workload, WorkloadRef
from patchgap.storage import insert_many

_EXPOSED = frozenset({RunState.RUNNING, RunState.SCHEDULED, RunState.SCALED_TO_ZERO, RunState.PENDING})
_BATCH = 5000
_LABELS = 200  # in one statement
_DECODER = msgspec.json.Decoder(Workload)


Place = tuple[str, str, str]  # namespace, kind, name


@dataclass(frozen=True, slots=True)
class Changes:
    """The workloads that came, went, or were seen otherwise, as a person looks for them; and how many rows it took."""

    began: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    rows: int = 0

    @property
    def parts(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """What became of which workloads, in a word each."""
        return ("began", self.began), ("ended", self.ended), ("changed", self.changed)

    @property
    def count(self) -> int:
        """How many workloads."""
        return sum(len(names) for _, names in self.parts)


class Mark(NamedTuple):
    """What stood of a cluster at one moment: what came or ended since is told by it, whatever the clocks of those who
    write say."""

    last: int  # the last row that had been written
    live: frozenset[int]  # the rows that stood


class _Held(NamedTuple):
    id: int
    place: Place


class Snapshots:
    """The clusters and their workloads, in one transaction, as seen at one time."""

    def __init__(self, connection: sa.Connection, at: datetime) -> None:
        self._connection = connection
        self._run: Run = of_connection(connection)
        self._images = Images(connection, self._run)
        self._at = sortable(at)
        self._stamp = plain(at)

    def whole(self, found: ClusterInventory, begun: Mark | None = None) -> Changes:
        """The cluster's snapshot in place of its last one. What was written after the reading had `begun` is newer than
        it, and stays. Raises ConflictError where workloads of another platform have that name."""
        held = self._live(found.cluster)
        self._hold_name(found, occupied=bool(held))
        newer = self._written_since(begun, held.values()) if begun else frozenset()
        self._answered(found)
        claimed = found.cluster + SUFFIX
        self._replace(claimed, self._live(claimed), ())  # it tells itself from now on
        old = {document: one for document, one in held.items() if one.place not in newer}
        return self._replace(found.cluster, old, [one for one in found.workloads if _place(one.ref) not in newer])

    def _hold_name(self, found: ClusterInventory, *, occupied: bool) -> None:
        """A fleet of another platform that has the same name would be gone from every answer. Raises ConflictError."""
        owner = self._platform_of(found.cluster)
        if occupied and owner not in {None, found.platform}:
            raise ConflictError(
                f"the name {found.cluster} is that of a fleet of platform {owner}, of which workloads are told to run",
                f"Give the {found.platform} cluster another name, or tell first that the fleet's workloads are removed.",
            )

    def claimed(self, digest: str, workloads: Sequence[Workload]) -> tuple[str, ...]:
        """What documents claim, with these workloads in place of all that was claimed of the image; the clusters that
        have been read, of which nothing is recorded."""
        known = self._run("SELECT cluster, platform FROM graph_cluster WHERE first_read_at <> ''")
        read = {f"{cluster}{SUFFIX}" for cluster, platform in known if platform in READ_WHOLE}
        rows = self._run(
            "SELECT DISTINCT cluster FROM graph_workload WHERE until IS NULL AND cluster LIKE :claimed",
            {"claimed": f"%{SUFFIX}"},
        )
        told = [one for one in workloads if one.ref.cluster not in read]
        for cluster in dict.fromkeys([row[0] for row in rows] + [one.ref.cluster for one in told]):
            held = self._live(cluster)
            named = {_place(old.ref): _without(old, digest) for old in map(_DECODER.decode, held)}
            for one in told:
                if one.ref.cluster == cluster:
                    before = named.get(_place(one.ref))
                    named[_place(one.ref)] = (
                        one if before is None else replace(one, containers=(*before.containers, *one.containers))
                    )
            self._replace(cluster, held, [one for one in named.values() if one.containers])
        return tuple(
            dict.fromkeys(one.ref.cluster.removesuffix(SUFFIX) for one in workloads if one.ref.cluster in read)
        )

    def some(self, cluster: str, seen: Sequence[Workload], gone: Sequence[WorkloadRef]) -> Changes:
        """What a watch told of: these workloads as they are now, and those that are no more."""
        named = {_place(one.ref) for one in seen} | {_place(one) for one in gone}
        held = {document: one for place in named for document, one in self._live(cluster, place).items()}
        return self._replace(cluster, held, seen)

    def heard(self, cluster: str, platform: str) -> None:
        """A cluster that is known by what is told of it, one workload at a time. Raises ConflictError where that name is
        another platform's."""
        owner = self._platform_of(cluster)
        if owner is None:
            row = (cluster, platform, "", self._stamp, self._stamp, None, "", "[]")
            insert_many(self._connection, tables.cluster, (row,))
        elif owner != platform:
            raise ConflictError(
                f"cluster {cluster} is of platform {owner}, and {platform} does not tell what runs there",
                "Give the fleet a name of its own.",
            )
        else:
            named = {"cluster": cluster, "at": self._stamp}
            self._run("UPDATE graph_cluster SET refreshed_at = :at WHERE cluster = :cluster", named)

    def _platform_of(self, cluster: str) -> str | None:
        """Whose it is; None where it was never heard of."""
        rows = self._run("SELECT platform FROM graph_cluster WHERE cluster = :cluster", {"cluster": cluster})
        return str(rows[0][0]) if rows else None

    def _written_since(self, begun: Mark, held: Iterable[_Held]) -> frozenset[Place]:
        standing = {one.id: one.place for one in held}
        came = {place for id_, place in standing.items() if id_ > begun.last}
        ended = sorted(begun.live - standing.keys())
        for ids in batches(ended, _BATCH):
            some = among_ids("id", ids)
            came |= set(self._run(f"SELECT namespace, kind, name FROM graph_workload WHERE {some}"))  # noqa: S608  (ids)
        return frozenset(came)

    def unreachable(self, cluster: str, platform: str, reason: str) -> None:
        """The cluster does not answer; since when, is told from the first time on."""
        held = self._run("SELECT unreachable_since FROM graph_cluster WHERE cluster = :cluster", {"cluster": cluster})
        values = {"cluster": cluster, "platform": platform, "since": self._stamp, "reason": reason}
        if not held:
            insert_many(
                self._connection, tables.cluster, ((cluster, platform, "", None, None, self._stamp, reason, "[]"),)
            )
        elif held[0][0]:
            self._run("UPDATE graph_cluster SET reason = :reason WHERE cluster = :cluster", values)
        else:
            self._run(
                "UPDATE graph_cluster SET reason = :reason, unreachable_since = :since WHERE cluster = :cluster", values
            )

    def _answered(self, found: ClusterInventory) -> None:
        cluster = found.cluster
        rows = self._run(
            "SELECT first_read_at, unreachable_since, reason FROM graph_cluster WHERE cluster = :cluster",
            {"cluster": cluster},
        )
        first, since, reason = rows[0] if rows else (None, None, "")
        if since and first:
            self._run(
                "INSERT INTO graph_outage (cluster, since, until, reason) VALUES (:cluster, :since, :until, :reason)"
                " ON CONFLICT DO NOTHING",
                {
                    "cluster": cluster,
                    "since": sortable(datetime.fromisoformat(since)),
                    "until": self._at,
                    "reason": reason,
                },
            )
        self._run("DELETE FROM graph_cluster WHERE cluster = :cluster", {"cluster": cluster})
        told = msgspec.json.encode(plain(tuple(found.unknown))).decode()
        row = (cluster, found.platform, found.identity, first or self._stamp, self._stamp, None, "", told)
        insert_many(self._connection, tables.cluster, (row,))

    def _live(self, cluster: str, place: Place | None = None) -> dict[str, _Held]:
        """The rows that stand, by what they say: of one place, or of the whole cluster."""
        where = " AND namespace = :namespace AND kind = :kind AND name = :name" if place else ""
        named = dict(zip(("namespace", "kind", "name"), place or (), strict=False))
        rows = self._run(
            "SELECT document, id, namespace, kind, name FROM graph_workload"  # noqa: S608  (our own text)
            f" WHERE cluster = :cluster AND until IS NULL{where}",
            {"cluster": cluster, **named},
        )
        return {row[0]: _Held(row[1], (row[2], row[3], row[4])) for row in rows}

    def _replace(self, cluster: str, held: dict[str, _Held], seen: Iterable[Workload]) -> Changes:
        documents = {msgspec.json.encode(one).decode(): one for one in seen}
        old = {one.place for document, one in held.items() if document not in documents}
        ended = [one.id for document, one in held.items() if document not in documents]
        for ids in batches(ended, _BATCH):
            self._run(
                f"UPDATE graph_workload SET until = :at WHERE {among_ids('id', ids)}",  # noqa: S608  (ids alone)
                {"at": self._at},
            )
            self._run(f"UPDATE graph_container SET live = FALSE WHERE {among_ids('workload_id', ids)}")  # noqa: S608
        new = {document: one for document, one in documents.items() if document not in held}
        if new:
            self._begin(cluster, new)
        came = {_place(one.ref) for one in new.values()}
        rows = len(ended) + len(new)
        return Changes(_named(cluster, came - old), _named(cluster, old - came), _named(cluster, old & came), rows)

    def _begin(self, cluster: str, new: dict[str, Workload]) -> None:
        images = self._images.each(_known(c.digest) for one in new.values() for c in one.containers if _known(c.digest))
        first = next_id(self._run, "graph_workload")
        workloads, containers = [], []
        for id_, (document, one) in enumerate(new.items(), first):
            workloads.append((id_, cluster, *_place(one.ref), document, self._at, None))
            containers += [
                (id_, n, images.get(_known(c.digest)), c.state in _EXPOSED, True) for n, c in enumerate(one.containers)
            ]
        insert_many(self._connection, tables.workload, workloads)
        insert_many(self._connection, tables.container, containers)
        self._label({label for one in new.values() for label in labels(cluster, one)})

    def _label(self, found: set[tuple[str, str]]) -> None:
        for some in batches(sorted(found), _LABELS):
            named = {f"{column}{n}": word for n, one in enumerate(some) for column, word in zip("dv", one, strict=True)}
            values = ", ".join(f"(:d{n}, :v{n})" for n in range(len(some)))
            self._run(f"INSERT INTO graph_label (dimension, value) VALUES {values} ON CONFLICT DO NOTHING", named)  # noqa: S608


def mark(read: Run, cluster: str) -> Mark:
    """The cluster as it stands."""
    rows = read("SELECT id FROM graph_workload WHERE cluster = :cluster AND until IS NULL", {"cluster": cluster})
    return Mark(read("SELECT coalesce(max(id), 0) FROM graph_workload")[0][0], frozenset(row[0] for row in rows))


def _without(workload: Workload, digest: str) -> Workload:
    return replace(workload, containers=tuple(c for c in workload.containers if c.digest != digest))


def _named(cluster: str, places: Iterable[Place]) -> tuple[str, ...]:
    return tuple(sorted("/".join((cluster, *one)) for one in places))


def _place(ref: WorkloadRef) -> Place:
    return ref.namespace, ref.kind, ref.name


def _known(digest: object) -> str:
    return digest if isinstance(digest, str) and DIGEST.fullmatch(digest) else ""
