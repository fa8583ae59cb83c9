"""promote_canary: a canary that holds out is promoted, one that does not is withdrawn, and nothing bad comes back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from scene import BAD, GOOD, HOME, NOW, OTHER, Scene, deployment, image, namespace

from integrations.digests import digest_in
from integrations.kubernetes.actions import promote_canary
from integrations.kubernetes.actions.block_artifacts import BlockArtifacts
from integrations.kubernetes.actions.promote_canary import PromoteCanary
from integrations.kubernetes.actions.start_patched_canary import StartPatchedCanary
from integrations.kubernetes.checks.digests_retired import DigestsRetired
from integrations.kubernetes.checks.package_absent import PackageAbsent
from integrations.kubernetes.checks.policy_in_sync import PolicyInSync
from integrations.kubernetes.resources import DEPLOYMENTS, PODS
from integrations.outbound import Service
from integrations.prometheus.client import Prometheus
from integrations.rehearsal.metrics import MetricsSource
from patchgap.errors import ConflictError, WaitingError
from patchgap.model.evidence import Verdict
from patchgap.model.plan import Control, Outcome, Receipt, Target
from patchgap.ports import Situation

CANARY, PROMOTE = StartPatchedCanary(), PromoteCanary()
NAME = "patchgap-inc-20261124-7k3f-canary-trainer"


@pytest.fixture
def scene(controllers: Any, tmp_path: Path) -> Scene:
    """An affected trainer."""
    made = Scene(controllers, tmp_path)
    made.make(namespace(), namespace(HOME), deployment(replicas=3))
    return made


def at(situation: Situation, **later: float) -> Situation:
    """The situation so much later than now, as the cluster's clock has it."""
    when = datetime.now(UTC) + timedelta(**later)
    return replace(situation, clock=lambda: when)


def started(scene: Scene, **given: Any) -> Situation:
    """The incident with a canary that was put now."""
    situation = at(scene.situation(scene.workload("trainer"), **{"patched": [GOOD], **given}), seconds=0)
    [control] = scene.perform(CANARY, situation)
    scene.settle()
    return replace(situation, controls=(control,))


def promoted(scene: Scene, situation: Situation, **parameters: Any) -> Control:
    """The promotion, carried out."""
    [control] = scene.perform(PROMOTE, situation, **parameters)
    return control


def runs(scene: Scene, name: str = "trainer") -> str:
    """The image in the live template."""
    return str(scene.admin.get(DEPLOYMENTS, "training", name)["spec"]["template"]["spec"]["containers"][0]["image"])


def test_it_waits_for_its_canary_and_for_its_time(scene: Scene) -> None:
    """Nothing is begun while there is no canary, or while its pods have not been ready for long enough; for what, and
    until when, is said."""
    bare = scene.situation(scene.workload("trainer"), patched=[GOOD])
    [target] = scene.targets(PROMOTE, bare)
    with pytest.raises(WaitingError, match="waits for its canary"):
        scene.intent(PROMOTE, target, bare)
    with pytest.raises(WaitingError, match="a patched image of"):
        scene.intent(PROMOTE, target, replace(bare, mends=()))
    situation = started(scene)
    words = []
    for minutes in (10, 20):  # the words are the same, so that a round that changes nothing records nothing
        with pytest.raises(WaitingError, match=r"ready for 30m without a break, by .*: it is since") as waits:
            scene.intent(PROMOTE, target, at(situation, minutes=minutes), after="30m")
        words.append(str(waits.value))
    assert len(set(words)) == 1
    assert runs(scene) == image(BAD)


def test_a_canary_that_held_out_is_promoted_and_removed(scene: Scene) -> None:
    """Its image is rolled out in the workload, the canary goes; afterwards the package is absent, its digest retired
    under the block, everything in step, and the canary is not started again."""
    situation = started(scene)
    block = scene.perform(BlockArtifacts(), replace(situation, controls=()))
    due = at(situation, minutes=31)
    control = promoted(scene, due)
    assert control.receipt.outcome is Outcome.DONE
    assert f"container main: {image(BAD)} -> {image(GOOD)}" in control.receipt.detail
    assert runs(scene) == image(GOOD)
    scene.settle()
    assert scene.admin.find(DEPLOYMENTS, "training", NAME) is None
    pods = scene.admin.all_of(PODS, "training", labels="app=trainer")
    assert [p["spec"]["containers"][0]["image"] for p in pods] == [image(GOOD)] * 3
    start = due.controls[0]
    assert CANARY.observe(start.intent, due)
    after = replace(due, controls=(start, *block, control), clock=lambda: NOW)
    for check in (PackageAbsent(), DigestsRetired(), PolicyInSync()):
        [seen] = check.observe(check.parameters(), after)
        assert seen.verdict is Verdict.PASS, (check.verb, seen.reasons)


