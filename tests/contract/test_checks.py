"""The live checks: what they see on the control plane, and that they are never better than what was seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scene import BAD, CLUSTER, GOOD, HOME, OTHER, Scene, deployment, image, namespace, template

from integrations.kubernetes.actions.block_artifacts import BlockArtifacts
from integrations.kubernetes.actions.freeze_deployments import FreezeDeployments
from integrations.kubernetes.actions.isolate_workloads import IsolateWorkloads
from integrations.kubernetes.checks.digests_retired import DigestsRetired
from integrations.kubernetes.checks.package_absent import PackageAbsent
from integrations.kubernetes.checks.policy_in_sync import PolicyInSync
from integrations.kubernetes.resources import DEPLOYMENTS, NETWORK_POLICIES
from patchgap.model.codec import evidence_digest
from patchgap.model.evidence import Evidence, Verdict
from patchgap.ports import Connections, Situation
from patchgap.settings import ClusterSettings, KubernetesSettings

CHECKS = (PackageAbsent(), DigestsRetired(), PolicyInSync())


@pytest.fixture
def scene(control_plane: Any, tmp_path: Path) -> Scene:
    """An affected trainer."""
    made = Scene(control_plane, tmp_path)
    made.make(namespace(), namespace(HOME), deployment(replicas=1))
    return made


def seen(check: Any, situation: Situation) -> Evidence:
    """The one piece of evidence of one cluster."""
    [found] = check.observe(check.parameters(), situation)
    assert found.digest == evidence_digest(found)
    assert found.source.startswith(f"{CLUSTER}: ")
    assert found.check == check.verb
    return found


def roll(scene: Scene, picture: str) -> None:
    """Rolls the trainer to an image, to the end."""
    body = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": picture}]}}}}
    scene.admin.patch(DEPLOYMENTS, "training", "trainer", body)

    def is_over() -> bool:
        scene.settle()
        held = {c.image for c in scene.workload("trainer").containers if c.state.value != "rollback"}
        return held == {picture}

    scene.eventually(is_over)


def test_an_affected_package_that_runs_fails_by_name(scene: Scene) -> None:
    """package_absent and digests_retired fail naming workload and digest while the affected image is there."""
    situation = scene.situation(scene.workload("trainer"))
    for check in CHECKS[:2]:
        found = seen(check, situation)
        assert found.verdict is Verdict.FAIL
        assert any(f"{CLUSTER}/training/Deployment/trainer" in r and BAD in r for r in found.reasons)


@pytest.mark.parametrize("kind", ["CronJob", "idle"])
def test_what_would_run_counts_as_running(scene: Scene, kind: str) -> None:
    """A CronJob's template and a workload at zero fail package_absent and digests_retired, nothing else running."""
    situation = scene.situation(scene.workload("trainer"))
    scene.admin.delete(DEPLOYMENTS, "training", "trainer", scene.workload("trainer").ref.uid)
    job = {"template": template("job", image(BAD), restartPolicy="Never")}
    cron = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly", "namespace": "training"}}
    spec = {"schedule": "0 3 * * *", "suspend": True, "jobTemplate": {"spec": job}}
    scene.make(deployment("idle", replicas=0) if kind == "idle" else {**cron, "spec": spec})
    for check in CHECKS[:2]:
        found = seen(check, situation)
        assert found.verdict is Verdict.FAIL
        assert any(name in " ".join(found.reasons) for name in ("CronJob/nightly", "Deployment/idle"))


def test_a_digest_without_an_sbom_is_unknown(scene: Scene) -> None:
    """package_absent is unknown, naming workload and digest, where no SBOM tells; and where no digest is known."""
    roll_to = "sha256:" + "d" * 64
    scene.make(deployment("mystery", image(roll_to, "r.example/m"), 0), deployment("tagged", "r.example/t:latest", 0))
    found = seen(PackageAbsent(), scene.situation(affected=[], clean=[BAD]))
    assert found.verdict is Verdict.UNKNOWN
    assert any("Deployment/mystery" in r and roll_to in r for r in found.reasons)
    assert any("Deployment/tagged" in r and "r.example/t:latest" in r for r in found.reasons)


def test_the_mend_passes_and_a_rollback_target_needs_the_block(controllers: Any, scene: Scene) -> None:
    """After the roll-out package_absent passes; digests_retired fails for the old ReplicaSet until a proven block
    denies its image, and says so then."""
    workload = scene.workload("trainer")
    roll(scene, image(GOOD))
    situation = scene.situation(workload)
    assert seen(PackageAbsent(), situation).verdict is Verdict.PASS
    found = seen(DigestsRetired(), situation)
    assert found.verdict is Verdict.FAIL
    assert any("rolled back to" in r and BAD in r for r in found.reasons)
    scene.perform(BlockArtifacts(), situation)
    found = seen(DigestsRetired(), situation)
    assert found.verdict is Verdict.PASS
    assert any("rolled back to" in r and "denies" in r for r in found.reasons)


