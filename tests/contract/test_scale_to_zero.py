"""scale_to_zero: zero for every kind that has a scale, and a restore that overwrites nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scene import BAD, GOOD, Scene, deployment, image, namespace, released, template

from integrations.kubernetes.actions.freeze_deployments import FreezeDeployments
from integrations.kubernetes.actions.promote_canary import PromoteCanary
from integrations.kubernetes.actions.scale_to_zero import ScaleToZero
from integrations.kubernetes.actions.start_patched_canary import StartPatchedCanary
from integrations.kubernetes.resources import CRON_JOBS, DEPLOYMENTS, JOBS, PODS, SCALED_OBJECTS, STATEFUL_SETS
from patchgap.errors import ConflictError
from patchgap.model.plan import Outcome, Uncovered

SCALE = ScaleToZero()


@pytest.fixture
def scene(control_plane: Any, tmp_path: Path) -> Scene:
    """A trainer in its namespace."""
    made = Scene(control_plane, tmp_path)
    made.make(namespace(), deployment(replicas=3))
    return made


def of_kind(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    """A workload of another kind."""
    group = "batch/v1" if kind in {"Job", "CronJob"} else "apps/v1"
    return {"apiVersion": group, "kind": kind, "metadata": {"name": name, "namespace": "training"}, "spec": spec}


def job_spec(name: str) -> dict[str, Any]:
    """A Job's spec."""
    return {"template": template(name, image(BAD), restartPolicy="Never")}


def test_a_deployment_goes_to_zero_and_back(scene: Scene) -> None:
    """Its pods end, and a restore brings the replicas that were found."""
    situation = scene.situation(scene.workload("trainer"))
    [target] = scene.targets(SCALE, situation)
    assert "spec.replicas: 3 -> 0" in SCALE.preview(SCALE.parameters(), target, situation)
    [control] = scene.perform(SCALE, situation)

    def none_runs() -> bool:
        scene.settle()
        return scene.admin.all_of(PODS, "training", labels="app=trainer") == []

    scene.eventually(none_runs)
    SCALE.release(control, situation)
    assert scene.admin.get(DEPLOYMENTS, "training", "trainer")["spec"]["replicas"] == 3


def test_a_stateful_set_and_a_cron_job_are_stopped_and_restored(scene: Scene) -> None:
    """A StatefulSet is scaled, a CronJob suspended with the Job that it started; each is restored as it was."""
    selector = {"selector": {"matchLabels": {"app": "store"}}}
    scene.make(
        of_kind(
            "StatefulSet", "store", serviceName="store", replicas=2, **selector, template=template("store", image(BAD))
        ),
        of_kind("CronJob", "nightly", schedule="0 3 * * *", jobTemplate={"spec": job_spec("nightly")}),
    )
    cron = scene.admin.get(CRON_JOBS, "training", "nightly")["metadata"]
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "uid": cron["uid"], "controller": True}
    started = of_kind("Job", "nightly-1", **job_spec("nightly"))
    started["metadata"]["ownerReferences"] = [owner]
    scene.make(started)
    situation = scene.situation(scene.workload("store", "StatefulSet"), scene.workload("nightly", "CronJob"))
    controls = scene.perform(SCALE, situation)
    scene.settle()
    assert not scene.admin.get(STATEFUL_SETS, "training", "store")["spec"].get("replicas")
    assert scene.admin.get(CRON_JOBS, "training", "nightly")["spec"]["suspend"] is True
    assert scene.admin.get(JOBS, "training", "nightly-1")["spec"]["suspend"] is True
    assert all(SCALE.observe(c.intent, situation) for c in controls)
    for control in controls:
        SCALE.release(control, situation)
    assert scene.admin.get(STATEFUL_SETS, "training", "store")["spec"]["replicas"] == 2
    assert not scene.admin.get(CRON_JOBS, "training", "nightly")["spec"].get("suspend")
    assert not scene.admin.get(JOBS, "training", "nightly-1")["spec"].get("suspend")


def test_what_has_no_scale_is_uncovered(scene: Scene) -> None:
    """A DaemonSet and a bare Pod are named with the reason."""
    bare = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare", "namespace": "training"}}
    scene.make(
        of_kind(
            "DaemonSet", "agent", selector={"matchLabels": {"app": "agent"}}, template=template("agent", image(BAD))
        ),
        {**bare, "spec": template("x", image(BAD))["spec"]},
    )
    situation = scene.situation(scene.workload("agent", "DaemonSet"), scene.workload("bare", "Pod"))
    found = list(SCALE.targets(SCALE.parameters(), situation))
    assert [type(f) for f in found] == [Uncovered, Uncovered]
    assert "a DaemonSet has no scale" in found[0].reason


def test_a_restore_overwrites_nobody(scene: Scene) -> None:
    """Where someone has scaled it since, that is drift naming them, and the restore is a conflict."""
    situation = scene.situation(scene.workload("trainer"))
    [control] = scene.perform(SCALE, situation)
    body = {"spec": {"replicas": 1}}
    scene.admin.request(
        "PATCH",
        DEPLOYMENTS.path("training", "trainer"),
        query={"fieldManager": "someone"},
        body=body,
        content_type="application/merge-patch+json",
    )
    assert "held by someone" in SCALE.differences(control.intent, situation)[0]
    assert SCALE.observe(control.intent, situation) is None
    with pytest.raises(ConflictError, match="someone"):
        SCALE.release(control, situation)
    assert scene.admin.get(DEPLOYMENTS, "training", "trainer")["spec"]["replicas"] == 1


