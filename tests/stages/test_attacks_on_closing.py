"""Attacks on the closing and on the controls: each would have ended an incident falsely, or left a control for ever."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from estate import BAD, MEND, PLAYBOOK, World, envelope, say_yes
from test_close import contained, opened, verified

from patchgap.errors import RefusedError
from patchgap.incident import events
from patchgap.incident.lease import Leases
from patchgap.model.evidence import Evidence, Verdict
from patchgap.model.plan import Outcome
from patchgap.model.workload import Classification
from patchgap.stages import contain, detect, recover, scope, verify
from patchgap.stages.engine import Engine
from patchgap.stages.situation import situation_of, state_of


def mended(engine: Engine, world: World) -> Any:
    """An incident whose gate has passed and whose control is released and proved again."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    world.runs("trainer", MEND)
    world.verdict = Verdict.PASS
    assert verified(engine, incident)
    for control in recover.releases(engine, incident):
        recover.release(engine, incident, control.intent.action.id)
    assert verified(engine, incident)
    return incident


def looked(engine: Engine, incident: Any) -> Sequence[Evidence]:
    """One round of every check, not judged."""
    return [e for v, p in verify.checks(engine, incident) for e in verify.observe(engine, incident, v, p)]


def test_failing_evidence_that_nobody_judged_yet_refuses_the_closing(engine: Engine, world: World) -> None:
    """A verification that saw the package again and was cut off before its judgement outweighs the verdict before."""
    incident = mended(engine, world)
    world.verdict = Verdict.FAIL
    looked(engine, incident)
    with pytest.raises(RefusedError, match="gone"):
        recover.close(engine, incident)
    assert state_of(engine, incident).ending is None


@pytest.mark.parametrize(("saw", "status"), [(Verdict.PASS, "closed"), (Verdict.FAIL, "verifying")])
def test_what_another_run_records_while_it_closes_counts(
    engine: Engine, world: World, monkeypatch: pytest.MonkeyPatch, saw: Verdict, status: str
) -> None:
    """A round of the schedule slips in before the closing is written: it closes on what that saw, or not at all."""
    incident = mended(engine, world)
    real, rounds = engine.ledger.append_if, [saw]

    def after_another(*words: Any) -> Any:
        if rounds:
            world.verdict = rounds.pop()
            verified(engine, incident)
        return real(*words)

    monkeypatch.setattr(engine.ledger, "append_if", after_another)
    with nullcontext() if status == "closed" else pytest.raises(RefusedError, match="gone"):
        recover.close(engine, incident)
    assert state_of(engine, incident).status.value == status


def test_evidence_must_be_fresh_when_the_incident_closes(engine: Engine, world: World) -> None:
    """Evidence of four minutes, judged a minute before its end, proves nothing two minutes later."""
    incident = mended(engine, world)
    looked(engine, incident)
    world.now += timedelta(minutes=4)
    assert verify.judge(engine, incident).passed
    world.now += timedelta(minutes=2)
    with pytest.raises(RefusedError, match="stale"):
        recover.close(engine, incident)


def test_evidence_from_before_a_release_does_not_close_after_it(engine: Engine, world: World) -> None:
    """A round that another run took while controls stood, judged after their release, proves nothing of the world
    without them."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    world.verdict = Verdict.PASS
    assert verified(engine, incident)
    looked(engine, incident)
    for control in recover.releases(engine, incident):
        recover.release(engine, incident, control.intent.action.id)
    assert verify.judge(engine, incident).passed
    with pytest.raises(RefusedError, match="since the last release"):
        recover.close(engine, incident)
    assert verified(engine, incident)
    recover.close(engine, incident)


def test_a_release_stops_where_another_run_sees_the_package_again(engine: Engine, world: World) -> None:
    """What the gate allowed a moment ago is not released once newer evidence fails."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    world.verdict = Verdict.PASS
    assert verified(engine, incident)
    (control,) = recover.releases(engine, incident)
    world.verdict = Verdict.FAIL
    looked(engine, incident)
    with pytest.raises(RefusedError, match="gone"):
        recover.release(engine, incident, control.intent.action.id)
    assert world.held == {"trainer"}


