"""Answers: from a question to exposures, through a reader of the store.

Keeps what it decoded for as long as the graph's generation is the same, so that a warm answer costs little more than its
size. Knows nothing of how rows got there.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from patchgap.graph import chains as stored
from patchgap.graph.blind import Survey
from patchgap.graph.matching import Match, Row, judge, keys
from patchgap.graph.question import Question
from patchgap.graph.reading import Run, among, among_ids, batches, moment_of
from patchgap.graph.vex.standing import Subject, VexVerdict, image_purl, settled, standing_of
from patchgap.model.exposure import Artifact, Component, Exposure, ExposureAnswer, Standing, repository_of
from patchgap.model.unknown import Unknown
from patchgap.model.vex import VexStatement
from patchgap.model.workload import Container, ContainerRole, Workload

ROW = "id, ecosystem, vendor, name, version, purl, distro, source, source_version"
_BATCH = 5000  # ids in one statement
_REMEMBERED = 500_000  # rows; with more, a write voids them too
_WORKLOADS = msgspec.json.Decoder(Workload)
_STATEMENTS = msgspec.json.Decoder(VexStatement)

Chains = tuple[tuple[str, ...], ...]


class Image(NamedTuple):
    """What is known of an image, under whichever of its digests it runs."""

    repository: str
    commit: str
    provenance: str


class Place(NamedTuple):
    """A workload that runs an SBOM's image under one digest, in the first of its containers that does."""

    workload: Workload
    container: Container
    artifact: Artifact


class Sbom(NamedTuple):
    """What an answer shows of an SBOM."""

    image_id: int
    reference: str
    root: str
    gaps: tuple[str, ...]
    alone: bool  # its image has no other SBOM


class Memory:
    """What was read at one generation of the graph. What no later write changes is handed on to the next one."""

    def __init__(self, generation: int = -1, before: Memory | None = None) -> None:
        self.generation = generation
        self.blind: Survey | None = None
        self.places: dict[int, tuple[Place, ...]] = {}
        self.images: dict[int, Image] = {}
        self.sboms: dict[int, Sbom] = {}
        keep = before is not None and len(before.workloads) + len(before.rows) < _REMEMBERED
        self.workloads: dict[int, Workload] = before.workloads if before and keep else {}
        self.rows: dict[int, Row] = before.rows if before and keep else {}
        self.chains: dict[str, tuple[Chains, int | None]] = before.chains if before and keep else {}


