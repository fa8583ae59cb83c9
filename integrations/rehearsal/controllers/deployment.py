"""Deployments: rollouts over ReplicaSets.

Owns which ReplicaSet is the new one, how the numbers move between sets, and the Deployment's revision; the
status is `deployment_status`' part. The rules follow k8s.io/kubernetes/pkg/controller/deployment.
"""

from __future__ import annotations

from collections.abc import Iterable

from integrations.rehearsal.controllers.deployment_status import Rollout, not_created, status_of
from integrations.rehearsal.controllers.templates import HASH_LABEL, count, template_hash
from integrations.rehearsal.controllers.work import Hands, own_and_owner, owner_reference
from integrations.rehearsal.document import Json, clone, dig
from integrations.rehearsal.machine import Machine
from integrations.rehearsal.status import ApiError
from integrations.rehearsal.storage import Change, Key

_DEPLOYMENTS, _SETS = "deployments.apps", "replicasets.apps"
REVISION = "deployment.kubernetes.io/revision"
_DESIRED, _MAX = "deployment.kubernetes.io/desired-replicas", "deployment.kubernetes.io/max-replicas"
_NOT_COPIED = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION,
        _DESIRED,
        _MAX,
        "deployment.kubernetes.io/revision-history",
        "deprecated.deployment.rollback.to",
    }
)


def _revision(replica_set: Json) -> int:
    return int((replica_set["metadata"].get("annotations") or {}).get(REVISION, "0"))


def _without_hash(template: Json) -> Json:
    bare = clone(template)
    labels = bare.get("metadata", {}).get("labels") or {}
    labels.pop(HASH_LABEL, None)
    return bare


