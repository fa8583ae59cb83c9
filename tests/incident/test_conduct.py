"""One action on one target, killed at every line and run again: exactly one effect, and a ledger that says so."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any, ClassVar, cast

import pytest
from made import FINDING, FREEZE, KEY, OPENED, START, Ticking, plan_for

from patchgap.errors import ConflictError, RefusedError, UnreachableError
from patchgap.incident import conduct, events
from patchgap.incident.conduct import contain_target, release_target, renew_target, settle
from patchgap.incident.ledger import Entry, Ledger
from patchgap.incident.state import IncidentState, fold
from patchgap.model.finding import IncidentId
from patchgap.model.plan import Control, Effect, Intent, Outcome, PlannedAction, Receipt
from patchgap.ports import Action, Connections, Parameters, Situation
from patchgap.registry import Registry
from patchgap.settings import Settings

SITUATION = Situation(
    incident=IncidentId("inc-20261124-test"),
    finding=FINDING,
    exposures=FINDING.exposures,
    controls=(),
    affected_digests=frozenset(),
    patched=frozenset(),
    judge=lambda _digests: {},
    connections=Connections(Settings(home="/nowhere", database_url="sqlite://")),  # type: ignore[arg-type]
    clock=lambda: START,
    owner="patchgap",
)


class Killed(BaseException):
    """The process ends here."""


@dataclass
class World:
    """One object that is frozen or not, what was done to it, and where the next call dies or fails."""

    replicas: int = 8
    frozen: bool = False
    effects: list[str] = field(default_factory=list)
    trips: dict[str, BaseException] = field(default_factory=dict)

    def reach(self, point: str) -> None:
        if point in self.trips:
            raise self.trips.pop(point)


@dataclass
class Freeze:
    """Freezes the world's object.

    Example::

        - freeze_deployments
    """

    world: World
    verb: ClassVar[str] = "freeze_deployments"
    platform: ClassVar[str] = "kubernetes"
    effect: ClassVar[Effect] = Effect.REVERSIBLE
    inverse: ClassVar[str] = "unfreeze_deployments"
    permissions: ClassVar[tuple[str, ...]] = ()
    parameters: ClassVar[type[Parameters]] = Parameters

    def find(self, action: PlannedAction, _situation: Situation) -> Mapping[str, Any]:
        self.world.reach("find")
        if action.target.uid != "uid-trainer-v2":
            raise ConflictError("the target is another by now", "Plan again.")
        return {"replicas": self.world.replicas}

    def apply(self, intent: Intent, _situation: Situation) -> Receipt:
        self.world.reach("before the effect")
        if not self.world.frozen:
            self.world.frozen, self.world.replicas = True, 0
            self.world.effects.append("freeze")
        self.world.reach("after the effect")
        return self._receipt(intent)

    def observe(self, intent: Intent, _situation: Situation) -> Receipt | None:
        self.world.reach("observe")
        return self._receipt(intent) if self.world.frozen else None

    def release(self, control: Control, _situation: Situation) -> Receipt:
        self.world.reach("before the release")
        if self.world.frozen:
            self.world.frozen, self.world.replicas = False, control.intent.found["replicas"]
            self.world.effects.append("unfreeze")
        self.world.reach("after the release")
        return Receipt(control.intent.action.id, Outcome.DONE, ("unfrozen",))

    def _receipt(self, intent: Intent) -> Receipt:
        return Receipt(intent.action.id, Outcome.DONE, ("frozen",), {"from": dict(intent.found)})


class Mortal(Ledger):
    """A ledger whose process dies before or after the writing of a kind of entry, once."""

    dies: tuple[str, str] = ("", "")

    def append(self, incident: IncidentId, body: events.Body, actor: str) -> Entry:
        self._die("before", body)
        made = super().append(incident, body, actor)
        self._die("after", body)
        return made

    def append_if(self, incident: IncidentId, expected_head: str, body: events.Body, actor: str) -> Entry | None:
        self._die("before", body)
        made = super().append_if(incident, expected_head, body, actor)
        self._die("after", body)
        return made

    def _die(self, when: str, body: events.Body) -> None:
        if self.dies == (when, body.kind):
            self.dies = ("", "")
            raise Killed


@dataclass
class Desk:
    """A planned incident, its world, and the two things that are done here."""

    ledger: Mortal
    world: World
    incident: IncidentId
    stopped: bool = False

    @property
    def registry(self) -> Registry:
        return Registry({"freeze_deployments": {"kubernetes": cast("Action", Freeze(self.world))}})

    def contain(self, action: PlannedAction = FREEZE) -> Receipt:
        return contain_target(self.ledger, self.incident, action, self.registry, SITUATION, self.may_write)

    def release(self) -> Receipt:
        return release_target(self.ledger, self.incident, self.control, self.registry, SITUATION, self.may_write)

    def renew(self) -> Receipt:
        return renew_target(self.ledger, self.incident, self.control, self.registry, SITUATION, self.may_write)

    def settle(self, after: timedelta = timedelta(days=1)) -> tuple[Receipt, ...]:
        return settle(self.ledger, self.incident, self.registry, SITUATION, START + after)

    def may_write(self) -> None:
        self.world.reach("may write")
        if self.stopped:
            raise RefusedError("the kill switch stands", "Lower it.")

    @property
    def control(self) -> Control:
        return next(
            c
            for e in self.bodies(events.IntentMade)
            for c in [Control(e.intent, Receipt(FREEZE.id, Outcome.DONE), START)]
        )

    @property
    def state(self) -> IncidentState:
        return fold(self.ledger.read(self.incident))

    def bodies(self, kind: type) -> list[Any]:
        return [e.body for e in self.ledger.read(self.incident) if isinstance(e.body, kind)]


@pytest.fixture
def desk(ledger: Ledger) -> Desk:
    mortal = Mortal(ledger._engine, ledger._clock)
    incident, _ = mortal.open(KEY, OPENED, "detect")
    mortal.append(incident, events.Planned(plan_for(incident, (FREEZE,))), "contain")
    return Desk(mortal, World(), incident)


def _kill(desk: Desk, point: str, when: str, run: Callable[[], object]) -> None:
    if when == "in the world":
        desk.world.trips[point] = Killed()
    else:
        desk.ledger.dies = (when, point)
    with pytest.raises(Killed):
        run()


CONTAIN_DEATHS = [
    ("find", "in the world"),
    ("intent_made", "before"),
    ("intent_made", "after"),
    ("before the effect", "in the world"),
    ("after the effect", "in the world"),
    ("receipt_made", "before"),
    ("receipt_made", "after"),
]


@pytest.mark.parametrize(("point", "when"), CONTAIN_DEATHS)
def test_containment_that_is_killed_anywhere_has_one_effect(desk: Desk, point: str, when: str) -> None:
    """Killed and run again, twice: one intent, one effect, one receipt, and the state that was really found."""
    _kill(desk, point, when, desk.contain)
    receipts = [desk.contain(), desk.contain()]
    assert {r.outcome for r in receipts} == {Outcome.DONE}
    assert desk.world.effects == ["freeze"]
    assert len(desk.bodies(events.IntentMade)) == len(desk.bodies(events.ReceiptMade)) == 1
    assert [c.intent.found for c in desk.state.controls] == [{"replicas": 8}]


@pytest.mark.parametrize(("first", "second"), list(itertools.product(CONTAIN_DEATHS, CONTAIN_DEATHS[3:])))
def test_containment_that_is_killed_twice_has_one_effect(
    desk: Desk, first: tuple[str, str], second: tuple[str, str]
) -> None:
    """Even a run that settles a killed one may be killed itself."""
    for point, when in (first, second):
        try:
            _kill(desk, point, when, desk.contain)
        except pytest.fail.Exception:
            desk.world.trips.clear()  # that line was not reached any more: the work was done
            desk.ledger.dies = ("", "")
    assert desk.contain().outcome is Outcome.DONE
    assert desk.world.effects == ["freeze"]
    assert desk.state.controls[0].intent.found == {"replicas": 8}


RELEASE_DEATHS = [
    ("release_intended", "before"),
    ("release_intended", "after"),
    ("before the release", "in the world"),
    ("after the release", "in the world"),
    ("released", "before"),
    ("released", "after"),
]


@pytest.mark.parametrize(("point", "when"), RELEASE_DEATHS)
def test_a_release_that_is_killed_anywhere_has_one_effect(desk: Desk, point: str, when: str) -> None:
    """Killed and run again, twice: one release, and the state of before stands again."""
    desk.contain()
    _kill(desk, point, when, desk.release)
    receipts = [desk.release(), desk.release()]
    assert {r.outcome for r in receipts} == {Outcome.DONE}
    assert desk.world.effects == ["freeze", "unfreeze"]
    assert desk.world.replicas == 8
    assert len(desk.bodies(events.ReleaseIntended)) == len(desk.bodies(events.Released)) == 1
    assert desk.state.controls == ()


def test_a_second_run_writes_nothing(desk: Desk) -> None:
    """Done and still standing: the receipt of before, and no entry more."""
    first = desk.contain()
    head = desk.state.head
    assert desk.contain() == first
    assert desk.state.head == head


def test_drift_is_mended_with_the_state_found_at_first(desk: Desk) -> None:
    """A control that someone undid is applied again, and a release restores what stood before patchgap came."""
    desk.contain()
    desk.world.frozen = False
    assert desk.contain().outcome is Outcome.DONE
    desk.release()
    assert desk.world.effects == ["freeze", "freeze", "unfreeze"]
    assert desk.world.replicas == 8


@pytest.mark.parametrize("point", ["find", "before the effect"])
def test_an_error_of_the_control_plane_is_a_failed_receipt(desk: Desk, point: str) -> None:
    """The words of the error are in the ledger; a later run does what is left."""
    desk.world.trips[point] = UnreachableError("prod-ml-eu did not answer", "Try again.")
    failed = desk.contain()
    assert (failed.outcome, failed.detail) == (Outcome.FAILED, ("prod-ml-eu did not answer. Try again.",))
    assert desk.state.failed == (failed,)
    assert desk.contain().outcome is Outcome.DONE
    assert desk.world.effects == ["freeze"]


def test_an_error_after_the_effect_is_settled_by_looking(desk: Desk) -> None:
    """A write whose answer was lost took effect: the receipt says DONE, since the world does."""
    desk.world.trips["after the effect"] = UnreachableError("the answer was lost", "Try again.")
    assert desk.contain().outcome is Outcome.DONE
    assert len(desk.state.controls) == 1


def test_what_cannot_be_seen_is_unsettled_and_settled_later(desk: Desk) -> None:
    """Neither done nor failed while nobody can look; `settle` looks, and writes to no control plane."""
    desk.world.trips["after the effect"] = UnreachableError("the answer was lost", "Try again.")
    desk.world.trips["observe"] = UnreachableError("no answer", "Try again.")
    assert desk.contain().outcome is Outcome.UNSETTLED
    desk.world.trips["observe"] = UnreachableError("no answer", "Try again.")
    entries = len(desk.ledger.read(desk.incident))
    assert [r.outcome for r in desk.settle()] == [Outcome.UNSETTLED]
    assert len(desk.ledger.read(desk.incident)) == entries
    assert [r.outcome for r in desk.settle()] == [Outcome.DONE]
    assert desk.world.effects == ["freeze"]
    assert desk.state.open_intents == ()


def test_settling_an_intent_without_effect_says_so(desk: Desk) -> None:
    """Killed before the effect: settled as failed, and containment may go on."""
    _kill(desk, "before the effect", "in the world", desk.contain)
    assert [r.outcome for r in desk.settle()] == [Outcome.FAILED]
    assert desk.contain().outcome is Outcome.DONE
    assert desk.world.effects == ["freeze"]


def test_another_object_of_the_same_name_is_not_touched(desk: Desk) -> None:
    """Another UID is another target: this one fails, and nothing is done to it."""
    other = replace(FREEZE, target=replace(FREEZE.target, uid="uid-of-another"))
    desk.ledger.append(desk.incident, events.Planned(plan_for(desk.incident, (other,))), "contain")
    assert desk.contain(other).outcome is Outcome.FAILED
    assert desk.world.effects == []


def test_the_kill_switch_stops_the_write_and_says_so(desk: Desk) -> None:
    """While it stands nothing is written, neither a containment nor a release; lowered, both go on."""
    desk.stopped = True
    assert "kill switch" in desk.contain().detail[0]
    assert desk.bodies(events.IntentMade) == []
    desk.stopped = False
    desk.contain()
    desk.stopped = True
    assert desk.release().outcome is Outcome.FAILED
    assert desk.world.effects == ["freeze"]
    assert len(desk.state.controls) == 1


def test_a_switch_raised_after_the_intent_still_stops_the_effect(desk: Desk) -> None:
    """The switch is read again between the intent and the effect."""
    append_if = desk.ledger.append_if

    def raised_meanwhile(*given: Any) -> Entry | None:
        desk.stopped = True
        return append_if(*given)

    desk.ledger.append_if = raised_meanwhile  # type: ignore[method-assign]
    assert desk.contain().outcome is Outcome.FAILED
    assert desk.world.effects == []
    assert len(desk.bodies(events.IntentMade)) == 1


UNPLANNED: dict[str, Callable[[IncidentId], events.Body]] = {
    "not in the plan": lambda i: events.Planned(plan_for(i, ())),
    "digest": lambda i: events.Planned(replace(plan_for(i, (FREEZE,)), digest="sha256:other")),
    "more than its limit": lambda i: events.Planned(plan_for(i, (FREEZE,), refusals=("9 are more than its limit",))),
    "more than the share": lambda i: events.PlanRefused(
        plan_for(i, (FREEZE,), refusals=("60% are more than the share",))
    ),
}


@pytest.mark.parametrize("why", UNPLANNED)
def test_what_is_not_planned_whole_is_refused(desk: Desk, why: str) -> None:
    """Rule 1: no planned, hashed, unrefused target, no write, and no entry either."""
    desk.ledger.append(desk.incident, UNPLANNED[why](desk.incident), "contain")
    head = desk.state.head
    with pytest.raises(RefusedError, match=why):
        desk.contain()
    assert (desk.world.effects, desk.state.head) == ([], head)


def test_a_plan_is_counted_once_however_many_actions_it_has(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its digest costs its length; that of another plan is counted anew."""
    counted: list[str] = []
    real = conduct.digest_of
    monkeypatch.setattr(conduct, "digest_of", lambda plan: counted.append(plan.digest) or real(plan))
    desk.contain()
    desk.contain()
    assert len(counted) == 1
    desk.ledger.append(desk.incident, events.Planned(plan_for(desk.incident, (FREEZE,))), "contain")
    desk.contain()
    assert len(counted) == 2