class Query:
    """One reader's answers. `memory` is what it reads into: the given one, or a new one where the graph was written
    to since; another query of the same generation may share it. With `at`, the answers are of what ran then, by what
    the SBOMs say now; with `clusters`, of what runs in those alone; `memory` keeps none of either."""

    def __init__(self, read: Run, memory: Memory, at: datetime | None = None, clusters: Iterable[str] = ()) -> None:
        self._read = read
        rows = read("SELECT generation FROM graph_state")
        generation = rows[0][0] if rows else 0
        self.memory = memory if memory.generation == generation else Memory(generation, memory)
        self._moment = moment_of(at, clusters)
        self._memory = Memory(generation, self.memory) if self._moment.joined else self.memory

    def answer(self, question: Question, asked_at: datetime) -> ExposureAnswer:
        """Every exposure, and what could not be told."""
        matches = self.matches(question)
        exposures = self.exposures(question, matches)
        doubtful = [m for m in matches.values() if m.standing is Standing.UNKNOWN]
        running = {one.component for one in exposures if one.standing is Standing.UNKNOWN} if doubtful else ()
        doubts = (
            Unknown(m.row.label, m.reason.removeprefix(f"{m.row.label}: "))
            for m in doubtful
            if _component(m.row) in running
        )
        return ExposureAnswer(
            query=str(question),
            asked_at=asked_at,
            exposures=tuple(exposures),
            unknown=(*self._untold(question), *sorted(doubts, key=lambda doubt: doubt.what)),
        )

    def matches(self, question: Question) -> dict[int, Match]:
        """The components that the question touches, by id."""
        judged = ((row.id, judge(question, row)) for row in named(self._read, keys(question)))
        return {id_: match for id_, match in judged if match is not None}

    def exposures(self, question: Question, matches: Mapping[int, Match]) -> Collection[Exposure]:
        """Every exposure of these components, with the standing that VEX gives it towards the question."""
        with uncollected():
            return self._settled(question, self._exposures(matches))

    def blind_spots(self) -> tuple[Unknown, ...]:
        """What no question can be answered for, whatever it asks."""
        return self._survey().spots(self._read)

    def uncovered(self, question: Question) -> tuple[Unknown, ...]:
        """The images that run and that may hold what is asked for, since no SBOM of them would list it."""
        return tuple(self._survey().untold(self._read, question))

    def vex_names(self) -> frozenset[str]:
        """The vulnerabilities that VEX speaks of, in lower case."""
        return frozenset(row[0] for row in self._read("SELECT DISTINCT name FROM graph_vex_name"))

    def _untold(self, question: Question) -> tuple[Unknown, ...]:
        return (*unanswerable(question), *self.blind_spots(), *self.uncovered(question))

    def _survey(self) -> Survey:
        if self._memory.blind is None:
            self._memory.blind = Survey(self._moment)
        return self._memory.blind

    def of_workload(self, cluster: str, namespace: str, kind: str, name: str) -> tuple[Exposure, ...]:
        """One exposure a container, of no component: what a runtime signal touches."""
        rows = self._read(
            "SELECT id FROM graph_workload WHERE cluster = :cluster AND namespace = :namespace"
            " AND lower(kind) = lower(:kind) AND name = :name AND until IS NULL",
            {"cluster": cluster, "namespace": namespace, "kind": kind, "name": name},
        )
        ids = [row[0] for row in rows]
        self._load_workloads(ids)
        held = self._read(
            "SELECT c.workload_id, c.position, c.image_id, max(s.reference) FROM graph_container c"  # noqa: S608
            f" LEFT JOIN graph_sbom s ON s.image_id = c.image_id WHERE {among_ids('c.workload_id', ids)}"
            " GROUP BY c.workload_id, c.position, c.image_id ORDER BY 1, 2"
        )
        self._load_images([row[2] for row in held if row[2] is not None])
        found = []
        for workload_id, position, image_id, reference in held:
            workload = self._memory.workloads[workload_id]
            container = workload.containers[position]
            artifact = self._artifact(image_id, container, reference or "")
            found.append(Exposure(Component("", "", ""), None, (), artifact, workload, container))
        return tuple(found)

    def _exposures(self, matches: Mapping[int, Match]) -> Collection[Exposure]:
        occurrences = self._read(
            "SELECT o.component_id, p.sbom_id, o.chains FROM graph_occurrence o"  # noqa: S608  (ids alone)
            f" JOIN graph_sbom_set p ON p.set_id = o.set_id WHERE {among_ids('o.component_id', matches)}"
        )
        self._load_places({row[1] for row in occurrences})
        self._load_labels(row[2] for row in occurrences)
        components = {id_: _component(m.row) for id_, m in matches.items()}
        found: list[Exposure] = []
        for id_, sbom_id, chains in occurrences:
            component, standing = components[id_], matches[id_].standing
            paths, more, direct = self._paths(sbom_id, chains)
            found += [
                Exposure(component, direct, paths, artifact, workload, container, standing, more)
                for workload, container, artifact in self._memory.places[sbom_id]
            ]
        alone = all(self._memory.sboms[row[1]].alone for row in occurrences)
        return found if alone else _once(found)

    def _settled(self, question: Question, exposures: Collection[Exposure]) -> Collection[Exposure]:
        """The exposures with the standing that VEX gives them, where it speaks of the advisory; none is removed."""
        statements = self._statements(question)
        if not statements or question.advisory is None:
            return exposures
        ids = (question.advisory.id, *question.advisory.aliases)
        verdicts: dict[tuple[str, ...], VexVerdict | None] = {}
        found = []
        for one in exposures:
            key = (one.component.purl, one.artifact.digest, one.artifact.sbom_ref, *_repositories(one))
            if key not in verdicts:
                verdicts[key] = standing_of(statements, ids, self._subject(one))
            verdict = verdicts[key]
            found.append(replace(one, standing=settled(one.standing, verdict), vex=verdict.reason) if verdict else one)
        return found

    def _statements(self, question: Question) -> list[VexStatement]:
        if question.advisory is None:
            return []
        names = sorted({name.lower() for name in (question.advisory.id, *question.advisory.aliases)})
        some, parameters = among("n.name", names)
        rows = self._read(
            "SELECT DISTINCT v.id, v.statement FROM graph_vex_name n JOIN graph_vex v ON v.id = n.vex_id"  # noqa: S608
            f" WHERE {some} ORDER BY v.id",
            parameters,
        )
        return [_STATEMENTS.decode(row[1]) for row in rows]

    def _subject(self, one: Exposure) -> Subject:
        """What VEX may name: the component, the image under all its digests, its repository, and its SBOM's BOM-Link."""
        digest = one.artifact.digest
        rows = self._read(
            "SELECT d.digest FROM graph_digest own JOIN graph_digest d ON d.image_id = own.image_id"
            " WHERE own.digest = :digest",
            {"digest": digest},
        )
        root = one.chains[0][0] if one.chains else ""
        name = one.artifact.repository.rpartition("/")[2]
        named = [held for held in _repositories(one) if name and digest and held.rpartition("/")[2] == name]
        images = [image_purl(held, digest) for held in named]
        serial = one.artifact.sbom_ref.removeprefix("urn:uuid:")
        links = frozenset({f"urn:cdx:{serial}/1"}) if serial != one.artifact.sbom_ref else frozenset()
        return Subject(
            one.component.purl,
            frozenset({row[0] for row in rows} | {digest} - {""}),
            (*((root,) if root.startswith("pkg:") else ()), *images),
            links,
        )

    def _paths(self, sbom_id: int, chains: str | None) -> tuple[Chains, int | None, bool | None]:
        """The chains from the root on, how many more there are, and whether one of them is direct; None where nothing
        leads there."""
        if chains is None:
            return (), 0, None
        root = self._memory.sboms[sbom_id].root
        tails, more = self._memory.chains[chains]
        return tuple((root, *tail) for tail in tails), more, any(len(tail) <= 1 for tail in tails)

    def _artifact(
        self, image_id: int | None, container: Container, reference: str, gaps: tuple[str, ...] = ()
    ) -> Artifact:
        image = self._memory.images[image_id] if image_id is not None else Image("", "", "")
        repository = image.repository or repository_of(container.image)
        digest = container.digest if isinstance(container.digest, str) else ""
        return Artifact(digest, repository, image.commit, image.provenance, reference, gaps)

    def _load_sboms(self, ids: Iterable[int]) -> None:
        missing = [one for one in ids if one not in self._memory.sboms]
        others = "(SELECT count(*) FROM graph_sbom o WHERE o.image_id = graph_sbom.image_id) = 1"
        columns = f"id, image_id, reference, root, gaps, {others}"
        for id_, image_id, reference, root, gaps, alone in _by_id(self._read, "graph_sbom", columns, missing):
            self._memory.sboms[id_] = Sbom(image_id, reference, root, tuple(json.loads(gaps)), alone)

    def _load_images(self, ids: Iterable[int]) -> None:
        missing = [one for one in ids if one not in self._memory.images]
        for id_, *rest in _by_id(self._read, "graph_image", "id, repository, commit_id, provenance", missing):
            self._memory.images[id_] = Image(*rest)

    def _load_places(self, sbom_ids: Iterable[int]) -> None:
        missing = [one for one in sbom_ids if one not in self._memory.places]
        self._load_sboms(missing)
        images = {self._memory.sboms[one].image_id for one in missing}
        self._load_images(images)
        rows = self._read(
            "SELECT c.image_id, c.workload_id, c.position FROM graph_container c"  # noqa: S608  (ids alone)
            f"{self._moment.joined} WHERE {among_ids('c.image_id', images)} AND c.exposed AND {self._moment.stands}"
            " ORDER BY c.workload_id, c.position",
            self._moment.parameters,
        )
        self._load_workloads({row[1] for row in rows})
        running: dict[int, dict[tuple[int, object], tuple[Workload, Container]]] = {one: {} for one in images}
        for image_id, workload_id, position in rows:
            workload = self._memory.workloads[workload_id]
            container = workload.containers[position]
            held = running[image_id].setdefault((workload_id, container.digest), (workload, container))
            if held[1].role is not ContainerRole.MAIN and container.role is ContainerRole.MAIN:
                running[image_id][workload_id, container.digest] = (workload, container)
        for sbom_id in missing:
            image_id, reference, _, gaps, _ = self._memory.sboms[sbom_id]
            self._memory.places[sbom_id] = tuple(
                Place(workload, container, self._artifact(image_id, container, reference, gaps))
                for workload, container in running[image_id].values()
            )

    def _load_workloads(self, ids: Iterable[int]) -> None:
        missing = [one for one in ids if one not in self._memory.workloads]
        for id_, document in _by_id(self._read, "graph_workload", "id, document", missing):
            self._memory.workloads[id_] = decode_workload(document)

    def _load_labels(self, chains: Iterable[str | None]) -> None:
        new = {text for text in chains if text is not None and text not in self._memory.chains}
        if not new:
            return
        split = {text: stored.read(text) for text in new}
        needed = {i for kept in split.values() for path in kept.chains for i in path}
        self._load_rows(needed)
        labels = self._memory.rows
        for text, (paths, more) in split.items():
            self._memory.chains[text] = (tuple(tuple(labels[i].label for i in path) for path in paths), more)

    def _load_rows(self, ids: Iterable[int]) -> None:
        missing = [one for one in ids if one not in self._memory.rows]
        self._memory.rows.update((row.id, row) for row in numbered(self._read, missing))


