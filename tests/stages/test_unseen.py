"""What was done and cannot be seen any more is unknown, since when it stands is told, and it is no failure."""

from __future__ import annotations

from datetime import timedelta

from estate import BAD, World
from test_close import contained, verified

from flows.contain import _summed_up
from patchgap.incident.story import lines
from patchgap.model.finding import IncidentId
from patchgap.model.plan import Outcome
from patchgap.stages import contain, recover
from patchgap.stages.engine import Engine
from patchgap.stages.situation import state_of


def again(engine: Engine, incident: IncidentId) -> contain.ContainSummary:
    for step in contain.ready(engine, incident):
        for action in step:
            contain.carry_out(engine, incident, action.id)
    return contain.finish(engine, incident)


def test_a_control_whose_cluster_is_gone_is_unknown(engine: Engine, world: World) -> None:
    """The receipt says when it was done; asked again it is not recorded again, a person is called once, and it still is
    something to release. Seen again it is done."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    world.now += timedelta(minutes=5)
    world.gone = True
    summary = again(engine, incident)
    (receipt,) = state_of(engine, incident).receipts
    assert (summary.failed, summary.contained) == ((), ())
    assert receipt.outcome is Outcome.UNSETTLED
    assert receipt.detail[0].startswith(
        "it was done at 2026-11-24 07:10 UTC, and cannot be seen now: cluster c1 did not"
    )
    world.now += timedelta(minutes=10)
    assert not contain.left_undone(engine, incident, timedelta(minutes=1))
    head = state_of(engine, incident).head
    again(engine, incident)
    state = state_of(engine, incident)
    assert state.head == head
    assert len(state.persons_called) == 1
    assert [c.intent.action.verb for c in state.to_release] == ["hold"]
    told = [line for entry in engine.ledger.read(incident) for line in lines(entry)]
    assert any(line.startswith("? it was done at") for line in told)
    world.gone = False
    assert len(again(engine, incident).contained) == 1
    assert world.calls == ["hold trainer"]


def test_the_run_says_unknown_and_not_failed(engine: Engine, world: World) -> None:
    """It ends as one that a person must look at."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    world.gone = True
    state = _summed_up(again(engine, incident), ["its last words"], None)
    assert state.is_failed()
    assert str(state.message).startswith(
        "PARTIAL: 0 targets contained; 1 unknown; hold ns/Deployment/trainer: it was done"
    )


def test_a_verification_settles_it_once_it_is_seen(engine: Engine, world: World) -> None:
    """By looking, without a new containment."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    world.gone = True
    again(engine, incident)
    world.gone = False
    world.now += timedelta(minutes=11)
    verified(engine, incident)
    assert [r.outcome for r in state_of(engine, incident).receipts] == [Outcome.DONE]


def test_what_nothing_undoes_keeps_no_dismissal_waiting(engine: Engine, world: World) -> None:
    """It took effect once, and there is nothing of it to take away."""
    (folder,) = engine.settings.playbooks
    playbook = folder / "small.yaml"
    playbook.write_text(playbook.read_text().replace("contain: [hold]", "contain: [note]", 1))
    world.runs("trainer", BAD)
    incident = contained(engine)
    world.gone = True
    engine.registry.actions["note"]["fake"].observe = engine.registry.actions["hold"]["fake"].observe  # type: ignore[method-assign]
    again(engine, incident)
    assert [r.outcome for r in state_of(engine, incident).receipts] == [Outcome.UNSETTLED]
    recover.dismiss(engine, incident, "test traffic", "dana")
    assert state_of(engine, incident).status.value == "dismissed"