def test_a_planned_action_that_was_changed_is_refused(desk: Desk) -> None:
    """The action must be the planned one in every field, not only by its id."""
    with pytest.raises(RefusedError, match="not in the plan"):
        desk.contain(replace(FREEZE, parameters={"reach": "everything"}))


def test_an_action_that_waits_for_approval_waits(desk: Desk, clock: Ticking) -> None:
    """Refused until a second person says yes to that plan."""
    waiting = replace(FREEZE, needs_approval="the tier asks for it")
    made_plan = plan_for(desk.incident, (waiting,))
    desk.ledger.append(desk.incident, events.Planned(made_plan), "contain")
    with pytest.raises(RefusedError, match="not approved"):
        desk.contain(waiting)
    yes = events.Approved(made_plan.digest, "dana", "sam", clock.now + timedelta(hours=1))
    desk.ledger.append(desk.incident, yes, "dana")
    assert desk.contain(waiting).outcome is Outcome.DONE


def test_what_stands_is_renewed_whatever_is_planned_now(desk: Desk) -> None:
    """A control that drifted is applied again though another plan waits for its yes; what it found first still counts."""
    first = desk.contain()
    waiting = replace(FREEZE, needs_approval="the tier asks for it")
    desk.ledger.append(desk.incident, events.Planned(plan_for(desk.incident, (waiting,))), "contain")
    desk.world.frozen = False
    for action in (FREEZE, waiting):
        with pytest.raises(RefusedError, match="may not run"):
            desk.contain(action)
    assert desk.renew().result == first.result
    assert desk.world.effects == ["freeze", "freeze"]


