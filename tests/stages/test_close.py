"""Closing: on passing evidence alone, fresh, judged after every change, and whole."""

from __future__ import annotations

from datetime import timedelta

import pytest
from estate import BAD, MEND, World, envelope, say_yes

from patchgap.errors import RefusedError
from patchgap.graph.platforms import Platform
from patchgap.incident import events
from patchgap.model.claimed import PLATFORM, SUFFIX
from patchgap.model.codec import evidence_digest
from patchgap.model.evidence import Verdict
from patchgap.model.finding import IncidentId
from patchgap.model.plan import ActionId, Outcome, Receipt
from patchgap.model.workload import Classification, Container, ContainerRole, RunState, Workload, WorkloadRef
from patchgap.stages import contain, detect, patch, recover, scope, verify
from patchgap.stages.engine import Engine
from patchgap.stages.situation import situation_of, state_of


def opened(engine: Engine) -> IncidentId:
    found = detect.detect(engine, detect.receive(engine, envelope(), "test"))
    assert found.incident is not None
    scope.scope(engine, found.incident)
    return found.incident


def contained(engine: Engine) -> IncidentId:
    incident = opened(engine)
    contain.plan(engine, incident)
    for step in contain.ready(engine, incident):
        for action in step:
            contain.carry_out(engine, incident, action.id)
    contain.finish(engine, incident)
    return incident


def verified(engine: Engine, incident: IncidentId) -> bool:
    for verb, platform in verify.checks(engine, incident):
        verify.observe(engine, incident, verb, platform)
    return verify.judge(engine, incident).passed


def test_closing_without_evidence_is_refused(engine: Engine, world: World) -> None:
    """Containment and nothing else proves nothing: closing is refused, recorded, and the control stays."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    with pytest.raises(RefusedError, match="nothing has been verified"):
        recover.close(engine, incident)
    assert state_of(engine, incident).ending is None
    assert world.held == {"trainer"}


def test_what_a_document_claims_to_run_keeps_the_incident_open(engine: Engine, world: World) -> None:
    """Nobody looks there: live clusters that pass prove nothing of it, and the gate names it."""
    world.runs("trainer", BAD)
    ref = WorkloadRef(PLATFORM, f"on-premises{SUFFIX}", "training", "Deployment", "trainer", "")
    container = Container("claimed", ContainerRole.MAIN, BAD, BAD, RunState.RUNNING, 1)
    engine.graph.claim(BAD, [Workload(ref, (container,), replicas=1)], engine.clock())
    incident = contained(engine)
    assert not verified(engine, incident)
    verdict = verify.judge(engine, incident)
    assert any("on-premises (claimed)" in reason for reason in verdict.reasons), verdict.reasons


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.UNKNOWN])
def test_a_proof_that_fails_or_is_unknown_refuses_release_and_closing(
    engine: Engine, world: World, verdict: Verdict
) -> None:
    """Neither a failing nor an unknown check lets anything be released or closed."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    world.verdict = verdict
    assert not verified(engine, incident)
    for attempt in (recover.releases, recover.close):
        with pytest.raises(RefusedError, match="gone"):
            attempt(engine, incident)
    assert world.held == {"trainer"}


def test_a_cluster_that_does_not_answer_keeps_it_open(engine: Engine, world: World) -> None:
    """An unreachable control plane leaves unknown evidence that names it, and the gate does not pass."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    world.verdict, world.unreachable = Verdict.PASS, True
    assert not verified(engine, incident)
    verdict = state_of(engine, incident).verdict
    assert verdict is not None
    assert any("c1" in reason for reason in verdict.reasons)


def test_passing_evidence_releases_proves_again_and_closes(engine: Engine, world: World) -> None:
    """A passing gate releases the control; closing needs a judgement after that release, then leaves both papers."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    world.runs("trainer", MEND)
    world.verdict = Verdict.PASS
    assert verified(engine, incident)
    for control in recover.releases(engine, incident):
        assert recover.release(engine, incident, control.intent.action.id).outcome is Outcome.DONE
    with pytest.raises(RefusedError, match="since the last release"):
        recover.close(engine, incident)
    assert verified(engine, incident)
    closed = recover.close(engine, incident)
    assert world.held == set()
    assert closed.report.is_file()
    assert closed.bundle.is_file()


