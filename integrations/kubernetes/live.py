"""Reading clusters for evidence: each cluster asked now, and what it will not tell made into "unknown".

Owns how an observation becomes Evidence: one a cluster, timed, digested, never better than what was seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.clusters import Clusters
from integrations.kubernetes.inventory import ref_of
from integrations.kubernetes.inventory.families import families
from integrations.kubernetes.inventory.snapshot import HISTORY, read
from integrations.kubernetes.inventory.states import containers
from integrations.observed import Seen, evidence
from patchgap.errors import PatchgapError
from patchgap.model.evidence import Evidence
from patchgap.model.workload import Container, WorkloadRef
from patchgap.ports import Situation


def each_cluster(
    check: str, situation: Situation, kinds: str, look: Callable[[Cluster, Situation], Seen]
) -> Iterator[Evidence]:
    """One piece of evidence a cluster, of every configured one: an affected image may run where nobody looked before.
    One that does not answer, or will not tell, is unknown, by name."""
    clusters = situation.connections.of(Clusters)
    for name in clusters.names:
        begun = situation.clock()
        try:
            cluster = clusters.known(name, situation.identities.get(name, ""), anew=True)
            with cluster.together.round():
                seen = look(cluster, situation)
        except PatchgapError as error:
            seen = Seen(unknown=[f"cluster {name} could not be read: {error}"])
        yield evidence(check, seen, f"{name}: {kinds} (live)", begun)


def workloads(cluster: Cluster, seen: Seen) -> tuple[tuple[WorkloadRef, tuple[Container, ...]], ...]:
    """Every workload with its containers, now; a kind that may not be listed goes to `seen.unknown`."""
    snapshot = read(cluster, HISTORY)
    seen.unknown += [f"{u.what}: {u.reason}" for u in snapshot.unknown]
    return tuple((ref_of(f.head, cluster.name), containers(f)) for f in families(snapshot))
