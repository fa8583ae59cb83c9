"""package_absent: no affected version is in anything that runs, or would run by schedule or scale.

Owns which containers count; what a digest holds is the graph's to say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from integrations.digests import digests_of
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.inventory.snapshot import HISTORY_PERMISSIONS
from integrations.kubernetes.live import all_clusters, each_cluster, workloads
from integrations.kubernetes.reach import PLATFORM
from integrations.observed import Seen, counted, named
from integrations.verbs import AbsenceParameters
from patchgap.model.evidence import Evidence
from patchgap.model.workload import Container, RunState, WorkloadRef
from patchgap.ports import DigestStanding, Parameters, Situation
from patchgap.registry import check

_COUNTED = (RunState.RUNNING, RunState.PENDING, RunState.SCHEDULED, RunState.SCALED_TO_ZERO)


@check
class PackageAbsent:
    """The live containers of every cluster, each digest judged by its SBOM.

    A digest that is not known, or that no SBOM tells of, is unknown and keeps the incident open.

    Example::

        package_absent: {}
    """

    verb: ClassVar[str] = "package_absent"
    platform: ClassVar[str] = PLATFORM
    about: ClassVar[str] = ""
    permissions: ClassVar[tuple[str, ...]] = HISTORY_PERMISSIONS
    parameters: ClassVar[type[Parameters]] = AbsenceParameters

    def observe(
        self,
        parameters: AbsenceParameters,  # noqa: ARG002  (the protocol's)
        situation: Situation,
    ) -> Sequence[Evidence]:
        """One piece of evidence a configured cluster."""

        def look(cluster: Cluster) -> Seen:
            return _look(cluster, situation)

        return tuple(each_cluster(self.verb, situation, all_clusters(situation), "pods and templates", look))


def _look(cluster: Cluster, situation: Situation) -> Seen:
    seen = Seen()
    found = [(r, c) for r, held in workloads(cluster, seen) for c in held if c.state in _COUNTED]
    standings = situation.judge(sorted({d for _, c in found for d in digests_of(c)}))
    verdicts: Counter[str] = Counter()
    for ref, container in found:
        verdict = _judged(ref, container, standings, situation, seen)
        verdicts[verdict] += 1
    seen.value = {
        "containers": len(found),
        "pods": sum(c.pods for _, c in found),
        "verdicts": counted(verdicts),
        "digests": sorted({d for _, c in found for d in digests_of(c)}),
    }
    if not seen.failed and not seen.unknown:
        seen.passed.append(
            f"cluster {cluster.name}: {len(found)} containers of {len({r for r, _ in found})} workloads hold no"
            " affected version"
        )
    return seen


def _judged(
    ref: WorkloadRef,
    container: Container,
    standings: Mapping[str, DigestStanding],
    situation: Situation,
    seen: Seen,
) -> str:
    where, digests = named(ref, container), digests_of(container)
    for digest in digests:
        standing: Any = standings.get(digest)
        if digest in situation.affected_digests or (standing and standing.verdict == "affected"):
            reason = standing.reason if standing else "its SBOM holds an affected version"
            seen.failed.append(f"{where} runs {digest}: {reason}")
            return "affected"
    if not isinstance(container.digest, str):
        seen.unknown.append(f"{where}: {container.digest.what}: {container.digest.reason}")
        return "unknown"
    standing = standings.get(container.digest)
    if standing is None or standing.verdict != "clean":
        reason = standing.reason if standing else "no SBOM is known for it"
        seen.unknown.append(f"{where} runs {container.digest}: {reason}")
        return "unknown"
    return "clean"
