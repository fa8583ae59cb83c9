"""Answers: from a question to exposures, through a reader of the store.

What was decoded is kept for as long as the graph's generation is the same (`memory`), so that a warm answer costs little
more than its size. Knows nothing of how rows got there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

import msgspec

from patchgap.graph.blind import Survey
from patchgap.graph.collection import collection_at_rest
from patchgap.graph.matching import Match, judge, keys
from patchgap.graph.memory import Loader, named
from patchgap.graph.question import Question
from patchgap.graph.reading import Run, among, among_ids
from patchgap.graph.vex.standing import Subject, VexVerdict, image_purl, settled, standing_of
from patchgap.model.exposure import Component, Exposure, ExposureAnswer, Standing, repository_of
from patchgap.model.exposure import named as called
from patchgap.model.unknown import Unknown
from patchgap.model.vex import VexStatement

_STATEMENTS = msgspec.json.Decoder(VexStatement)


class Query(Loader):
    """One reader's answers. With `at` they are of what ran then, by what the SBOMs say now; with `clusters`, of what runs in
    those alone."""

    def answer(self, question: Question, asked_at: datetime) -> ExposureAnswer:
        """Every exposure, and what could not be told."""
        matches = self.matches(question)
        exposures = self.exposures(question, matches)
        doubtful = [m for m in matches.values() if m.standing is Standing.UNKNOWN]
        running = {one.component for one in exposures if one.standing is Standing.UNKNOWN} if doubtful else ()
        doubts = (
            Unknown(m.row.label, m.reason.removeprefix(f"{m.row.label}: "))
            for m in doubtful
            if m.row.component in running
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
        with collection_at_rest():
            return self._settled(question, self._exposures(matches))

    def not_running(self, question: Question) -> tuple[str, ...]:
        """The images that hold it too, or may, and that no workload known to the graph runs now: each as a person calls
        it, by repository and a digest."""
        rows = self._read(
            "SELECT i.repository, min(d.digest) FROM graph_image i JOIN graph_digest d ON d.image_id = i.id"  # noqa: S608  (ids alone)
            " WHERE i.id IN (SELECT s.image_id FROM graph_occurrence o JOIN graph_sbom_set p ON p.set_id = o.set_id"
            f" JOIN graph_sbom s ON s.id = p.sbom_id WHERE {among_ids('o.component_id', self.matches(question))})"
            " AND NOT EXISTS (SELECT 1 FROM graph_container c WHERE c.image_id = i.id AND c.exposed AND c.live)"
            " GROUP BY i.id, i.repository"
        )
        return tuple(sorted(called(repository, digest) for repository, digest in rows))

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
        components = {id_: m.row.component for id_, m in matches.items()}
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


def _repositories(one: Exposure) -> tuple[str, str]:
    """Where the image comes from: as the graph knows it, and as the workload that runs it names it."""
    return one.artifact.repository, repository_of(one.container.image)


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
