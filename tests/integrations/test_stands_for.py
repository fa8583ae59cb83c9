"""Each verb that can be undone says when a person is called for it, or has an end of its own."""

from __future__ import annotations

from datetime import timedelta

from patchgap import registry
from patchgap.model.plan import Effect
from patchgap.ports import StandingParameters

OWN_END = {
    "block_artifacts": "its `expires` calls a person",
    "promote_canary": "the patched image is to stay",
    "start_patched_canary": "promote_canary removes or withdraws it within twice its `after`; it holds nothing up",
}


def test_every_verb_that_can_be_undone_has_a_time_or_an_end_of_its_own() -> None:
    """A new verb is decided: what holds production up takes `stands_for`, on each platform."""
    actions = registry.load().actions
    undone = {v: a for v, of in actions.items() for a in of.values() if a.effect is Effect.REVERSIBLE}
    without = {v for v, a in undone.items() if not issubclass(a.parameters, StandingParameters)}
    assert without == OWN_END.keys()


def test_revoked_sessions_stand_for_the_time_that_a_playbook_gives() -> None:
    """What runs holds an old session until it is restarted: it is refused everything meanwhile."""
    parameters = registry.load().action("revoke_sessions", "aws").parameters
    assert parameters.model_validate({"stands_for": "2h"}).stands_for == timedelta(hours=2)  # type: ignore[attr-defined]
