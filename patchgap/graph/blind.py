"""Blind spots: what the graph cannot tell for any question, each with its name and reason.

Nothing here is ever an empty answer: no inventory at all is a blind spot too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from patchgap.graph.coverage import Coverage
from patchgap.graph.question import Question
from patchgap.graph.reading import Read
from patchgap.model.unknown import Unknown


def spots(read: Read) -> tuple[Unknown, ...]:
    """Clusters not read, running digests without an SBOM, containers without a digest, SBOMs without packages."""
    return (*_clusters(read), *_without_digest(read), *_without_sbom(read), *_without_packages(read))


def _clusters(read: Read) -> Iterator[Unknown]:
    rows = read("SELECT cluster, refreshed_at, unreachable_since, reason, unknown FROM graph_cluster ORDER BY cluster")
    if not rows:
        yield Unknown("every cluster", "no cluster has been read")
    for cluster, refreshed_at, unreachable_since, reason, unknown in rows:
        what = f"cluster {cluster}"
        if unreachable_since:
            seen = f"last read at {refreshed_at}" if refreshed_at else "never read"
            yield Unknown(what, f"unreachable since {unreachable_since} ({seen}): {reason}")
        for one in json.loads(unknown):
            yield Unknown(one["what"], one["reason"])


def _without_digest(read: Read) -> Iterator[Unknown]:
    rows = read(
        "SELECT w.cluster, w.namespace, w.kind, w.name, w.document, c.position FROM graph_container c"
        " JOIN graph_workload w ON w.id = c.workload_id WHERE c.image_id IS NULL AND c.exposed"
        " ORDER BY 1, 2, 3, 4, 6"
    )
    for cluster, namespace, kind, name, document, position in rows:
        container = json.loads(document)["containers"][position]
        digest = container["digest"]
        reason = digest["reason"] if isinstance(digest, dict) else "its digest is not one"
        what = f"{cluster}/{namespace}/{kind}/{name}, container {container['name']} ({container['image']})"
        yield Unknown(what, f"its digest is unknown: {reason}")


def _without_sbom(read: Read) -> Iterator[Unknown]:
    rows = read(
        "SELECT c.image_id, min(c.workload_id), count(DISTINCT c.workload_id) FROM graph_container c"
        " LEFT JOIN graph_sbom s ON s.image_id = c.image_id"
        " WHERE c.exposed AND c.image_id IS NOT NULL AND s.id IS NULL GROUP BY c.image_id ORDER BY 2"
    )
    for image_id, workload_id, count in rows:
        yield Unknown(*_image(read, image_id, workload_id, count, "it has no SBOM"))


def _without_packages(read: Read) -> Iterator[Unknown]:
    rows = read(
        "SELECT c.image_id, min(c.workload_id), count(DISTINCT c.workload_id) FROM graph_container c"
        " JOIN graph_sbom s ON s.image_id = c.image_id WHERE c.exposed"
        " GROUP BY c.image_id HAVING max(s.packages) = 0 ORDER BY 2"
    )
    for image_id, workload_id, count in rows:
        yield Unknown(*_image(read, image_id, workload_id, count, "its SBOM lists no packages"))


class Partly(NamedTuple):
    """An image that runs, and of which no SBOM tells everything."""

    image_id: int
    coverage: Coverage
    workload_id: int
    workloads: int  # that run it


def partly(read: Read) -> tuple[Partly, ...]:
    """The images that run and whose SBOMs may leave something out that is asked for."""
    rows = read(
        "SELECT s.image_id, s.lists, s.whole, r.workload_id, r.workloads FROM graph_sbom s JOIN (SELECT image_id,"
        " min(workload_id) AS workload_id, count(DISTINCT workload_id) AS workloads FROM graph_container"
        " WHERE exposed GROUP BY image_id) r ON r.image_id = s.image_id WHERE s.packages > 0 AND ("
        " EXISTS (SELECT 1 FROM graph_sbom o WHERE o.image_id = s.image_id AND o.lists LIKE '%~%')"
        " OR NOT EXISTS (SELECT 1 FROM graph_sbom o WHERE o.image_id = s.image_id AND o.whole)) ORDER BY 4, 1"
    )
    sboms: dict[tuple[int, int, int], list[tuple[str, bool]]] = {}
    for image_id, lists, whole, workload_id, count in rows:
        sboms.setdefault((image_id, workload_id, count), []).append((lists, whole))
    return tuple(Partly(one, Coverage.of(held), *rest) for (one, *rest), held in sboms.items())


def untold(read: Read, images: Iterable[Partly], question: Question) -> Iterator[Unknown]:
    """Those of the images that may hold what is asked for, since nothing that is known of them would list it."""
    for one in images:
        if reason := one.coverage.untold(question):
            yield Unknown(*_image(read, one.image_id, one.workload_id, one.workloads, reason))


def _image(read: Read, image_id: int, workload_id: int, count: int, problem: str) -> tuple[str, str]:
    place = read(
        "SELECT cluster || '/' || namespace || '/' || kind || '/' || name, document FROM graph_workload WHERE id = :id",
        {"id": workload_id},
    )[0]
    digests = {row[0] for row in read("SELECT digest FROM graph_digest WHERE image_id = :id", {"id": image_id})}
    running = [c for c in json.loads(place[1])["containers"] if isinstance(c["digest"], str) and c["digest"] in digests]
    more = f" and {count - 1} more" if count > 1 else ""
    return (
        f"image {running[0]['image'].partition('@')[0]}@{running[0]['digest']}",
        f"{problem}; {place[0]}{more} runs it",
    )
