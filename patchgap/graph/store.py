"""The exposure graph in its database: what goes in whole or not at all, and the questions to it.

Owns every write to the graph's tables. Times are arguments; it reaches nothing but its engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

import sqlalchemy as sa

from patchgap.errors import BadInputError
from patchgap.graph import ingest, tables
from patchgap.graph.coverage import Coverage
from patchgap.graph.query import Memory, Query, decode_workload, refreshed, unanswerable
from patchgap.graph.question import Question
from patchgap.graph.reading import Read, among, among_ids, of_connection
from patchgap.graph.sbom.document import DIGEST, SbomDocument
from patchgap.model.exposure import Artifact, ExposureAnswer, Standing
from patchgap.model.unknown import Unknown
from patchgap.model.workload import ClusterInventory, Workload
from patchgap.ports import DigestStanding
from patchgap.storage import writing

T = TypeVar("T")


class Graph:
    """The graph on one engine (`patchgap.storage.connect`). Safe to share between threads: each call has a connection
    of its own, and what is remembered is replaced whole."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._memory = Memory()

    def add_sbom(self, document: SbomDocument, at: datetime) -> str:
        """Stores the SBOM and what it says of its artifact; the artifact's digest. The same SBOM again writes
        nothing. Raises BadInputError for a document that names no artifact."""
        digest = document.artifact.digest
        _check_digest(digest)
        if not self._reading(lambda read: ingest.holds(read, document)):
            with self._writing() as connection:
                ingest.sbom(connection, document, _stamp(at))
        return digest

    def add_artifact(self, artifact: Artifact) -> None:
        """Stores what is known of an image from elsewhere (OCI annotations, provenance). An empty field says nothing
        and overwrites nothing."""
        self.add_artifacts((artifact,))

    def add_artifacts(self, artifacts: Sequence[Artifact]) -> None:
        """Several, in one transaction."""
        for artifact in artifacts:
            _check_digest(artifact.digest)
        with self._writing() as connection:
            for artifact in artifacts:
                ingest.artifact(connection, artifact, (artifact.digest,))

    def add_equivalents(self, digests: Sequence[str]) -> None:
        """Says that these digests (index, platform, config) are one image."""
        for digest in digests:
            _check_digest(digest)
        with self._writing() as connection:
            ingest.image_of(connection, tuple(dict.fromkeys(digests)))

    def record(self, inventory: ClusterInventory, at: datetime) -> None:
        """Replaces that cluster's snapshot, whole, in one transaction."""
        with self._writing() as connection:
            ingest.inventory(connection, inventory, _stamp(at))

    def record_unreachable(self, cluster: str, platform: str, reason: str, at: datetime) -> None:
        """Keeps the cluster's last snapshot; every answer says that the cluster is unknown since the first failure."""
        with self._writing() as connection:
            ingest.unreachable(connection, cluster, platform, reason, _stamp(at))

    def exposure(self, question: Question, asked_at: datetime) -> ExposureAnswer:
        """Which running workloads include it (scheduled, scaled to zero and pending ones too), and what is unknown."""
        return self._querying(lambda query: query.answer(question, asked_at))

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

        def ask(read: Read) -> Mapping[str, DigestStanding]:
            matches = self._query(read).matches(question)
            held = _sboms_of(read, digests)
            ids = [one.id for sboms in held.values() for one in sboms]
            rows = read(
                "SELECT sbom_id, component_id FROM graph_occurrence"  # noqa: S608  (ids alone)
                f" WHERE {among_ids('sbom_id', ids)} AND {among_ids('component_id', matches)}"
            )
            found: dict[int, list[int]] = {}
            for sbom_id, component_id in rows:
                found.setdefault(sbom_id, []).append(component_id)
            answers, nothing = {}, unanswerable(question)
            for digest in digests:
                sboms = held.get(digest, [])
                hits = [matches[one] for sbom in sboms for one in found.get(sbom.id, ())]
                untold = Coverage.of((one.lists, one.whole) for one in sboms).untold(question)
                affected = [m.reason for m in hits if m.standing is Standing.AFFECTED]
                doubts = [m.reason for m in hits if m.standing is Standing.UNKNOWN]
                if affected:
                    answers[digest] = DigestStanding(digest, "affected", affected[0])
                elif not sboms:
                    answers[digest] = DigestStanding(digest, "unknown", "it has no SBOM")
                elif nothing:
                    answers[digest] = DigestStanding(digest, "unknown", nothing[0].reason)
                elif doubts:
                    answers[digest] = DigestStanding(digest, "unknown", doubts[0])
                elif not any(one.packages for one in sboms):
                    answers[digest] = DigestStanding(digest, "unknown", "its SBOM lists no packages")
                elif untold:
                    answers[digest] = DigestStanding(digest, "unknown", untold)
                else:
                    answers[digest] = DigestStanding(digest, "clean", f"its SBOM holds nothing that {question} affects")
            return answers

        return self._reading(ask)

    def affected_digests(self, question: Question) -> frozenset[str]:
        """Every digest, equivalents included, whose SBOM holds an affected version, running or not."""

        def ask(read: Read) -> frozenset[str]:
            matches = self._query(read).matches(question)
            sure = [id_ for id_, match in matches.items() if match.standing is Standing.AFFECTED]
            rows = read(
                "SELECT DISTINCT d.digest FROM graph_occurrence o JOIN graph_sbom s ON s.id = o.sbom_id"  # noqa: S608
                f" JOIN graph_digest d ON d.image_id = s.image_id WHERE {among_ids('o.component_id', sure)}"
            )
            return frozenset(row[0] for row in rows)

        return self._reading(ask)

    def artifact(self, digest: str) -> Artifact | None:
        """What is known of the image that goes by that digest; None where nothing is."""

        def ask(read: Read) -> Artifact | None:
            rows = read(
                "SELECT i.repository, i.commit_id, i.provenance, s.reference FROM graph_digest d"
                " JOIN graph_image i ON i.id = d.image_id LEFT JOIN graph_sbom s ON s.image_id = i.id"
                " WHERE d.digest = :digest ORDER BY s.id DESC LIMIT 1",
                {"digest": digest},
            )
            return Artifact(digest, *(column or "" for column in rows[0])) if rows else None

        return self._reading(ask)

    def workloads(self) -> Sequence[Workload]:
        """Every workload of every cluster's last snapshot."""
        statement = "SELECT document FROM graph_workload ORDER BY cluster, namespace, kind, name"
        return self._reading(lambda read: tuple(decode_workload(row[0]) for row in read(statement)))

    def identities(self) -> Mapping[str, str]:
        """What each cluster's control plane was known by when it was last read; those that did not tell are left out."""
        statement = "SELECT cluster, identity FROM graph_cluster WHERE identity <> '' ORDER BY cluster"
        return self._reading(lambda read: {row[0]: row[1] for row in read(statement)})

    def refreshed_at(self) -> Mapping[str, datetime | Unknown]:
        """When each cluster was last read; Unknown where it does not answer now or never did."""
        return self._reading(refreshed)

    def _querying(self, ask: Callable[[Query], T]) -> T:
        return self._reading(lambda read: ask(self._query(read)))

    def _query(self, read: Read) -> Query:
        query = Query(read, self._memory)
        self._memory = query.memory
        return query

    def _reading(self, ask: Callable[[Read], T]) -> T:
        """One snapshot for all that the answer reads."""
        with self._engine.connect() as connection:
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
        with writing(self._engine) as connection:
            counted = sa.update(tables.state).values(generation=tables.state.c.generation + 1)
            if connection.execute(counted).rowcount == 0:
                connection.execute(sa.insert(tables.state).values(id=1, generation=1))
            yield connection


class _Sbom(NamedTuple):
    id: int
    packages: int
    lists: str
    whole: bool


def _sboms_of(read: Read, digests: Sequence[str]) -> dict[str, list[_Sbom]]:
    """The SBOMs of each digest's image, with how many packages each lists, and of which kinds."""
    found: dict[str, list[_Sbom]] = {}
    for start in range(0, len(digests), 500):
        some, parameters = among("d.digest", digests[start : start + 500])
        rows = read(
            "SELECT d.digest, s.id, s.packages, s.lists, s.whole FROM graph_digest d"  # noqa: S608  (parameters alone)
            f" JOIN graph_sbom s ON s.image_id = d.image_id WHERE {some}",
            parameters,
        )
        for digest, *sbom in rows:
            found.setdefault(digest, []).append(_Sbom(*sbom))
    return found


def _check_digest(digest: str) -> None:
    if not DIGEST.fullmatch(digest):
        raise BadInputError(
            "the artifact",
            f"{digest or 'nothing'!r} is no image digest",
            "Name it as sha256:<64 hex digits>.",
        )


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
