"""A false positive ends when all that was done for it is released, whatever other runs do meanwhile."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from estate import BAD, PLAYBOOK, World, say_yes
from test_close import contained, opened

from patchgap.errors import PatchgapError, RefusedError
from patchgap.incident import events
from patchgap.model.finding import IncidentId
from patchgap.model.plan import Intent, Outcome, PlannedAction
from patchgap.model.workload import Classification
from patchgap.stages import contain, recover
from patchgap.stages.engine import Engine
from patchgap.stages.situation import state_of


def test_what_cannot_be_released_does_not_hold_up_a_dismissal(engine: Engine, world: World) -> None:
    """A capture changes nothing: a false positive with one is dismissed, its control released."""
    _rewritten(engine, "[note, hold]")
    world.runs("trainer", BAD)
    incident = contained(engine)
    assert world.reads == ["trainer"]
    recover.dismiss(engine, incident, "test traffic", "dana")
    assert world.held == set()
    assert state_of(engine, incident).status.value == "dismissed"


def test_a_dismissal_releases_what_was_done_by_halves(engine: Engine, world: World) -> None:
    """An effect that failed on the way may stand in part: it is released before the incident ends."""
    world.runs("trainer", BAD)
    world.broken = {"trainer"}
    incident = contained(engine)
    assert not state_of(engine, incident).controls
    world.broken = set()
    recover.dismiss(engine, incident, "test traffic", "dana")
    assert world.calls == ["hold trainer", "release trainer"]


def test_a_dismissal_does_not_overtake_a_containment(
    engine: Engine, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another run contains while the controls are being released is released too, before the incident ends."""
    world.runs("trainer", BAD)
    world.runs("notebook", BAD, Classification.INTERNAL)
    incident = contained(engine)
    plan = state_of(engine, incident).plan
    assert plan is not None
    say_yes(engine, incident, plan.digest)
    real, late = engine.registry.actions["hold"]["fake"].release, [a for a in plan.actions if a.needs_approval]

    def meanwhile(control: Any, situation: Any) -> Any:
        while late:
            contain.carry_out(engine, incident, late.pop().id)
        return real(control, situation)

    monkeypatch.setattr(engine.registry.actions["hold"]["fake"], "release", meanwhile)
    recover.dismiss(engine, incident, "test traffic", "dana")
    assert world.held == set()


def test_a_dismissal_waits_for_what_another_run_is_carrying_out(engine: Engine, world: World) -> None:
    """Its intent is written and its receipt is not: the dismissal neither fails nor ends before it, and releases it."""
    world.runs("trainer", BAD)
    incident = opened(engine)
    (action,) = contain.plan(engine, incident).actions
    _intended(engine, incident, action)
    later = threading.Timer(0.5, contain.carry_out, (engine, incident, action.id))
    later.start()
    (receipt,) = recover.dismiss(engine, incident, "test traffic", "dana")
    later.join()
    assert receipt.outcome is Outcome.DONE
    assert state_of(engine, incident).status.value == "dismissed"
    assert world.held == set()


def test_a_dismissal_settles_what_a_run_that_was_cut_off_left(engine: Engine, world: World) -> None:
    """By looking, once no run can be at it any more: what took effect is released."""
    world.runs("trainer", BAD)
    incident = opened(engine)
    (action,) = contain.plan(engine, incident).actions
    _intended(engine, incident, action)
    world.held.add("trainer")
    world.now += timedelta(minutes=11)
    recover.dismiss(engine, incident, "test traffic", "dana")
    assert world.held == set()


def test_a_dismissal_that_was_cut_off_after_its_end_may_be_repeated(engine: Engine, world: World) -> None:
    """The run was killed before it could say that the incident is dismissed: run again, it changes nothing and fails
    nobody."""
    world.runs("trainer", BAD)
    incident = opened(engine)
    contain.plan(engine, incident)
    recover.dismiss(engine, incident, "test traffic", "dana")
    head = state_of(engine, incident).head
    assert recover.dismiss(engine, incident, "test traffic", "dana") == ()
    assert state_of(engine, incident).head == head


def test_dismissing_says_what_a_person_does_by_hand(engine: Engine, world: World) -> None:
    """Each reason once, and under it a line for each control that stays, with what to undo."""
    for name in ("one", "two"):
        world.runs(name, BAD)
    incident = contained(engine)
    world.broken |= {"one", "two"}
    with pytest.raises(RefusedError) as refused:
        recover.dismiss(engine, incident, "test traffic", "kim")
    assert refused.value.reasons == (
        "these stay: two did not answer. Wait.",
        'hold on c1/ns/Deployment/two: undo "two is held"',
        "these stay: one did not answer. Wait.",
        'hold on c1/ns/Deployment/one: undo "one is held"',
    )


def _intended(engine: Engine, incident: IncidentId, action: PlannedAction) -> None:
    engine.ledger.append(incident, events.IntentMade(Intent(action, {"held": False})), "another run")


def _rewritten(engine: Engine, contain_: str) -> None:
    """The playbook with another containment in tier 1."""
    (folder,) = engine.settings.playbooks
    (folder / "small.yaml").write_text(PLAYBOOK.replace("contain: [hold]", f"contain: {contain_}", 1))


@pytest.mark.parametrize("why", ["the token ghp_" + "a1" * 20 + " was a test", "  "])
def test_what_cannot_be_recorded_releases_nothing(engine: Engine, world: World, why: str) -> None:
    """A reason that the ledger would refuse in the end is refused before the first control goes."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    with pytest.raises(PatchgapError):
        recover.dismiss(engine, incident, why, "dana")
    assert world.held == {"trainer"}
