"""The inventory, a task a cluster: one that fails is named, and the others go on.

The hourly flow holds the reading against what a watch of the cluster had told by then. What differs is drift: the watch
missed it, or had not the right to see it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from time import sleep
from typing import Any

from prefect import get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Failed

from flows import artifacts
from flows.process import engine
from flows.stage import completed, settle, stage, unit
from patchgap.cli.output import many
from patchgap.errors import PatchgapError, UnreachableError
from patchgap.graph.snapshots import Changes
from patchgap.graph.stats import Held, by_cluster
from patchgap.graph.touched import Asked, touched
from patchgap.model.exposure import Standing
from patchgap.settings import NO_CLUSTER
from patchgap.stages import sboms
from patchgap.stages import scope as stages

SETTLED = 3.0  # seconds that a watch is given to tell what a reading saw before it counts as missed


@unit("refresh cluster {cluster}", retries=1)
def _refresh_cluster(cluster: str, *, compare: bool = False) -> Changes | None:
    """What a watch of the cluster had not told; None where none has been telling of it, or nobody asked to compare."""
    opened = engine()
    reading = stages.read(opened, cluster)
    is_watched = compare and stages.is_watched(opened, cluster, reading.begun)
    if is_watched:
        sleep(SETTLED)
        is_watched = stages.is_watched(opened, cluster, reading.begun)
    seen = stages.record(opened, reading)
    for unknown in seen.unknown:
        get_run_logger().warning("unknown: %s: %s", unknown.what, unknown.reason)
        if unknown.what == f"cluster {cluster}":
            raise UnreachableError(
                f"cluster {cluster} could not be read: {unknown.reason}",
                "It is recorded as unknown; mend the connection and refresh again.",
            )
    get_run_logger().info("%s: %d workloads", cluster, seen.workloads)
    return seen.changes if is_watched else None


@unit("gather SBOMs", retries=0)
def _gather_sboms() -> str:
    """What came of it, as a sentence's end; "" where there was nothing to ask for."""
    gathered = sboms.gather(engine())
    for sentence in gathered.failed:
        get_run_logger().warning("no SBOM: %s", sentence)
    if gathered.left:
        get_run_logger().warning("%d images were not asked for in time; the next refresh asks them", gathered.left)
    told = [f"{gathered.sboms} new SBOMs"] if gathered.sboms else []
    told += [f"{len(gathered.failed)} could not be had (see the log)"] if gathered.failed else []
    return "".join(f"; {one}" for one in told)


@unit("match advisories", retries=0)
def _match_advisories() -> str:
    """How many matches with what runs are new, as a sentence's end; "" where no mirror is set. It opens no signal."""
    opened = engine()
    mirror, at = opened.settings.advisories.mirror, opened.clock()
    if mirror is None:
        return ""
    try:
        opened.graph.advisories(mirror).refresh(at)
    except PatchgapError as error:
        get_run_logger().warning("no advisories: %s", error)
        return "; the advisories could not be read (see the log)"
    found = opened.graph.asked(lambda read: touched(read, mirror, Asked(since=at)))
    new = [one for one in found.touches if one.standing is not Standing.NOT_AFFECTED]
    artifacts.advisories(new)
    return f"; advisories: {len(new)} new matches run"


def refresh_all() -> tuple[str, ...]:
    """Reads every cluster at the same time; the sentences of those that could not be read."""
    return settle(_refresh_cluster.map(list(stages.clusters(engine()))))


def reconcile_all() -> tuple[tuple[str, ...], Mapping[str, Changes]]:
    """The same, and for each cluster that is being watched what its watch had not told: its drift."""
    names = list(stages.clusters(engine()))
    futures = list(_refresh_cluster.map(names, compare=True))
    unread = settle(futures)
    ended = {name: one.result(raise_on_failure=False) for name, one in zip(names, futures, strict=True)}
    return unread, {name: drift for name, drift in ended.items() if isinstance(drift, Changes)}


@stage("refresh-inventory", "refresh the inventory")
def refresh_inventory() -> State[Any]:
    """Reads every configured cluster into the exposure graph, and tells where a watch of it had drifted. Runs hourly."""
    names = stages.clusters(engine())
    if not names:
        return _without_clusters()
    unread, drift = reconcile_all()
    for cluster, missed in drift.items():
        artifacts.drift(cluster, missed)
        if missed.count:
            get_run_logger().warning("drift of %s: %d workloads: %s", cluster, missed.count, words(missed))
    gathered = _gather_sboms() + _match_advisories()
    told = f"; drift: {many(sum(one.count for one in drift.values()), 'workload')}" if drift else ""
    if unread:
        failed = f"{len(unread)} of {many(len(names), 'cluster')} could not be read: {'; '.join(unread)}"
        return Failed(message=f"{failed}; known: {_held(names)}{told}")
    return completed(f"{many(len(names), 'cluster')} read: {_held(names)}{gathered}{told}")


def _held(names: Iterable[str]) -> str:
    """What the graph holds of each of these clusters, in a sentence's end."""
    held = engine().graph.asked(by_cluster)
    told = []
    for name in names:
        of = held.get(name, Held(0, 0, 0))
        unknown = f", {of.unknown} unknown (see the log)" if of.unknown else ""
        told.append(f"{name} ({many(of.workloads, 'workload')}, {many(of.images, 'image')}{unknown})")
    return ", ".join(told)


def _without_clusters() -> State[Any]:
    """Failed, so that an hourly run which reads nothing is seen; a fleet that only tells of itself lacks nothing."""
    fleets = stages.fleets(engine())
    gathered = _gather_sboms() + _match_advisories()
    if fleets:
        return completed(f"no cluster is configured; told of by deployment events: {', '.join(fleets)}{gathered}")
    return Failed(message=f"{'. '.join(NO_CLUSTER)}{gathered}")


def words(missed: Changes) -> str:
    """The drift in a line of the log."""
    return "; ".join(f"{word}: {', '.join(names[:20])}" for word, names in missed.parts if names)
