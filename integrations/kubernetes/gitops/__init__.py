"""Who keeps a workload as Git has it, and would undo containment: Argo CD's Applications, Flux' Kustomizations and
HelmReleases.

Owns the joining of both; each product's marks and words are in its own module. It reads, and writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.gitops import argo, flux
from integrations.kubernetes.resources import APPLICATION_SETS, APPLICATIONS, HELM_RELEASES, KUSTOMIZATIONS, Json
from patchgap.model.workload import WorkloadRef

KEEPERS = (APPLICATIONS, KUSTOMIZATIONS, HELM_RELEASES)
KINDS = frozenset(r.kind for r in KEEPERS)
READING = (*(f"get {r.permission}" for r in KEEPERS), f"get {APPLICATION_SETS.permission}")
PERMISSIONS = (*READING, f"list {APPLICATIONS.permission}", *(f"patch {r.permission}" for r in KEEPERS))


def keepers(
    cluster: Cluster, workloads: Iterable[tuple[WorkloadRef, Json]]
) -> Iterator[tuple[WorkloadRef, Json | str]]:
    """For each workload of that cluster, with its live manifest, the objects that keep it; or, as a sentence, a keeper
    that is named and is not here, or may not be read. Raises UnreachableError."""
    applications, flux_keepers = argo.Applications(cluster), flux.Keepers(cluster)
    for ref, manifest in workloads:
        for found in (*applications.of(manifest), *flux_keepers.of(manifest)):
            yield ref, found


def kept(keeper: Json) -> tuple[tuple[str, str, str], ...]:
    """Namespace, kind and name of everything that the keeper says it keeps."""
    return argo.kept(keeper) if keeper["kind"] == APPLICATIONS.kind else flux.kept(keeper)


def warnings(cluster: Cluster, keeper: Json) -> tuple[str, ...]:
    """What a person must know before that keeper is paused: what else it keeps, and who would resume it."""
    along = argo.along(keeper) if keeper["kind"] == APPLICATIONS.kind else flux.along(keeper)
    return (*along, *resumers(cluster, keeper))


def resumers(cluster: Cluster, keeper: Json) -> tuple[str, ...]:
    """Whoever would resume the keeper, a sentence each."""
    return (*argo.resumers(cluster, keeper), *flux.resumers(cluster, keeper))


def mend(keeper: Json) -> str:
    """How a patched image reaches what that keeper keeps while it is paused."""
    return argo.mend(keeper) if keeper["kind"] == APPLICATIONS.kind else flux.mend(keeper)


def resumed(keeper: Json) -> tuple[str, ...]:
    """What its release brings about, as far as it tells."""
    return argo.resumed(keeper) if keeper["kind"] == APPLICATIONS.kind else ()
