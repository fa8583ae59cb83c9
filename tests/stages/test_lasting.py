"""What stands past its time calls a person, as often as is said, and is never released for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from estate import BAD, MEND, PLAYBOOK, World
from test_close import contained, opened, verified

from patchgap.cli import main
from patchgap.errors import BadInputError, RefusedError
from patchgap.incident import difference, events, report
from patchgap.incident import lasting as times
from patchgap.model.evidence import Verdict
from patchgap.model.finding import IncidentId
from patchgap.model.plan import Control
from patchgap.model.workload import Classification
from patchgap.stages import contain, lasting, recover
from patchgap.stages.engine import Engine
from patchgap.stages.situation import state_of


def calls(engine: Engine, incident: IncidentId) -> list[events.PersonCalled]:
    bodies = (e.body for e in engine.ledger.read(incident))
    return [b for b in bodies if isinstance(b, events.PersonCalled) and b.about]


def within(engine: Engine, step: str) -> None:
    """The estate's first tier with that step."""
    (engine.settings.home / "playbooks" / "small.yaml").write_text(PLAYBOOK.replace("contain: [hold]", step, 1))


def test_the_end_of_its_time_calls_once_and_then_at_the_interval(engine: Engine, world: World) -> None:
    """Nobody before; one call at the end however often it is looked; the next four hours later; nothing is released."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    world.now += timedelta(hours=23)
    assert lasting.call_overdue(engine, incident) == ""
    world.now += timedelta(hours=1, minutes=1)
    assert "hold on c1/ns/Deployment/trainer" in lasting.call_overdue(engine, incident)
    world.now += timedelta(hours=3, minutes=59)
    assert lasting.call_overdue(engine, incident) == ""
    world.now += timedelta(minutes=2)
    assert lasting.call_overdue(engine, incident)
    assert len({c.why for c in calls(engine, incident)}) == 2, "each is news of its own to the sinks"
    assert world.held == {"trainer"}
    assert world.calls == ["hold trainer"]


def test_an_engine_that_was_down_at_the_end_calls_once_when_it_is_up(engine: Engine, world: World) -> None:
    """Three days later another process calls: one call, and none more until the interval has passed from it."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    world.now += timedelta(days=3)
    woken = Engine.open(engine.settings, world.clock)
    assert lasting.call_overdue(woken, incident)
    assert lasting.call_overdue(woken, incident) == ""
    assert len(calls(engine, incident)) == 1


