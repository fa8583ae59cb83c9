"""The kill switch: one refusal that says all, nothing tried, and what reads goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from estate import BAD, MEND, World
from test_close import contained, opened, verified
from test_ended import run

import flows.cli.incident as incident_commands
import flows.contain as flow
from flows.contain import _summed_up
from patchgap.errors import RefusedError
from patchgap.incident.events import CloseRefused, Released
from patchgap.model.evidence import Verdict
from patchgap.model.plan import Outcome
from patchgap.stages import contain, recover
from patchgap.stages.engine import Engine
from patchgap.stages.situation import state_of

NAMED = "dana raised it at 2026-11-24 07:10:00Z: wrong cluster"


def raised(engine: Engine) -> None:
    engine.stop.raise_("wrong cluster", "dana", engine.clock())


def test_containment_is_refused_before_its_first_target(engine: Engine, world: World) -> None:
    """A person is called once, however often it is tried; no target has a receipt, and lowered it all goes on."""
    for name in ("one", "two"):
        world.runs(name, BAD)
    incident = opened(engine)
    raised(engine)
    planned = contain.plan(engine, incident)
    for _ in range(2):
        with pytest.raises(RefusedError, match=NAMED):
            contain.admitted(engine, incident)
    state = state_of(engine, incident)
    assert (state.receipts, world.calls) == ((), [])
    (called,) = state.persons_called
    assert NAMED in called
    assert {len(planned.actions)} == {2}
    world.now += timedelta(minutes=10)
    assert not contain.left_undone(engine, incident, timedelta(minutes=1))
    engine.stop.lower("it was the right one", "dana", engine.clock())
    assert contain.left_undone(engine, incident, timedelta(minutes=1))
    assert contain.admitted(engine, incident)


def test_the_command_refuses_without_a_run(engine: Engine, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """`contain` is one line and exit 1; `contain --plan` and `verify` write nothing, and run."""
    world.runs("trainer", BAD)
    incident = opened(engine)
    raised(engine)
    ran: list[str] = []
    monkeypatch.setattr(incident_commands, "run_flow", lambda _context, flow, *_, **__: ran.append(flow))
    told = run(engine, "contain", incident)
    assert (told.exit_code, told.stderr.count("\n")) == (1, 1)
    assert NAMED in told.stderr
    assert "`patchgap resume`" in told.stderr
    assert ran == []
    run(engine, "contain", incident, "--plan")
    run(engine, "verify", incident)
    assert ran == ["contain", "verify"]


def releasing(engine: Engine, incident: Any) -> None:
    (control,) = recover.releases(engine, incident)
    recover.release(engine, incident, control.intent.action.id)


def dismissing(engine: Engine, incident: Any) -> None:
    recover.dismiss(engine, incident, "test traffic", "kim")


@pytest.mark.parametrize("released", [releasing, dismissing])
def test_a_release_is_refused_and_leaves_no_entry(
    engine: Engine, world: World, released: Callable[[Engine, Any], None]
) -> None:
    """What stands goes on standing, and the refusal is said once."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    world.runs("trainer", MEND)
    world.verdict = Verdict.PASS
    assert verified(engine, incident)
    raised(engine)
    with pytest.raises(RefusedError, match=NAMED) as refused:
        released(engine, incident)
    assert refused.value.reasons == ()
    assert not [e for e in engine.ledger.read(incident) if isinstance(e.body, (Released, CloseRefused))]
    assert world.held == {"trainer"}


def test_a_switch_that_is_raised_on_the_way_is_said_once(engine: Engine, world: World) -> None:
    """What was done before is counted, and so is what was not begun; no target repeats the refusal."""
    for name in ("one", "two"):
        world.runs(name, BAD)
    incident = opened(engine)
    first, _ = contain.plan(engine, incident).actions
    contain.carry_out(engine, incident, first.id)
    raised(engine)
    state = _summed_up(contain.finish(engine, incident), ["two: refused"], engine.stop.refusal())
    assert state.is_failed()
    assert str(state.message).startswith("PARTIAL: 1 target contained; 1 not begun; the kill switch stands: ")
    assert str(state.message).count("kill switch") == 1


def test_what_the_switch_refused_on_the_way_is_not_tried_again(
    engine: Engine, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Raised between the intent and the effect it leaves a failed receipt; the task ends on the refusal itself, which is
    never retried. Any other failure is the receipt's, and is."""
    for name in ("one", "two"):
        world.runs(name, BAD)
    incident = opened(engine)
    first, second = contain.plan(engine, incident).actions
    monkeypatch.setattr(flow, "engine", lambda: engine)
    monkeypatch.setattr(flow, "get_run_logger", lambda: logging.getLogger("test"))
    world.broken.add(first.target.name)
    assert flow._act.fn(incident, first.id, "hold one").is_failed()
    engine.registry.actions["hold"]["fake"].find = lambda *_: raised(engine) or {}  # type: ignore[method-assign]
    with pytest.raises(RefusedError, match=NAMED):
        flow._act.fn(incident, second.id, "hold two")
    assert [r.outcome for r in state_of(engine, incident).receipts] == [Outcome.FAILED] * 2
    assert world.held == set()
