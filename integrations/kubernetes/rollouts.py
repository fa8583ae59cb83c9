"""How a rollout stands, why it does not go on, and since when all pods of a Deployment have been ready.

Pure: it reads manifests that others have fetched.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from integrations.kubernetes.answers import trimmed
from integrations.kubernetes.resources import Json


def unfinished(deployment: Json) -> str:
    """What is left of its rollout, in words; "" where every pod is of the newest template, and available."""
    meta, spec, status = deployment["metadata"], deployment["spec"], deployment.get("status") or {}
    wanted = spec.get("replicas", 1)
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    left = max(status.get("replicas", 0) - updated, 0)
    if status.get("observedGeneration", 0) < meta.get("generation", 0):
        return "its rollout has not begun"
    if updated < wanted or available < wanted or left:
        old = f", {left} old left" if left else ""
        paused = (
            "; spec.paused holds it up: where a freeze set it, name the image again"
            if spec.get("paused") and updated < wanted
            else ""
        )
        return f"{updated} of {wanted} pods are updated, {available} available{old}{paused}"
    return ""


def rolling(head: Json) -> str:
    """As `unfinished`, of a StatefulSet or a DaemonSet too."""
    if head["kind"] == "Deployment":
        return unfinished(head)
    status, each = head.get("status") or {}, head["kind"] == "DaemonSet"
    wanted = status.get("desiredNumberScheduled", 0) if each else head["spec"].get("replicas", 1)
    updated = status.get("updatedNumberScheduled" if each else "updatedReplicas", 0)
    ready = status.get("numberReady" if each else "readyReplicas", 0)
    if status.get("observedGeneration", 0) < head["metadata"].get("generation", 0):
        return "its rollout has not begun"
    return f"{updated} of {wanted} pods are updated, {ready} ready" if updated < wanted or ready < wanted else ""


def refused(head: Json) -> str:
    """Why the cluster makes none of the pods that its rollout lacks, as a Deployment's conditions say; "" where it does, or
    says nothing. A ReplicaSet that is refused itself leaves the status of the generation before."""
    status = head.get("status") or {}
    now = status.get("observedGeneration", 0) >= head["metadata"].get("generation", 0)
    for condition in status.get("conditions") or ():
        kind, reason = (condition["type"], condition["status"]), condition.get("reason")
        no_set = kind == ("Progressing", "False") and reason == "ReplicaSetCreateError"
        if rolling(head) and (no_set or (now and kind in {("Progressing", "False"), ("ReplicaFailure", "True")})):
            return f"{reason}: {trimmed(str(condition.get('message')))}"
    return ""


def stuck(deployment: Json) -> str:
    """Why its rollout makes no progress any more, as the cluster says; "" where it does."""
    for condition in (deployment.get("status") or {}).get("conditions") or ():
        if condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            return str(condition.get("message") or condition["reason"])
    return ""


def ready_since(deployment: Json, pods: Iterable[Json]) -> datetime | None:
    """Since when all pods that it wants have been ready without a break; None while they are not."""
    own = [p for p in pods if not p["metadata"].get("deletionTimestamp")]
    if unfinished(deployment) or not own or len(own) != deployment["spec"].get("replicas", 1):
        return None
    times = [_ready(pod) for pod in own]
    return None if None in times else max(t for t in times if t)


def _ready(pod: Json) -> datetime | None:
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition["type"] == "Ready" and condition["status"] == "True" and condition.get("lastTransitionTime"):
            return datetime.fromisoformat(condition["lastTransitionTime"])
    return None
