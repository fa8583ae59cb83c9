"""What is read from the status of a rollout: how far it is, and why it does not go on."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.kubernetes import rollouts

FULL = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}
OLD = {**FULL, "updatedReplicas": 0}


def head(kind: str, status: dict[str, Any], *conditions: tuple[str, str, str]) -> dict[str, Any]:
    """A workload of two pods at generation 2."""
    told = [{"type": t, "status": s, "reason": r, "message": f"{r}."} for t, s, r in conditions]
    return {
        "kind": kind,
        "metadata": {"generation": 2},
        "spec": {"replicas": 2},
        "status": {**status, "conditions": told},
    }


@pytest.mark.parametrize(
    ("status", "condition", "why"),
    [
        (OLD, ("ReplicaFailure", "True", "FailedCreate"), "FailedCreate: FailedCreate."),
        (
            OLD,
            ("Progressing", "False", "ProgressDeadlineExceeded"),
            "ProgressDeadlineExceeded: ProgressDeadlineExceeded.",
        ),
        (OLD, ("Progressing", "True", "ReplicaSetUpdated"), ""),
        (FULL, ("ReplicaFailure", "True", "FailedCreate"), ""),
        ({**OLD, "observedGeneration": 1}, ("Progressing", "False", "ProgressDeadlineExceeded"), ""),
        ({**OLD, "observedGeneration": 1}, ("ReplicaFailure", "True", "FailedCreate"), ""),
        (
            {**OLD, "observedGeneration": 1},
            ("Progressing", "False", "ReplicaSetCreateError"),
            "ReplicaSetCreateError: ReplicaSetCreateError.",
        ),
    ],
)
def test_why_a_rollout_stands_still_is_of_this_generation(
    status: dict[str, Any], condition: tuple[str, str, str], why: str
) -> None:
    """Refused pods, a deadline that is over and a refused ReplicaSet are why; a finished rollout has none, nor is what the
    generation before met."""
    assert rollouts.refused(head("Deployment", status, condition)) == why


@pytest.mark.parametrize(
    ("kind", "status", "left"),
    [
        ("StatefulSet", FULL, ""),
        ("StatefulSet", {**FULL, "updatedReplicas": 1}, "1 of 2 pods are updated, 2 ready"),
        ("StatefulSet", {**FULL, "observedGeneration": 1}, "its rollout has not begun"),
        (
            "DaemonSet",
            {"observedGeneration": 2, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberReady": 2},
            "3 of 3 pods are updated, 2 ready",
        ),
    ],
)
def test_what_is_left_is_told_of_each_kind(kind: str, status: dict[str, Any], left: str) -> None:
    """A StatefulSet and a DaemonSet count in fields of their own."""
    assert rollouts.rolling(head(kind, status)) == left
