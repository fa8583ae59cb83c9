"""A target that is not as its plan shows it is not touched: the plan is made anew, and needs its own yes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from estate import BAD, World, say_yes
from test_close import opened

from patchgap.errors import RefusedError
from patchgap.model.finding import IncidentId
from patchgap.model.plan import Outcome, PlannedAction, Receipt, Target
from patchgap.model.workload import Classification
from patchgap.ports import Situation
from patchgap.stages import contain
from patchgap.stages.engine import Engine
from patchgap.stages.situation import state_of


class Scale:
    """The estate's `hold`, planned for a number of replicas."""

    def __init__(self, hold: Any) -> None:
        self._hold = hold
        self.fields = {"spec.replicas": "3"}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hold, name)

    def seen(self, _target: Target, _situation: Situation) -> Mapping[str, str]:
        return dict(self.fields)


@pytest.fixture
def scale(engine: Engine) -> Scale:
    made = Scale(engine.registry.actions["hold"]["fake"])
    engine.registry.actions["hold"]["fake"] = made  # type: ignore[index]
    return made


@pytest.fixture
def waiting(engine: Engine, world: World, scale: Scale) -> tuple[IncidentId, PlannedAction]:
    """An incident whose one action was planned and approved."""
    world.runs("notebook", BAD, Classification.INTERNAL)
    incident = opened(engine)
    made = contain.plan(engine, incident)
    say_yes(engine, incident, made.digest)
    return incident, made.actions[0]


def test_a_changed_target_is_refused_by_field_then_and_now(
    engine: Engine, world: World, scale: Scale, waiting: tuple[IncidentId, PlannedAction]
) -> None:
    """Nothing is done to it, no intent is made, and a person reads which field of which target."""
    incident, action = waiting
    scale.fields["spec.replicas"] = "5"
    receipt = contain.carry_out(engine, incident, action.id)
    assert receipt.outcome is Outcome.FAILED
    (said,) = receipt.detail
    assert "c1/ns/Deployment/notebook changed since it was planned: spec.replicas was 3, is 5" in said
    assert f"patchgap incident contain {incident}" in said
    assert world.calls == []
    assert action.id not in state_of(engine, incident).intents


def test_the_plan_is_made_anew_and_the_old_yes_is_none(
    engine: Engine, world: World, scale: Scale, waiting: tuple[IncidentId, PlannedAction]
) -> None:
    """The next run has another digest and waits; with a yes of its own it contains, and the plan then stays."""
    incident, action = waiting
    scale.fields["spec.replicas"] = "5"
    contain.carry_out(engine, incident, action.id)
    anew = contain.plan(engine, incident)
    assert anew.actions[0].seen == {"spec.replicas": "5"}
    assert contain.ready(engine, incident) == ()
    with pytest.raises(RefusedError, match="not approved"):
        contain.carry_out(engine, incident, anew.actions[0].id)
    say_yes(engine, incident, anew.digest, "lee")
    assert contain.carry_out(engine, incident, anew.actions[0].id).outcome is Outcome.DONE
    assert world.held == {"notebook"}
    assert contain.plan(engine, incident) == anew


def test_what_containment_itself_did_is_no_change(
    engine: Engine, scale: Scale, waiting: tuple[IncidentId, PlannedAction]
) -> None:
    """Run again after its own effect, and where it was begun and cut off, it goes on under the same plan."""
    incident, action = waiting
    assert contain.carry_out(engine, incident, action.id).outcome is Outcome.DONE
    scale.fields["spec.replicas"] = "0"
    again: Receipt = contain.carry_out(engine, incident, action.id)
    assert again.outcome is Outcome.DONE
    assert contain.plan(engine, incident).digest == state_of(engine, incident).plan.digest  # type: ignore[union-attr]


def test_a_target_that_changes_after_a_failed_try_is_refused_too(
    engine: Engine, world: World, scale: Scale, waiting: tuple[IncidentId, PlannedAction]
) -> None:
    """The yes was for what the plan shows, and a retry is the same action: only a plan made anew goes on."""
    incident, action = waiting
    world.broken.add("notebook")
    assert contain.carry_out(engine, incident, action.id).outcome is Outcome.FAILED
    world.broken.clear()
    tried = list(world.calls)
    scale.fields["spec.replicas"] = "5"
    receipt = contain.carry_out(engine, incident, action.id)
    assert receipt.outcome is Outcome.FAILED
    assert "spec.replicas was 3, is 5" in receipt.detail[0]
    assert world.calls == tried
    anew = contain.plan(engine, incident)
    with pytest.raises(RefusedError, match="not approved"):
        contain.carry_out(engine, incident, anew.actions[0].id)
    say_yes(engine, incident, anew.digest, "lee")
    assert contain.carry_out(engine, incident, anew.actions[0].id).outcome is Outcome.DONE


def test_a_target_that_is_changed_back_is_done_and_that_is_the_end_of_it(
    engine: Engine, scale: Scale, waiting: tuple[IncidentId, PlannedAction]
) -> None:
    """The plan made anew is the one that was approved. Once it is carried out no round makes or runs it again."""
    incident, action = waiting
    scale.fields["spec.replicas"] = "5"
    assert contain.carry_out(engine, incident, action.id).outcome is Outcome.FAILED
    scale.fields["spec.replicas"] = "3"
    assert contain.left_undone(engine, incident, timedelta(0))
    assert contain.plan(engine, incident).actions == (action,)
    assert contain.carry_out(engine, incident, action.id).outcome is Outcome.DONE
    assert not contain.left_undone(engine, incident, timedelta(0))


def test_a_plan_that_says_nothing_of_the_state_is_not_held_to_it(engine: Engine, world: World, scale: Scale) -> None:
    """As of an earlier version: its digest is what it was, and its targets are taken by their identity."""
    world.runs("notebook", BAD, Classification.INTERNAL)
    incident = opened(engine)
    scale.fields.clear()
    made = contain.plan(engine, incident)
    say_yes(engine, incident, made.digest)
    scale.fields["spec.replicas"] = "5"
    assert contain.carry_out(engine, incident, made.actions[0].id).outcome is Outcome.DONE


@pytest.mark.parametrize("shape", ["ghp_" + "a" * 36, "eyJ" + "a" * 9 + "." + "b" * 9 + "." + "c" * 9])
def test_an_image_whose_tag_looks_like_a_token_is_contained(
    engine: Engine, world: World, scale: Scale, shape: str
) -> None:
    """Who names the image may be the attacker: the plan is recorded without the tag, and another tag is a change."""
    world.runs("notebook", BAD, Classification.INTERNAL)
    incident = opened(engine)
    scale.fields = {"container main": f"r/notebook:{shape}"}
    made = contain.plan(engine, incident)
    assert ", withheld)" in made.actions[0].seen["container main"]
    say_yes(engine, incident, made.digest)
    scale.fields = {"container main": f"r/notebook:{shape}b"}
    assert contain.carry_out(engine, incident, made.actions[0].id).outcome is Outcome.FAILED
    anew = contain.plan(engine, incident)
    assert anew.digest != made.digest
    say_yes(engine, incident, anew.digest, "lee")
    assert contain.carry_out(engine, incident, anew.actions[0].id).outcome is Outcome.DONE
    assert world.held == {"notebook"}
