"""Where a package is in images, and by which chains from each image's root; whether they run or not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from patchgap.graph.digests import UNKNOWN, standings
from patchgap.graph.matching import Match
from patchgap.graph.memory import Chains, Memory
from patchgap.graph.query import Query
from patchgap.graph.question import Question
from patchgap.graph.reading import Run, among_ids
from patchgap.graph.subjects import by_provenance_alone
from patchgap.model.exposure import Artifact, Component, Standing
from patchgap.model.unknown import Unknown


@dataclass(frozen=True, slots=True)
class Found:
    """One package in one image. `chains` run from the image's root; empty where its SBOM names none. `more_chains` are as
    short; None where they were not counted."""

    component: Component
    standing: Standing
    direct: bool | None
    chains: Chains
    more_chains: int | None = 0


@dataclass(frozen=True, slots=True)
class Holder:
    """An image that holds it. `digests` are all that it goes by; `workloads` how many run it now, or would."""

    artifact: Artifact
    digests: tuple[str, ...]
    workloads: int
    found: tuple[Found, ...]


@dataclass(frozen=True, slots=True)
class PathAnswer:
    """The images that hold it, of how many, and those that cannot tell; artifacts known by provenance alone are none."""

    holders: tuple[Holder, ...]
    images: int
    unknown: tuple[Unknown, ...]
    provenance_alone: int = 0


def paths(read: Run, question: Question, image_id: int | None = None) -> PathAnswer:
    """Every image that holds what is asked for, or that one."""
    query = _Paths(read, Memory())
    matches = query.matches(question)
    digests = _digests(read, image_id)
    alone = by_provenance_alone(read) if image_id is None else frozenset()
    digests = {one: names for one, names in digests.items() if one not in alone}
    held = query.of_images(matches, digests)
    running = _running(read, held)
    holders = [
        Holder(query.image(one, digests[one][0]), digests[one], running.get(one, 0), found)
        for one, found in held.items()
    ]
    others = {digests[one][0]: one for one in digests if one not in held}
    verdicts = standings(read, matches, question, sorted(others))
    untold = (
        Unknown(f"image {_reference(query.image(others[digest], digest))}", told.reason)
        for digest, told in verdicts.items()
        if told.verdict == UNKNOWN
    )
    ordered = sorted(holders, key=lambda one: (-one.workloads, one.artifact.repository, one.artifact.digest))
    return PathAnswer(tuple(ordered), len(digests), tuple(untold), len(alone))


def _reference(image: Artifact) -> str:
    return f"{image.repository}@{image.digest}" if image.repository else image.digest


class _Paths(Query):
    """Reads chains by image, as the query reads them by workload."""

    def of_images(self, matches: dict[int, Match], images: Iterable[int]) -> dict[int, tuple[Found, ...]]:
        rows = self._read(
            "SELECT o.component_id, p.sbom_id, o.chains FROM graph_occurrence o"  # noqa: S608  (ids alone)
            f" JOIN graph_sbom_set p ON p.set_id = o.set_id WHERE {among_ids('o.component_id', matches)}"
        )
        self._load_sboms({row[1] for row in rows})
        wanted = {*images}
        mine = [row for row in rows if self._memory.sboms[row[1]].image_id in wanted]
        self._load_labels(row[2] for row in mine)
        found: dict[int, dict[str, Found]] = {}
        for component_id, sbom_id, chains in mine:
            match = matches[component_id]
            told, more, direct = self._paths(sbom_id, chains)
            held = found.setdefault(self._memory.sboms[sbom_id].image_id, {})
            if match.row.label not in held or (told and not held[match.row.label].chains):
                held[match.row.label] = Found(match.row.component, match.standing, direct, told, more)
        return {image: tuple(some for _, some in sorted(held.items())) for image, held in found.items()}

    def image(self, image_id: int, digest: str) -> Artifact:
        """What is known of it, by its newest SBOM."""
        self._load_images([image_id])
        told = self._memory.images[image_id]
        rows = self._read("SELECT max(id) FROM graph_sbom WHERE image_id = :id", {"id": image_id})
        if rows[0][0] is None:
            return Artifact(digest, told.repository, told.commit, told.provenance)
        self._load_sboms([rows[0][0]])
        sbom = self._memory.sboms[rows[0][0]]
        return Artifact(digest, told.repository, told.commit, told.provenance, sbom.reference, sbom.gaps)


def _digests(read: Run, image_id: int | None) -> dict[int, tuple[str, ...]]:
    where, named = ("", {}) if image_id is None else (" WHERE image_id = :id", {"id": image_id})
    found: dict[int, list[str]] = {}
    for one, digest in read(f"SELECT image_id, digest FROM graph_digest{where} ORDER BY digest", named):  # noqa: S608
        found.setdefault(one, []).append(digest)
    return {one: tuple(digests) for one, digests in found.items()}


def _running(read: Run, images: Iterable[int]) -> dict[int, int]:
    rows = read(
        "SELECT image_id, count(DISTINCT workload_id) FROM graph_container"  # noqa: S608  (ids alone)
        f" WHERE live AND exposed AND {among_ids('image_id', images)} GROUP BY image_id"
    )
    return {row[0]: row[1] for row in rows}
