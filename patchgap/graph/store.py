"""The exposure graph in its database: what goes in whole or not at all, and the questions to it.

Owns every write to the graph's tables. Times are arguments; it reaches nothing but its engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa

from patchgap.graph import tables
from patchgap.graph.advisories import Advisories
from patchgap.graph.collection import collection_at_rest
from patchgap.graph.deliveries import deliver
from patchgap.graph.deployments import DeploymentEvent
from patchgap.graph.digests import sboms_of, standings
from patchgap.graph.images import Images
from patchgap.graph.ingest import Ingest, check_digest, missing
from patchgap.graph.memory import Memory, decode_workload
from patchgap.graph.platforms import Platform
from patchgap.graph.query import Query, refreshed
from patchgap.graph.question import Question
from patchgap.graph.reading import Run, among_ids, of_connection
from patchgap.graph.sbom.document import Package, SbomDocument
from patchgap.graph.snapshots import Changes, Mark, Snapshots, mark
from patchgap.graph.watches import Watches
from patchgap.model.codec import plain
from patchgap.model.exposure import Artifact, ExposureAnswer, Standing
from patchgap.model.unknown import Unknown
from patchgap.model.vex import VexDocument
from patchgap.model.workload import ClusterInventory, Workload, WorkloadRef
from patchgap.ports import DigestStanding
from patchgap.storage import told, writing

T = TypeVar("T")

_PACKAGES = 64_000  # about as many in one transaction: of a large graph each writes most pages of a tree again


class Graph:
    """The graph on one engine (`patchgap.storage.connect`). Safe to share between threads: each call has a connection
    of its own, and what is remembered is replaced whole."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._memory = Memory()

    def add_sbom(self, document: SbomDocument, at: datetime) -> str:
        """Stores the SBOM and what it says of its artifact; the artifact's digest. The same SBOM again writes
        nothing. Raises BadInputError for a document that names no artifact."""
        self.add_sboms((document,), at)
        return document.artifact.digest

    def add_sboms(self, documents: Iterable[SbomDocument], at: datetime) -> int:
        """Stores many, a few hundred a transaction, so that a stop loses the last of them alone; how many were new.
        Raises BadInputError for a document that names no artifact; what came before it stays."""
        known: dict[Package, int] = {}
        stored = 0
        with collection_at_rest():
            for batch in _batches(documents):
                new = self._reading(lambda read, held=batch: missing(read, held))  # type: ignore[misc]
                if new:
                    with self._writing() as connection:
                        stored += Ingest(connection, known).sboms(new, plain(at))
        return stored

    def add_artifact(self, artifact: Artifact) -> None:
        """Stores what is known of an image from elsewhere (OCI annotations, provenance). An empty field says nothing
        and overwrites nothing."""
        self.add_artifacts((artifact,))

    def add_artifacts(self, artifacts: Sequence[Artifact]) -> None:
        """`add_artifact` for several, in one transaction."""
        for artifact in artifacts:
            check_digest(artifact.digest)
        with self._writing() as connection:
            images = Images(connection, of_connection(connection))
            images.artifacts([(artifact, (artifact.digest,)) for artifact in artifacts])

    def add_index(self, index: str, platforms: Sequence[Platform]) -> None:
        """Says which images an index leads to. Where that is one platform, they are one image; else each is its own, the
        index runs as any of them, and what an SBOM said to be one of two platforms is told apart again."""
        for digest in (index, *(one for platform in platforms for one in platform.digests)):
            check_digest(digest)
        with self._writing() as connection:
            Images(connection, of_connection(connection)).index(index, platforms)

    def knows(self, digests: Sequence[str]) -> frozenset[str]:
        """Those of the digests whose image has an SBOM."""
        return self._reading(lambda read: frozenset(sboms_of(read, digests)))

    def same_image(self, digest: str) -> frozenset[str]:
        """Every digest by which that image may be named, that one too: its own others, the index that leads to it, and the
        platforms that it leads to as an index."""

        def ask(read: Run) -> frozenset[str]:
            rows = read(
                "SELECT d.digest FROM graph_digest own JOIN graph_digest d ON d.image_id = own.image_id"
                " WHERE own.digest = :digest"
                " UNION SELECT digest FROM graph_platform WHERE index_digest = :digest"
                " UNION SELECT index_digest FROM graph_platform WHERE digest = :digest",
                {"digest": digest},
            )
            return frozenset({digest, *(row[0] for row in rows)})

        return self._reading(ask)

    def deliver(self, delivery: str, content: str, at: datetime) -> bool:
        """Notes a delivery by its id and what it holds (a digest); False where it came before. Raises ConflictError where
        that id came with something else. A delivery is forgotten after a day."""
        with self._writing() as connection:
            return deliver(connection, delivery, content, at)

    def add_vex(self, document: VexDocument, at: datetime) -> int:
        """Stores what a VEX document states; how many statements were new. They change an exposure's standing in the
        answers to an advisory's questions, and remove none."""
        with self._writing() as connection:
            return Ingest(connection).vex(document, plain(at))

    def record(self, inventory: ClusterInventory, at: datetime) -> int:
        """Makes that the cluster's snapshot, whole, in one transaction. What is as before stays as it is, what is not
        ends, and what is new begins `at`; how many did."""
        return self.replace(inventory, at).rows

    def replace(self, inventory: ClusterInventory, at: datetime) -> Changes:
        """`record`; which workloads were not so."""
        with self._writing() as connection:
            return Snapshots(connection, at).whole(inventory)

    def claim(self, digest: str, workloads: Sequence[Workload], at: datetime) -> tuple[str, ...]:
        """Records where a document says that the image runs, in place of what was claimed of it before. Of a cluster that
        has been read nothing is recorded: it told itself; their names."""
        with self._writing() as connection:
            return Snapshots(connection, at).claimed(digest, workloads)

    def mark(self, cluster: str) -> Mark:
        """The cluster as it stands now, for `reconcile` to tell what is written from here on."""
        return self._reading(lambda read: mark(read, cluster))

    def reconcile(self, inventory: ClusterInventory, begun: Mark, at: datetime) -> Changes:
        """`replace` for a reading that was begun at that mark: what a watch or another reading wrote since is newer, and
        stays. No clock tells that: the writers' may differ."""
        with self._writing() as connection:
            return Snapshots(connection, at).whole(inventory, begun)

    def record_changes(
        self, cluster: str, seen: Sequence[Workload], gone: Sequence[WorkloadRef], at: datetime
    ) -> Changes:
        """What a watch told of: these workloads of the cluster as they are now, and those that are no more."""
        with self._writing() as connection:
            return Snapshots(connection, at).some(cluster, seen, gone)

    def record_deployment(self, delivery: str, content: str, event: DeploymentEvent, at: datetime) -> bool:
        """What a deployment event tells, once a delivery; False where it was taken before, and then nothing is written.
        `content` is what the delivery is told by. Raises ConflictError for another content under that delivery's id, and
        for a cluster that another platform owns; nothing is written then either."""
        with self._writing() as connection:
            if not deliver(connection, delivery, content, at):
                return False
            snapshots = Snapshots(connection, at)
            snapshots.heard(event.cluster, event.platform)
            snapshots.some(event.cluster, event.running(), event.refs())
        return True

    def advisories(self, mirror: Path) -> Advisories:
        """What the advisories of that mirror touch."""
        return Advisories(self._engine, mirror)

    @property
    def watches(self) -> Watches:
        """Which clusters are being watched."""
        return Watches(self._engine)

    def record_unreachable(self, cluster: str, platform: str, reason: str, at: datetime) -> None:
        """Keeps the cluster's last snapshot; every answer says that the cluster is unknown since the first failure."""
        with self._writing() as connection:
            Snapshots(connection, at).unreachable(cluster, platform, reason)

    def exposure(self, question: Question, asked_at: datetime, at: datetime | None = None) -> ExposureAnswer:
        """Which running workloads include it (scheduled, scaled to zero and pending ones too), and what is unknown;
        with `at`, of what ran then."""
        return self._querying(lambda query: query.answer(question, asked_at), at)

    def workload_exposures(
        self, cluster: str, namespace: str, kind: str, name: str, asked_at: datetime
    ) -> ExposureAnswer:
        """What a signal about one workload touches: an exposure a container, without a component. A workload that no
        snapshot holds is unknown."""
        what = f"{cluster}/{namespace}/{kind}/{name}"

        def ask(query: Query) -> ExposureAnswer:
            found = query.of_workload(cluster, namespace, kind, name)
            missing = () if found else (Unknown(f"workload {what}", "no snapshot holds a workload of that name"),)
            return ExposureAnswer(what, asked_at, found, (*query.blind_spots(), *missing))

        return self._querying(ask)

    def standing(self, question: Question, digests: Sequence[str]) -> Mapping[str, DigestStanding]:
        """What the graph knows of each digest against the question; a digest without an SBOM is unknown."""

        def ask(read: Run) -> Mapping[str, DigestStanding]:
            found = standings(read, self._query(read).matches(question), question, digests)
            return {digest: DigestStanding(digest, one.verdict, one.reason) for digest, one in found.items()}

        return self._reading(ask)

    def affected_digests(self, question: Question) -> frozenset[str]:
        """Every digest, equivalents included, whose SBOM holds an affected version, running or not."""

        def ask(read: Run) -> frozenset[str]:
            matches = self._query(read).matches(question)
            sure = [id_ for id_, match in matches.items() if match.standing is Standing.AFFECTED]
            rows = read(
                "SELECT DISTINCT d.digest FROM graph_occurrence o"  # noqa: S608  (ids alone)
                " JOIN graph_sbom_set p ON p.set_id = o.set_id JOIN graph_sbom s ON s.id = p.sbom_id"
                f" JOIN graph_digest d ON d.image_id = s.image_id WHERE {among_ids('o.component_id', sure)}"
            )
            return frozenset(row[0] for row in rows)

        return self._reading(ask)

    def artifact(self, digest: str) -> Artifact | None:
        """What is known of the image that goes by that digest; None where nothing is."""

        def ask(read: Run) -> Artifact | None:
            rows = read(
                "SELECT i.repository, i.commit_id, i.provenance, s.reference FROM graph_digest d"
                " JOIN graph_image i ON i.id = d.image_id LEFT JOIN graph_sbom s ON s.image_id = i.id"
                " WHERE d.digest = :digest ORDER BY s.id DESC LIMIT 1",
                {"digest": digest},
            )
            if not rows:
                return None
            repository, commit, provenance, reference = (column or "" for column in rows[0])
            return Artifact(digest, repository, commit, provenance, reference)

        return self._reading(ask)

    def workloads(self) -> Sequence[Workload]:
        """Every workload of every cluster's last snapshot."""
        statement = "SELECT document FROM graph_workload WHERE until IS NULL ORDER BY cluster, namespace, kind, name"
        return self._reading(lambda read: tuple(decode_workload(row[0]) for row in read(statement)))

    def identities(self) -> Mapping[str, str]:
        """What each cluster's control plane was known by when it was last read; those that did not tell are left out."""
        statement = "SELECT cluster, identity FROM graph_cluster WHERE identity <> '' ORDER BY cluster"
        return self._reading(lambda read: {row[0]: row[1] for row in read(statement)})

    def refreshed_at(self) -> Mapping[str, datetime | Unknown]:
        """When each cluster was last read; Unknown where it does not answer now or never did."""
        return self._reading(refreshed)

    def asked(self, ask: Callable[[Run], T]) -> T:
        """What `ask` makes of the graph, all of it read at one moment."""
        return self._reading(ask)

    def _querying(self, ask: Callable[[Query], T], at: datetime | None = None) -> T:
        return self._reading(lambda read: ask(self._query(read, at)))

    def _query(self, read: Run, at: datetime | None = None) -> Query:
        query = Query(read, self._memory, at)
        self._memory = query.memory
        return query

    def _reading(self, ask: Callable[[Run], T]) -> T:
        """One snapshot for all that the answer reads."""
        with told(self._engine), self._engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")
            else:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")  # noqa: PLW2901
            try:
                return ask(of_connection(connection))
            finally:
                connection.rollback()

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """One write; it takes the graph's own lock first, which PostgreSQL needs for ids to be given out once."""
        with told(self._engine), writing(self._engine) as connection:
            counted = sa.update(tables.state).values(generation=tables.state.c.generation + 1)
            if connection.execute(counted).rowcount == 0:
                connection.execute(sa.insert(tables.state).values(id=1, generation=1))
            yield connection


def _batches(documents: Iterable[SbomDocument]) -> Iterator[list[SbomDocument]]:
    batch: list[SbomDocument] = []
    packages = 0
    for document in documents:
        batch.append(document)
        packages += len(document.packages)
        if packages >= _PACKAGES:
            yield batch
            batch, packages = [], 0
    if batch:
        yield batch