def numbered(read: Run, ids: Iterable[int]) -> Iterator[Row]:
    """The components with these ids."""
    return (Row(*columns) for columns in _by_id(read, "graph_component", ROW, ids))


def _by_id(read: Run, table: str, columns: str, ids: Iterable[int]) -> Iterator[tuple[Any, ...]]:
    for batch in batches(ids, _BATCH):
        yield from read(f"SELECT {columns} FROM {table} WHERE {among_ids('id', batch)}")  # noqa: S608  (no input in it)


def named(read: Run, wanted: Iterable[str]) -> Iterator[Row]:
    """The components that these keys look up, by their own name or their source package's; one may come twice."""
    for some in batches(sorted(wanted), 400):
        by_key, parameters = among("key", some)
        by_source, others = among("source_key", some)
        statement = f"SELECT {ROW} FROM graph_component WHERE {by_key} OR {by_source}"  # noqa: S608  (no input in it)
        yield from (Row(*columns) for columns in read(statement, parameters | others))


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the cycle collector, which walks all that is remembered for every few thousand exposures that an answer
    makes, none of which is in a cycle: it took nine tenths of a large answer's time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _repositories(one: Exposure) -> tuple[str, str]:
    """Where the image comes from: as the graph knows it, and as the workload that runs it names it."""
    return one.artifact.repository, repository_of(one.container.image)


