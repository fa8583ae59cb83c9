"""start_patched_canary: what it makes, for what it waits, what it refuses, and that it takes away no more than it made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scene import BAD, GOOD, HOME, INCIDENT, OTHER, Scene, account, deployment, image, namespace, template

from integrations.kubernetes import canaries
from integrations.kubernetes.actions.block_artifacts import BlockArtifacts
from integrations.kubernetes.actions.freeze_deployments import FreezeDeployments
from integrations.kubernetes.actions.start_patched_canary import StartPatchedCanary
from integrations.kubernetes.checks.package_absent import PackageAbsent
from integrations.kubernetes.checks.policy_in_sync import PolicyInSync
from integrations.kubernetes.resources import AUTOSCALERS, DEPLOYMENTS, PODS
from patchgap.errors import ConflictError, RefusedError, WaitingError
from patchgap.model.evidence import Verdict
from patchgap.model.plan import Target, Uncovered
from patchgap.ports import Situation

CANARY = StartPatchedCanary()
NAME = f"patchgap-{INCIDENT}-canary-trainer"


@pytest.fixture
def scene(control_plane: Any, tmp_path: Path) -> Scene:
    """A trainer of 20 pods with a sidecar."""
    made = Scene(control_plane, tmp_path)
    trainer = deployment(replicas=20)
    trainer["spec"]["template"]["spec"]["containers"].append({"name": "proxy", "image": image(OTHER, "r.example/p")})
    made.make(namespace(), namespace(HOME), trainer)
    return made


def mended(scene: Scene, **given: Any) -> Situation:
    """The incident with its patched image named."""
    return scene.situation(scene.workload("trainer"), **{"patched": [GOOD], **given})


def foreign(scene: Scene, body: Any, subresource: str = "") -> None:
    """Someone else changes the canary."""
    path = DEPLOYMENTS.path("training", NAME, subresource)
    query = {"fieldManager": "someone"}
    scene.admin.request("PATCH", path, query=query, body=body, content_type="application/merge-patch+json")


def test_a_canary_runs_beside_the_workload_that_keeps_its_pods(controllers: Any, scene: Scene) -> None:
    """A share of the replicas, in a Deployment whose pods bear the labels that Services select; the affected one keeps
    its 20 pods and takes none of the canary's over, also when it is rolled."""
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "train", "namespace": "training"}}
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {**service["metadata"], "name": "b"},
    }
    scene.make(
        {**service, "spec": {"selector": {"app": "trainer"}, "ports": [{"port": 80}]}},
        {**budget, "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "trainer"}}}},
    )
    situation = mended(scene)
    [control] = scene.perform(CANARY, situation, share="12%")
    said = " ".join(control.receipt.detail)
    assert "3 pod(s) beside the 20 of trainer" in said
    assert all(w in said for w in ("Service train reaches it", "PodDisruptionBudget b counts its pods too"))
    scene.settle()
    pods = scene.admin.all_of(PODS, "training", labels="app=trainer")
    assert len(pods) == 23
    ours = [p for p in pods if p["metadata"]["labels"].get("patchgap.dev/incident") == INCIDENT]
    assert [[c["image"] for c in p["spec"]["containers"]] for p in ours] == [
        [image(GOOD), image(OTHER, "r.example/p")]
    ] * 3
    scene.admin.patch(
        DEPLOYMENTS, "training", "trainer", {"spec": {"template": {"metadata": {"annotations": {"rolled": "yes"}}}}}
    )
    scene.settle()
    left = scene.admin.all_of(PODS, "training", labels=f"patchgap.dev/incident={INCIDENT}")
    assert {p["metadata"]["uid"] for p in left} == {p["metadata"]["uid"] for p in ours}


def test_an_autoscaler_that_counts_the_canary_is_named() -> None:
    """The one of the workload is; another workload's is not."""

    class Scalers:
        def all_of(self, resource: Any, _namespace: str) -> list[dict[str, Any]]:
            named = [("a", "trainer"), ("b", "web")] if resource is AUTOSCALERS else []
            of = [(n, {"scaleTargetRef": {"kind": "Deployment", "name": to}}) for n, to in named]
            return [{"metadata": {"name": name}, "spec": spec} for name, spec in of]

    target = Target("kubernetes", "c", "training", "Deployment", "trainer", "uid")
    said = list(canaries.neighbours(Scalers(), target, {"app": "trainer"}))  # type: ignore[arg-type]
    assert [line for line in said if "Autoscaler" in line] == [
        "HorizontalPodAutoscaler a may count its pods with trainer's and scale that higher"
    ]


def test_it_starts_under_the_freeze_and_the_block_of_its_incident(controllers: Any, scene: Scene) -> None:
    """Both stand over the whole namespace, refuse others, and let the canary and its pods in."""
    situation = mended(scene)
    freeze = scene.perform(FreezeDeployments(), situation)
    block = scene.perform(BlockArtifacts(), situation)
    team = scene.person("team", "get,create apps/deployments")
    stranger = deployment("stranger", image(GOOD))
    scene.refused(lambda: team.create(DEPLOYMENTS, "training", stranger, dry_run=True), "frozen by incident")
    [control] = scene.perform(CANARY, situation)

    def runs() -> bool:
        scene.settle()
        return bool(scene.admin.get(DEPLOYMENTS, "training", NAME).get("status", {}).get("readyReplicas") == 2)

    scene.eventually(runs)
    standing = replace(situation, controls=(*freeze, *block, control))
    [sync] = PolicyInSync().observe(PolicyInSync.parameters(), standing)
    assert sync.verdict is Verdict.PASS, sync.reasons
    [absent] = PackageAbsent().observe(PackageAbsent.parameters(), standing)
    assert absent.verdict is Verdict.FAIL
    assert not [r for r in absent.reasons if NAME in r and "affected" in r]
    CANARY.release(control, situation)
    assert scene.admin.find(DEPLOYMENTS, "training", NAME) is None


def test_it_waits_for_an_image_of_the_affected_repository(scene: Scene) -> None:
    """Without a mend, or with another repository's, the plan says what is awaited and nothing is begun."""
    for situation in (
        scene.situation(scene.workload("trainer")),
        replace(mended(scene), mends=(image(GOOD, "registry.example.com/ml/other"),)),
    ):
        [target] = scene.targets(CANARY, situation)
        lines = CANARY.preview(CANARY.parameters(), target, situation)
        assert "waits for a patched image of registry.example.com/ml/trainer" in lines[0]
        assert "--image registry.example.com/ml/trainer@sha256:" in lines[0]
        with pytest.raises(WaitingError, match="waits for a patched image"):
            scene.intent(CANARY, target, situation)


def test_a_digest_that_is_not_proved_is_refused(scene: Scene) -> None:
    """One that was named, and that the SBOM does not prove clean (any more), starts nothing; the plan stands."""
    proved = "no mend, its SBOM proves it to be affected: affected by its SBOM. Build another image"
    for given, words in (
        ({"patched": []}, "not proved to be the mend"),
        ({"affected": [BAD, GOOD], "clean": [OTHER]}, proved),
        ({"clean": [OTHER]}, "not proved to be the mend: nothing is known of that digest. Add its SBOM"),
    ):
        situation = replace(mended(scene, **given), mends=(image(GOOD),))
        [target] = scene.targets(CANARY, situation)
        with pytest.raises(RefusedError, match=words):
            scene.intent(CANARY, target, situation)
        assert words in CANARY.preview(CANARY.parameters(), target, situation)[0]


def test_a_newer_mend_takes_the_canary_over(scene: Scene) -> None:
    """The canary observes itself out of step with a mend that was named since, and is brought to it."""
    [control] = scene.perform(CANARY, mended(scene))
    newer = replace(mended(scene, patched=[GOOD, OTHER]), mends=(image(GOOD), image(OTHER)))
    assert CANARY.observe(control.intent, newer) is None
    CANARY.apply(control.intent, newer)
    containers = scene.admin.get(DEPLOYMENTS, "training", NAME)["spec"]["template"]["spec"]["containers"]
    assert [c["image"] for c in containers] == [image(OTHER), image(OTHER, "r.example/p")]
    assert CANARY.observe(control.intent, newer)


@pytest.mark.parametrize(
    ("kind", "change", "reason"),
    [
        ("Deployment", {"strategy": {"type": "Recreate"}}, "Recreate: two versions of it must not run at once"),
        ("Deployment", {"replicas": 0}, "scaled to zero"),
        ("Deployment", {"volume": "data"}, "writes to the volume claim data"),
        ("StatefulSet", {"serviceName": "x"}, "other names and volumes"),
        ("DaemonSet", {"replicas": None}, "one pod a node"),
    ],
)
def test_what_cannot_have_a_canary_is_named_with_why(
    scene: Scene, kind: str, change: dict[str, Any], reason: str
) -> None:
    """Each is uncovered, in a sentence."""
    claim = change.pop("volume", None)
    made = {**deployment("odd"), "kind": kind}
    made["spec"] = {k: v for k, v in {**made["spec"], **change}.items() if v is not None}
    if claim:
        made["spec"]["template"]["spec"]["volumes"] = [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}]
    scene.make(made)
    situation = scene.situation(scene.workload("odd", kind), patched=[GOOD])
    [found] = CANARY.targets(CANARY.parameters(), situation)
    assert isinstance(found, Uncovered)
    assert reason in found.reason


