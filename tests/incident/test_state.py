"""The fold: pure, total over every prefix of a ledger, and right about what stands."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import made
import pytest
from made import BLOCK, FREEZE, KEY, OPENED, TICKET, TRAINER, Telling, Ticking, plan_for, receipt

from patchgap.errors import BrokenLedgerError
from patchgap.incident import events
from patchgap.incident import state as state_module
from patchgap.incident.ledger import Ledger
from patchgap.incident.state import ENDED, IncidentState, Status, fold
from patchgap.model.finding import IncidentId
from patchgap.model.plan import Intent, Outcome


def test_every_prefix_folds_and_folds_the_same(telling: Telling, ledger: Ledger) -> None:
    """At whichever entry a flow is killed, the ledger before it has a state, and always the same one."""
    entries = ledger.read(telling.whole())
    states = [fold(entries[:n]) for n in range(1, len(entries) + 1)]
    assert states == [fold(entries[:n]) for n in range(1, len(entries) + 1)]
    assert [s.seq for s in states] == [e.seq for e in entries]
    assert [s.head for s in states] == [e.hash for e in entries]


def test_the_whole_story_covers_every_kind_of_entry(telling: Telling, ledger: Ledger) -> None:
    """The prefixes above went through every kind of entry but a dismissal."""
    kinds = {type(e.body) for e in ledger.read(telling.whole())}
    assert kinds == set(events.Body.__args__) - {events.Dismissed}


def test_the_status_follows_the_stages(telling: Telling, ledger: Ledger) -> None:
    """The statuses come in the order of an incident's life."""
    entries = ledger.read(telling.whole())
    statuses = [fold(entries[:n]).status for n in range(1, len(entries) + 1)]
    assert list(dict.fromkeys(statuses)) == [
        Status.OPEN,
        Status.SCOPED,
        Status.AWAITING_APPROVAL,
        Status.PLANNED,
        Status.CONTAINING,
        Status.PARTIAL,
        Status.VERIFYING,
        Status.RECOVERED,
        Status.CLOSED,
    ]


def test_what_is_left_at_the_end(telling: Telling, ledger: Ledger) -> None:
    """Released controls stand no more; the block, whose end is dated, and the ticket do."""
    state = fold(ledger.read(telling.whole()))
    assert [c.intent.action.id for c in state.controls] == [BLOCK.id, TICKET.id]
    assert state.remaining[0].action == BLOCK.id
    assert state.ever_contained
    assert state.status in ENDED
    assert state.tier_of(TRAINER.ref) == 1
    assert set(state.times.contained) == {1, 2}


@pytest.fixture
def planned(ledger: Ledger) -> IncidentId:
    incident, _ = ledger.open(KEY, OPENED, "detect")
    ledger.append(incident, events.Planned(plan_for(incident, (FREEZE, BLOCK))), "contain")
    return incident


def _state(ledger: Ledger, incident: IncidentId, *bodies: events.Body) -> IncidentState:
    for body in bodies:
        ledger.append(incident, body, "contain")
    return fold(ledger.read(incident))


def test_all_targets_done_and_covered_is_contained(ledger: Ledger, planned: IncidentId) -> None:
    """CONTAINED needs a done receipt for each planned action, and nothing uncovered."""
    intents = [events.IntentMade(Intent(a, {})) for a in (FREEZE, BLOCK)]
    half = _state(ledger, planned, *intents, events.ReceiptMade(receipt(FREEZE)))
    whole = _state(ledger, planned, events.ReceiptMade(receipt(BLOCK)))
    assert [half.status, whole.status] == [Status.CONTAINING, Status.CONTAINED]
    assert [i.action for i in half.open_intents] == [BLOCK]


def test_an_unsettled_receipt_leaves_the_intent_open(ledger: Ledger, planned: IncidentId) -> None:
    """An effect that could not be seen is neither a control nor settled."""
    unsettled = events.ReceiptMade(receipt(FREEZE, Outcome.UNSETTLED))
    state = _state(ledger, planned, events.IntentMade(Intent(FREEZE, {})), unsettled)
    assert [i.action for i in state.open_intents] == [FREEZE]
    assert state.controls == ()
    assert [r.action for r in state.failed] == [FREEZE.id]