def test_a_canary_that_does_not_come_up_is_withdrawn(scene: Scene) -> None:
    """Twice the time after its start, a canary that was never ready is removed, the workload left as it is; neither
    is it started again, nor promoted, until another image is named."""
    pictures = [{"name": "main", "image": image(BAD)}, {"name": "proxy", "image": "r.example/nowhere:1"}]
    body = {"spec": {"template": {"spec": {"containers": pictures}}}}
    scene.admin.patch(DEPLOYMENTS, "training", "trainer", body)
    situation = started(scene)
    [target] = scene.targets(PROMOTE, situation)
    with pytest.raises(WaitingError, match="not all of its pods are"):
        scene.intent(PROMOTE, target, at(situation, minutes=59))
    late = at(situation, minutes=61)
    intent = scene.intent(PROMOTE, target, late)
    receipt = PROMOTE.apply(intent, late)
    assert receipt.outcome is Outcome.FAILED
    assert "is withdrawn, and nothing was promoted" in receipt.detail[0]
    assert scene.admin.find(DEPLOYMENTS, "training", NAME) is None
    assert runs(scene) == image(BAD)
    told = replace(late, given_up=dict.fromkeys(map(digest_in, receipt.result["withdrawn"]), "it failed"))
    start = situation.controls[0]
    assert "withdrawn" in CANARY.observe(start.intent, told).detail[0]  # type: ignore[union-attr]
    assert CANARY.apply(start.intent, told).outcome is Outcome.DONE
    assert PROMOTE.apply(scene.intent(PROMOTE, target, told), told).outcome is Outcome.FAILED
    assert scene.admin.find(DEPLOYMENTS, "training", NAME) is None
    newer = replace(told, mends=(image(GOOD), image(OTHER)), patched=frozenset([GOOD, OTHER]))
    assert CANARY.observe(start.intent, newer) is None
    CANARY.apply(start.intent, newer)
    assert runs(scene, NAME) == image(OTHER)


def of_two(scene: Scene) -> tuple[Situation, dict[str, Target]]:
    """A canary beside each of two workloads that run the same image, and the targets of their promotions."""
    scene.make(deployment("web"))
    both = at(scene.situation(scene.workload("trainer"), scene.workload("web"), patched=[GOOD]), seconds=0)
    controls = scene.perform(CANARY, both)
    scene.settle()
    situation = replace(both, controls=controls)
    return situation, {t.name: t for t in scene.targets(PROMOTE, situation)}


def deleted(scene: Scene) -> None:
    """Someone deletes the trainer's canary."""
    uid = scene.admin.get(DEPLOYMENTS, "training", NAME)["metadata"]["uid"]
    scene.admin.delete(DEPLOYMENTS, "training", NAME, uid)


def test_an_image_that_failed_beside_one_workload_is_promoted_to_none(scene: Scene) -> None:
    """The other canary of it, though it held out, is withdrawn too, with whose canary failed and why; where it was not
    started yet it waits for another image."""
    situation, targets = of_two(scene)
    why = "the canary of contract/training/Deployment/trainer failed: errors is above 0"
    late = replace(at(situation, minutes=31), given_up={GOOD: why})
    assert why in PROMOTE.preview(PROMOTE.parameters(), targets["web"], late)[0]
    receipt = PROMOTE.apply(scene.intent(PROMOTE, targets["web"], late), late)
    assert receipt.outcome is Outcome.FAILED
    assert why in receipt.detail[0]
    assert receipt.result["withdrawn"] == {image(GOOD): why}
    assert runs(scene, "web") == image(BAD)
    assert scene.admin.find(DEPLOYMENTS, "training", NAME.replace("trainer", "web")) is None
    with pytest.raises(WaitingError, match="waits for another image"):
        scene.intent(CANARY, targets["web"], late)
    assert why in CANARY.preview(CANARY.parameters(), targets["web"], late)[0]


