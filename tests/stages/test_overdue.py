"""Times that a playbook asks for: a person is called for each that is missed, once, and rounds keep to `every`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from estate import BAD, PLAYBOOK, World
from test_close import contained, opened, verified

from patchgap.model.evidence import Verdict
from patchgap.model.finding import IncidentId
from patchgap.stages import verify
from patchgap.stages.engine import Engine
from patchgap.stages.situation import state_of

TARGETS = "limits: {workloads: 2}\n    targets: {scoped: 5m, contained: 15m, converged: 12h}"


@pytest.fixture
def timed(engine: Engine, tmp_path: Path) -> Engine:
    """The estate's playbook with targets for its first tier, and a verification every quarter of an hour."""
    text = PLAYBOOK.replace("limits: {workloads: 2}", TARGETS).replace("every: 1m", "every: 15m")
    (tmp_path / "playbooks" / "small.yaml").write_text(text.replace("fresh_within: 5m", "fresh_within: 20m"))
    return engine


def called(engine: Engine, incident: IncidentId) -> list[str]:
    """Who was called for what, without the incident's id."""
    return [why.replace(incident, "it") for why in state_of(engine, incident).persons_called]


def test_an_incident_that_is_not_proved_in_time_calls_a_person_once(engine: Engine, world: World) -> None:
    """Nobody before `within`, one person after it, however often it is verified then."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    world.now += timedelta(hours=23)
    assert not verified(engine, incident)
    assert called(engine, incident) == []
    world.now += timedelta(hours=2)
    assert not verified(engine, incident)
    assert not verified(engine, incident)
    assert called(engine, incident) == ["it is not proved to be over 1d after it opened"]


def test_an_incident_that_was_proved_in_time_calls_nobody_later(engine: Engine, world: World) -> None:
    """A gate that has passed since is in time, whenever it is looked at again."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    world.verdict = Verdict.PASS
    assert verified(engine, incident)
    world.now += timedelta(hours=25)
    assert verified(engine, incident)
    assert called(engine, incident) == []


def test_each_target_that_is_missed_calls_a_person(timed: Engine, world: World) -> None:
    """Contained too late and not proved at all are two sentences; what was scoped in time is none."""
    world.runs("trainer", BAD)
    incident = opened(timed)
    world.now += timedelta(minutes=16)
    assert not verified(timed, incident)
    late = "tier 1 of it was to be contained 15m after its signal, and was not"
    assert called(timed, incident) == [late]
    contained(timed)
    world.now += timedelta(hours=13)
    assert not verified(timed, incident)
    assert called(timed, incident) == [late, "tier 1 of it was to be converged 12h after its signal, and was not"]


def test_a_drill_shortens_what_it_waits_for(timed: Engine, world: World) -> None:
    """At a hundredth of the times `within` is a quarter of an hour; targets stay as they are."""
    drill = replace(timed, settings=timed.settings.model_copy(update={"times_scale": 0.01}))
    world.runs("trainer", BAD)
    incident = contained(drill)
    world.now += timedelta(minutes=16)
    assert not verified(drill, incident)
    assert called(drill, incident) == ["it is not proved to be over 864s after it opened"]


def test_a_round_is_due_when_every_has_passed(timed: Engine, world: World) -> None:
    """At once where nothing was judged yet; then not at the schedule's next two turns, and at the third."""
    world.runs("trainer", BAD)
    incident = contained(timed)
    assert verify.due(timed, incident)
    verified(timed, incident)
    turns = []
    for _ in range(3):
        world.now += timedelta(minutes=5) - timedelta(seconds=10)
        turns.append(verify.due(timed, incident))
    assert turns == [False, False, True]