def test_a_control_that_could_not_be_seen_later_must_still_be_released(ledger: Ledger, planned: IncidentId) -> None:
    """A failed second look does not take a standing control off the list, nor does a failed release."""
    state = _state(
        ledger,
        planned,
        events.IntentMade(Intent(FREEZE, {})),
        events.ReceiptMade(receipt(FREEZE)),
        events.ReceiptMade(receipt(FREEZE, Outcome.FAILED, "no answer")),
        events.ReleaseIntended(FREEZE.id),
        events.Released(FREEZE.id, receipt(FREEZE, Outcome.FAILED, "no answer")),
    )
    assert [c.intent.action for c in state.controls] == [FREEZE]


def test_an_empty_plan_contains_nothing(ledger: Ledger) -> None:
    """A plan without actions never reads as contained."""
    incident, _ = ledger.open(KEY, OPENED, "detect")
    assert _state(ledger, incident, events.Planned(plan_for(incident, ()))).status is Status.PLANNED


def test_an_approval_binds_to_its_plan_and_time_and_a_second_person(ledger: Ledger, clock: Ticking) -> None:
    """Another digest, an expired yes and a yes of one's own are none."""
    incident, _ = ledger.open(KEY, OPENED, "detect")
    made_plan = plan_for(incident, (replace(FREEZE, needs_approval="the tier asks for it"),))
    later = clock.now + timedelta(hours=1)
    digest = made_plan.digest
    own = _state(ledger, incident, events.Planned(made_plan), events.Approved(digest, "Sam ", "sam", later))
    assert (own.status, own.approved(digest, clock.now)) == (Status.AWAITING_APPROVAL, False)
    other = _state(ledger, incident, events.Approved("sha256:other", "dana", "sam", later))
    assert (other.status, other.approved(digest, clock.now)) == (Status.AWAITING_APPROVAL, False)
    yes = _state(ledger, incident, events.Approved(digest, "dana", "sam", later))
    assert (yes.status, yes.approved(digest, clock.now), yes.approved(digest, later)) == (Status.PLANNED, True, False)


def test_a_new_round_of_a_check_takes_the_place_of_the_old(ledger: Ledger, clock: Ticking) -> None:
    """The evidence that counts is each check's latest round on each platform, whole."""
    incident, _ = ledger.open(KEY, OPENED, "detect")
    old = tuple(made.seen("package_absent", made.Verdict.FAIL, clock.now, source=s) for s in ("eu", "us"))
    new = (made.seen("package_absent", made.Verdict.PASS, clock.now, source="eu"),)
    state = _state(
        ledger,
        incident,
        events.EvidenceTaken("package_absent", "kubernetes", old),
        events.EvidenceTaken("package_absent", "aws", old[1:]),
        events.EvidenceTaken("package_absent", "kubernetes", new),
    )
    assert state.evidence == (*new, old[1])


def test_a_failed_judgement_takes_convergence_back(telling: Telling, ledger: Ledger) -> None:
    """Converged is the time since which every judgement passed."""
    entries = ledger.read(telling.whole(until=events.Recovered))
    judged = [e for e in entries if isinstance(e.body, events.GateJudged)]
    assert fold(entries).times.converged == judged[1].at
    assert fold(entries[: judged[0].seq]).times.converged is None


def test_a_ledger_without_an_opening_is_no_incident(telling: Telling, ledger: Ledger) -> None:
    """Nothing, and entries without their first, are refused."""
    entries = ledger.read(telling.whole())
    for part in ((), entries[1:]):
        with pytest.raises(BrokenLedgerError):
            fold(part)


def test_entries_that_another_thread_has_read_past_are_not_counted_again(
    telling: Telling, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads of one incident stand a few entries apart: each fold goes on from the state that is known there."""
    incident = telling.whole()
    entries, folded = ledger.read(incident), list[int]()
    known = [fold(entries[:n]) for n in range(1, len(entries) + 1)]

    def counting(real: Any) -> Any:
        return lambda state, entry, body: folded.append(entry.seq) or real(state, entry, body)

    monkeypatch.setattr(state_module, "_FOLDS", {kind: counting(real) for kind, real in state_module._FOLDS.items()})
    assert [fold(entries[:n]) for n in range(len(entries), len(entries) - 8, -1)] == known[:-9:-1]
    assert folded == []
    assert all(a is b for a, b in zip(ledger.read(incident), entries, strict=True))
