"""From an incident's situation to live objects: which workloads are Kubernetes', and whether a target is still itself.

Owns the rule that the same name with another UID is another target.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.clusters import Clusters
from integrations.kubernetes.resources import of_kind
from patchgap.errors import ConflictError
from patchgap.model.plan import Target
from patchgap.model.workload import WorkloadRef
from patchgap.ports import Situation
from patchgap.settings import KubernetesSettings

PLATFORM = "kubernetes"
Asker = tuple[str, str]  # whose targets share a read: the incident, and the digest of the plan that it acts by


def asker_of(situation: Situation) -> Asker:
    """Who asks: what was read to make a plan is not what its actions are given."""
    return situation.incident, situation.plan_digest


def settings_of(situation: Situation) -> KubernetesSettings:
    """The platform's settings."""
    return situation.connections.of(Clusters).settings


def cluster_of(situation: Situation, name: str) -> Cluster:
    """The cluster by name, each write to it held to the kill switch. Raises NotFoundError where none is configured,
    UnreachableError where another cluster bears its name now."""
    clusters = situation.connections.of(Clusters)
    return clusters.known(name, situation.identities.get(name, "")).guarded(situation.may_write)


def live(situation: Situation, ref: Target | WorkloadRef) -> dict[str, Any]:
    """The object as it is now. Raises NotFoundError where it is gone, ConflictError where another bears its name."""
    found = cluster_of(situation, ref.cluster).get(of_kind(ref.kind), ref.namespace, ref.name)
    same(ref, found)
    return found


def still(situation: Situation, target: Target) -> dict[str, Any] | None:
    """The object where it is still the planned one; None where it was deleted, or replaced by another of its name."""
    found = cluster_of(situation, target.cluster).find(of_kind(target.kind), target.namespace, target.name)
    return found if found and found["metadata"]["uid"] == target.uid else None


def same(ref: Target | WorkloadRef, found: Mapping[str, Any]) -> None:
    """Raises ConflictError where the object is not the planned one."""
    if ref.uid and found["metadata"]["uid"] != ref.uid:
        raise ConflictError(
            f"{ref} is another object than the planned one (uid {found['metadata']['uid']}, planned {ref.uid})",
            "Refresh the inventory and plan again.",
        )


def reverter(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """A sentence where a GitOps controller keeps this object and would undo a live change."""
    meta = manifest["metadata"]
    keys = {*(meta.get("labels") or {}), *(meta.get("annotations") or {})}
    if any(k.startswith("argocd.argoproj.io/") for k in keys):
        return ("Argo CD keeps this object and may undo the change: freeze_deployments pauses its sync",)
    if any(".toolkit.fluxcd.io/" in k for k in keys):
        return ("Flux keeps this object and may undo the change: freeze_deployments suspends it",)
    return ()
