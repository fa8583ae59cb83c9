"""What stands is kept up with the graph: an intent and a receipt for what came, nothing for what did not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from estate import BAD, World
from test_close import contained, verified

from patchgap.errors import RefusedError, UnreachableError
from patchgap.incident import events
from patchgap.model.finding import IncidentId
from patchgap.model.plan import Control, Intent, Receipt
from patchgap.ports import Situation
from patchgap.settings import Protection
from patchgap.stages import recover, renewal
from patchgap.stages.engine import Engine
from patchgap.stages.situation import state_of


class Block:
    """The estate's `hold`, which refuses digests besides; it can be told not to answer."""

    def __init__(self, hold: Any) -> None:
        self._hold = hold
        self.refused: set[str] = set()
        self.silent = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hold, name)

    def apply(self, intent: Intent, situation: Situation) -> Receipt:
        self.refused |= situation.affected_digests
        held: Receipt = self._hold.apply(intent, situation)
        return held

    def observe(self, intent: Intent, situation: Situation) -> Receipt | None:
        seen: Receipt | None = self._hold.observe(intent, situation)
        return seen if situation.affected_digests <= self.refused else None

    def behind(self, _control: Control, situation: Situation) -> tuple[str, ...]:
        if self.silent:
            raise UnreachableError("cluster c1 did not answer", "Wait.")
        return tuple(sorted(situation.affected_digests - self.refused))


@pytest.fixture
def block(engine: Engine) -> Block:
    made = Block(engine.registry.actions["hold"]["fake"])
    engine.registry.actions["hold"]["fake"] = made  # type: ignore[index]
    return made


def arrives(engine: Engine, block: Block) -> None:
    """An affected digest that the block does not refuse: what an SBOM that comes later leads to."""
    block.refused.discard(BAD)
    assert engine.graph.artifact(BAD)


def writes(engine: Engine, incident: IncidentId) -> list[str]:
    return [e.body.kind for e in engine.ledger.read(incident)]


def test_what_the_graph_learnt_is_taken_in_by_an_intent_with_a_receipt(
    engine: Engine, world: World, block: Block
) -> None:
    """Once: the second and the third round write nothing anywhere."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    before = writes(engine, incident)
    assert renewal.keep_current(engine, incident) == ()
    assert writes(engine, incident) == before
    arrives(engine, block)
    for _ in range(3):
        assert renewal.keep_current(engine, incident) == ()
    assert writes(engine, incident)[len(before) :] == ["intent_made", "receipt_made"]
    assert world.calls == ["hold trainer"] * 2
    assert block.refused == {BAD}


def test_nothing_is_renewed_while_the_kill_switch_stands(engine: Engine, world: World, block: Block) -> None:
    """Nor recorded; the round says what is behind, and it is taken in once writes may go on."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    arrives(engine, block)
    before = writes(engine, incident)
    engine.stop.raise_("we look first", "dana", world.clock())
    (why,) = renewal.keep_current(engine, incident)
    assert "we look first" in why
    assert (writes(engine, incident), world.calls) == (before, ["hold trainer"])
    engine.stop.lower("seen", "dana", world.clock())
    assert renewal.keep_current(engine, incident) == ()
    assert block.refused == {BAD}


def test_what_cannot_be_brought_up_to_date_calls_a_person_once(engine: Engine, world: World, block: Block) -> None:
    """A cluster that does not answer leaves the block behind: one call however many rounds, and it is caught up later."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    arrives(engine, block)
    block.silent = True
    for _ in range(3):
        assert "did not answer" in renewal.keep_current(engine, incident)[0]
    called = [b for e in engine.ledger.read(incident) if isinstance(b := e.body, events.PersonCalled)]
    assert len(called) == 1
    block.silent = False
    assert renewal.keep_current(engine, incident) == ()


def test_a_run_that_was_cut_off_after_the_effect_is_settled_by_the_next(
    engine: Engine, world: World, block: Block, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the effect and its receipt: the next run sees it stand, writes the receipt, and no effect twice."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    arrives(engine, block)
    real = block.apply

    def killed(intent: Intent, situation: Situation) -> Receipt:
        real(intent, situation)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(block, "apply", killed)
        with pytest.raises(KeyboardInterrupt):
            renewal.keep_current(engine, incident)
    verified(engine, incident)
    assert state_of(engine, incident).controls, "what stands is still a control that can be released"
    renewal.keep_current(engine, incident)
    assert world.calls == ["hold trainer"] * 2


def test_what_is_being_released_is_not_renewed(engine: Engine, world: World, block: Block) -> None:
    """A release that has begun is not fought."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    world.broken = {"trainer"}
    with pytest.raises(RefusedError):
        recover.dismiss(engine, incident, "none", "dana")
    world.broken = set()
    (control,) = state_of(engine, incident).to_release
    engine.ledger.append(incident, events.ReleaseIntended(control.intent.action.id), "test")
    arrives(engine, block)
    assert renewal.keep_current(engine, incident) == ()
    assert block.refused == set()


def test_a_block_does_not_grow_over_what_a_protected_workload_runs(engine: Engine, world: World, block: Block) -> None:
    """A plan with it would be refused whole: the renewal is refused with the name, a person is called, nothing is written."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    arrives(engine, block)
    protect = Protection(workloads=("c1/ns/Deployment/trainer",))
    guarded = replace(engine, settings=engine.settings.model_copy(update={"protect": protect}))
    (why,) = renewal.keep_current(guarded, incident)
    assert "c1/ns/Deployment/trainer is protected" in why
    assert block.refused == set()
    assert len(state_of(engine, incident).persons_called) == 1
