"""ReplicaSets: as many pods as asked for.

Owns creating and deleting a set's pods, and its status; a refused create is reported and tried again.
"""

from __future__ import annotations

from collections.abc import Iterable

from integrations.rehearsal.controllers.templates import pod_from
from integrations.rehearsal.controllers.work import Hands, RetryError, is_active, is_ready, own_and_owner
from integrations.rehearsal.document import Json, dig
from integrations.rehearsal.machine import Machine
from integrations.rehearsal.status import ApiError
from integrations.rehearsal.storage import Change, Key

_SETS = "replicasets.apps"


class ReplicaSets:
    """The ReplicaSet controller."""

    def __init__(self, machine: Machine) -> None:
        self._hands = Hands(machine, "replicaset-controller")

    def keys(self, change: Change) -> Iterable[Key]:
        """A set's own changes and those of its pods."""
        return own_and_owner(change, _SETS, "ReplicaSet") if change.resource in (_SETS, "pods") else ()

    def sync(self, key: Key) -> float | None:
        """Create or delete pods until there are as many as asked for."""
        live = self._hands.get(_SETS, key)
        if live is None:
            return None
        pods = self._hands.owned("pods", live)
        active = [pod for pod in pods if is_active(pod)]
        failure: ApiError | None = None
        if not live["metadata"].get("deletionTimestamp"):
            failure = self._scale(live, active, live["spec"]["replicas"])
        self._report(key, failure)
        if failure is not None:
            raise RetryError(str(failure))
        return None

    def _scale(self, live: Json, active: list[Json], wanted: int) -> ApiError | None:
        for pod in sorted(active, key=_dispensable)[: max(0, len(active) - wanted)]:
            self._hands.delete("pods", pod)
            self._hands.event(live, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")
        for _ in range(wanted - len(active)):
            try:
                document = pod_from(live, live["spec"]["template"])
                pod = self._hands.create("pods", live["metadata"]["namespace"], document)
            except ApiError as failure:
                self._hands.event(live, "FailedCreate", f"Error creating: {failure.message}", "Warning")
                return failure
            self._hands.event(live, "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")
        return None

    def _report(self, key: Key, failure: ApiError | None) -> None:
        live = self._hands.get(_SETS, key)
        if live is None:
            return
        pods = self._hands.owned("pods", live)
        active = [pod for pod in pods if is_active(pod)]
        ready = sum(1 for pod in active if is_ready(pod))
        labels = dig(live, "spec", "template", "metadata", "labels") or {}
        full = sum(1 for pod in active if labels.items() <= (pod["metadata"].get("labels") or {}).items())
        status: Json = {"replicas": len(active)}
        status |= {
            name: value
            for name, value in (("fullyLabeledReplicas", full), ("readyReplicas", ready), ("availableReplicas", ready))
            if value
        }
        terminating = sum(1 for pod in pods if pod["metadata"].get("deletionTimestamp"))
        status |= {"terminatingReplicas": terminating, "observedGeneration": live["metadata"]["generation"]}
        if failure is not None:
            status["conditions"] = [self._condition(live, failure)]
        self._hands.set_status(_SETS, live, status)

    def _condition(self, live: Json, failure: ApiError) -> Json:
        """The failure's condition; a standing one is kept as it is, so that a retry is not a change."""
        known: list[Json] = dig(live, "status", "conditions") or []
        standing = next((one for one in known if one["type"] == "ReplicaFailure"), None)
        return standing or {
            "type": "ReplicaFailure",
            "status": "True",
            "lastTransitionTime": self._hands.world.now(),
            "reason": "FailedCreate",
            "message": failure.message,
        }


def _dispensable(pod: Json) -> tuple[bool, bool, str]:
    """Which pods to delete first: unscheduled, then not ready, then the rest."""
    return (bool(pod["spec"].get("nodeName")), is_ready(pod), pod["metadata"]["creationTimestamp"])