def test_stale_evidence_closes_nothing(engine: Engine, world: World) -> None:
    """A judgement older than the playbook's freshness is no proof any more."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    world.verdict = Verdict.PASS
    assert verified(engine, incident)
    world.now += timedelta(minutes=6)
    with pytest.raises(RefusedError, match="old"):
        recover.releases(engine, incident)


def test_a_new_scope_after_the_verdict_needs_a_new_verdict(engine: Engine, world: World) -> None:
    """What was judged before the scope changed releases and closes nothing."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    world.verdict = Verdict.PASS
    assert verified(engine, incident)
    scope.scope(engine, incident)
    with pytest.raises(RefusedError, match="changed since"):
        recover.close(engine, incident)


def test_a_release_that_fails_leaves_the_control_and_the_incident_open(engine: Engine, world: World) -> None:
    """A failed release says so, the containment stands, and closing names it."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    world.verdict, world.broken = Verdict.PASS, {"trainer"}
    assert verified(engine, incident)
    (control,) = recover.releases(engine, incident)
    assert recover.release(engine, incident, control.intent.action.id).outcome is Outcome.FAILED
    assert verified(engine, incident)
    with pytest.raises(RefusedError, match="not released"):
        recover.close(engine, incident)
    assert world.held == {"trainer"}


def test_a_dismissed_incident_holds_nothing(engine: Engine, world: World) -> None:
    """A false positive releases everything and ends; a release that fails keeps it open."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    world.broken = {"trainer"}
    with pytest.raises(RefusedError, match="not dismissed"):
        recover.dismiss(engine, incident, "test traffic", "dana")
    world.broken = set()
    recover.dismiss(engine, incident, "test traffic", "dana")
    assert world.held == set()


def test_the_worse_tier_does_not_wait_for_the_other_tiers_approval(engine: Engine, world: World) -> None:
    """Tier 1 is contained at once; tier 2 waits for a second person's yes to this very plan."""
    world.runs("trainer", BAD)
    world.runs("notebook", BAD, Classification.INTERNAL)
    incident = contained(engine)
    assert world.held == {"trainer"}
    plan = state_of(engine, incident).plan
    assert plan is not None
    with pytest.raises(RefusedError, match="another person"):
        say_yes(engine, incident, plan.digest, "test")
    with pytest.raises(RefusedError, match="another plan"):
        say_yes(engine, incident, "sha256:" + "0" * 64)
    say_yes(engine, incident, plan.digest)
    for step in contain.ready(engine, incident):
        for action in step:
            contain.carry_out(engine, incident, action.id)
    assert world.held == {"trainer", "notebook"}
    assert world.calls.count("hold trainer") == 1


def test_a_limit_refuses_whole(engine: Engine, world: World) -> None:
    """Three workloads against a limit of two: the plan is refused with the figures and nothing at all is touched."""
    for name in ("a", "b", "c"):
        world.runs(name, BAD)
    incident = opened(engine)
    plan = contain.plan(engine, incident)
    assert "3 workloads" in plan.refusals[0]
    with pytest.raises(RefusedError, match="limit is 2"):
        contain.ready(engine, incident)
    assert world.calls == []


def test_a_dry_run_writes_nothing(engine: Engine, world: World) -> None:
    """Planning without recording leaves the ledger's head and the world as they were."""
    world.runs("trainer", BAD)
    incident = opened(engine)
    head = state_of(engine, incident).head
    contain.plan(engine, incident, record=False)
    assert state_of(engine, incident).head == head
    assert world.calls == []


