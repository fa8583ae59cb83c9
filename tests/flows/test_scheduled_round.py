"""The scheduled round over open incidents: who must hear of it, and which incidents it leaves alone. No server."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

import flows.verify_open_incidents as scheduled
from flows.stage import completed
from patchgap.errors import BrokenLedgerError
from patchgap.model.finding import IncidentId

ONE, TWO = IncidentId("inc-20261124-aaaa"), IncidentId("inc-20261124-bbbb")
NOW = datetime(2026, 11, 24, 7, 10, tzinfo=UTC)
LATE = "inc-20261124-aaaa is not proved to be over 1d after it opened"


class Desk:
    """What the round sees of the stages: each incident's calls, which are due, and what was run on them."""

    def __init__(self) -> None:
        self.called: dict[str, tuple[str, ...]] = {ONE: (), TWO: ()}
        self.due = {ONE, TWO}
        self.broken: set[str] = set()
        self.calls: dict[str, str] = {}  # what a verification calls a person for
        self.ran: list[tuple[str, str]] = []
        self.deaf: dict[str, tuple[str, ...]] = {}  # sinks that did not take what an incident has to say
        self.behind: dict[str, tuple[str, ...]] = {}  # what stands and could not be brought up to date
        self.waited: dict[str, list[str]] = {}  # what of an incident's waiting actions failed in this round

    def state_of(self, _engine: Any, incident: str) -> Any:
        if incident in self.broken:
            raise BrokenLedgerError(f"the ledger of {incident} does not hold", "Run `patchgap ledger verify`.")
        return SimpleNamespace(persons_called=self.called[incident])

    def within(self, flow: Any, incident: str) -> Any:
        self.ran.append((flow.name, incident))
        if incident in self.calls:
            self.called[incident] += (self.calls[incident],)
        return completed("open: awaiting proofs")


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    made = Desk()
    inbox = SimpleNamespace(pending=lambda: ())
    monkeypatch.setattr(scheduled, "engine", lambda: SimpleNamespace(inbox=inbox, clock=lambda: NOW))
    monkeypatch.setattr(scheduled, "open_incidents", lambda _engine: (ONE, TWO))
    monkeypatch.setattr(scheduled, "state_of", made.state_of)
    monkeypatch.setattr(scheduled, "within", made.within)
    monkeypatch.setattr(scheduled, "call_overdue", lambda *_: "")
    monkeypatch.setattr(scheduled, "keep_current", lambda _engine, incident: made.behind.get(incident, ()))
    monkeypatch.setattr(scheduled, "ended_lately", lambda _engine: ())
    monkeypatch.setattr(scheduled, "tell", lambda incident: made.deaf.get(incident, ()))
    monkeypatch.setattr(scheduled, "left_undone", lambda *_: False)
    monkeypatch.setattr(scheduled, "go_on", lambda incident: made.waited.get(incident, []))
    monkeypatch.setattr(scheduled, "gate_passes", lambda _incident: False)
    monkeypatch.setattr(scheduled, "due", lambda _engine, incident: incident in made.due)
    monkeypatch.setattr(scheduled, "get_run_logger", lambda: SimpleNamespace(info=lambda *_: None))
    return made


def test_a_round_that_calls_a_person_fails_with_why(desk: Desk) -> None:
    """The incident's own run said completed; the round says what a person must hear, and looks at the others too."""
    desk.calls = {ONE: LATE}
    state = scheduled.verify_open_incidents.fn()
    assert state.is_failed()
    assert state.message == f"2 open incidents, 1 in trouble: {ONE}: a person is called: {LATE}"
    assert desk.ran == [("verify", ONE), ("verify", TWO)]


def test_a_person_who_was_called_before_fails_no_later_round(desk: Desk) -> None:
    """What stands in the ledger already is no news."""
    desk.called[ONE] = (LATE,)
    assert scheduled.verify_open_incidents.fn().is_completed()


def test_a_sink_that_does_not_take_it_is_the_rounds_trouble(desk: Desk) -> None:
    """The incident went on as it should, and who was not told is named; so it is for one that has ended."""
    desk.deaf = {TWO: ("oncall: it does not answer",)}
    state = scheduled.verify_open_incidents.fn()
    assert state.is_failed()
    assert state.message == (
        f"2 open incidents, 1 in trouble: {TWO}: open: awaiting proofs; not told: oncall: it does not answer"
    )


def test_an_incident_that_is_not_due_is_left_alone(desk: Desk) -> None:
    """Its checks are not run, and the others' are."""
    desk.due = {TWO}
    assert scheduled.verify_open_incidents.fn().is_completed()
    assert desk.ran == [("verify", TWO)]


def test_a_broken_ledger_stops_its_own_incident_alone(desk: Desk) -> None:
    """The next incident is verified, and the round names the broken one."""
    desk.broken = {ONE}
    state = scheduled.verify_open_incidents.fn()
    assert f"{ONE}: the ledger of {ONE} does not hold" in str(state.message)
    assert desk.ran == [("verify", TWO)]


def test_what_waited_goes_on_in_every_round(desk: Desk) -> None:
    """Also in an incident whose verification is not due; what failed then is told, and keeps none from being verified."""
    desk.due = {TWO}
    desk.waited |= {ONE: ["the canary is withdrawn"], TWO: ["the rollout is stuck"]}
    state = scheduled.verify_open_incidents.fn()
    assert state.message == (
        f"2 open incidents, 2 in trouble: {ONE}: the canary is withdrawn; {TWO}: the rollout is stuck"
    )
    assert desk.ran == [("verify", TWO)]