def test_what_does_not_stand_is_not_renewed(desk: Desk) -> None:
    """Renewing is no way around the plan: what was never done, or was released, is refused."""
    desk.contain()
    desk.release()
    with pytest.raises(RefusedError, match="does not stand"):
        desk.renew()
    assert desk.world.effects == ["freeze", "unfreeze"]


def test_what_is_being_released_is_not_contained_again_without_a_plan(desk: Desk) -> None:
    """A late retry of containment must not undo recovery; a new plan may, with the state found anew."""
    desk.contain()
    desk.release()
    with pytest.raises(RefusedError, match="is being released, or was"):
        desk.contain()
    desk.world.replicas = 5
    desk.ledger.append(desk.incident, events.Planned(plan_for(desk.incident, (FREEZE,))), "contain")
    assert desk.contain().outcome is Outcome.DONE
    assert desk.state.controls[0].intent.found == {"replicas": 5}
    assert desk.release().outcome is Outcome.DONE
    assert desk.world.replicas == 5


def test_a_release_during_a_late_containment_wins(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry that looked before the release and would write after it is refused: what was released stays released."""
    desk.contain()
    real, once = Freeze.find, [1]

    def meanwhile(self: Freeze, action: PlannedAction, situation: Situation) -> Mapping[str, Any]:
        if once:
            once.clear()
            desk.release()
        return real(self, action, situation)

    desk.world.frozen = False  # it drifted, so that the retry would apply it again
    monkeypatch.setattr(Freeze, "find", meanwhile)
    with pytest.raises(RefusedError, match="is being released, or was"):
        desk.contain()
    assert not desk.world.frozen
    assert desk.state.controls == ()


def test_a_plan_that_changed_during_a_late_containment_wins(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another plan left out between the first look and the intent is not done."""
    real = Freeze.find

    def meanwhile(self: Freeze, action: PlannedAction, situation: Situation) -> Mapping[str, Any]:
        desk.ledger.append(desk.incident, events.Planned(plan_for(desk.incident, ())), "contain")
        return real(self, action, situation)

    monkeypatch.setattr(Freeze, "find", meanwhile)
    with pytest.raises(RefusedError, match="is not in the plan"):
        desk.contain()
    assert desk.world.effects == []


def test_a_target_that_serves_more_by_now_is_one_control_made_anew(desk: Desk) -> None:
    """The same object for a grown scope: contained again with what is found now, and released once."""
    desk.contain()
    grown = replace(FREEZE, target=replace(FREEZE.target, workloads=(*FREEZE.target.workloads, "another")))
    desk.ledger.append(desk.incident, events.Planned(plan_for(desk.incident, (grown,))), "contain")
    assert desk.contain(grown).outcome is Outcome.DONE
    (control,) = desk.state.controls
    assert control.intent.action.target.workloads[-1] == "another"
    assert desk.release().outcome is Outcome.DONE
    assert desk.state.to_release == ()


def test_a_young_intent_is_not_settled_by_another_run(desk: Desk) -> None:
    """The run that made it may be between the intent and the effect: calling it failed would let the incident end."""
    _kill(desk, "before the effect", "in the world", desk.contain)
    assert desk.settle(timedelta(0)) == ()
    assert desk.state.open_intents


def test_what_failed_on_the_way_is_released_and_then_known_to_be_out(desk: Desk) -> None:
    """An unsettled effect whose release succeeded needs no settling any more."""
    desk.world.trips["after the effect"] = UnreachableError("the answer was lost", "Try again.")
    desk.world.trips["observe"] = UnreachableError("no answer", "Try again.")
    assert desk.contain().outcome is Outcome.UNSETTLED
    assert [c.intent.action.id for c in desk.state.to_release] == [FREEZE.id]
    assert desk.release().outcome is Outcome.DONE
    assert not desk.world.frozen
    assert (desk.state.to_release, desk.state.open_intents) == ((), ())


def test_a_release_that_failed_is_known_to_be_begun(desk: Desk) -> None:
    """Until it is finished, or the control is contained again, what a release began to take away is named."""
    desk.contain()
    assert desk.state.release_begun == frozenset()
    desk.world.trips["before the release"] = UnreachableError("no answer", "Try again.")
    assert desk.release().outcome is Outcome.FAILED
    assert desk.state.release_begun == {FREEZE.id}
    desk.release()
    assert desk.state.release_begun == frozenset()


def test_what_never_stood_is_not_released(desk: Desk) -> None:
    """A release needs a control in the ledger."""
    stranger = Control(Intent(FREEZE, {}), Receipt(FREEZE.id, Outcome.DONE), START)
    with pytest.raises(RefusedError, match="is no control"):
        release_target(desk.ledger, desk.incident, stranger, desk.registry, SITUATION, desk.may_write)


def test_a_receipt_with_a_secret_is_withheld(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The secret reaches no ledger; that something happened does."""
    loud = Receipt(FREEZE.id, Outcome.DONE, ("Bearer c2VjcmV0LXRva2VuLXZhbHVlLWhlcmU",))
    monkeypatch.setattr(Freeze, "_receipt", lambda _self, _intent: loud)
    assert desk.contain().outcome is Outcome.UNSETTLED
    assert "withheld" in desk.bodies(events.ReceiptMade)[0].receipt.detail[0]


def test_an_intent_without_a_receipt_may_stand_in_part(desk: Desk) -> None:
    """What a killed run began is told to the actions, until a receipt says how it ended."""
    desk.ledger.append(desk.incident, events.IntentMade(Intent(FREEZE, {})), "a killed run")
    [begun] = desk.state.begun
    assert (begun.intent.action, begun.receipt.outcome) == (FREEZE, Outcome.UNSETTLED)
    desk.contain()
    assert desk.state.begun == ()


def test_two_runs_at_once_make_one_intent(desk: Desk) -> None:
    """Two workers on one target at the same time: one intent, one effect, both told that it stands."""
    start, receipts = Barrier(2), []

    def run() -> None:
        start.wait()
        receipts.append(desk.contain())

    threads = [Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [r.outcome for r in receipts] == [Outcome.DONE, Outcome.DONE]
    assert len(desk.bodies(events.IntentMade)) == 1