def _component(row: Row) -> Component:
    return Component(row.purl, row.name, row.version)


def unanswerable(question: Question) -> tuple[Unknown, ...]:
    """What is unknown of every image, since the question itself names nothing that an SBOM could list."""
    if question.advisory is None or question.advisory.affected:
        return ()
    return (Unknown(f"advisory {question}", "it names no package: which components it affects is not told"),)


def _once(exposures: Iterable[Exposure]) -> Collection[Exposure]:
    """One a component, workload and digest: of an image's several SBOMs, one that knows the chain."""
    best: dict[tuple[Component, int, str], Exposure] = {}
    for one in exposures:
        key = (one.component, id(one.workload), one.artifact.digest)
        if key not in best or (one.chains and not best[key].chains):
            best[key] = one
    return best.values()


def decode_workload(document: str) -> Workload:
    """A workload as `Graph.record` stored it."""
    return _WORKLOADS.decode(document)


def refreshed(read: Run) -> dict[str, datetime | Unknown]:
    """Until when each cluster is known: when it was last read, or later as far as a watch has told all; Unknown where it
    does not answer now or never did."""
    rows = read(
        "SELECT c.cluster, c.refreshed_at, c.unreachable_since, c.reason, w.heard_at FROM graph_cluster c"
        " LEFT JOIN graph_watch w ON w.cluster = c.cluster ORDER BY c.cluster"
    )
    return {
        cluster: Unknown(f"cluster {cluster}", f"unreachable since {since}: {reason}")
        if since or not at
        else max(datetime.fromisoformat(one) for one in (at, heard) if one)
        for cluster, at, since, reason, heard in rows
    }