def test_the_kill_switch_stops_the_next_write(engine: Engine, world: World) -> None:
    """With the switch raised an action is refused before it begins and leaves no entry, so that it is refused once and the
    lowered switch lets the same action through. What reads goes on."""
    world.runs("trainer", BAD)
    incident = opened(engine)
    engine.stop.raise_("wrong cluster", "dana", engine.clock())
    contain.plan(engine, incident)
    (step,) = contain.ready(engine, incident)
    head = state_of(engine, incident).head
    with pytest.raises(RefusedError, match=r"dana raised it at .*: wrong cluster\. .*`patchgap resume`"):
        contain.carry_out(engine, incident, step[0].id)
    assert (world.calls, state_of(engine, incident).head) == ([], head)
    assert not verified(engine, incident)
    engine.stop.lower("it was the right one", "dana", engine.clock())
    assert contain.carry_out(engine, incident, step[0].id).outcome is Outcome.DONE


def test_a_mend_is_named_only_where_its_sbom_proves_it(engine: Engine, world: World) -> None:
    """The affected image and an image without an SBOM are refused as the mend; the proved one is recorded once."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    proved = r"pytorch-lightning@1\.5\.2 is affected\. Build another image"
    for digest, words in ((BAD, proved), ("sha256:" + "d" * 64, "it has no SBOM. Add its SBOM")):
        with pytest.raises(RefusedError, match=words):
            patch.name_patch(engine, incident, f"r/app@{digest}", "dana")
    for _ in range(2):
        patch.name_patch(engine, incident, f"r/app@{MEND}", "dana")
    assert state_of(engine, incident).patched == (MEND,)
    kinds = [e.body.kind for e in engine.ledger.read(incident)]
    assert kinds.count("patch_named") == 1


def test_a_response_that_was_cut_off_is_found(engine: Engine, world: World) -> None:
    """An incident without a plan, or with an action that never settled, is left undone once nobody writes any more;
    one that is contained, or waits for a yes, is not."""
    minute = timedelta(minutes=1)
    world.runs("trainer", BAD)
    world.runs("notebook", BAD, Classification.INTERNAL)
    incident = opened(engine)
    assert not contain.left_undone(engine, incident, minute)
    world.now += minute
    assert contain.left_undone(engine, incident, minute)
    contained(engine)
    world.now += minute
    assert not contain.left_undone(engine, incident, minute)
    plan = state_of(engine, incident).plan
    assert plan is not None
    say_yes(engine, incident, plan.digest)
    world.now += minute
    assert contain.left_undone(engine, incident, minute)


def test_what_a_check_saw_is_recorded_without_the_secret_in_it(engine: Engine, world: World) -> None:
    """A token in an alert's label neither stops the round nor reaches the ledger; the verdict stays what was seen."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    world.said = "label Bearer c2VjcmV0LXRva2VuLXZhbHVlLWhlcmU"
    assert not verified(engine, incident)
    kept = [e.body for e in engine.ledger.read(incident) if isinstance(e.body, events.EvidenceTaken)][-1].evidence
    assert {(e.reasons, e.verdict) for e in kept} == {(("label (a bearer token, withheld)",), Verdict.FAIL)}
    assert all(e.digest == evidence_digest(e) for e in kept)


@pytest.mark.parametrize("platforms", [1, 2])
def test_an_image_whose_canary_failed_is_no_mend_by_another_digest_of_it(
    engine: Engine, world: World, platforms: int
) -> None:
    """The index that leads to it, and the platform that it leads to, are the image that failed, in any repository."""
    world.runs("trainer", BAD)
    incident = opened(engine)
    index, other = "sha256:" + "1" * 64, "sha256:" + "2" * 64
    each = (Platform("linux/amd64", (MEND,)), Platform("linux/arm64", (other,)))
    engine.graph.add_index(index, each[:platforms])
    result = {"withdrawn": {f"mirror/app@{index}": "its canary failed"}, "stands": False}
    failed = Receipt(ActionId("act-promote"), Outcome.FAILED, ("withdrawn",), result)
    engine.ledger.append(incident, events.ReceiptMade(failed), "test")
    with pytest.raises(RefusedError, match="was given up: its canary failed"):
        patch.name_patch(engine, incident, f"r/app@{MEND}", "dana")
    assert MEND in situation_of(engine, state_of(engine, incident)).given_up
