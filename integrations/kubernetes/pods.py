"""The pods of a workload, now.

Owns the reading of one workload's family from its namespace, and how one pod is asked to go.
"""

from __future__ import annotations

from collections.abc import Mapping

from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.inventory.families import families
from integrations.kubernetes.inventory.snapshot import LIVE_PERMISSIONS, read
from integrations.kubernetes.resources import PODS, WORKLOADS, Json
from patchgap.errors import RefusedError
from patchgap.model.plan import Target
from patchgap.model.workload import WorkloadRef

PERMISSIONS = LIVE_PERMISSIONS


def pods_of(cluster: Cluster, workload: Target | WorkloadRef) -> tuple[Json, ...]:
    """Its pods, those that have ended among them. Raises RefusedError where they cannot all be told."""
    snapshot = read(cluster, WORKLOADS, workload.namespace)
    if untold := snapshot.why_not(WORKLOADS):
        raise RefusedError(
            f"cluster {cluster.name}: which pods belong to {workload} cannot be told: {untold}",
            "Grant that permission, and run it again.",
        )
    return tuple(p for f in families(snapshot) if f.head["metadata"]["uid"] == workload.uid for p in _in_order(f.pods))


def _in_order(pods: list[Json]) -> list[Json]:
    return sorted(pods, key=lambda p: str(p["metadata"]["name"]))


def reference(pod: Json) -> dict[str, str]:
    """What an intent keeps of a pod: its name, uid and node."""
    return {
        "name": pod["metadata"]["name"],
        "uid": pod["metadata"]["uid"],
        "node": (pod.get("spec") or {}).get("nodeName") or "",
    }


def evict(cluster: Cluster, namespace: str, pod: Mapping[str, str], *, dry_run: bool = False) -> None:
    """Asks for the end of exactly the pod of that reference. Raises BudgetError where a disruption budget says not now,
    NotFoundError where it is gone, ConflictError where another bears its name."""
    body: Json = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod["name"], "namespace": namespace},
        "deleteOptions": {"preconditions": {"uid": pod["uid"]}},
    }
    cluster.create(PODS, namespace, body, name=pod["name"], subresource="eviction", dry_run=dry_run)
