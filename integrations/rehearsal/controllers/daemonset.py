"""DaemonSets: one pod on every fitting node.

Owns placement by node affinity and rolling updates within maxUnavailable.
"""

from __future__ import annotations

from collections.abc import Iterable

from integrations.rehearsal.controllers.revisions import REVISION_LABEL, revision_of
from integrations.rehearsal.controllers.scheduler import UNSCHEDULABLE, fits, pinned_node
from integrations.rehearsal.controllers.templates import count, pod_from
from integrations.rehearsal.controllers.work import Hands, RetryError, is_active, is_ready, own_and_owner
from integrations.rehearsal.document import Json, dig
from integrations.rehearsal.machine import Machine
from integrations.rehearsal.status import ApiError
from integrations.rehearsal.storage import Change, Key

_SETS = "daemonsets.apps"
_GENERATION = "deprecated.daemonset.template.generation"
_NO_EXECUTE = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_NO_SCHEDULE = (
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/pid-pressure",
    UNSCHEDULABLE,
)


def _tolerations(spec: Json) -> list[Json]:
    added = [{"key": key, "operator": "Exists", "effect": "NoExecute"} for key in _NO_EXECUTE]
    added += [{"key": key, "operator": "Exists", "effect": "NoSchedule"} for key in _NO_SCHEDULE]
    if spec.get("hostNetwork"):
        added.append(
            {
                "key": "node.kubernetes.io/network-unavailable",
                "operator": "Exists",
                "effect": "NoSchedule",
            }
        )
    return [*(spec.get("tolerations") or ()), *added]


class DaemonSets:
    """The DaemonSet controller."""

    def __init__(self, machine: Machine) -> None:
        self._hands = Hands(machine, "daemon-set-controller")

    def keys(self, change: Change) -> Iterable[Key]:
        """A set's own changes, those of its pods, and any node's."""
        if change.resource == "nodes":
            for one in self._hands.storage.all(_SETS):
                yield (one["metadata"]["namespace"], one["metadata"]["name"])
        elif change.resource in (_SETS, "pods"):
            yield from own_and_owner(change, _SETS, "DaemonSet")

    def sync(self, key: Key) -> float | None:
        """Create, replace and delete pods so that every fitting node has one."""
        live = self._hands.get(_SETS, key)
        if live is None:
            return None
        revision = revision_of(self._hands, live).rpartition("-")[2]
        failure: ApiError | None = None
        if not live["metadata"].get("deletionTimestamp"):
            try:
                self._place(live, revision)
            except ApiError as refused:
                self._hands.event(live, "FailedCreate", f"Error creating: {refused.message}", "Warning")
                failure = refused
        self._report(key, revision)
        if failure is not None:
            raise RetryError(str(failure))
        return None

    def _nodes(self, live: Json) -> list[str]:
        spec = dict(live["spec"]["template"]["spec"])
        spec["tolerations"] = _tolerations(spec)
        return [node["metadata"]["name"] for node in self._hands.storage.all("nodes") if fits(spec, node)]

    def _by_node(self, live: Json) -> dict[str, Json]:
        pods = self._hands.owned("pods", live)
        return {pod["spec"].get("nodeName") or pinned_node(pod["spec"]): pod for pod in pods}

    def _place(self, live: Json, revision: str) -> None:
        pods, nodes = self._by_node(live), self._nodes(live)
        for name, pod in pods.items():
            if is_active(pod) and name not in nodes:
                self._hands.delete("pods", pod)
        if live["spec"]["updateStrategy"]["type"] == "RollingUpdate":
            self._roll(live, [pods[name] for name in nodes if name in pods], len(nodes), revision)
        for name in nodes:
            if name not in pods:
                self._create(live, name, revision)
            elif not is_active(pods[name]):
                self._hands.delete("pods", pods[name])

    def _roll(self, live: Json, pods: list[Json], total: int, revision: str) -> None:
        allowed = max(1, count(live["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"], total, up=True))
        room = allowed - sum(1 for pod in pods if not is_active(pod) or not is_ready(pod)) - (total - len(pods))
        for pod in pods:
            if not is_active(pod) or pod["metadata"]["labels"].get(REVISION_LABEL) == revision:
                continue
            if is_ready(pod) and room <= 0:
                continue
            room -= 1 if is_ready(pod) else 0
            self._hands.delete("pods", pod)
            self._hands.event(live, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")

    def _create(self, live: Json, node: str, revision: str) -> None:
        generation = (live["metadata"].get("annotations") or {}).get(_GENERATION, "1")
        labels = {REVISION_LABEL: revision, "pod-template-generation": generation}
        document = pod_from(live, live["spec"]["template"], labels)
        spec = document["spec"]
        spec["tolerations"] = _tolerations(spec)
        term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
        required = {"nodeSelectorTerms": [term]}
        spec["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
        pod = self._hands.create("pods", live["metadata"]["namespace"], document)
        self._hands.event(live, "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")

    def _report(self, key: Key, revision: str) -> None:
        live = self._hands.get(_SETS, key)
        if live is None:
            return
        nodes = self._nodes(live)
        pods = [pod for name, pod in self._by_node(live).items() if name in nodes and is_active(pod)]
        ready = sum(1 for pod in pods if is_ready(pod))
        updated = sum(1 for pod in pods if pod["metadata"]["labels"].get(REVISION_LABEL) == revision)
        status: Json = {
            "currentNumberScheduled": len(pods),
            "numberMisscheduled": 0,
            "desiredNumberScheduled": len(nodes),
            "numberReady": ready,
            "observedGeneration": live["metadata"]["generation"],
        }
        counts = {
            "updatedNumberScheduled": updated,
            "numberAvailable": ready,
            "numberUnavailable": len(nodes) - ready,
        }
        collisions = dig(live, "status", "collisionCount")
        status |= {} if collisions is None else {"collisionCount": collisions}
        self._hands.set_status(_SETS, live, status | {name: value for name, value in counts.items() if value})