class Deployments:
    """The Deployment controller."""

    def __init__(self, machine: Machine) -> None:
        self._hands = Hands(machine, "deployment-controller")

    def keys(self, change: Change) -> Iterable[Key]:
        """A Deployment's own changes, and those of its ReplicaSets."""
        return own_and_owner(change, _DEPLOYMENTS, "Deployment") if change.resource in (_DEPLOYMENTS, _SETS) else ()

    def sync(self, key: Key) -> float | None:
        """Take the next step of the rollout and report the status."""
        live = self._hands.get(_DEPLOYMENTS, key)
        if live is None:
            return None
        if not live["metadata"].get("deletionTimestamp"):
            self._step(key, live)
        self._report(key)
        return None

    def _step(self, key: Key, live: Json) -> None:
        sets = self._sets(live)
        current = self._current(live, sets)
        if current is None and not live["spec"].get("paused"):
            current = self._new_set(live, sets)
        if live["spec"].get("paused"):
            self._resize(live, sets)
            current = self._current(live, self._sets(live))
        if current is not None:
            self._annotate(key, current, sets)
        if current is None or live["spec"].get("paused"):
            return
        others = [one for one in self._sets(live) if one["metadata"]["uid"] != current["metadata"]["uid"]]
        if live["spec"]["strategy"]["type"] == "Recreate":
            self._recreate(live, current, others)
        else:
            self._roll(live, current, others)
        self._forget(live, others)

    def _sets(self, live: Json) -> list[Json]:
        return sorted(self._hands.owned(_SETS, live), key=_revision)

    def _current(self, live: Json, sets: list[Json]) -> Json | None:
        wanted = _without_hash(live["spec"]["template"])
        return next((one for one in sets if _without_hash(one["spec"]["template"]) == wanted), None)

    def _new_set(self, live: Json, sets: list[Json]) -> Json:
        spec, metadata = live["spec"], live["metadata"]
        name_hash = template_hash(spec["template"])
        template = clone(spec["template"])
        template["metadata"]["labels"] = {**template["metadata"].get("labels", {}), HASH_LABEL: name_hash}
        selector = clone(spec["selector"])
        selector["matchLabels"] = {**selector.get("matchLabels", {}), HASH_LABEL: name_hash}
        replicas = 0
        if spec["strategy"]["type"] != "Recreate" or not any(one["spec"]["replicas"] for one in sets):
            replicas = self._may_add(live, sets, 0)
        document = {
            "metadata": {
                "name": f"{metadata['name']}-{name_hash}",
                "labels": dict(template["metadata"]["labels"]),
                "annotations": self._annotations(live, sets, None),
                "ownerReferences": [owner_reference(live)],
            },
            "spec": {"replicas": replicas, "selector": selector, "template": template} | _min_ready(spec),
        }
        try:
            created = self._hands.create(_SETS, metadata["namespace"], document)
        except ApiError as failure:
            words = f'Failed to create new replica set "{document["metadata"]["name"]}": {failure.message}'
            self._hands.set_status(_DEPLOYMENTS, live, not_created(live, words, self._hands.world.now()))
            self._hands.event(live, "ReplicaSetCreateError", words, "Warning")
            raise
        self._scaled_event(live, created, 0, replicas)
        return created

    def _annotations(self, live: Json, sets: list[Json], current: Json | None) -> Json:
        copied = {k: v for k, v in (live["metadata"].get("annotations") or {}).items() if k not in _NOT_COPIED}
        uid = current["metadata"]["uid"] if current else ""
        newest = max((_revision(one) for one in sets if one["metadata"]["uid"] != uid), default=0)
        known = _revision(current) if current else 0
        return copied | {REVISION: str(known if known > newest else newest + 1)} | self._sizes(live)

    def _sizes(self, live: Json) -> Json:
        wanted = live["spec"]["replicas"]
        return {_DESIRED: str(wanted), _MAX: str(wanted + self._surge(live))}

    def _surge(self, live: Json) -> int:
        rolling = dig(live, "spec", "strategy", "rollingUpdate")
        return count(rolling["maxSurge"], live["spec"]["replicas"], up=True) if rolling else 0

    def _unavailable(self, live: Json) -> int:
        rolling = dig(live, "spec", "strategy", "rollingUpdate")
        wanted = live["spec"]["replicas"]
        allowed = min(wanted, count(rolling["maxUnavailable"], wanted, up=False)) if rolling else 0
        return allowed if allowed or self._surge(live) else 1

    def _annotate(self, key: Key, current: Json, sets: list[Json]) -> None:
        live = self._hands.get(_DEPLOYMENTS, key)
        if live is None:
            return
        wanted = {**(current["metadata"].get("annotations") or {}), **self._annotations(live, sets, current)}
        if wanted != current["metadata"].get("annotations"):
            self._hands.edit(_SETS, current, lambda one: one["metadata"].update(annotations=wanted))
        revision = wanted[REVISION]
        if (live["metadata"].get("annotations") or {}).get(REVISION) != revision:
            self._hands.edit(
                _DEPLOYMENTS,
                live,
                lambda one: one["metadata"].setdefault("annotations", {}).update({REVISION: revision}),
                "status",
            )

    def _may_add(self, live: Json, sets: list[Json], have: int) -> int:
        """How many replicas the new set may have now."""
        wanted = live["spec"]["replicas"]
        if live["spec"]["strategy"]["type"] == "Recreate":
            return int(wanted)
        room = wanted + self._surge(live) - sum(one["spec"]["replicas"] for one in sets)
        return int(have + max(0, min(room, wanted - have)))

    def _roll(self, live: Json, current: Json, others: list[Json]) -> None:
        wanted, have = live["spec"]["replicas"], current["spec"]["replicas"]
        goal = wanted if have > wanted else self._may_add(live, [current, *others], have)
        if goal != have:
            current = self._scale(live, current, goal)
        elif others:
            self._shrink(live, current, others)

    def _shrink(self, live: Json, current: Json, others: list[Json]) -> None:
        """Scale old sets down as far as availability allows: unhealthy pods first, then the oldest."""
        needed = live["spec"]["replicas"] - self._unavailable(live)
        total = current["spec"]["replicas"] + sum(one["spec"]["replicas"] for one in others)
        unready = current["spec"]["replicas"] - _available(current)
        spare = total - needed - unready
        for one in others:
            broken = max(0, one["spec"]["replicas"] - _available(one))
            drop = min(broken, max(0, spare))
            available = _available(current) + sum(_available(other) for other in others)
            healthy = min(_available(one), max(0, available - needed), max(0, spare - drop))
            drop = min(drop + healthy, one["spec"]["replicas"])  # the status may be of more pods than are wanted by now
            if drop:
                self._scale(live, one, one["spec"]["replicas"] - drop)
                spare -= drop
                if healthy:
                    return

    def _recreate(self, live: Json, current: Json, others: list[Json]) -> None:
        for one in others:
            if one["spec"]["replicas"]:
                self._scale(live, one, 0)
        left = any(self._hands.owned("pods", one) for one in others)
        if not left and current["spec"]["replicas"] != live["spec"]["replicas"]:
            self._scale(live, current, live["spec"]["replicas"])

    def _resize(self, live: Json, sets: list[Json]) -> None:
        """While paused: follow a change of the wanted number without a rollout."""
        active = [one for one in sets if one["spec"]["replicas"]] or sets[-1:]
        wanted = live["spec"]["replicas"]
        if not active or all((one["metadata"].get("annotations") or {}).get(_DESIRED) == str(wanted) for one in active):
            return
        excess = sum(one["spec"]["replicas"] for one in active) - wanted
        for one in reversed(active):
            goal = max(0, one["spec"]["replicas"] - excess)
            excess -= one["spec"]["replicas"] - goal
            self._scale(live, one, goal)

    def _scale(self, live: Json, replica_set: Json, goal: int) -> Json:
        before = replica_set["spec"]["replicas"]

        def edit(document: Json) -> None:
            document["spec"]["replicas"] = goal
            document["metadata"].setdefault("annotations", {}).update(self._sizes(live))

        scaled = self._hands.edit(_SETS, replica_set, edit)
        if before != goal:
            self._scaled_event(live, replica_set, before, goal)
        return scaled

    def _scaled_event(self, live: Json, replica_set: Json, before: int, goal: int) -> None:
        way = "up" if goal >= before else "down"
        words = f"Scaled {way} replica set {replica_set['metadata']['name']} from {before} to {goal}"
        self._hands.event(live, "ScalingReplicaSet", words)

    def _forget(self, live: Json, others: list[Json]) -> None:
        """Delete the oldest empty sets beyond the history limit."""
        empty = [
            one
            for one in others
            if not one["spec"]["replicas"]
            and not dig(one, "status", "replicas")
            and not one["metadata"].get("deletionTimestamp")
        ]
        limit = live["spec"].get("revisionHistoryLimit", 10)
        for one in empty[: max(0, len(empty) - limit)]:
            self._hands.delete(_SETS, one)

    def _report(self, key: Key) -> None:
        live = self._hands.get(_DEPLOYMENTS, key)
        if live is None:
            return
        sets = self._sets(live)
        rollout = Rollout(live, self._current(live, sets), tuple(sets), self._unavailable(live))
        self._hands.set_status(_DEPLOYMENTS, live, status_of(rollout, self._hands.world.now()))


def _available(replica_set: Json) -> int:
    return int(dig(replica_set, "status", "availableReplicas") or 0)


def _min_ready(spec: Json) -> Json:
    return {"minReadySeconds": spec["minReadySeconds"]} if spec.get("minReadySeconds") else {}