def test_a_release_that_waited_for_another_engine_is_judged_when_its_turn_comes(
    engine: Engine, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one acts, and sees the package again, in the minute in which this one waits: nothing is released."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    world.verdict = Verdict.PASS
    assert verified(engine, incident)
    (control,) = recover.releases(engine, incident)
    other = ExitStack()
    other.enter_context(replace(engine, leases=Leases(engine.leases.engine)).acting(incident))

    def sees_it_again(_seconds: float) -> None:
        world.verdict = Verdict.FAIL
        assert not verified(engine, incident)
        other.close()

    monkeypatch.setattr(engine.leases, "pause", sees_it_again)
    with pytest.raises(RefusedError, match="stays contained"):
        recover.release(engine, incident, control.intent.action.id)
    assert world.held == {"trainer"}


def test_a_signal_that_joined_after_the_look_needs_a_new_look(engine: Engine, world: World) -> None:
    """Evidence for fewer versions than the incident is about by now releases and closes nothing."""
    incident = mended(engine, world)
    wider = envelope("GHSA-wider", known_exploited=True)
    assert detect.detect(engine, detect.receive(engine, wider, "test")).incident == incident
    with pytest.raises(RefusedError, match="changed since"):
        recover.close(engine, incident)


def test_a_scoped_cluster_that_is_not_configured_any_more_is_missing_proof(engine: Engine, world: World) -> None:
    """Looking at another cluster alone closes nothing: each cluster of the scope must have answered."""
    world.clusters = ("c1", "c2")
    world.runs("trainer", BAD, cluster="c2")
    incident = contained(engine)
    world.clusters, world.verdict = ("c1",), Verdict.PASS
    assert not verified(engine, incident)
    verdict = state_of(engine, incident).verdict
    assert verdict is not None
    assert any("c2" in reason for reason in verdict.reasons)


def test_a_cluster_that_was_unreachable_at_scoping_must_answer(engine: Engine, world: World) -> None:
    """What could not be read when the scope was taken is not clean because it is not configured any more."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    world.clusters = ("c1", "c2")
    scope.scope(engine, incident)
    world.clusters, world.verdict = ("c1",), Verdict.PASS
    assert not verified(engine, incident)


def test_a_tiers_own_checks_outlive_its_workloads(engine: Engine, world: World) -> None:
    """The worst tier's stricter verify stays required after a new scope in which its workloads are mended."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    assert {v for v, _ in verify.checks(engine, incident)} == {"gone", "quiet"}
    world.runs("trainer", MEND)
    scope.refresh(engine, "c1")
    assert not scope.scope(engine, incident).exposures
    assert {v for v, _ in verify.checks(engine, incident)} == {"gone", "quiet"}


def test_an_incident_knows_its_clusters_by_what_they_were_at_first(engine: Engine, world: World) -> None:
    """Another cluster under the same name, read and scoped since, does not become the one that the incident is about."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    world.identity, world.workloads = "another", []
    scope.refresh(engine, "c1")
    assert not scope.scope(engine, incident).exposures
    state = state_of(engine, incident)
    assert situation_of(engine, state).identities == {"c1": "first"}


def test_a_check_that_two_tiers_ask_for_differently_is_asked_both_ways(engine: Engine, world: World) -> None:
    """Each tier names a query of its own: that the first one's is quiet proves nothing about the second one's."""
    (folder,) = engine.settings.playbooks
    first = PLAYBOOK.replace("[gone, quiet]", "[gone, quiet: {query: egress}]")
    second = "verify: {every: 1m, within: 24h, fresh_within: 5m, all_of: [quiet: {query: logins}]}"
    (folder / "small.yaml").write_text(first.replace("within: 30m}", "within: 30m}\n    " + second))
    world.runs("trainer", BAD)
    world.runs("notebook", BAD, Classification.INTERNAL)
    incident = contained(engine)
    world.verdict, world.loud = Verdict.PASS, {"logins"}
    assert not verified(engine, incident)
    world.loud = set()
    assert verified(engine, incident)


def test_a_joined_signal_widens_what_is_looked_for(engine: Engine, world: World) -> None:
    """An advisory that names more versions joins the open incident, and its versions count from then on."""
    world.runs("trainer", BAD)
    incident = opened(engine)
    assert state_of(engine, incident).finding.severity.value == "critical"
    wider = envelope("GHSA-wider", known_exploited=True)
    wider["advisory"]["affected"][0]["ranges"][0]["events"][1]["fixed"] = "1.7.0"
    assert detect.detect(engine, detect.receive(engine, wider, "test")).incident == incident
    world.runs("mended", MEND)
    scope.refresh(engine, "c1")
    named = {e.workload.ref.name for e in scope.scope(engine, incident).exposures}
    assert named == {"trainer", "mended"}
    assert {e.workload.ref.name for e in state_of(engine, incident).finding.exposures} == named


def test_a_joined_claim_raises_the_severity(engine: Engine, world: World) -> None:
    """Who joins with "malicious" makes the open incident critical."""
    world.runs("trainer", BAD)
    mild = detect.detect(engine, detect.receive(engine, envelope(severity="high"), "test"))
    assert mild.incident is not None
    assert state_of(engine, mild.incident).finding.severity.value == "high"
    detect.detect(engine, detect.receive(engine, envelope("GHSA-worse", malicious=True), "test"))
    scope.scope(engine, mild.incident)
    finding = state_of(engine, mild.incident).finding
    assert (finding.severity.value, finding.malicious) == ("critical", True)


def test_recovery_releases_what_was_done_by_halves(engine: Engine, world: World) -> None:
    """A containment that failed on the way is in recover's order like one that stands."""
    world.runs("trainer", BAD)
    world.broken = {"trainer"}
    incident = contained(engine)
    world.broken, world.verdict = set(), Verdict.PASS
    assert verified(engine, incident)
    (half,) = recover.releases(engine, incident)
    assert recover.release(engine, incident, half.intent.action.id).outcome is Outcome.DONE
    assert verified(engine, incident)
    recover.close(engine, incident)


def test_an_unsettled_effect_of_an_older_plan_is_settled_by_looking(engine: Engine, world: World) -> None:
    """An intent without a receipt, whose plan was replaced, is observed when the incident is verified: else nothing
    would ever settle it, and the incident could never close."""
    world.runs("trainer", BAD)
    incident = opened(engine)
    plan = contain.plan(engine, incident)
    intent = events.IntentMade(_intent(plan.actions[0]))
    engine.ledger.append(incident, intent, "killed run")
    world.held.add("trainer")
    verified(engine, incident)
    assert state_of(engine, incident).open_intents  # young: its run may be at it
    world.now += timedelta(minutes=11)
    verified(engine, incident)
    assert not state_of(engine, incident).open_intents
    assert [c.intent.action.target.name for c in state_of(engine, incident).controls] == ["trainer"]


def _intent(action: Any) -> Any:
    from patchgap.model.plan import Intent

    return Intent(action, {"held": False})


def test_a_plan_that_waited_too_long_is_not_approved(engine: Engine, world: World) -> None:
    """Nobody's yes within the playbook's time is a no: the plan must be made again to be approved."""
    world.runs("notebook", BAD, Classification.INTERNAL)
    incident = opened(engine)
    plan = contain.plan(engine, incident)
    world.now += timedelta(minutes=31)
    with pytest.raises(RefusedError, match="waited"):
        say_yes(engine, incident, plan.digest)
    assert contain.plan(engine, incident).digest == plan.digest  # the same world, the same digest
    say_yes(engine, incident, plan.digest)
    assert [a.target.name for step in contain.ready(engine, incident) for a in step] == ["notebook"]


@pytest.mark.parametrize("approver", ["test", " TEST ", "\uff54\uff45\uff53\uff54"])
def test_the_requester_by_any_spelling_approves_nothing(engine: Engine, world: World, approver: str) -> None:
    """Case, spaces and wide letters make no second person."""
    world.runs("notebook", BAD, Classification.INTERNAL)
    incident = opened(engine)
    plan = contain.plan(engine, incident)
    with pytest.raises(RefusedError, match="another person"):
        say_yes(engine, incident, plan.digest, approver)


def test_a_patched_digest_that_turns_out_affected_is_no_mend(engine: Engine, world: World, tmp_path: Any) -> None:
    """A later SBOM of the named mend that holds an affected version takes its standing away."""
    from estate import sbom

    from patchgap.graph.sbom.read import read_sbom
    from patchgap.stages import patch

    world.runs("trainer", BAD)
    incident = contained(engine)
    patch.name_patch(engine, incident, f"r/app@{MEND}", "dana")
    assert situation_of(engine, state_of(engine, incident)).patched == {MEND}
    engine.graph.add_sbom(read_sbom(sbom(tmp_path, MEND, "1.5.3"), None), world.clock())
    assert situation_of(engine, state_of(engine, incident)).patched == frozenset()


def test_a_plan_that_was_tampered_with_approves_nothing(engine: Engine, world: World) -> None:
    """An approval binds to the plan's content: after the scope changed, the old yes lets nothing run."""
    world.runs("notebook", BAD, Classification.INTERNAL)
    incident = opened(engine)
    plan = contain.plan(engine, incident)
    say_yes(engine, incident, plan.digest)
    world.runs("second", BAD, Classification.INTERNAL)
    scope.refresh(engine, "c1")
    scope.scope(engine, incident)
    assert contain.plan(engine, incident).digest != plan.digest
    assert contain.ready(engine, incident) == ()
    with pytest.raises(RefusedError, match="not approved"):
        contain.carry_out(engine, incident, plan.actions[0].id)
    assert replace(plan).digest == plan.digest
    assert world.calls == []


def test_a_look_that_is_recorded_late_outweighs_no_newer_one(
    engine: Engine, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that looked while all was well, and stalled before it recorded that, comes after one that saw the package."""
    incident = mended(engine, world)
    real, late = engine.ledger.append, []
    monkeypatch.setattr(engine.ledger, "append", lambda *entry: late.append(entry))
    looked(engine, incident)
    monkeypatch.undo()
    world.verdict = Verdict.FAIL
    assert not verified(engine, incident)
    for entry in late:
        real(*entry)
    assert not verify.judge(engine, incident).passed
    with pytest.raises(RefusedError, match="gone"):
        recover.close(engine, incident)


def test_a_look_that_a_wrong_clock_dated_ahead_outweighs_no_later_one(engine: Engine, world: World) -> None:
    """Dated an hour ahead and recorded before the clock was set right, it is no newer than what was seen since; not even at
    the moment that it was dated."""
    world.runs("trainer", BAD)
    incident, right = contained(engine), world.now
    world.now, world.verdict = right + timedelta(hours=1), Verdict.PASS
    assert verified(engine, incident)
    world.now, world.verdict = right + timedelta(minutes=59, seconds=59), Verdict.FAIL
    looked(engine, incident)
    world.now = right + timedelta(hours=1, seconds=1)
    assert not verify.judge(engine, incident).passed


@pytest.mark.parametrize("stalled", [scope.scope, contain.plan])
def test_a_run_that_stalls_before_it_records_replaces_nothing_newer(
    engine: Engine, world: World, monkeypatch: pytest.MonkeyPatch, stalled: Callable[..., Any]
) -> None:
    """Another engine scopes, plans and contains a second workload in that time: both stay scoped, planned and contained."""
    world.runs("trainer", BAD)
    incident, real = opened(engine), engine.ledger.append_if

    def stall(*given: Any) -> Any:
        monkeypatch.undo()
        world.runs("second", BAD)
        scope.refresh(engine, "c1")
        scope.scope(engine, incident)
        for action in contain.plan(engine, incident).actions:
            contain.carry_out(engine, incident, action.id)
        return real(*given)

    monkeypatch.setattr(engine.ledger, "append_if", stall)
    stalled(engine, incident)
    state = state_of(engine, incident)
    assert {e.workload.ref.name for e in state.finding.exposures} == {"trainer", "second"}
    assert state.plan is not None
    assert {a.target.name for a in state.plan.actions} == world.held == {"trainer", "second"}


def test_what_was_released_too_early_is_contained_again(engine: Engine, world: World) -> None:
    """The package came back after the release: the next round finds that, also where the cluster cannot be seen by then;
    the same plan is made anew, once, and what it names stands again."""
    incident, busy = mended(engine, world), timedelta(hours=1)
    assert not contain.left_undone(engine, incident, busy)
    world.runs("trainer", BAD)
    for world.verdict in (Verdict.FAIL, Verdict.UNKNOWN):
        assert not verified(engine, incident)
        assert contain.left_undone(engine, incident, busy)
    for _ in range(2):
        contain.plan(engine, incident)
        for step in contain.ready(engine, incident):
            for action in step:
                contain.carry_out(engine, incident, action.id)
    assert not contain.left_undone(engine, incident, timedelta(0))
    assert world.held == {"trainer"}
    assert world.calls.count("hold trainer") == 2
    assert sum(isinstance(e.body, events.Planned) for e in engine.ledger.read(incident)) == 2
    assert not contain.left_undone(engine, incident, timedelta(0))


def test_what_another_open_incident_holds_is_told_until_it_is_released(engine: Engine, world: World) -> None:
    """From its intent on, and whatever of its effect the world shows; never its own, and nothing of an ended one."""
    world.runs("trainer", BAD)
    first = contained(engine)
    second = detect.detect(engine, detect.receive(engine, envelope("OSV-2", aliases=()), "test")).incident
    assert second not in (None, first)
    [control] = state_of(engine, first).controls
    target = replace(control.intent.action.target, workloads=())

    def told(incident: Any) -> list[Any]:
        return [i for i, _ in situation_of(engine, state_of(engine, incident)).elsewhere(target)]

    assert (told(second), told(first)) == ([first], [])
    engine.ledger.append(first, events.IntentMade(control.intent), "a second try that is cut off")
    assert told(second)[0] == first
    recover.dismiss(engine, first, "a test", "dana")
    assert told(second) == []


@pytest.mark.parametrize("saw", [Verdict.PASS, Verdict.FAIL])
def test_evidence_with_a_token_is_withheld_and_passes_nothing(engine: Engine, world: World, saw: Verdict) -> None:
    """A check whose words hold a token closes nothing and stops no round: the others are asked, the token is not kept, and
    what failed has failed."""
    incident = mended(engine, world)
    world.verdict, world.said = saw, "env TOKEN=ghp_" + "a" * 36
    assert not verified(engine, incident)
    world.said = "looked"
    verify.observe(engine, incident, "quiet", "fake")
    with pytest.raises(RefusedError, match=r"gone \(c1: fake\).*a GitHub token, withheld"):
        recover.close(engine, incident)
    state = state_of(engine, incident)
    seen = {e.check: e.verdict for e in state.evidence}
    assert seen == {"gone": Verdict.UNKNOWN if saw is Verdict.PASS else Verdict.FAIL, "quiet": saw}
    assert "ghp_" not in str(engine.ledger.read(incident))


def test_a_release_that_nothing_speaks_against_stays(engine: Engine, world: World) -> None:
    """A containment that runs during the recovery makes no new plan."""
    incident = mended(engine, world)
    contain.plan(engine, incident)
    assert sum(isinstance(e.body, events.Planned) for e in engine.ledger.read(incident)) == 1
    with pytest.raises(RefusedError, match="is being released, or was"):
        contain.carry_out(engine, incident, contain.ready(engine, incident)[0][0].id)
    assert world.held == set()
