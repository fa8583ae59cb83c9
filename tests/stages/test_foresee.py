"""A plan without an incident: what an advisory would set off."""

from __future__ import annotations

from estate import BAD, MEND, World, envelope

from patchgap.stages.engine import Engine
from patchgap.stages.foresee import foresee


def test_the_plan_names_its_targets_and_nothing_is_opened(engine: Engine, world: World) -> None:
    """The plan is the one that a response would make; ledger and inbox stay empty, and nothing was applied."""
    world.runs("trainer", BAD)
    seen = foresee(engine, envelope(), "test")
    assert seen.plan is not None
    assert any("trainer" in str(action.target) for action in seen.plan.actions)
    assert not engine.ledger.incidents()
    assert not engine.inbox.pending()
    assert not world.calls


def test_what_would_wake_nobody_says_why(engine: Engine, world: World) -> None:
    """No plan, and the reason."""
    world.runs("trainer", MEND)
    seen = foresee(engine, envelope(), "test")
    assert seen.plan is None
    assert "small" in seen.reason