def test_zero_that_another_incident_holds_is_not_this_ones(scene: Scene) -> None:
    """An incident that was cut off before its own hold stands for nothing: the other's release would start the pods."""
    workload = scene.workload("trainer")
    mine, other = scene.situation(workload), scene.situation(workload, incident="inc-20261124-0000")
    [target] = scene.targets(SCALE, mine)
    cut_off = scene.intent(SCALE, target, mine)
    [held] = scene.perform(SCALE, other)
    assert SCALE.observe(cut_off, mine) is None
    assert "not held for this incident" in SCALE.differences(cut_off, mine)[0]
    assert SCALE.apply(cut_off, mine).outcome is Outcome.DONE
    SCALE.release(held, other)
    assert scene.admin.get(DEPLOYMENTS, "training", "trainer")["spec"]["replicas"] == 0


def test_a_workload_deleted_meanwhile_needs_no_restore(scene: Scene) -> None:
    """Releasing the control of a deleted workload is a success that says so."""
    situation = scene.situation(scene.workload("trainer"))
    [control] = scene.perform(SCALE, situation)
    scene.admin.delete(DEPLOYMENTS, "training", "trainer", control.intent.action.target.uid)
    scene.settle()
    assert "nothing to restore" in SCALE.release(control, situation).detail[0]


def test_keda_is_paused_at_zero_and_takes_over_again(control_plane: Any, scene: Scene) -> None:
    """A ScaledObject of the workload is a target of its own: paused at 0, and as it was found after the release. What
    it may not read of an installed KEDA leaves the workload uncovered."""
    if not hasattr(control_plane, "cluster"):
        pytest.skip("real binaries have no KEDA installed")
    control_plane.cluster.install("keda")
    try:
        meta = {"name": "by-queue", "namespace": "training", "annotations": {"team": "ml"}}
        scaled = {"apiVersion": SCALED_OBJECTS.api_version, "kind": "ScaledObject", "metadata": meta}
        scene.make({**scaled, "spec": {"scaleTargetRef": {"name": "trainer"}, "triggers": [{"type": "cron"}]}})
        situation = scene.situation(scene.workload("trainer"))
        [workload, scaler] = scene.targets(SCALE, situation)
        assert (scaler.kind, scaler.workloads) == ("ScaledObject", workload.workloads)
        assert 'paused-replicas: none -> "0"' in SCALE.preview(SCALE.parameters(), scaler, situation)[0]
        controls = scene.perform(SCALE, situation)

        def notes() -> dict[str, str]:
            found: dict[str, str] = scene.admin.get(SCALED_OBJECTS, "training", "by-queue")["metadata"]["annotations"]
            return found

        assert notes()["autoscaling.keda.sh/paused-replicas"] == "0"
        assert all(SCALE.observe(c.intent, situation) for c in controls)
        released(SCALE, controls, situation)
        assert notes() == {"team": "ml"}
        scene.person("blind", "get apps/deployments")
        [_, left] = SCALE.targets(SCALE.parameters(), scene.situation(scene.workload("trainer"), user="blind"))
        assert "whether KEDA scales it up again is unknown" in left.reason
    finally:
        control_plane.cluster.uninstall("keda")


def test_what_controls_the_workload_is_named(scene: Scene) -> None:
    """A Deployment that an operator's object controls may be set back: the plan says by what."""
    owner = {"apiVersion": "example.com/v1", "kind": "Trainer", "name": "big", "uid": "u-1", "controller": True}
    scene.admin.patch(DEPLOYMENTS, "training", "trainer", {"metadata": {"ownerReferences": [owner]}})
    situation = scene.situation(scene.workload("trainer"))
    [target] = scene.targets(SCALE, situation)
    assert "Trainer big controls it, and may set it back or start another" in SCALE.preview(
        SCALE.parameters(), target, situation
    )


def test_what_the_plan_stands_on_is_the_replicas_and_the_images(scene: Scene) -> None:
    """A person's scale and another image are seen; a label, an annotation, its status and its own zero are not."""
    situation = scene.situation(scene.workload("trainer"))
    [target] = scene.targets(SCALE, situation)
    planned = SCALE.seen(target, situation)
    assert planned == {"spec.replicas": "3", "container main": image(BAD)}
    scene.admin.patch(DEPLOYMENTS, "training", "trainer", {"metadata": {"annotations": {"seen": "yes"}}})
    [control] = scene.perform(SCALE, situation)
    scene.settle()
    assert SCALE.seen(target, situation) == planned
    SCALE.release(control, situation)
    scene.admin.patch(DEPLOYMENTS, "training", "trainer", {"spec": {"replicas": 5}})
    assert SCALE.seen(target, situation)["spec.replicas"] == "5"


@pytest.mark.parametrize("action", [FreezeDeployments(), StartPatchedCanary(), PromoteCanary()], ids=lambda a: a.verb)
def test_a_freeze_and_a_canary_are_planned_for_the_images_that_run(scene: Scene, action: Any) -> None:
    """Another image is seen; replicas and a label are not, and a namespace is frozen whatever is in it."""
    situation = scene.situation(scene.workload("trainer"))
    of_kind = {t.kind: t for t in scene.targets(action, situation)}
    planned = action.seen(of_kind["Deployment"], situation)
    assert planned["container main"] == image(BAD)
    assert all(action.seen(t, situation) == {} for kind, t in of_kind.items() if kind == "Namespace")
    scene.admin.patch(DEPLOYMENTS, "training", "trainer", {"spec": {"replicas": 5}, "metadata": {"labels": {"a": "b"}}})
    assert action.seen(of_kind["Deployment"], situation) == planned
    containers = [{"name": "main", "image": image(GOOD)}]
    scene.admin.patch(DEPLOYMENTS, "training", "trainer", {"spec": {"template": {"spec": {"containers": containers}}}})
    now = action.seen(of_kind["Deployment"], situation)
    assert {k for k in planned if planned[k] != now[k]} == {"container main"}
