"""How a Deployment's rollout stands, and since when all of its pods have been ready.

Pure: it reads manifests that others have fetched.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

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
