"""An action that waits: nothing is wrong, nothing is lost, nothing is written twice, and nothing else is held up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast

import pytest
from made import ACTIONS, FREEZE, KEY, OPENED, START, Ticking, plan_for
from made import receipt as made
from test_conduct import SITUATION, Desk, Freeze, Killed, Mortal, World

from patchgap.errors import RefusedError, UnreachableError, WaitingError
from patchgap.incident import events, heading, report
from patchgap.incident.conduct import contain_target, settle
from patchgap.incident.ledger import Ledger
from patchgap.incident.state import Status, fold
from patchgap.incident.story import Teller
from patchgap.model.plan import Effect, Intent, Outcome, PlannedAction, Receipt
from patchgap.ports import Action, Situation
from patchgap.registry import Registry


@dataclass
class Patient(Freeze):
    """Freezes once something is there: `before` its intent, or `after` it."""

    waits: str = ""

    def find(self, action: PlannedAction, situation: Situation) -> Mapping[str, Any]:
        self._wait("before")
        return super().find(action, situation)

    def apply(self, intent: Intent, situation: Situation) -> Receipt:
        self._wait("after")
        return super().apply(intent, situation)

    def _wait(self, when: str) -> None:
        if self.waits == when:
            raise WaitingError("it waits for a patched image", "Name one.")


@dataclass
class Waiting(Desk):
    """A desk whose action waits as it is told."""

    waits: str = "before"

    @property
    def registry(self) -> Registry:
        return Registry({"freeze_deployments": {"kubernetes": cast("Action", Patient(self.world, self.waits))}})


@pytest.fixture
def desk(ledger: Ledger) -> Waiting:
    mortal = Mortal(ledger._engine, ledger._clock)
    incident, _ = mortal.open(KEY, OPENED, "detect")
    mortal.append(incident, events.Planned(plan_for(incident, (FREEZE,))), "contain")
    return Waiting(mortal, World(), incident)


@pytest.mark.parametrize(("waits", "intents"), [("before", 0), ("after", 1)])
def test_an_action_that_waits_says_for_what_and_goes_on_later(desk: Waiting, waits: str, intents: int) -> None:
    """Its receipt is no failure; run thrice it is recorded once; when what it waits for is there it is done, once."""
    desk.waits = waits
    first = desk.contain()
    assert (first.outcome, first.detail) == (Outcome.WAITING, ("it waits for a patched image. Name one.",))
    head = desk.state.head
    assert [desk.contain(), desk.contain()] == [first, first]
    assert desk.state.head == head
    assert len(desk.bodies(events.IntentMade)) == intents
    assert (desk.state.failed, desk.state.waiting, desk.state.open_intents) == ((), (first,), ())
    assert len(desk.state.to_release) == intents  # what was begun can be undone
    desk.waits = ""
    assert desk.contain().outcome is Outcome.DONE
    assert desk.world.effects == ["freeze"]
    assert [c.intent.found for c in desk.state.controls] == [{"replicas": 8}]
    assert desk.state.waiting == ()


def test_the_kill_switch_stops_what_waits(desk: Waiting) -> None:
    """It is asked before anything is looked for."""
    desk.stopped = True
    assert desk.contain().outcome is Outcome.FAILED


def test_a_yes_to_a_plan_holds_for_what_it_found_waiting(ledger: Ledger, clock: Ticking) -> None:
    """An approval expires for what was not tried while it stood; what waits under the plan goes on after it, and
    another plan needs another yes."""
    mortal = Mortal(ledger._engine, ledger._clock)
    incident, _ = mortal.open(KEY, OPENED, "detect")
    action = replace(FREEZE, needs_approval="tier 2 asks security-oncall")
    plan = plan_for(incident, (action,))
    mortal.append(incident, events.Planned(plan), "contain")
    soon = clock.now + timedelta(minutes=30)
    mortal.append(incident, events.Approved(plan.digest, "dana", "sam", soon), "dana")
    desk = Waiting(mortal, World(), incident)

    def contain(at: timedelta) -> Receipt:
        later = replace(SITUATION, clock=lambda: START + at)
        return contain_target(mortal, incident, action, desk.registry, later, desk.may_write)

    day = timedelta(days=1)
    assert contain(timedelta(0)).outcome is Outcome.WAITING
    assert contain(day).outcome is Outcome.WAITING
    mortal.append(incident, events.Planned(plan_for(incident, (action,), playbook="another@1")), "contain")
    with pytest.raises(RefusedError, match="not approved"):
        contain(day)
    mortal.append(incident, events.Planned(plan), "contain")
    desk.waits = ""
    assert contain(day).outcome is Outcome.DONE


def test_neither_a_broken_glass_nor_a_yes_that_was_taken_back_holds_for_what_waits(
    ledger: Ledger, clock: Ticking
) -> None:
    """A glass is broken for a time, and the action that waited in it needs a yes afterwards; a no ends every yes."""
    incident, _ = ledger.open(KEY, OPENED, "detect")
    action = replace(FREEZE, needs_approval="tier 2 asks security-oncall")
    plan = plan_for(incident, (action,))
    soon, waits = clock.now + timedelta(minutes=30), events.ReceiptMade(made(action, Outcome.WAITING))

    def after(*bodies: Any) -> bool:
        for body in bodies:
            ledger.append(incident, body, "dana")
        return fold(ledger.read(incident)).consented(action, clock.now + timedelta(days=1))

    assert not after(events.Planned(plan), events.GlassBroken("dana", "production is down", soon), waits)
    assert after(events.Approved(plan.digest, "dana", "sam", soon), waits)
    assert not after(events.Declined(plan.digest, "kim", "wait for the vendor"))


@pytest.mark.parametrize(
    ("outcomes", "status", "contained"),
    [
        ((Outcome.DONE, Outcome.WAITING), Status.CONTAINED, {1}),
        ((Outcome.WAITING, Outcome.WAITING), Status.CONTAINING, set()),
        ((Outcome.FAILED, Outcome.WAITING), Status.PARTIAL, set()),
        ((Outcome.DONE, Outcome.DONE), Status.CONTAINED, {1}),
    ],
)
def test_what_waits_holds_up_no_status_and_contains_nothing(
    ledger: Ledger, outcomes: tuple[Outcome, ...], status: Status, contained: set[int]
) -> None:
    """Contained is what is held by something that was done, whatever waits beside it."""
    incident, _ = ledger.open(KEY, OPENED, "detect")
    first = next(a for a in ACTIONS if a.effect is Effect.REVERSIBLE)
    other = replace(first, id=type(first.id)("act-other"), tier=first.tier)
    ledger.append(incident, events.Planned(plan_for(incident, (first, other))), "contain")
    for action, outcome in zip((first, other), outcomes, strict=True):
        ledger.append(incident, events.ReceiptMade(made(action, outcome)), "contain")
    state = fold(ledger.read(incident))
    assert (state.status, set(state.times.contained)) == (status, {first.tier} if contained else set())


def test_the_story_names_what_waits_and_the_report_says_for_what(desk: Waiting) -> None:
    """An action without an intent is told by its verb and target; the headline counts what waits."""
    desk.contain()
    entries = desk.ledger.read(desk.incident)
    teller = Teller(brief=True)
    said = [line for entry in entries for line in teller.lines(entry)]
    assert said[-1] == f"… {FREEZE.verb} {FREEZE.target}: it waits for a patched image. Name one."
    page = report.render(desk.state, entries, START)
    assert "it waits for a patched image" in page
    assert "1 waiting" in page
    assert "1 step(s) of the plan wait" in heading.headline(replace(desk.state, status=Status.CONTAINED))


def test_a_promotion_that_was_cut_off_is_settled_as_waiting(desk: Waiting) -> None:
    """What is seen begun, and not done, is neither failed nor lost; an error that comes with it is told as a failure."""

    class Begun(Patient):
        def observe(self, intent: Intent, _situation: Situation) -> Receipt | None:
            if self.world.frozen:
                return Receipt(intent.action.id, Outcome.WAITING, ("pods are being replaced",))
            return None

    desk.waits = ""
    desk.world.trips["after the effect"] = Killed()
    begun = Registry({"freeze_deployments": {"kubernetes": cast("Action", Begun(desk.world))}})
    with pytest.raises(Killed):
        contain_target(desk.ledger, desk.incident, FREEZE, begun, SITUATION, desk.may_write)
    late = START + timedelta(days=1)
    assert [r.outcome for r in settle(desk.ledger, desk.incident, begun, SITUATION, late)] == [Outcome.WAITING]
    assert desk.state.open_intents == ()
    desk.world.trips["before the effect"] = UnreachableError("no answer", "Try again.")
    failed = contain_target(desk.ledger, desk.incident, FREEZE, begun, SITUATION, desk.may_write)
    assert (failed.outcome, failed.detail) == (Outcome.FAILED, ("no answer. Try again.",))
