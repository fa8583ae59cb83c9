"""What a containment says it came to, without a server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from prefect.states import Failed

from flows.contain import _summed_up, counted
from flows.detect import answered
from flows.stage import completed
from patchgap.model.finding import IncidentId
from patchgap.model.plan import Effect, Outcome, Receipt, Uncovered
from patchgap.stages.contain import ContainSummary
from tests.incident.made import FREEZE, ISOLATE, TICKET

CAPTURE = replace(TICKET, verb="capture_forensics", effect=Effect.READS)
NOTHING = ContainSummary((), (), (), (), (), (), (), (), ())


def test_what_contains_is_counted_apart() -> None:
    """From what only reads or tells people, and from what is not proved to hold, which is named."""
    summary = replace(NOTHING, contained=(FREEZE,), unproved=(ISOLATE,), besides=(CAPTURE, CAPTURE, TICKET))
    assert list(counted(summary)) == [
        "1 target contained",
        "1 done but not proved to hold: isolate_workloads training/Deployment/trainer-v2",
        "besides: 2 capture_forensics, 1 open_incident",
    ]


def test_an_effect_that_its_action_did_not_see_hold_is_not_proved() -> None:
    """What an action cannot see either way counts by its being done."""

    def receipt(**result: Any) -> Receipt:
        return Receipt(ISOLATE.id, Outcome.DONE, (), result)

    assert [receipt(proved=False).proved, receipt(proved=True).proved, receipt().proved] == [False, True, True]
    assert not replace(receipt(proved=True), outcome=Outcome.FAILED).proved


def test_a_target_stands_once_in_a_line() -> None:
    """A receipt that names its target begins, or goes on, without it where the line does."""
    named = Receipt(FREEZE.id, Outcome.FAILED, (f"{FREEZE.target}: 2 pod(s) of {FREEZE.target} run",))
    state = _summed_up(replace(NOTHING, failed=((FREEZE, named),)), [], None)
    assert str(state.message).endswith("; freeze_deployments training/Deployment/trainer-v2: 2 pod(s) run")


def test_one_reason_of_several_targets_is_said_once() -> None:
    """With every target that it holds for."""
    unknown = tuple((a, Receipt(a.id, Outcome.UNSETTLED, ("the cluster is gone",))) for a in (FREEZE, ISOLATE))
    state = _summed_up(replace(NOTHING, unknown=unknown), [], None)
    both = "freeze_deployments training/Deployment/trainer-v2, isolate_workloads training/Deployment/trainer-v2"
    assert state.message == f"PARTIAL: 0 targets contained; 2 unknown; {both}: the cluster is gone"


def test_detect_fails_where_the_containment_that_it_began_failed() -> None:
    """In the same words, so that a command and a run that are green have contained what they could."""
    incident = IncidentId("inc-20261124-7k3f")
    failed = answered(incident, Failed(message="contain: PARTIAL: 0 targets contained"))
    assert (failed.is_failed(), failed.message) == (True, f"opened {incident}; contain: PARTIAL: 0 targets contained")
    done = answered(incident, completed("2 targets contained"))
    assert (done.is_completed(), done.message) == (True, f"opened {incident}; 2 targets contained")


def test_what_no_step_reaches_makes_it_partial() -> None:
    """A person is called for it, so the run is not green: which target, and why."""
    gap = Uncovered("isolate_workloads", "prod/training/Deployment/trainer", "cluster prod did not answer")
    state = _summed_up(replace(NOTHING, uncovered=(gap,)), [], None)
    assert state.is_failed()
    assert state.message == (
        "PARTIAL: 0 targets contained; 1 target not covered;"
        " isolate_workloads prod/training/Deployment/trainer: cluster prod did not answer"
    )
