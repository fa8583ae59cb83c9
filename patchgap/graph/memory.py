"""What answers remember of the graph: rows decoded once, for as long as no write changes them.

`Loader` reads what is missing; `query` makes answers of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from patchgap.graph import chains as stored
from patchgap.graph.blind import Survey
from patchgap.graph.matching import Row
from patchgap.graph.reading import Run, among, among_ids, batches, moment_of
from patchgap.model.exposure import Artifact, repository_of
from patchgap.model.workload import Container, ContainerRole, Workload

ROW = "id, ecosystem, vendor, name, version, purl, distro, source, source_version"
_BATCH = 5000  # ids in one statement
_REMEMBERED = 500_000  # workloads, components and chains; with more, a write voids them too
_WORKLOADS = msgspec.json.Decoder(Workload)

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
        keep = before is not None and len(before.workloads) + len(before.rows) + len(before.chains) < _REMEMBERED
        self.workloads: dict[int, Workload] = before.workloads if before and keep else {}
        self.rows: dict[int, Row] = before.rows if before and keep else {}
        self.chains: dict[str, tuple[Chains, int | None]] = before.chains if before and keep else {}


class Loader:
    """One reader of the graph. `memory` is what it reads into: the given one, or a new one where the graph was written to
    since; another loader of the same generation may share it. With `at` it reads what ran then, and with `clusters` what
    runs in those alone; `memory` keeps none of either."""

    def __init__(self, read: Run, memory: Memory, at: datetime | None = None, clusters: Iterable[str] = ()) -> None:
        self._read = read
        rows = read("SELECT generation FROM graph_state")
        generation = rows[0][0] if rows else 0
        self.memory = memory if memory.generation == generation else Memory(generation, memory)
        self._moment = moment_of(at, clusters)
        self._memory = Memory(generation, self.memory) if self._moment.joined else self.memory

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
            " ORDER BY c.image_id, c.workload_id, c.position",
            self._moment.parameters,
        )
        self._load_workloads(dict.fromkeys(row[1] for row in rows))  # an image's one after another, in memory too
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
        documents = dict(_by_id(self._read, "graph_workload", "id, document", missing))
        self._memory.workloads.update((one, decode_workload(documents[one])) for one in missing)

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


def decode_workload(document: str) -> Workload:
    """A workload as `Graph.record` stored it."""
    return _WORKLOADS.decode(document)
