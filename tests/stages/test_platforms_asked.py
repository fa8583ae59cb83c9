"""Which platforms a check is asked of."""

from __future__ import annotations

from dataclasses import replace

from estate import BAD, World
from test_close import contained

from patchgap.stages import verify
from patchgap.stages.engine import Engine
from patchgap.stages.situation import state_of


def test_a_place_where_controls_alone_stand_is_asked_where_one_was_begun(engine: Engine, world: World) -> None:
    """As GitHub is: it has no inventory, and an incident that never held anything there waits for no proof of it."""
    world.runs("trainer", BAD)
    state = state_of(engine, contained(engine))
    for verbs in (engine.registry.actions["hold"], engine.registry.checks["gone"]):
        verbs["forge"] = verbs["fake"]  # type: ignore[index]
    assert ("gone", "forge") not in verify.checks(engine, state.id)
    held_there = replace(state, touched=state.touched | {("forge", "")})
    assert ("gone", "forge") in verify._asked(engine, held_there)
