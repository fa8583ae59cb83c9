"""Blind spots: what the graph cannot tell for any question, each with its name and reason.

Nothing here is ever an empty answer: no inventory at all is a blind spot too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from patchgap.graph import platforms
from patchgap.graph.coverage import Coverage, hidden
from patchgap.graph.question import Question
from patchgap.graph.reading import Moment, Run, sortable
from patchgap.model.claimed import SUFFIX
from patchgap.model.unknown import EVERY_CLUSTER, Unknown


def spots(read: Run, moment: Moment) -> tuple[Unknown, ...]:
    """Clusters not read, running digests without an SBOM, containers without a digest, SBOMs without packages or
    that hide some; now, or at a past moment."""
    return tuple(one for found in by_kind(read, moment).values() for one in found)


def by_kind(read: Run, moment: Moment) -> dict[str, tuple[Unknown, ...]]:
    """The same, by what is missing."""
    clusters = _clusters(read, moment) if moment.at is None else _clusters_then(read, moment)
    return {
        "cluster not read": tuple(clusters),
        "claimed, not read": tuple(claimed(read, moment)),
        "digest unknown": tuple(_without_digest(read, moment)),
        "no SBOM": tuple(_without_sbom(read, moment)),
        "SBOM without packages": tuple(_without_packages(read, moment)),
        "SBOM that may hide packages": tuple(_hiding(read, moment)),
        "SBOM of some platforms alone": tuple(_of_platforms(read, moment)),
    }


def _clusters(read: Run, moment: Moment) -> Iterator[Unknown]:
    rows = read("SELECT cluster, refreshed_at, unreachable_since, reason, unknown FROM graph_cluster ORDER BY cluster")
    if not rows:
        yield Unknown(EVERY_CLUSTER, "no cluster has been read")
    for cluster, refreshed_at, unreachable_since, reason, unknown in rows:
        if not moment.asks_for(cluster):
            continue
        what = f"cluster {cluster}"
        if unreachable_since:
            seen = f"last read at {refreshed_at}" if refreshed_at else "never read"
            yield Unknown(what, f"unreachable since {unreachable_since} ({seen}): {reason}")
        for one in json.loads(unknown):
            yield Unknown(one["what"], one["reason"])


def _clusters_then(read: Run, moment: Moment) -> Iterator[Unknown]:
    rows = read("SELECT cluster, first_read_at, unreachable_since, reason FROM graph_cluster ORDER BY cluster")
    if not rows:
        yield Unknown(EVERY_CLUSTER, "no cluster has been read")
    for cluster, first, since, reason in rows:
        if not moment.asks_for(cluster):
            continue
        if not first or sortable(datetime.fromisoformat(first)) > moment.parameters["at"]:
            seen = f"it was first read at {first}" if first else "it was never read"
            yield Unknown(f"cluster {cluster}", f"what ran then is not known: {seen}")
        elif since and sortable(datetime.fromisoformat(since)) <= moment.parameters["at"]:
            yield Unknown(f"cluster {cluster}", f"unreachable since {since}: {reason}")
    outages = read(
        "SELECT cluster, since, until, reason FROM graph_outage WHERE since <= :at AND until > :at ORDER BY 1, 2",
        moment.parameters,
    )
    for cluster, since, until, reason in outages:
        if moment.asks_for(cluster):
            yield Unknown(f"cluster {cluster}", f"unreachable from {since} to {until}: {reason}")


def claimed(read: Run, moment: Moment) -> Iterator[Unknown]:
    """The clusters of which documents alone tell what runs there."""
    rows = read(
        "SELECT DISTINCT cluster FROM graph_workload WHERE until IS NULL AND cluster LIKE :claimed ORDER BY 1",
        {"claimed": f"%{SUFFIX}"},
    )
    for (cluster,) in rows:
        name = cluster.removesuffix(SUFFIX)
        if moment.asks_for(cluster) or moment.asks_for(name):
            yield Unknown(f"cluster {name}", "it was never read: what runs there is an exposure document's claim")


def _without_digest(read: Run, moment: Moment) -> Iterator[Unknown]:
    rows = read(
        "SELECT w.cluster, w.namespace, w.kind, w.name, w.document, c.position FROM graph_container c"  # noqa: S608
        f" JOIN graph_workload w ON w.id = c.workload_id WHERE c.image_id IS NULL AND c.exposed AND {moment.stands}"
        " ORDER BY 1, 2, 3, 4, 6",
        moment.parameters,
    )
    for cluster, namespace, kind, name, document, position in rows:
        container = json.loads(document)["containers"][position]
        digest = container["digest"]
        reason = digest["reason"] if isinstance(digest, dict) else "its digest is not one"
        what = f"{cluster}/{namespace}/{kind}/{name}, container {container['name']} ({container['image']})"
        yield Unknown(what, f"its digest is unknown: {reason}")


def _without_sbom(read: Run, moment: Moment) -> Iterator[Unknown]:
    rows = read(
        "SELECT c.image_id, min(c.workload_id), count(DISTINCT c.workload_id)"  # noqa: S608  (our own text)
        f" FROM graph_container c{moment.joined} LEFT JOIN graph_sbom s ON s.image_id = c.image_id"
        f" WHERE c.exposed AND {moment.stands} AND c.image_id IS NOT NULL AND s.id IS NULL"
        " GROUP BY c.image_id ORDER BY 2",
        moment.parameters,
    )
    for image_id, workload_id, count in rows:
        yield Unknown(*_image(read, image_id, workload_id, count, "it has no SBOM"))


def _without_packages(read: Run, moment: Moment) -> Iterator[Unknown]:
    rows = read(
        "SELECT c.image_id, min(c.workload_id), count(DISTINCT c.workload_id)"  # noqa: S608  (our own text)
        f" FROM graph_container c{moment.joined} JOIN graph_sbom s ON s.image_id = c.image_id"
        f" WHERE c.exposed AND {moment.stands} GROUP BY c.image_id HAVING max(s.packages) = 0 ORDER BY 2",
        moment.parameters,
    )
    for image_id, workload_id, count in rows:
        yield Unknown(*_image(read, image_id, workload_id, count, "its SBOM lists no packages"))


def _hiding(read: Run, moment: Moment) -> Iterator[Unknown]:
    """An image is told of once, by the SBOM of it that hides least, where none makes up for it."""
    rows = read(
        "SELECT s.image_id, s.lists, s.whole, s.hides, r.workload_id, r.workloads FROM graph_sbom s"  # noqa: S608  (our own text)
        f" JOIN {_running(moment)} r ON r.image_id = s.image_id WHERE s.packages > 0"
        " AND s.image_id IN (SELECT image_id FROM graph_sbom WHERE hides <> '[]') ORDER BY s.id",
        moment.parameters,
    )
    sboms: dict[tuple[int, int, int], list[tuple[str, bool, list[str]]]] = {}
    for image_id, lists, whole, hides, *place in rows:
        sboms.setdefault((image_id, *place), []).append((lists, whole, json.loads(hides)))
    for key, held in sboms.items():
        if told := hidden(held):
            yield Unknown(*_image(read, *key, "; ".join(told)))


def _running(moment: Moment) -> str:
    """The images that run, each with the first workload that runs it and how many do."""
    return (
        "(SELECT c.image_id, min(c.workload_id) AS workload_id, count(DISTINCT c.workload_id) AS workloads"  # noqa: S608
        f" FROM graph_container c{moment.joined} WHERE c.exposed AND {moment.stands} GROUP BY c.image_id)"
    )


def _of_platforms(read: Run, moment: Moment) -> Iterator[Unknown]:
    for one, reason in platforms.spots(platforms.running(read, moment)):
        yield Unknown(*_image(read, one.image_id, one.workload_id, one.workloads, reason))


class Partly(NamedTuple):
    """An image that runs, and of which no SBOM tells everything."""

    image_id: int
    coverage: Coverage
    workload_id: int
    workloads: int  # that run it


def partly(read: Run, moment: Moment) -> tuple[Partly, ...]:
    """The images that run and whose SBOMs may leave something out that is asked for."""
    rows = read(
        "SELECT s.image_id, s.lists, s.whole, r.workload_id, r.workloads FROM graph_sbom s"  # noqa: S608  (our own text)
        f" JOIN {_running(moment)} r ON r.image_id = s.image_id WHERE s.packages > 0 AND ("
        " EXISTS (SELECT 1 FROM graph_sbom o WHERE o.image_id = s.image_id AND o.lists LIKE :blurred)"
        " OR NOT EXISTS (SELECT 1 FROM graph_sbom o WHERE o.image_id = s.image_id AND o.whole)) ORDER BY 4, 1",
        {**moment.parameters, "blurred": "%~%"},
    )
    sboms: dict[tuple[int, int, int], list[tuple[str, bool]]] = {}
    for image_id, lists, whole, workload_id, count in rows:
        sboms.setdefault((image_id, workload_id, count), []).append((lists, whole))
    of_platforms = [
        Partly(one.image_id, platforms.coverage(one), one.workload_id, one.workloads)
        for one in platforms.running(read, moment)
        if one.sboms
    ]
    return (*(Partly(one, Coverage.of(held), *rest) for (one, *rest), held in sboms.items()), *of_platforms)


def untold(read: Run, images: Iterable[Partly], question: Question) -> Iterator[Unknown]:
    """Those of the images that may hold what is asked for, since nothing that is known of them would list it."""
    for one in images:
        if reason := one.coverage.untold(question):
            yield Unknown(*_image(read, one.image_id, one.workload_id, one.workloads, reason))


def _image(read: Run, image_id: int, workload_id: int, count: int, problem: str) -> tuple[str, str]:
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
