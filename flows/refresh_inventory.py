"""The inventory, a task a cluster: one that fails is named, and the others go on."""

from __future__ import annotations

from typing import Any

from prefect import get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Failed

from flows.process import engine
from flows.stage import completed, settle, stage, unit
from patchgap.errors import UnreachableError
from patchgap.stages import sboms
from patchgap.stages import scope as stages


@unit("refresh cluster {cluster}", retries=1)
def _refresh_cluster(cluster: str) -> None:
    seen = stages.refresh(engine(), cluster)
    for unknown in seen.unknown:
        get_run_logger().warning("unknown: %s: %s", unknown.what, unknown.reason)
        if unknown.what == f"cluster {cluster}":
            raise UnreachableError(
                f"cluster {cluster} could not be read: {unknown.reason}",
                "It is recorded as unknown; mend the connection and refresh again.",
            )
    get_run_logger().info("%s: %d workloads", cluster, seen.workloads)


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


def refresh_all() -> tuple[str, ...]:
    """Reads every cluster at the same time; the sentences of those that could not be read."""
    return settle(_refresh_cluster.map(list(stages.clusters(engine()))))


@stage("refresh-inventory", "refresh the inventory")
def refresh_inventory() -> State[Any]:
    """Reads every configured cluster into the exposure graph. Runs hourly."""
    names = stages.clusters(engine())
    if not names:
        return completed("no cluster is configured: add [[kubernetes.clusters]] to patchgap.toml")
    unread = refresh_all()
    gathered = _gather_sboms()
    if unread:
        return Failed(message=f"{len(unread)} of {len(names)} clusters could not be read: {'; '.join(unread)}")
    return completed(f"{len(names)} clusters read: {', '.join(names)}{gathered}")
