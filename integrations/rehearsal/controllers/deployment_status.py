"""A Deployment's status: its counts and its conditions.

Owns the words of the conditions; knows nothing of how a rollout moves.
"""

from __future__ import annotations

from dataclasses import dataclass

from integrations.rehearsal.document import Json, clone, dig


@dataclass(frozen=True)
class Rollout:
    """A Deployment, its newest ReplicaSet (None while there is none), and all of them."""

    live: Json
    current: Json | None
    sets: tuple[Json, ...]
    may_miss: int


def _sum(sets: tuple[Json, ...], name: str) -> int:
    return sum(int(dig(one, "status", name) or 0) for one in sets)


def status_of(rollout: Rollout, now: str) -> Json:
    """The status to write; counts of zero are left out, as the server writes them."""
    live, sets = rollout.live, rollout.sets
    current = (rollout.current,) if rollout.current is not None else ()
    replicas, available = _sum(sets, "replicas"), _sum(sets, "availableReplicas")
    total = sum(one["spec"]["replicas"] for one in sets)
    counts = {
        "observedGeneration": live["metadata"]["generation"],
        "replicas": replicas,
        "updatedReplicas": _sum(current, "replicas"),
        "readyReplicas": _sum(sets, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, total - available),
    }
    status: Json = {name: value for name, value in counts.items() if value}
    status["terminatingReplicas"] = _sum(sets, "terminatingReplicas")
    conditions = _conditions(rollout, status, now)
    return status | ({"conditions": conditions} if conditions else {})


def _conditions(rollout: Rollout, status: Json, now: str) -> list[Json]:
    before = {one["type"]: one for one in dig(rollout.live, "status", "conditions") or ()}
    wanted = [_available(rollout, status), _progressing(rollout, status, before.get("Progressing"))]
    refused = next((c for one in rollout.sets for c in dig(one, "status", "conditions") or ()), None)
    if refused is not None:
        wanted.append(("ReplicaFailure", "True", refused["reason"], refused["message"]))
    by_type = {one[0]: one for one in wanted}
    order = [kind for kind in before if kind in by_type] + [kind for kind in by_type if kind not in before]
    return [_dated(by_type[kind], before.get(kind), now) for kind in order]


def not_created(live: Json, words: str, now: str) -> Json:
    """The status to write where the new ReplicaSet was refused: as it was, but that it makes no progress, and why."""
    status: Json = clone(live.get("status") or {})
    held = status.get("conditions") or []
    before = next((one for one in held if one["type"] == "Progressing"), None)
    told = _dated(("Progressing", "False", "ReplicaSetCreateError", words), before, now)
    return status | {"conditions": [*(one for one in held if one is not before), told]}


Words = tuple[str, str, str, str]


def _dated(words: Words, before: Json | None, now: str) -> Json:
    kind, status, reason, message = words
    same = before is not None and before["status"] == status
    unchanged = same and before is not None and (before["reason"], before["message"]) == (reason, message)
    return {
        "type": kind,
        "status": status,
        "lastUpdateTime": before["lastUpdateTime"] if unchanged and before else now,
        "lastTransitionTime": before["lastTransitionTime"] if same and before else now,
        "reason": reason,
        "message": message,
    }


def _available(rollout: Rollout, status: Json) -> Words:
    if status.get("availableReplicas", 0) >= rollout.live["spec"]["replicas"] - rollout.may_miss:
        return ("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    message = "Deployment does not have minimum availability."
    return ("Available", "False", "MinimumReplicasUnavailable", message)


def _progressing(rollout: Rollout, status: Json, before: Json | None) -> Words:
    live = rollout.live
    if live["spec"].get("paused"):
        return ("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
    name = rollout.current["metadata"]["name"] if rollout.current is not None else ""
    wanted = live["spec"]["replicas"]
    counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")]
    if rollout.current is not None and counts == [wanted] * 3:
        return ("Progressing", "True", "NewReplicaSetAvailable", f'ReplicaSet "{name}" has successfully progressed.')
    if before is not None and before["reason"] == "NewReplicaSetAvailable" and f'"{name}"' in before["message"]:
        return ("Progressing", before["status"], before["reason"], before["message"])
    return ("Progressing", "True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.')
