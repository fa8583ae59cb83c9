"""Waivers: one check may be done without, by name and for a time; never all of them, and none that nobody asks for."""

from __future__ import annotations

from datetime import timedelta

import pytest
from estate import BAD, World
from test_close import contained, verified

from patchgap.errors import BadInputError, RefusedError
from patchgap.incident import heading, report
from patchgap.incident.metrics import measures
from patchgap.model.evidence import Verdict
from patchgap.model.finding import IncidentId
from patchgap.stages import recover, waive
from patchgap.stages.engine import Engine
from patchgap.stages.situation import state_of

DAY = timedelta(hours=24)


@pytest.fixture
def incident(engine: Engine, world: World) -> IncidentId:
    """Contained, with `gone` passing and `quiet` unknown for ever."""
    world.runs("trainer", BAD)
    world.verdict, world.dark = Verdict.PASS, {""}
    found = contained(engine)
    assert not verified(engine, found)
    return found


def test_a_waived_check_lets_the_rest_close_it_and_is_counted(engine: Engine, incident: IncidentId) -> None:
    """The gate passes with `quiet` named as waived, the incident closes, and the metrics say so."""
    waive.waive(engine, incident, "quiet", DAY, "the exporter is down", "dana")
    assert verified(engine, incident)
    for control in recover.releases(engine, incident):
        recover.release(engine, incident, control.intent.action.id)
    assert verified(engine, incident)
    recover.close(engine, incident)
    measured = measures([state_of(engine, incident)])
    assert (measured.waived, measured.closed_on_evidence.part) == (1, 0)


def test_a_check_that_passed_since_is_not_told_as_waived(engine: Engine, world: World, incident: IncidentId) -> None:
    """The page agrees with its headline: nothing is told as not proved."""
    waive.waive(engine, incident, "quiet", DAY, "the exporter is down", "dana")

    def page() -> str:
        return report.render(state_of(engine, incident), engine.ledger.read(incident), world.now)

    assert verified(engine, incident)
    assert "Not proved, but waived" in page()
    world.dark = set()
    assert verified(engine, incident)
    assert "Not proved, but waived" not in page()


def test_an_expired_waiver_lets_nothing_pass(engine: Engine, world: World, incident: IncidentId) -> None:
    """After its time the missing proof is missing again, by the waiver's name."""
    waive.waive(engine, incident, "quiet", DAY, "the exporter is down", "dana")
    world.now += DAY
    assert not verified(engine, incident)
    with pytest.raises(RefusedError, match="the waiver by dana has expired"):
        recover.releases(engine, incident)


def test_not_every_check_can_be_waived(engine: Engine, world: World, incident: IncidentId) -> None:
    """Where nothing at all is proved the incident stays open: it closes on at least one proof."""
    world.verdict = Verdict.UNKNOWN
    for check in ("gone", "quiet"):
        waive.waive(engine, incident, check, DAY, "in a hurry", "dana")
    assert not verified(engine, incident)


def test_what_was_seen_to_fail_is_waived_by_nobody(engine: Engine, world: World, incident: IncidentId) -> None:
    """Neither afterwards nor beforehand: a waiver that was given for what could not be seen ends with the first failure."""
    waive.waive(engine, incident, "quiet", DAY, "the exporter is down", "dana")
    assert verified(engine, incident)
    assert "NOT PROVED: quiet, waived by dana until" in heading.headline(state_of(engine, incident))
    world.loud, world.dark = {""}, set()
    assert not verified(engine, incident)
    with pytest.raises(RefusedError, match="the waiver by dana does not stand for what was seen to fail"):
        recover.releases(engine, incident)
    with pytest.raises(RefusedError, match="quiet was seen to fail"):
        waive.waive(engine, incident, "quiet", DAY, "it is noise", "dana")


def test_a_failure_that_is_out_of_sight_is_waived_by_nobody(engine: Engine, world: World, incident: IncidentId) -> None:
    """What went dark after it failed has failed still, for a waiver of before and for a new one, until it is seen to
    pass."""
    waive.waive(engine, incident, "quiet", DAY, "the exporter is down", "dana")
    world.loud, world.dark = {""}, set()
    assert not verified(engine, incident)
    world.loud, world.dark = set(), {""}
    assert not verified(engine, incident)
    with pytest.raises(RefusedError, match="quiet was seen to fail"):
        waive.waive(engine, incident, "quiet", DAY, "the exporter is down", "dana")
    world.dark = set()
    assert verified(engine, incident)
    world.dark = {""}
    assert verified(engine, incident)


def test_a_waiver_holds_for_a_week_at_the_most(engine: Engine, incident: IncidentId) -> None:
    """A longer one is refused with the longest that may be, and nothing is recorded."""
    head = state_of(engine, incident).head
    with pytest.raises(BadInputError, match=r"--for: a waiver holds for 7d at the most, not 8d"):
        waive.waive(engine, incident, "quiet", 8 * DAY, "the exporter is down", "dana")
    assert state_of(engine, incident).head == head
    waive.waive(engine, incident, "quiet", 7 * DAY, "the exporter is down", "dana")


@pytest.mark.parametrize(
    ("check", "why", "who", "words"),
    [
        ("quite", "x", "dana", r"asks for no quite\. Did you mean quiet\? It asks for gone, quiet\."),
        ("quiet", " ", "dana", "who decided it and why"),
        ("quiet", "x", " ", "who decided it and why"),
    ],
)
def test_what_is_no_decision_is_refused(
    engine: Engine, incident: IncidentId, check: str, why: str, who: str, words: str
) -> None:
    """A check that is not asked for is told with the nearest; a reason and a name must be words. Nothing is recorded."""
    head = state_of(engine, incident).head
    with pytest.raises(BadInputError, match=words):
        waive.waive(engine, incident, check, DAY, why, who)
    assert state_of(engine, incident).head == head