def test_another_s_change_is_a_conflict_and_nothing_is_removed(scene: Scene) -> None:
    """A canary that someone scaled, or gave another image, is drift that names it, and stays when it is withdrawn."""
    situation = mended(scene)
    [control] = scene.perform(CANARY, situation)
    foreign(scene, {"spec": {"replicas": 9}}, "scale")
    assert "9 replica(s), not 2" in CANARY.differences(control.intent, situation)[0]
    with pytest.raises(ConflictError, match="scaled the canary"):
        CANARY.release(control, situation)
    foreign(scene, {"spec": {"replicas": 2}}, "scale")
    pictures = [{"name": "main", "image": image(OTHER)}, {"name": "proxy", "image": image(OTHER, "r.example/p")}]
    foreign(scene, {"spec": {"template": {"spec": {"containers": pictures}}}})
    with pytest.raises(ConflictError, match="someone else has changed"):
        CANARY.release(control, situation)
    assert scene.admin.find(DEPLOYMENTS, "training", NAME)


def test_an_object_of_its_name_that_patchgap_did_not_make_is_left_alone(scene: Scene) -> None:
    """It is a conflict, in the plan and in the effect."""
    situation = mended(scene)
    scene.make(
        {**deployment(NAME, image(OTHER), 1), "spec": {**deployment("x")["spec"], "template": template("x", "a")}}
    )
    [target] = scene.targets(CANARY, situation)
    with pytest.raises(ConflictError, match="not this incident's"):
        CANARY.preview(CANARY.parameters(), target, situation)
    intent = scene.intent(CANARY, target, situation)
    with pytest.raises(ConflictError, match="not this incident's"):
        CANARY.apply(intent, situation)


def test_one_that_was_mended_by_hand_needs_no_canary(scene: Scene) -> None:
    """Where the team has rolled out a clean image itself, nothing is made and that is said."""
    scene.make(account("unused"))
    situation = mended(scene)
    pictures = [{"name": "main", "image": image(GOOD)}, {"name": "proxy", "image": image(OTHER, "r.example/p")}]
    body = {"spec": {"template": {"spec": {"containers": pictures}}}}
    scene.admin.patch(DEPLOYMENTS, "training", "trainer", body)
    [control] = scene.perform(CANARY, situation)
    assert "runs nothing affected any more" in control.receipt.detail[0]
    assert not control.receipt.stands
    assert scene.admin.find(DEPLOYMENTS, "training", NAME) is None
