"""What is kept up to date beside the workloads: disruption budgets, policies' status, aggregated roles.

Owns those three small controllers.
"""

from __future__ import annotations

from collections.abc import Iterable

from integrations.rehearsal.controllers.templates import count
from integrations.rehearsal.controllers.work import Hands, is_active, is_ready
from integrations.rehearsal.document import Json, dig
from integrations.rehearsal.machine import Machine
from integrations.rehearsal.policies import POLICIES
from integrations.rehearsal.rbac import aggregate
from integrations.rehearsal.selectors import from_document
from integrations.rehearsal.storage import Change, Key

_BUDGETS = "poddisruptionbudgets.policy"
_ROLES = "clusterroles.rbac.authorization.k8s.io"


class Budgets:
    """Counts what a disruption budget allows."""

    def __init__(self, machine: Machine) -> None:
        self._hands = Hands(machine, "disruption-controller")

    def keys(self, change: Change) -> Iterable[Key]:
        """A budget's own changes, and any pod's in its namespace."""
        if change.resource == _BUDGETS:
            yield change.key
        elif change.resource == "pods":
            for budget in self._hands.storage.all(_BUDGETS, change.key[0]):
                yield (change.key[0], budget["metadata"]["name"])

    def sync(self, key: Key) -> float | None:
        """Write one budget's status."""
        live = self._hands.get(_BUDGETS, key)
        if live is None:
            return None
        chosen = from_document(dig(live, "spec", "selector"))
        pods = [
            pod
            for pod in self._hands.storage.all("pods", key[0])
            if chosen.matches(pod["metadata"].get("labels")) and is_active(pod)
        ]
        healthy = sum(1 for pod in pods if is_ready(pod))
        needed = self._needed(live["spec"], len(pods))
        allowed = max(0, healthy - needed) if pods else 0
        status: Json = {
            "observedGeneration": live["metadata"]["generation"],
            "disruptionsAllowed": allowed,
            "currentHealthy": healthy,
            "desiredHealthy": needed,
            "expectedPods": len(pods),
            "conditions": [self._condition(live, allowed)],
        }
        self._hands.set_status(_BUDGETS, live, status)
        return None

    def _needed(self, spec: Json, expected: int) -> int:
        if "maxUnavailable" in spec:
            return max(0, expected - count(spec["maxUnavailable"], expected, up=True))
        return count(spec.get("minAvailable", 1), expected, up=True)

    def _condition(self, live: Json, allowed: int) -> Json:
        state = "True" if allowed else "False"
        before = next(iter(dig(live, "status", "conditions") or ()), None)
        same = before is not None and before["status"] == state
        return {
            "type": "DisruptionAllowed",
            "status": state,
            "observedGeneration": live["metadata"]["generation"],
            "lastTransitionTime": before["lastTransitionTime"] if same and before else self._hands.world.now(),
            "reason": "SufficientPods" if allowed else "InsufficientPods",
            "message": "",
        }


class PolicyStatus:
    """Marks admission policies as looked at; types are not checked here, so no warning is ever written."""

    def __init__(self, machine: Machine) -> None:
        self._hands = Hands(machine, "validatingadmissionpolicy-status-controller")

    def keys(self, change: Change) -> Iterable[Key]:
        """A policy's own changes."""
        return (change.key,) if change.resource == POLICIES else ()

    def sync(self, key: Key) -> float | None:
        """Write one policy's status."""
        live = self._hands.get(POLICIES, key)
        if live is not None:
            status = {"observedGeneration": live["metadata"]["generation"], "typeChecking": {}}
            self._hands.set_status(POLICIES, live, status)
        return None


class Aggregation:
    """Gathers the rules of aggregated ClusterRoles."""

    def __init__(self, machine: Machine) -> None:
        self._hands = Hands(machine, "clusterrole-aggregation-controller")

    def keys(self, change: Change) -> Iterable[Key]:
        """Every aggregated role, whenever any ClusterRole changes."""
        if change.resource == _ROLES:
            for role in self._hands.storage.all(_ROLES):
                if role.get("aggregationRule"):
                    yield ("", role["metadata"]["name"])

    def sync(self, key: Key) -> float | None:
        """Write one role's gathered rules."""
        live = self._hands.get(_ROLES, key)
        if live is None or not live.get("aggregationRule"):
            return None
        rules = aggregate(self._hands.storage, live)
        if rules != (live.get("rules") or []):
            self._hands.edit(_ROLES, live, lambda one: one.update(rules=rules))
        return None
