"""A plan as a diff: which target, and what goes, comes, changes and stays."""

from __future__ import annotations

from dataclasses import replace

import pytest

from patchgap.incident.difference import lines, named
from patchgap.model.plan import ActionId, Effect, PlannedAction, Target

TARGET = Target("kubernetes", "c1", "training", "Deployment", "trainer", "uid-1")
ACTION = PlannedAction(ActionId("act-0"), 0, 1, "scale_to_zero", "kubernetes", Effect.REVERSIBLE, TARGET, {})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("spec.replicas: 3 -> 0", (("-", "spec.replicas: 3"), ("+", "spec.replicas: 0"))),
        ("Job a: spec.suspend: false -> true", (("-", "Job a: spec.suspend: false"), ("+", "Job a: spec.suspend: true"))),
        ("NetworkPolicy training/x: create", (("+", "NetworkPolicy training/x"),)),
        ("NetworkPolicy training/x: change", (("~", "NetworkPolicy training/x"),)),
        ("NetworkPolicy training/x: stands already", (("=", "NetworkPolicy training/x"),)),
        ("every token of it is refused", (("~", "every token of it is refused"),)),
        ("a -> b", (("~", "a -> b"),)),
    ],
)  # fmt: skip
def test_a_change_is_told_by_its_sign(change: str, told: tuple[tuple[str, str], ...]) -> None:
    """What is no field's change stays the sentence that it is."""
    assert tuple(lines(replace(ACTION, changes=(change,)))) == told


def test_a_target_is_told_by_every_name_that_it_has() -> None:
    """What is not there yet says so."""
    assert named(TARGET) == "cluster c1, namespace training, Deployment trainer, uid uid-1"
    made = Target("ticketing", "", "", "Ticket", "sev1", "")
    assert named(made) == "ticketing, Ticket sev1, not there yet"