def test_what_has_ended_is_told_as_what_ran(controllers: Any, scene: Scene) -> None:
    """A completed Job's pods do not fail the checks and are reported."""
    workload = scene.workload("trainer")
    scene.admin.delete(DEPLOYMENTS, "training", "trainer", workload.ref.uid)
    job = {"template": template("job", image(BAD), restartPolicy="Never")}
    scene.make(
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once", "namespace": "training"}, "spec": job}
    )
    from integrations.kubernetes.resources import PODS

    def ended() -> bool:
        scene.settle()
        for pod in scene.admin.all_of(PODS, "training", labels="app=job"):
            if pod["status"].get("phase") == "Running":
                terminated = {"terminated": {"exitCode": 0, "reason": "Completed"}}
                [status] = pod["status"]["containerStatuses"]
                body = {
                    "status": {
                        "phase": "Succeeded",
                        "containerStatuses": [{**status, "ready": False, "state": terminated}],
                    }
                }
                scene.admin.patch(PODS, "training", pod["metadata"]["name"], body, subresource="status")
        found = {w.ref.name: w for w in scene.inventory().workloads if w.ref.namespace == "training"}
        return set(found) == {"once"} and {c.state.value for c in found["once"].containers} == {"ended"}

    scene.eventually(ended)
    found = seen(DigestsRetired(), scene.situation(workload))
    assert found.verdict is Verdict.PASS
    assert any("Job/once" in r and "has ended" in r for r in found.reasons)
    assert seen(PackageAbsent(), scene.situation(workload)).verdict is not Verdict.FAIL


def test_standing_controls_are_in_sync_until_someone_touches_them(scene: Scene) -> None:
    """policy_in_sync passes with every control live, and fails naming what is gone, changed or left over."""
    bare = scene.situation(scene.workload("trainer"))
    controls = [c for a in (FreezeDeployments(), IsolateWorkloads(), BlockArtifacts()) for c in scene.perform(a, bare)]
    situation = replace(bare, controls=tuple(controls))
    found = seen(PolicyInSync(), situation)
    assert found.verdict is Verdict.PASS, found.reasons
    assert len(found.value["controls"]) == 4
    left = seen(PolicyInSync(), replace(bare, controls=tuple(controls[:3])))
    assert left.verdict is Verdict.FAIL
    assert any("no standing control made it" in r and "block" in r for r in left.reasons)
    isolation = controls[2].receipt.result["objects"][0]
    scene.admin.delete(NETWORK_POLICIES, "training", isolation["name"], isolation["uid"])
    gone = seen(PolicyInSync(), situation)
    assert gone.verdict is Verdict.FAIL
    assert any("isolate_workloads on" in r and "is gone" in r for r in gone.reasons)


def test_released_controls_leave_the_check_passing(scene: Scene) -> None:
    """With every control released and nothing left, policy_in_sync passes."""
    situation = scene.situation(scene.workload("trainer"))
    for action in (FreezeDeployments(), IsolateWorkloads()):
        for control in scene.perform(action, situation):
            action.release(control, situation)
    assert seen(PolicyInSync(), situation).verdict is Verdict.PASS


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.verb)
def test_a_cluster_that_does_not_answer_is_unknown(scene: Scene, check: Any, tmp_path: Path) -> None:
    """One cluster down is unknown by name, and the other is looked at all the same."""
    up = scene.plane.write_kubeconfig(tmp_path / "up.kubeconfig")
    down = tmp_path / "down.kubeconfig"
    down.write_text(up.read_text().replace(scene.plane.url, "http://127.0.0.1:9"))
    clusters = (ClusterSettings(name="down", kubeconfig=down), ClusterSettings(name=CLUSTER, kubeconfig=up))
    settings = scene.connections().settings.model_copy(update={"kubernetes": KubernetesSettings(clusters=clusters)})
    situation = replace(scene.situation(scene.workload("trainer")), connections=Connections(settings))
    first, second = check.observe(check.parameters(), situation)
    assert first.verdict is Verdict.UNKNOWN
    assert "cluster down could not be read" in first.reasons[0]
    assert second.source.startswith(CLUSTER)


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.verb)
def test_a_check_does_with_its_declared_permissions_and_writes_nothing(scene: Scene, check: Any) -> None:
    """A user with the check's permissions alone gets a verdict that is not unknown, and no object changes."""
    scene.person("checker", *check.permissions)
    scene.make(deployment("clean", image(OTHER), 0))
    situation = scene.situation(scene.workload("trainer"))
    controls = scene.perform(BlockArtifacts(), situation)
    before = scene.versions()
    theirs = replace(situation, controls=controls, connections=scene.connections("checker"))
    assert seen(check, theirs).verdict is not Verdict.UNKNOWN
    assert scene.versions() == before


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.verb)
def test_a_check_without_permission_is_unknown(scene: Scene, check: Any) -> None:
    """What may not be read is unknown with the permission that is missing."""
    scene.person("nobody")
    found = seen(check, replace(scene.situation(), connections=scene.connections("nobody")))
    assert found.verdict is Verdict.UNKNOWN
    assert any("may not list" in r for r in found.reasons)
