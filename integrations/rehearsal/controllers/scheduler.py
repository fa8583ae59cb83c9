"""The scheduler: unscheduled pods onto nodes.

Owns the choice of a node: ready, schedulable, selected by the pod, and with the fewest pods.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from integrations.rehearsal.controllers.work import Hands
from integrations.rehearsal.document import Json, dig
from integrations.rehearsal.machine import Machine
from integrations.rehearsal.rbac import User
from integrations.rehearsal.storage import Change, Key

UNSCHEDULABLE = "node.kubernetes.io/unschedulable"


def pinned_node(spec: Json) -> str:
    """The node that a DaemonSet pod's affinity names, or an empty string."""
    terms = dig(spec, "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms")
    for term in terms or ():
        for field in term.get("matchFields") or ():
            if field["key"] == "metadata.name":
                return str(field["values"][0])
    return ""


def tolerates(spec: Json, key: str, effect: str) -> bool:
    """Whether a pod tolerates a taint."""
    return any(
        one.get("key") in (key, None) and one.get("effect") in (effect, None, "")
        for one in spec.get("tolerations") or ()
    )


def fits(spec: Json, node: Json) -> bool:
    """Whether a pod may run on a node."""
    wanted = spec.get("nodeSelector") or {}
    if not wanted.items() <= (node["metadata"].get("labels") or {}).items():
        return False
    if dig(node, "spec", "unschedulable") and not tolerates(spec, UNSCHEDULABLE, "NoSchedule"):
        return False
    for taint in dig(node, "spec", "taints") or ():
        if taint["effect"] in ("NoSchedule", "NoExecute") and not tolerates(spec, taint["key"], taint["effect"]):
            return False
    conditions = dig(node, "status", "conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


class Scheduler:
    """Binds pods."""

    def __init__(self, machine: Machine) -> None:
        user = User("system:kube-scheduler", ("system:authenticated",))
        self._hands = Hands(machine, "default-scheduler", user=user, manager="kube-scheduler")

    def keys(self, change: Change) -> Iterable[Key]:
        """Unscheduled pods; a changed node makes every waiting pod worth another look."""
        if change.resource == "pods" and change.new is not None and not change.new["spec"].get("nodeName"):
            yield change.key
        elif change.resource == "nodes":
            for pod in self._hands.storage.all("pods"):
                if not pod["spec"].get("nodeName"):
                    yield (pod["metadata"]["namespace"], pod["metadata"]["name"])

    def sync(self, key: Key) -> float | None:
        """Bind one pod, or say that it cannot be scheduled."""
        pod = self._hands.get("pods", key)
        if pod is None or pod["spec"].get("nodeName") or pod["metadata"].get("deletionTimestamp"):
            return None
        pinned = pinned_node(pod["spec"])
        nodes = [n for n in self._hands.storage.all("nodes") if not pinned or n["metadata"]["name"] == pinned]
        fitting = [node["metadata"]["name"] for node in nodes if fits(pod["spec"], node)]
        if not fitting:
            self._refuse(pod, len(nodes))
            return None
        load = Counter(one["spec"].get("nodeName", "") for one in self._hands.storage.all("pods"))
        chosen = min(fitting, key=lambda name: (load[name], name))
        self._hands.bind(pod, chosen)
        words = f"Successfully assigned {key[0]}/{key[1]} to {chosen}"
        self._hands.event(pod, "Scheduled", words)
        return None

    def _refuse(self, pod: Json, nodes: int) -> None:
        if any(one["type"] == "PodScheduled" for one in dig(pod, "status", "conditions") or ()):
            return
        message = f"0/{nodes} nodes are available: {nodes} node(s) didn't match or were unschedulable."
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "lastProbeTime": None,
            "reason": "Unschedulable",
            "lastTransitionTime": self._hands.world.now(),
            "message": message,
        }
        self._hands.set_status("pods", pod, {**pod["status"], "conditions": [condition]})
        self._hands.event(pod, "FailedScheduling", message, "Warning")
