"""StatefulSets: numbered pods, one after the other.

Owns ordinals, ordered creation, scaling down and rolling updates from the highest ordinal.
"""

from __future__ import annotations

from collections.abc import Iterable

from integrations.rehearsal.controllers.revisions import REVISION_LABEL, revision_of
from integrations.rehearsal.controllers.templates import pod_from
from integrations.rehearsal.controllers.work import Hands, RetryError, is_active, is_ready, own_and_owner
from integrations.rehearsal.document import Json, dig
from integrations.rehearsal.machine import Machine
from integrations.rehearsal.status import ApiError
from integrations.rehearsal.storage import Change, Key

_SETS = "statefulsets.apps"


def _ordinal(pod: Json) -> int:
    return int(pod["metadata"]["name"].rpartition("-")[2])


class StatefulSets:
    """The StatefulSet controller."""

    def __init__(self, machine: Machine) -> None:
        self._hands = Hands(machine, "statefulset-controller")

    def keys(self, change: Change) -> Iterable[Key]:
        """A set's own changes and those of its pods."""
        return own_and_owner(change, _SETS, "StatefulSet") if change.resource in (_SETS, "pods") else ()

    def sync(self, key: Key) -> float | None:
        """Take the next step towards the wanted pods."""
        live = self._hands.get(_SETS, key)
        if live is None:
            return None
        update = revision_of(self._hands, live)
        current = dig(live, "status", "currentRevision") or update
        failure: ApiError | None = None
        if not live["metadata"].get("deletionTimestamp"):
            try:
                self._step(live, current, update)
            except ApiError as refused:
                self._hands.event(live, "FailedCreate", f"create Pod failed error: {refused.message}", "Warning")
                failure = refused
        self._report(key, current, update)
        if failure is not None:
            raise RetryError(str(failure))
        return None

    def _pods(self, live: Json) -> dict[int, Json]:
        return {_ordinal(pod): pod for pod in self._hands.owned("pods", live)}

    def _step(self, live: Json, current: str, update: str) -> None:
        pods, wanted = self._pods(live), live["spec"]["replicas"]
        ordered = live["spec"]["podManagementPolicy"] == "OrderedReady"
        partition = dig(live, "spec", "updateStrategy", "rollingUpdate", "partition") or 0
        for ordinal in range(wanted):
            pod = pods.get(ordinal)
            if pod is not None and not is_active(pod) and not pod["metadata"].get("deletionTimestamp"):
                self._hands.delete("pods", pod)
            elif pod is None:
                self._create(live, ordinal, current if ordinal < partition else update)
            if ordered and (pod is None or not is_active(pod) or not is_ready(pod)):
                return
        for ordinal in sorted((n for n in pods if n >= wanted), reverse=True):
            if is_active(pods[ordinal]):
                self._delete(live, pods[ordinal])
            if ordered:
                return
        if live["spec"]["updateStrategy"]["type"] == "RollingUpdate":
            self._roll(live, pods, update, range(wanted - 1, partition - 1, -1))

    def _roll(self, live: Json, pods: dict[int, Json], update: str, ordinals: range) -> None:
        for ordinal in ordinals:
            pod = pods[ordinal]
            if not is_active(pod):
                return
            if pod["metadata"]["labels"].get(REVISION_LABEL) != update:
                self._delete(live, pod)
                return
            if not is_ready(pod):
                return

    def _delete(self, live: Json, pod: Json) -> None:
        self._hands.delete("pods", pod)
        name = live["metadata"]["name"]
        words = f"delete Pod {pod['metadata']['name']} in StatefulSet {name} successful"
        self._hands.event(live, "SuccessfulDelete", words)

    def _create(self, live: Json, ordinal: int, revision: str) -> None:
        name = f"{live['metadata']['name']}-{ordinal}"
        labels = {
            "apps.kubernetes.io/pod-index": str(ordinal),
            REVISION_LABEL: revision,
            "statefulset.kubernetes.io/pod-name": name,
        }
        document = pod_from(live, live["spec"]["template"], labels)
        document["metadata"]["name"] = name
        document["spec"] |= {"hostname": name} | _subdomain(live)
        self._hands.create("pods", live["metadata"]["namespace"], document)
        words = f"create Pod {name} in StatefulSet {live['metadata']['name']} successful"
        self._hands.event(live, "SuccessfulCreate", words)

    def _report(self, key: Key, current: str, update: str) -> None:
        live = self._hands.get(_SETS, key)
        if live is None:
            return
        pods = [pod for pod in self._pods(live).values() if is_active(pod)]
        ready = sum(1 for pod in pods if is_ready(pod))
        updated = sum(1 for pod in pods if pod["metadata"]["labels"].get(REVISION_LABEL) == update)
        if updated == len(pods) == live["spec"]["replicas"] == ready:
            current = update
        at_current = sum(1 for pod in pods if pod["metadata"]["labels"].get(REVISION_LABEL) == current)
        counts = {"readyReplicas": ready, "currentReplicas": at_current, "updatedReplicas": updated}
        status: Json = {
            "observedGeneration": live["metadata"]["generation"],
            "replicas": len(pods),
            "availableReplicas": ready,
            "currentRevision": current,
            "updateRevision": update,
            "collisionCount": 0,
        }
        self._hands.set_status(_SETS, live, status | {name: value for name, value in counts.items() if value})


def _subdomain(live: Json) -> Json:
    service = live["spec"].get("serviceName")
    return {"subdomain": service} if service else {}
