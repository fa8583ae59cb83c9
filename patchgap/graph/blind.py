"""Blind spots: what the graph cannot tell for any question, each with its name and reason.

Nothing here is ever an empty answer: no inventory at all is a blind spot too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime

from patchgap.graph import platforms
from patchgap.graph.coverage import Coverage, hidden
from patchgap.graph.question import Question
from patchgap.graph.reading import Moment, Run, sortable, to_the_minute
from patchgap.graph.runners import Runners
from patchgap.model.claimed import SUFFIX
from patchgap.model.unknown import EVERY_CLUSTER, NO_CLUSTER, Unknown
from patchgap.model.workload import READ_WHOLE

# the clusters of what stands now, one after another in the index: not a row of each workload
_STANDING = (
    "WITH RECURSIVE one(cluster) AS (SELECT min(cluster) FROM graph_workload WHERE until IS NULL UNION ALL"
    " SELECT (SELECT min(w.cluster) FROM graph_workload w WHERE w.until IS NULL AND w.cluster > one.cluster) FROM one"
    " WHERE one.cluster IS NOT NULL) SELECT cluster FROM one WHERE cluster IS NOT NULL ORDER BY 1"
)


class Survey:
    """What is blind at one moment of one generation of the graph, read once and kept by the caller."""

    def __init__(self, moment: Moment) -> None:
        self._moment = moment
        self._runners = Runners()
        self._spots: tuple[Unknown, ...] | None = None
        self._platforms: tuple[platforms.Running, ...] | None = None
        self._partly: dict[Coverage, list[int]] | None = None

    def spots(self, read: Run) -> tuple[Unknown, ...]:
        """Clusters not read, running digests without an SBOM, containers without a digest, SBOMs without packages or
        that hide some; now, or at a past moment."""
        if self._spots is None:
            self._spots = tuple(one for found in self.by_kind(read).values() for one in found)
        return self._spots

    def by_kind(self, read: Run) -> dict[str, tuple[Unknown, ...]]:
        """The same, by what is missing."""
        moment = self._moment
        clusters = _clusters(read, moment) if moment.at is None else _clusters_then(read, moment)
        return {
            "cluster not read": tuple(clusters),
            "claimed, not read": tuple(claimed(read, moment)),
            "digest unknown": tuple(_without_digest(read, moment)),
            "no SBOM": self._told(read, dict.fromkeys(_without_sbom(read), "it has no SBOM")),
            "SBOM without packages": self._told(
                read, dict.fromkeys(_without_packages(read), "its SBOM lists no packages")
            ),
            "SBOM that may hide packages": self._told(read, _hiding(read), in_order=True),
            "SBOM of some platforms alone": self._of_platforms(read),
        }

    def untold(self, read: Run, question: Question) -> Iterator[Unknown]:
        """The images that run and that may hold what is asked for, since no SBOM of them would list it."""
        if self._partly is None:
            self._partly = _partly(read)
        reasons = {
            image: reason
            for coverage, images in self._partly.items()
            if (reason := coverage.untold(question))
            for image in images
        }
        yield from self._told(read, reasons)
        of_platforms = (
            (one.image_id, one.ran, reason)
            for one in self._running(read)
            if one.sboms and (reason := platforms.coverage(one).untold(question))
        )
        yield from (Unknown(*one) for one in self._runners.told(read, of_platforms))

    def _told(self, read: Run, problems: Mapping[int, str], *, in_order: bool = False) -> tuple[Unknown, ...]:
        """Those of the images that run, in the order of what runs them, or in the order in which they come."""
        ran = self._runners.of(read, self._moment, problems)
        order = [one for one in problems if one in ran] if in_order else ran
        return tuple(Unknown(*one) for one in self._runners.told(read, [(i, ran[i], problems[i]) for i in order]))

    def _running(self, read: Run) -> tuple[platforms.Running, ...]:
        if self._platforms is None:
            self._platforms = platforms.running(read, self._moment, self._runners)
        return self._platforms

    def _of_platforms(self, read: Run) -> tuple[Unknown, ...]:
        found = [(one.image_id, one.ran, reason) for one, reason in platforms.spots(self._running(read))]
        return tuple(Unknown(*one) for one in self._runners.told(read, found))


def _clusters(read: Run, moment: Moment) -> Iterator[Unknown]:
    rows = read("SELECT cluster, refreshed_at, unreachable_since, reason, unknown FROM graph_cluster ORDER BY cluster")
    if not rows:
        yield Unknown(EVERY_CLUSTER, NO_CLUSTER)
    for cluster, refreshed_at, unreachable_since, reason, unknown in rows:
        if not moment.asks_for(cluster):
            continue
        what = f"cluster {cluster}"
        if unreachable_since:
            seen = f"last read at {to_the_minute(refreshed_at)}" if refreshed_at else "never read"
            yield Unknown(what, f"unreachable since {to_the_minute(unreachable_since)} ({seen}): {reason}")
        for one in json.loads(unknown):
            yield Unknown(one["what"], one["reason"])


def _clusters_then(read: Run, moment: Moment) -> Iterator[Unknown]:
    rows = read("SELECT cluster, platform, first_read_at, unreachable_since, reason FROM graph_cluster ORDER BY 1")
    if not rows:
        yield Unknown(EVERY_CLUSTER, NO_CLUSTER)
    for cluster, platform, first, since, reason in rows:
        if not moment.asks_for(cluster):
            continue
        if not first or sortable(datetime.fromisoformat(first)) > moment.parameters["at"]:
            seen = f"it was first read at {to_the_minute(first)}" if first else "it was never read"
            if platform not in READ_WHOLE:
                seen = f"it was first told of at {to_the_minute(first)}, by deployment events"
            yield Unknown(f"cluster {cluster}", f"what ran then is not known: {seen}")
        elif since and sortable(datetime.fromisoformat(since)) <= moment.parameters["at"]:
            yield Unknown(f"cluster {cluster}", f"unreachable since {to_the_minute(since)}: {reason}")
    outages = read(
        "SELECT cluster, since, until, reason FROM graph_outage WHERE since <= :at AND until > :at ORDER BY 1, 2",
        moment.parameters,
    )
    for cluster, since, until, reason in outages:
        if moment.asks_for(cluster):
            yield Unknown(
                f"cluster {cluster}", f"unreachable from {to_the_minute(since)} to {to_the_minute(until)}: {reason}"
            )


def claimed(read: Run, moment: Moment) -> Iterator[Unknown]:
    """The clusters of which documents alone tell what runs there."""
    for (cluster,) in read(_STANDING):
        name = cluster.removesuffix(SUFFIX)
        if name != cluster and (moment.asks_for(cluster) or moment.asks_for(name)):
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


def _without_sbom(read: Run) -> Iterator[int]:
    """These and the following look for the few images that lack something, and not through all that run."""
    rows = read("SELECT i.id FROM graph_image i WHERE NOT EXISTS (SELECT 1 FROM graph_sbom s WHERE s.image_id = i.id)")
    return (row[0] for row in rows)


def _without_packages(read: Run) -> Iterator[int]:
    rows = read(
        "SELECT DISTINCT s.image_id FROM graph_sbom s WHERE s.packages = 0"
        " AND NOT EXISTS (SELECT 1 FROM graph_sbom o WHERE o.image_id = s.image_id AND o.packages <> 0)"
    )
    return (row[0] for row in rows)


def _hiding(read: Run) -> dict[int, str]:
    """An image is told of once, by the SBOM of it that hides least, where none makes up for it."""
    rows = read(
        "SELECT s.image_id, s.lists, s.whole, s.hides FROM graph_sbom s WHERE s.packages > 0"
        " AND s.image_id IN (SELECT image_id FROM graph_sbom WHERE hides <> '[]') ORDER BY s.id"
    )
    sboms: dict[int, list[tuple[str, bool, list[str]]]] = {}
    for image_id, lists, whole, hides in rows:
        sboms.setdefault(image_id, []).append((lists, whole, json.loads(hides)))
    told = {image_id: hidden(held) for image_id, held in sboms.items()}
    return {image_id: "; ".join(why) for image_id, why in told.items() if why}


def _partly(read: Run) -> dict[Coverage, list[int]]:
    """The images whose SBOMs may leave something out that is asked for, by what these could have listed: many images are
    of one kind."""
    rows = read(
        "SELECT image_id, lists, whole, packages FROM graph_sbom WHERE image_id IN"
        " (SELECT image_id FROM graph_sbom WHERE NOT whole OR replace(lists, '~', '') <> lists)"
    )
    sboms: dict[int, list[tuple[str, bool, int]]] = {}
    for image_id, *told in rows:
        sboms.setdefault(image_id, []).append((told[0], told[1], told[2]))
    found: dict[Coverage, list[int]] = {}
    for image_id, held in sboms.items():
        listing = [(lists, whole) for lists, whole, packages in held if packages > 0]
        if listing and (any("~" in lists for lists, *_ in held) or not any(whole for _, whole, _ in held)):
            found.setdefault(Coverage.of(listing), []).append(image_id)
    return found
