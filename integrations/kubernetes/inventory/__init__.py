"""The inventory of Kubernetes clusters: every workload with its containers, reach, place and data.

Owns the joining of what the cluster lists into workloads; each part is read by a module beside this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from integrations.kubernetes.clusters import Clusters
from integrations.kubernetes.inventory import states
from integrations.kubernetes.inventory.families import Family, families
from integrations.kubernetes.inventory.kept import keeping
from integrations.kubernetes.inventory.placement import Placement
from integrations.kubernetes.inventory.privileges import PrivilegeReader
from integrations.kubernetes.inventory.snapshot import PERMISSIONS, Snapshot, read
from integrations.kubernetes.reach import PLATFORM
from integrations.kubernetes.resources import CLUSTER_SBOM_REPORTS, SBOM_REPORTS, Json, pod_template
from patchgap.model.workload import ClusterInventory, Workload, WorkloadRef
from patchgap.ports import Connections
from patchgap.registry import inventory
from patchgap.settings import ClusterSettings, KubernetesSettings

REPORT_PERMISSIONS = tuple(f"list {r.permission}" for r in (SBOM_REPORTS, CLUSTER_SBOM_REPORTS))


@inventory
class KubernetesInventory:
    """Reads a cluster with one paged list a kind."""

    platform: ClassVar[str] = PLATFORM
    permissions: ClassVar[tuple[str, ...]] = (*PERMISSIONS, *REPORT_PERMISSIONS)

    def clusters(self, connections: Connections) -> Sequence[str]:
        """The configured clusters, in the order of the settings."""
        return connections.of(Clusters).names

    def read(self, cluster: str, connections: Connections) -> ClusterInventory:
        """Everything that the cluster runs, would run, or could roll back to. Raises UnreachableError."""
        clusters = connections.of(Clusters)
        reached = clusters.of(cluster)
        snapshot = read(reached, keep=keeping(clusters.settings))
        return inventory_of(snapshot, clusters.settings, clusters.configured[cluster])


def inventory_of(snapshot: Snapshot, settings: KubernetesSettings, cluster: ClusterSettings) -> ClusterInventory:
    """The workloads of a snapshot."""
    placement, privileges = Placement(snapshot, settings, cluster), PrivilegeReader(snapshot)
    found = tuple(_workload(f, snapshot.cluster, placement, privileges) for f in families(snapshot))
    return ClusterInventory(snapshot.cluster, PLATFORM, found, snapshot.unknown, snapshot.identity)


def ref_of(manifest: Json, cluster: str) -> WorkloadRef:
    """The reference of a workload's manifest."""
    meta = manifest["metadata"]
    return WorkloadRef(PLATFORM, cluster, meta.get("namespace", ""), manifest["kind"], meta["name"], meta["uid"])


def selector_of(head: Json) -> dict[str, object]:
    """The selector of a workload's pods: its own, or for a kind without one the labels that its pods carry."""
    own: dict[str, object] = (head.get("spec") or {}).get("selector") or {}
    if own:
        return own
    labels = (pod_template(head).get("metadata") or {}).get("labels") or {}
    return {"matchLabels": dict(labels)} if labels else {}


def _workload(family: Family, cluster: str, placement: Placement, privileges: PrivilegeReader) -> Workload:
    head = family.head
    names = (str((p.get("spec") or {}).get("nodeName") or "") for p in states.live_pods(family))
    nodes = tuple(sorted({n for n in names if n}))
    return Workload(
        ref=ref_of(head, cluster),
        containers=states.containers(family),
        environment=placement.environment(head),
        region=placement.region(head, nodes),
        replicas=states.replicas(family),
        running=states.running(family),
        nodes=nodes,
        privileges=privileges.of(head),
        data_scope=placement.data_scope(head),
        internet_exposed=placement.internet_exposed(head),
        selector=selector_of(head),
        owners=family.owners,
        annotations=placement.annotations(head),
    )