def test_two_engines_at_once_make_one_call(engine: Engine, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other's call between this one's look and its own takes this one's place."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    world.now += timedelta(hours=25)
    other, real = Engine.open(engine.settings, world.clock), engine.ledger.append_if
    meanwhile = [other]

    def append_if(*words: object) -> object:
        if meanwhile:
            assert lasting.call_overdue(meanwhile.pop(), incident)
        return real(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(engine.ledger, "append_if", append_if)
    assert lasting.call_overdue(engine, incident) == ""
    assert len(calls(engine, incident)) == 1


def test_a_step_says_how_long_and_the_plan_shows_it(engine: Engine, world: World) -> None:
    """Two hours from the playbook, in the approved diff; the tier that says nothing has the settings' day."""
    within(engine, "contain: [{hold: {stands_for: 2h}}]")
    world.runs("trainer", BAD)
    world.runs("notebook", BAD, Classification.INTERNAL)
    incident = opened(engine)
    made = contain.plan(engine, incident)
    assert {a.target.name: a.stands_for for a in made.actions} == {"trainer": 7200, "notebook": 86400}
    assert any("after 2h a person is called" in text for _, text in difference.lines(made.actions[0]))
    for step in contain.ready(engine, incident):
        for action in step:
            contain.carry_out(engine, incident, action.id)
    world.now += timedelta(hours=3)
    assert "1 controls" in lasting.call_overdue(engine, incident)


def test_the_same_control_with_another_time_is_the_same_control(engine: Engine, world: World) -> None:
    """The id of an action holds no time, so that a new plan holds nothing twice."""
    world.runs("trainer", BAD)
    incident = opened(engine)
    short = replace(
        engine,
        settings=engine.settings.model_copy(update={"containment": type(engine.settings.containment)(stands_for="1h")}),
    )
    one, two = contain.plan(engine, incident, record=False), contain.plan(short, incident, record=False)
    assert [a.id for a in one.actions] == [a.id for a in two.actions]
    assert one.digest != two.digest, "an approval binds to the time"


def test_an_extension_holds_until_its_end_and_is_told(engine: Engine, world: World) -> None:
    """Who, why and until when are in the ledger, the story and the report; after it a person is called again."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    world.now += timedelta(hours=25)
    assert lasting.call_overdue(engine, incident)
    said = lasting.extend(engine, incident, timedelta(hours=8), "the vendor's mend comes at noon", "dana")
    world.now += timedelta(hours=7)
    assert lasting.call_overdue(engine, incident) == ""
    entries = engine.ledger.read(incident)
    state = state_of(engine, incident)
    line, _control = times.lines(state, world.now)
    called = f"a person is called at {said.until:%Y-%m-%d %H:%M}"
    by = "(extended by dana: the vendor's mend comes at noon)"
    assert line == f"stands until it is released; {called} UTC {by}:"
    assert called in report.render(state, entries, world.now)
    world.now += timedelta(hours=1, minutes=1)
    assert lasting.call_overdue(engine, incident)


def test_an_extension_needs_a_name_a_reason_a_time_and_something_to_extend(engine: Engine, world: World) -> None:
    """Nothing is recorded for one that lacks any of them, and none shortens what stands longer."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    head = state_of(engine, incident).head
    for lasts, why, who in ((4, "", "dana"), (4, "why", " "), (0, "why", "dana"), (24 * 8, "why", "dana")):
        with pytest.raises(BadInputError):
            lasting.extend(engine, incident, timedelta(hours=lasts), why, who)
    with pytest.raises(RefusedError, match="nothing of"):
        lasting.extend(engine, incident, timedelta(hours=4), "why", "dana")
    assert state_of(engine, incident).head == head


def test_what_is_released_and_contained_again_has_its_whole_time(engine: Engine, world: World) -> None:
    """An old extension or call says nothing of the next time."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    world.now += timedelta(hours=25)
    lasting.call_overdue(engine, incident)
    lasting.extend(engine, incident, timedelta(hours=1), "why", "dana")
    recover.dismiss(engine, incident, "none", "dana")
    state = state_of(engine, incident)
    assert not state.extended
    assert not state.overran
    assert lasting.call_overdue(engine, incident) == ""


def test_a_receipt_that_says_when_it_expires_calls_then(engine: Engine, world: World) -> None:
    """A block's own expiry is its time, before what its plan says."""
    world.runs("trainer", BAD)
    state = state_of(engine, contained(engine))
    (control,) = state.controls
    expires = (world.now + timedelta(days=30)).isoformat()
    block = Control(control.intent, replace(control.receipt, result={"expires": expires}), control.since)
    assert times.ends_at(state, block) == world.now + timedelta(days=30)


def test_what_outlives_its_incident_calls_all_the_same(
    engine: Engine, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A control that recovery did not name: a person is called for it after the end, and may extend it; it stays closed."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    world.runs("trainer", MEND)
    world.verdict = Verdict.PASS
    monkeypatch.setattr(recover, "_named", lambda *_: ())
    assert verified(engine, incident)
    recover.close(engine, incident)
    (left,) = state_of(engine, incident).remaining
    assert left.expires_at is not None, "its record says when a person is called"
    assert left.expires_at > world.now
    world.now += timedelta(hours=25)
    assert "They outlived their incident" in lasting.call_overdue(engine, incident)
    lasting.extend(engine, incident, timedelta(hours=4), "the mirror is not mended", "dana")
    assert lasting.call_overdue(engine, incident) == ""
    assert state_of(engine, incident).status == "closed"


def test_the_command_extends_and_show_says_what_happens_then(engine: Engine, world: World, tmp_path: Path) -> None:
    """On the command line: the time in the words of a playbook, and nonsense is told apart from it."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    where = {"PATCHGAP_DATABASE_URL": engine.settings.database_url}

    def run(*words: str) -> Result:
        return CliRunner().invoke(main, ["--home", str(tmp_path), "incident", *words], env=where)

    shown = run("show", incident)
    then = "its time ended at 2026-11-25 07:10 UTC, a person is called: hold c1/ns/Deployment/trainer"
    assert f"stands until it is released; {then}" in " ".join(shown.stdout.split()), shown.output
    extend = ("extend", incident, "--why", "the mend comes at noon", "--as", "dana", "--for")
    nonsense, said = run(*extend, "soon"), run(*extend, "7d")
    assert nonsense.exit_code == 2
    assert "'soon' is not a duration" in nonsense.stderr
    assert said.exit_code == 0, said.output
    assert "extended by dana" in " ".join(run("show", incident).stdout.split())