def test_a_canary_that_held_out_is_not_promoted_while_another_of_its_image_is_bad(scene: Scene) -> None:
    """Several at once: the one whose turn comes first looks at the others, also where nobody has judged them yet."""
    situation, targets = of_two(scene)
    late = at(situation, minutes=61)
    deleted(scene)
    receipt = PROMOTE.apply(scene.intent(PROMOTE, targets["web"], late), late)
    assert receipt.outcome is Outcome.FAILED
    assert (
        "the canary of contract/training/Deployment/trainer, which runs the same image: it is gone" in receipt.detail[0]
    )
    assert runs(scene, "web") == image(BAD)


def test_a_canary_of_another_image_or_one_that_is_promoted_is_no_reason(scene: Scene) -> None:
    """The first promotion does not stand in the way of the second, though its canary is gone by then."""
    situation, targets = of_two(scene)
    late = at(situation, minutes=31)
    assert PROMOTE.apply(scene.intent(PROMOTE, targets["trainer"], late), late).outcome is Outcome.DONE
    assert PROMOTE.apply(scene.intent(PROMOTE, targets["web"], late), late).outcome is Outcome.DONE
    assert runs(scene, "web") == image(GOOD)


def test_a_canary_that_someone_deleted_has_not_held_out(scene: Scene) -> None:
    """It is not waited for: nobody starts it again by itself, and a person is called."""
    situation = started(scene)
    deleted(scene)
    [target] = scene.targets(PROMOTE, situation)
    receipt = PROMOTE.apply(scene.intent(PROMOTE, target, situation), situation)
    assert receipt.outcome is Outcome.FAILED
    assert "it is gone before it held out" in receipt.detail[0]


def test_a_canary_that_someone_gave_another_image_is_a_conflict_that_names_them(scene: Scene) -> None:
    """It ends the promotion at once, with who and which image: it would else be waited for without end."""
    situation = started(scene)
    body = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": image(OTHER)}]}}}}
    scene.admin.request(
        "PATCH",
        DEPLOYMENTS.path("training", NAME),
        query={"fieldManager": "kubectl-edit"},
        body=body,
        content_type="application/strategic-merge-patch+json",
    )
    [target] = scene.targets(PROMOTE, situation)
    with pytest.raises(ConflictError, match=rf"kubectl-edit has set its canary's container main to {image(OTHER)}"):
        scene.intent(PROMOTE, target, situation)
    newer = replace(situation, mends=(image(GOOD), image(OTHER)), patched=frozenset([GOOD, OTHER]))
    with pytest.raises(WaitingError, match="ready for"):
        scene.intent(PROMOTE, target, newer)


@pytest.fixture
def source() -> Iterator[tuple[MetricsSource, list[datetime]]]:
    """A Prometheus on a clock of our own."""
    clock = [datetime.now(UTC)]
    with MetricsSource(clock=lambda: clock[0], scrape_seconds=15) as running:
        yield running, clock


def with_errors(situation: Situation, source: MetricsSource) -> Situation:
    """The situation with the query `errors` configured."""
    situation.connections._made[Prometheus] = Prometheus(Service("Prometheus", source.url, "", 5), {"errors": "errors"})
    return situation


def test_errors_withdraw_a_canary_at_once(scene: Scene, source: tuple[MetricsSource, list[datetime]]) -> None:
    """A query above 0 since the canary is ready ends the watch long before its time."""
    metrics, clock = source
    situation = with_errors(started(scene), metrics)
    clock[0] += timedelta(minutes=2)
    metrics.set("errors", 3)
    clock[0] += timedelta(minutes=2)
    now = replace(situation, clock=lambda: clock[0])
    [target] = scene.targets(PROMOTE, now)
    intent = scene.intent(PROMOTE, target, now, queries=["errors"])
    receipt = PROMOTE.apply(intent, now)
    assert receipt.outcome is Outcome.FAILED
    assert "above 0" in receipt.detail[0]
    assert runs(scene) == image(BAD)


def test_errors_before_it_was_ready_are_not_its_own(scene: Scene, source: tuple[MetricsSource, list[datetime]]) -> None:
    """What an earlier canary did a moment before is not held against the next one, nor does less than a second prove it."""
    metrics, clock = source
    metrics.set("errors", 3)
    situation = with_errors(started(scene), metrics)
    clock[0] = situation.clock()
    metrics.set("errors", 0)
    clock[0] += timedelta(milliseconds=300)
    soon = replace(situation, clock=lambda: clock[0])
    [target] = scene.targets(PROMOTE, soon)
    with pytest.raises(WaitingError, match="without a break"):
        scene.intent(PROMOTE, target, soon, after="1s", queries=["errors"])


