"""containment_effective: each isolation is whole: its policy stands, nothing else lets traffic through, something enforces it.

Owns the verdict. It sends no probe of its own: what it proves is what the cluster says of its policies and its plugin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from integrations.kubernetes import enforcement, isolation, leaks
from integrations.kubernetes.actions.isolate_workloads import IsolateWorkloads
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.inventory.snapshot import LIVE_PERMISSIONS
from integrations.kubernetes.live import all_clusters, each_cluster
from integrations.kubernetes.reach import PLATFORM
from integrations.kubernetes.resources import WORKLOADS
from integrations.observed import Seen
from patchgap.model.evidence import Evidence
from patchgap.model.plan import Control, PlannedAction
from patchgap.ports import Parameters, Situation
from patchgap.registry import check


class EffectiveParameters(Parameters):
    """None: every isolation is looked at."""


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
        workload that the plan could not isolate."""

        def look(cluster: Cluster) -> Seen:
            return _look(cluster, situation)

        return tuple(each_cluster(self.verb, situation, all_clusters(situation), "isolations and policies", look))


def _look(cluster: Cluster, situation: Situation) -> Seen:
    seen = Seen()
    isolations = [c for c in situation.controls if _is_isolation(c.intent.action, cluster)]
    standing = {c.intent.action.id for c in isolations}
    undone = [a for a in situation.planned if _is_isolation(a, cluster) and a.id not in standing]
    seen.failed += [f"{a.target}: its isolation was planned and does not stand" for a in undone]
    missed = [u for u in situation.uncovered if u.verb == IsolateWorkloads.verb and _within(u.target, cluster)]
    seen.failed += [f"{u.target} is not isolated: {u.reason}" for u in missed]
    for control in isolations:
        _compare(control, situation, seen)
    if not (isolations or undone or missed):
        seen.passed.append(f"cluster {cluster.name}: nothing of the incident was to be isolated here")
    return seen


def _is_isolation(action: PlannedAction, cluster: Cluster) -> bool:
    mine = action.platform == PLATFORM and action.verb == IsolateWorkloads.verb
    return mine and action.target.cluster == cluster.name


def _within(name: str, cluster: Cluster) -> bool:
    return name.startswith(f"{cluster.name}/")


def _compare(control: Control, situation: Situation, seen: Seen) -> None:
    action, target = IsolateWorkloads(), control.intent.action.target
    if control.intent.action.id in situation.release_begun:
        seen.passed.append(f"{target}: its release was begun")
        return
    differing = action.differences(control.intent, situation)
    through, unknown = action.wholeness(control.intent, situation)
    seen.failed += [f"{target}: {line}" for line in differing] + list(through)
    seen.unknown += unknown
    if not (differing or through or unknown):
        seen.passed.append(f"{target}: its policy stands, nothing else lets traffic through, and it is enforced")
    seen.value[str(target)] = {"through": list(through), "unknown": list(unknown), "differs": list(differing)}
