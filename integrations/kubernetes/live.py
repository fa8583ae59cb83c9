"""Reading clusters for evidence: each cluster asked now, and what it will not tell made into "unknown".

Owns how an observation becomes Evidence: one a cluster, timed, digested, never better than what was seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.clusters import Clusters
from integrations.kubernetes.images import digest_in
from integrations.kubernetes.inventory import ref_of
from integrations.kubernetes.inventory.families import families
from integrations.kubernetes.inventory.snapshot import HISTORY, read
from integrations.kubernetes.inventory.states import containers
from patchgap.errors import PatchgapError
from patchgap.model.codec import evidence_digest
from patchgap.model.evidence import Evidence, Verdict
from patchgap.model.workload import Container, WorkloadRef
from patchgap.ports import Situation


@dataclass
class Seen:
    """What a check found in one cluster, collected. A failure outweighs what is unknown, that outweighs a pass."""

    failed: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)
    value: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """The worst; nothing seen at all is unknown."""
        if self.failed:
            return Verdict.FAIL
        return Verdict.UNKNOWN if self.unknown or not self.passed else Verdict.PASS

    @property
    def reasons(self) -> tuple[str, ...]:
        """Every reason, the worst first."""
        return tuple(dict.fromkeys((*self.failed, *self.unknown, *self.passed))) or ("nothing was seen",)


def evidence(check: str, seen: Seen, source: str, begun: datetime) -> Evidence:
    """The observation as evidence, with its digest. It is as old as its beginning: what changed while the pages of a
    large cluster were read may not be in it."""
    made = Evidence(check, seen.verdict, seen.reasons, source, begun, seen.value)
    return replace(made, digest=evidence_digest(made))


def each_cluster(
    check: str,
    situation: Situation,
    names: Sequence[str],
    kinds: str,
    look: Callable[[Cluster], Seen],
) -> Iterator[Evidence]:
    """One piece of evidence a cluster. One that does not answer, or will not tell, is unknown, by name."""
    clusters = situation.connections.of(Clusters)
    for name in names:
        begun = situation.clock()
        try:
            seen = look(clusters.known(name, situation.identities.get(name, ""), anew=True))
        except PatchgapError as error:
            seen = Seen(unknown=[f"cluster {name} could not be read: {error}"])
        yield evidence(check, seen, f"{name}: {kinds} (live)", begun)


def all_clusters(situation: Situation) -> tuple[str, ...]:
    """Every configured cluster: an affected image may run where nobody looked before."""
    return situation.connections.of(Clusters).names


def workloads(cluster: Cluster, seen: Seen) -> tuple[tuple[WorkloadRef, tuple[Container, ...]], ...]:
    """Every workload with its containers, now; a kind that may not be listed goes to `seen.unknown`."""
    snapshot = read(cluster, HISTORY)
    seen.unknown += [f"{u.what}: {u.reason}" for u in snapshot.unknown]
    return tuple((ref_of(f.head, cluster.name), containers(f)) for f in families(snapshot))


def digests_of(container: Container) -> tuple[str, ...]:
    """The digests that speak for a container: what the runtime reported first, then what its reference names."""
    told = container.digest if isinstance(container.digest, str) else ""
    return tuple(dict.fromkeys(d for d in (told, digest_in(container.image)) if d))


def named(ref: WorkloadRef, container: Container) -> str:
    """The container as a person looks for it."""
    return f"{ref} container {container.name} ({container.state.value}, {container.pods} pods)"


def counted(items: Mapping[str, int]) -> dict[str, int]:
    """A value's counts, in a stable order."""
    return dict(sorted(items.items()))
