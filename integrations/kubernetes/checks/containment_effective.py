"""containment_effective: each isolation is whole: its policy stands, nothing else lets traffic through, something enforces it.

Owns the verdict. It sends no probe of its own: what it proves is what the cluster says of its policies and its plugin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from integrations.digests import exposed_digests
from integrations.kubernetes import canaries, enforcement, isolation, leaks
from integrations.kubernetes.actions.isolate_workloads import IsolateWorkloads
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.inventory.snapshot import LIVE_PERMISSIONS
from integrations.kubernetes.live import each_cluster
from integrations.kubernetes.reach import PLATFORM
from integrations.kubernetes.resources import WORKLOADS, Json, of_kind
from integrations.kubernetes.rollouts import rolling
from integrations.observed import Seen, isolations
from integrations.verbs import EffectiveParameters
from patchgap.model.evidence import Evidence
from patchgap.model.plan import Control
from patchgap.model.workload import WorkloadRef
from patchgap.ports import Parameters, Situation
from patchgap.registry import check


@check
class ContainmentEffective:
    """Every planned isolation stands and is whole: no other policy lets its pods' traffic through, none of its pods is on
    the host's network, and a recognised network plugin enforces it on every node.

    Example::

        containment_effective: {}
    """

    verb: ClassVar[str] = "containment_effective"
    platform: ClassVar[str] = PLATFORM
    about: ClassVar[str] = IsolateWorkloads.verb
    permissions: ClassVar[tuple[str, ...]] = (
        *LIVE_PERMISSIONS,
        *(f"get {r.permission}" for r in WORKLOADS),
        *(f"get {r.permission}" for r, _ in isolation.FORMS.values()),
        *leaks.PERMISSIONS,
        *(p for p in enforcement.PERMISSIONS if p not in LIVE_PERMISSIONS),
    )
    parameters: ClassVar[type[Parameters]] = EffectiveParameters

    def observe(
        self,
        parameters: EffectiveParameters,  # noqa: ARG002  (the protocol's)
        situation: Situation,
    ) -> Sequence[Evidence]:
        """One piece of evidence a configured cluster. An isolation that was planned and does not stand fails, as does a
        workload that the plan could not isolate, while it is there and not mended."""
        return tuple(each_cluster(self.verb, situation, "isolations and policies", _look))


def _look(cluster: Cluster, situation: Situation) -> Seen:
    seen = Seen()

    def is_exposed(ref: WorkloadRef) -> bool:
        found = cluster.find(of_kind(ref.kind), ref.namespace, ref.name)
        return found is not None and not _mended(found, situation)

    for control in isolations(seen, situation, PLATFORM, cluster.name, is_exposed):
        _compare(control, situation, seen)
    return seen


def _mended(found: Json, situation: Situation) -> bool:
    """Whether its rollout is over and each of its images is proved to hold nothing affected. Where the incident is about no
    package, or what it runs beside its template cannot be told (a Job's), it is not."""
    about = situation.affected_digests | exposed_digests(situation)
    images = canaries.images(found).values()
    rolls = found["kind"] in {"Deployment", "StatefulSet", "DaemonSet"}
    return (
        bool(about and images and rolls) and not rolling(found) and all(canaries.is_clean(situation, i) for i in images)
    )


def _compare(control: Control, situation: Situation, seen: Seen) -> None:
    action, target = IsolateWorkloads(), control.intent.action.target
    differing = action.differences(control.intent, situation)
    through, unknown = action.wholeness(control.intent, situation)
    seen.failed += [f"{target}: {line}" for line in differing] + list(through)
    seen.unknown += unknown
    if not (differing or through or unknown):
        seen.passed.append(f"{target}: its policy stands, nothing else lets traffic through, and it is enforced")
    seen.value[str(target)] = {"through": list(through), "unknown": list(unknown), "differs": list(differing)}
