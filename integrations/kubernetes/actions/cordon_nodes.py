"""cordon_nodes: nothing new is scheduled where affected pods ran.

Owns which nodes those are, and which are never cordoned. What runs on a node goes on running.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

from integrations.kubernetes import pods, seen
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.holds import CORDONED, Held, settled
from integrations.kubernetes.reach import PLATFORM, cluster_of, live
from integrations.kubernetes.resources import NODES, WORKLOADS, Json
from integrations.targeting import each_live
from integrations.verbs import done
from patchgap.errors import PatchgapError
from patchgap.model.plan import Control, Effect, Intent, Outcome, PlannedAction, Receipt, Target, Uncovered
from patchgap.model.workload import Workload
from patchgap.ports import Parameters, Situation, StandingParameters
from patchgap.registry import action

_CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")


class CordonParameters(StandingParameters):
    """None: every node where an affected pod runs or ran."""


@action
class CordonNodes:
    """Marks the nodes where affected pods run or ran as unschedulable, so that they keep what they hold.

    A node that was cordoned before stays so. Control-plane nodes are never cordoned, and at least one node of a cluster
    is left where pods can start.

    Example::

        cordon_nodes: {}
    """

    verb: ClassVar[str] = "cordon_nodes"
    platform: ClassVar[str] = PLATFORM
    effect: ClassVar[Effect] = Effect.REVERSIBLE
    inverse: ClassVar[str] = "uncordon_nodes"
    permissions: ClassVar[tuple[str, ...]] = (
        *pods.PERMISSIONS,
        *(f"get {r.permission}" for r in WORKLOADS),
        "get,list,patch core/nodes",
    )
    parameters: ClassVar[type[Parameters]] = CordonParameters

    def targets(
        self,
        parameters: CordonParameters,  # noqa: ARG002  (the protocol's)
        situation: Situation,
    ) -> Iterable[Target | Uncovered]:
        """A target a node, with the affected workloads that it serves."""
        ran: dict[tuple[str, str], list[str]] = {}

        def found(workload: Workload, _manifest: dict[str, Any]) -> Target | str:
            for node in workload.nodes:
                ran.setdefault((workload.ref.cluster, node), []).append(str(workload.ref))
            return _untold(cluster_of(situation, workload.ref.cluster), workload) or Target.of(workload.ref)

        yield from (t for t in each_live(self, situation, live, found) if isinstance(t, Uncovered))
        for name in dict.fromkeys(cluster for cluster, _ in ran):
            mine = {node: refs for (cluster, node), refs in ran.items() if cluster == name}
            yield from self._of_cluster(cluster_of(situation, name), mine)

    def _of_cluster(self, cluster: Cluster, ran: Mapping[str, list[str]]) -> Iterator[Target | Uncovered]:
        try:
            nodes = {str(n["metadata"]["name"]): n for n in cluster.all_of(NODES)}
        except PatchgapError as error:
            yield from (Uncovered(self.verb, ref, str(error)) for refs in ran.values() for ref in refs)
            return
        chosen = [n for n in sorted(ran) if n in nodes and not _is_control_plane(nodes[n])]
        left = [n for n, node in nodes.items() if n not in chosen and _takes_pods(node)]
        for name in sorted(ran):
            why = _why_not(name, nodes)
            if not why and not left:
                why = f"cordoning {', '.join(chosen)} would leave no node where pods can start"
            if why:
                yield from (Uncovered(self.verb, ref, why) for ref in ran[name])
            else:
                uid = nodes[name]["metadata"]["uid"]
                yield Target(PLATFORM, cluster.name, "", NODES.kind, name, uid, tuple(ran[name]))

    def preview(
        self,
        parameters: CordonParameters,  # noqa: ARG002  (the protocol's)
        target: Target,
        situation: Situation,
    ) -> tuple[str, ...]:
        """The field that would change."""
        held = Held.live(situation, target, situation.incident, CORDONED)
        held.hold(cluster_of(situation, target.cluster), held.before, dry_run=True)
        return (held.change, "what runs there goes on running, and DaemonSets still start pods there")

    def seen(self, target: Target, situation: Situation) -> Mapping[str, str]:
        """Whether it took pods before any incident held it, and its taints, but for those that the cluster sets by itself."""
        node = live(situation, target)
        held = Held.of(node, situation.incident, CORDONED)
        return {held.stop.field: held.told(held.before), "spec.taints": seen.taints(node)}

    def find(self, action: PlannedAction, situation: Situation) -> Mapping[str, Any]:
        """Whether it was cordoned before any incident held it."""
        return {"before": Held.live(situation, action.target, situation.incident, CORDONED).before}

    def apply(self, intent: Intent, situation: Situation) -> Receipt:
        """Cordons the same node that was planned."""
        target = intent.action.target
        cluster = cluster_of(situation, target.cluster)
        read = partial(Held.live, situation, target, situation.incident, CORDONED)
        settled(read, lambda held: held.hold(cluster, intent.found["before"]))
        return _receipt(intent)

    def observe(self, intent: Intent, situation: Situation) -> Receipt | None:
        """A receipt where it is cordoned, for this incident."""
        return None if self.differences(intent, situation) else _receipt(intent)

    def differences(self, intent: Intent, situation: Situation) -> tuple[str, ...]:
        """How the node differs from a cordoned one; () where it does not, or is gone."""
        target = intent.action.target
        held = Held.still(situation, target, situation.incident, CORDONED)
        return () if held is None else held.amiss(target)

    def release(self, control: Control, situation: Situation) -> Receipt:
        """Uncordons it where it was not cordoned before, and no other incident holds it."""
        target, whole = control.intent.action.target, control.receipt.outcome is Outcome.DONE
        cluster, before = cluster_of(situation, target.cluster), control.intent.found["before"]
        read = partial(Held.still, situation, target, situation.incident, CORDONED)
        said = settled(read, lambda held: held.let_go(cluster, before, done=whole))
        gone = f"{target} is gone: there is nothing to uncordon"
        return done(control.intent, (f"{target}: {said}" if said else gone,))


def _receipt(intent: Intent) -> Receipt:
    return done(intent, (f"{intent.action.target}: nothing new is scheduled there, but for DaemonSets",))


def _untold(cluster: Cluster, workload: Workload) -> str:
    """Why not every node of it is among the targets; "" where all are. What else runs on a node is known by the inventory
    alone, and without it a control-plane node is not told from another."""
    now = {pods.reference(p)["node"] for p in pods.pods_of(cluster, workload.ref)} - {""}
    if new := sorted(now - set(workload.nodes)):
        return f"it runs on {', '.join(new)} since the inventory was read: refresh it, and plan again"
    return "" if workload.nodes else "no pod of it runs, and where one ran is not known"


def _why_not(name: str, nodes: Mapping[str, Json]) -> str:
    if name not in nodes:
        return f"node {name}, where it ran, is gone, and what it held with it"
    return f"node {name} is a control-plane node: it is protected" if _is_control_plane(nodes[name]) else ""


def _is_control_plane(node: Json) -> bool:
    return any(label in (node["metadata"].get("labels") or {}) for label in _CONTROL_PLANE)


def _takes_pods(node: Json) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and not (node.get("spec") or {}).get("unschedulable") and not _is_control_plane(node)
