"""digests_retired: nothing holds an affected digest any more, and nothing can roll back to one.

Owns what counts as holding a digest. A rollback target passes only while the API server itself denies it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from integrations.digests import digests_of, exposed_digests
from integrations.kubernetes import proof
from integrations.kubernetes.actions.block_artifacts import policy_name
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.inventory.snapshot import HISTORY_PERMISSIONS
from integrations.kubernetes.live import each_cluster, workloads
from integrations.kubernetes.reach import PLATFORM
from integrations.observed import Seen, named
from integrations.verbs import RetirementParameters
from patchgap.model.evidence import Evidence
from patchgap.model.exposure import repository_of
from patchgap.model.workload import Container, RunState, WorkloadRef
from patchgap.ports import Parameters, Situation
from patchgap.registry import check


@check
class DigestsRetired:
    """No pod, template, CronJob, zero-scaled workload or rollback target holds an affected digest.

    A ReplicaSet at zero, or an earlier revision of a StatefulSet or DaemonSet, passes while a dry run proves that the
    block denies its image. Completed pods and Jobs are
    reported as what ran.

    Example::

        digests_retired: {}
    """

    verb: ClassVar[str] = "digests_retired"
    platform: ClassVar[str] = PLATFORM
    about: ClassVar[str] = ""
    permissions: ClassVar[tuple[str, ...]] = (*HISTORY_PERMISSIONS, *proof.PERMISSIONS)
    parameters: ClassVar[type[Parameters]] = RetirementParameters

    def observe(
        self,
        parameters: RetirementParameters,  # noqa: ARG002  (the protocol's)
        situation: Situation,
    ) -> Sequence[Evidence]:
        """One piece of evidence a configured cluster."""
        return tuple(each_cluster(self.verb, situation, "pods and templates", _look))


def _look(cluster: Cluster, situation: Situation) -> Seen:
    retired = (situation.affected_digests | exposed_digests(situation)) - situation.patched
    seen, holding = Seen(), 0
    for ref, held in workloads(cluster, seen):
        for container in held:
            holding += _weighed(cluster, ref, container, retired, situation, seen)
    seen.value = {"retired": sorted(retired), "holding": holding}
    if not retired:
        seen.unknown.append("no affected digest of the incident is known, so that none can be told retired")
    if not seen.failed and not seen.unknown:
        seen.passed.append(f"cluster {cluster.name}: nothing that can run holds one of {len(retired)} affected digests")
    return seen


def _weighed(
    cluster: Cluster,
    ref: WorkloadRef,
    container: Container,
    retired: frozenset[str],
    situation: Situation,
    seen: Seen,
) -> bool:
    """Whether it holds an affected digest; says so in `seen`."""
    where = named(ref, container)
    held = next((d for d in digests_of(container) if d in retired), "")
    if container.state is RunState.ENDED:
        if held:
            seen.passed.append(f"{where} ran {held} and has ended")
    elif container.state is RunState.ROLLBACK and (held or not isinstance(container.digest, str)):
        image = f"{repository_of(container.image)}@{held}" if held else container.image
        shown = proof.prove(cluster, policy_name(situation.incident), ref.namespace, image)
        into = seen.passed if shown.holds else seen.failed if held else seen.unknown
        into.append(f"{where} can be rolled back to: {shown.said}")
    elif held:
        seen.failed.append(f"{where} holds {held}")
    elif not isinstance(container.digest, str):
        seen.unknown.append(f"{where}: {container.digest.what}: {container.digest.reason}")
    return bool(held)
