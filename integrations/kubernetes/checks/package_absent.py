"""package_absent: no affected version is in anything that runs, or would run by schedule or scale.

Owns what of a cluster is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from integrations.absence import COUNTED, judge
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.inventory.snapshot import HISTORY_PERMISSIONS
from integrations.kubernetes.live import each_cluster, workloads
from integrations.kubernetes.reach import PLATFORM
from integrations.observed import Seen
from integrations.verbs import AbsenceParameters
from patchgap.model.evidence import Evidence
from patchgap.ports import Parameters, Situation
from patchgap.registry import check


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
        return tuple(each_cluster(self.verb, situation, "pods and templates", _look))


def _look(cluster: Cluster, situation: Situation) -> Seen:
    seen = Seen()
    found = [(r, c) for r, held in workloads(cluster, seen) for c in held if c.state in COUNTED]
    judge(found, situation, seen)
    seen.value["pods"] = sum(c.pods for _, c in found)
    if not seen.failed and not seen.unknown:
        seen.passed.append(
            f"cluster {cluster.name}: {len(found)} containers of {len({r for r, _ in found})} workloads hold no"
            " affected version"
        )
    return seen