def test_errors_that_nobody_measured_promote_nothing(
    scene: Scene, source: tuple[MetricsSource, list[datetime]]
) -> None:
    """No data is no proof: the promotion waits, and in the end the canary is withdrawn; a quiet, covered time promotes."""
    metrics, clock = source
    situation = with_errors(started(scene), metrics)
    [target] = scene.targets(PROMOTE, situation)
    blind = at(situation, minutes=31)
    with pytest.raises(WaitingError, match="no data"):
        scene.intent(PROMOTE, target, blind, queries=["errors"])
    assert any("no data" in line for line in PROMOTE.preview(PROMOTE.parameters(queries=("errors",)), target, blind))
    metrics.set("errors", 0)
    clock[0] += timedelta(minutes=32)
    quiet = replace(situation, clock=lambda: clock[0])
    assert promoted(scene, quiet, queries=["errors"]).receipt.outcome is Outcome.DONE
    late = at(situation, minutes=61)
    assert runs(scene) == image(GOOD)
    assert PROMOTE.observe(scene.intent(PROMOTE, target, late), late)


def test_a_rollout_that_takes_longer_is_followed_in_the_next_round(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While pods are being replaced the promotion waits with its canary in place; it ends when they are."""
    monkeypatch.setattr(promote_canary, "_MOMENT", 0.1)
    situation = at(started(scene), minutes=31)
    scene.admin.patch(DEPLOYMENTS, "training", "trainer", {"spec": {"paused": True}})
    [target] = scene.targets(PROMOTE, situation)
    intent = scene.intent(PROMOTE, target, situation)
    for _ in range(2):
        with pytest.raises(WaitingError, match=r"0 of 3 pods are updated.*spec.paused holds it up"):
            PROMOTE.apply(intent, situation)
        seen = PROMOTE.observe(intent, situation)
        assert seen
        assert seen.outcome is Outcome.WAITING
    assert scene.admin.find(DEPLOYMENTS, "training", NAME)
    scene.admin.patch(DEPLOYMENTS, "training", "trainer", {"spec": {"paused": False}})
    monkeypatch.undo()
    scene.settle()
    assert scene.intent(PROMOTE, target, situation)
    assert PROMOTE.apply(intent, situation).outcome is Outcome.DONE


def test_an_image_that_someone_set_meanwhile_is_not_overwritten(scene: Scene) -> None:
    """Another image than the one found, still affected, is a conflict."""
    situation = at(started(scene), minutes=31)
    [target] = scene.targets(PROMOTE, situation)
    intent = scene.intent(PROMOTE, target, situation)
    other = "registry.example.com/ml/trainer:hotfix"
    body = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": other}]}}}}
    scene.admin.patch(DEPLOYMENTS, "training", "trainer", body)
    with pytest.raises(ConflictError, match="hotfix"):
        PROMOTE.apply(intent, situation)
    assert runs(scene) == other


def test_undoing_a_promotion_never_brings_an_affected_image_back(scene: Scene) -> None:
    """The patched image stays, and how a person goes back is said; where the image found is proved clean by now it is
    put back, unless someone else has set another."""
    situation = at(started(scene), minutes=31)
    control = promoted(scene, situation)
    scene.settle()
    said = _undone(control, situation)
    assert "is not brought back" in said.detail[0]
    assert f"kubectl -n training set image deployment/trainer main={image(BAD)}" in said.detail[0]
    assert runs(scene) == image(GOOD)
    corrected = replace(situation, judge=scene.situation(affected=(), clean=[BAD, GOOD]).judge)
    body = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": image(OTHER)}]}}}}
    scene.admin.patch(DEPLOYMENTS, "training", "trainer", body)
    with pytest.raises(ConflictError, match="someone has set"):
        _undone(control, corrected)
    body["spec"]["template"]["spec"]["containers"][0]["image"] = image(GOOD)
    scene.admin.patch(DEPLOYMENTS, "training", "trainer", body)
    assert "again" in _undone(control, corrected).detail[0]
    assert runs(scene) == image(BAD)


def _undone(control: Control, situation: Situation) -> Receipt:
    return PROMOTE.release(control, situation)
