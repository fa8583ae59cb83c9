"""freeze_deployments and GitOps: who keeps a workload is found, paused and let go; the mend gets through; nobody argues."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scene import BAD, GOOD, HOME, INCIDENT, NOW, Scene, account, deployment, image, namespace, released

from integrations.kubernetes import gitops
from integrations.kubernetes.actions.freeze_deployments import FreezeDeployments
from integrations.kubernetes.actions.rotate_credentials import RotateCredentials
from integrations.kubernetes.checks.policy_in_sync import PolicyInSync
from integrations.kubernetes.cluster import MERGE
from integrations.kubernetes.resources import (
    APPLICATION_SETS,
    APPLICATIONS,
    DEPLOYMENTS,
    HELM_RELEASES,
    KUSTOMIZATIONS,
    PODS,
    Resource,
)
from integrations.rehearsal import RehearsalCluster
from patchgap.errors import ConflictError, UnreachableError
from patchgap.model.evidence import Verdict
from patchgap.model.plan import Control, Outcome, Receipt, Target, Uncovered
from patchgap.ports import Situation
from patchgap.settings import Protection

FREEZE = FreezeDeployments()
KEEPERS = [APPLICATIONS, KUSTOMIZATIONS, HELM_RELEASES]
SPACES = {"Application": "argocd", "Kustomization": "flux-system", "HelmRelease": "flux-system"}
EACH = pytest.mark.parametrize("keeper", KEEPERS, ids=lambda r: r.kind)


@pytest.fixture
def cluster(control_plane: Any) -> Iterator[RehearsalCluster]:
    """The rehearsal cluster behind the control plane, whose products are taken away again."""
    if not hasattr(control_plane, "cluster"):
        pytest.skip("real binaries run no GitOps controller")
    yield control_plane.cluster
    control_plane.cluster.uninstall("argocd", "flux", "keda")


@pytest.fixture
def scene(cluster: RehearsalCluster, control_plane: Any, tmp_path: Path) -> Scene:
    """A trainer in its namespace."""
    assert cluster
    made = Scene(control_plane, tmp_path)
    made.make(namespace(), namespace(HOME), account(), deployment(serviceAccountName="trainer"))
    return made


def kept(cluster: RehearsalCluster, scene: Scene, keeper: Resource, digest: str = BAD) -> None:
    """The trainer is kept as Git has it."""
    cluster.git.keep(keeper.kind, "ml", [deployment(picture=image(digest), serviceAccountName="trainer")])
    scene.settle()


def live(scene: Scene, keeper: Resource) -> dict[str, Any]:
    """The keeper's spec."""
    spec: dict[str, Any] = scene.admin.get(keeper, SPACES[keeper.kind], "ml")["spec"]
    return spec


def changed(scene: Scene, resource: Resource, space: str, name: str, body: dict[str, Any]) -> None:
    """Someone else changes it."""
    path = resource.path(space, name)
    scene.admin.request("PATCH", path, query={"fieldManager": "someone"}, body=body, content_type=MERGE)


def resume(scene: Scene, keeper: Resource) -> None:
    """Its team resumes it."""
    on = {"syncPolicy": {"automated": {"selfHeal": True}}} if keeper is APPLICATIONS else {"suspend": False}
    changed(scene, keeper, SPACES[keeper.kind], "ml", {"spec": on})


def frozen(scene: Scene, **parameters: Any) -> tuple[dict[str, Control], Situation]:
    """A freeze that stands, its controls by the kind of their targets."""
    situation = scene.situation(scene.workload("trainer"))
    controls = scene.perform(FREEZE, situation, **parameters)
    scene.settle()
    return {c.intent.action.target.kind: c for c in controls}, replace(situation, controls=controls)


def uncovered(scene: Scene, user: str = "admin") -> list[str]:
    """Why the trainer is not wholly covered."""
    situation = scene.situation(scene.workload("trainer"), user=user)
    return [t.reason for t in FREEZE.targets(FREEZE.parameters(), situation) if isinstance(t, Uncovered)]


@EACH
def test_who_keeps_the_workload_is_paused_and_let_go(cluster: RehearsalCluster, scene: Scene, keeper: Resource) -> None:
    """The keeper is a target with its UID and diff; paused it does not undo a scale; released it is as it was found."""
    kept(cluster, scene, keeper)
    before = live(scene, keeper)
    situation = scene.situation(scene.workload("trainer"))
    reach = "affected_workloads" if keeper is HELM_RELEASES else "affected_namespaces"
    parameters = FREEZE.parameters.model_validate({"reach": reach})
    target = next(t for t in scene.targets(FREEZE, situation, reach=reach) if t.kind == keeper.kind)
    assert target.uid == scene.admin.get(keeper, SPACES[keeper.kind], "ml")["metadata"]["uid"]
    lines = FREEZE.preview(parameters, target, situation)
    field = {"Application": 'automated: {"prune": true, "selfHeal": true} -> none'}.get(keeper.kind, "false -> true")
    assert field in lines[0]
    assert "its mend gets through" in lines[-1]
    assert live(scene, keeper) == before
    controls, _ = frozen(scene, reach=reach)
    changed(scene, DEPLOYMENTS, "training", "trainer", {"spec": {"replicas": 5}})
    scene.settle()
    assert scene.admin.get(DEPLOYMENTS, "training", "trainer")["spec"]["replicas"] == 5
    released(FREEZE, controls.values(), situation)
    scene.settle()
    assert live(scene, keeper) == before
    assert scene.admin.get(DEPLOYMENTS, "training", "trainer")["spec"]["replicas"] == 2
    notes = scene.admin.get(keeper, SPACES[keeper.kind], "ml")["metadata"].get("annotations") or {}
    assert not [n for n in notes if "patchgap" in n]


@pytest.mark.parametrize("keeper", KEEPERS[:2], ids=lambda r: r.kind)
def test_what_was_paused_before_stays_paused(cluster: RehearsalCluster, scene: Scene, keeper: Resource) -> None:
    """A keeper that its team had paused, and a Deployment whose rollouts it had, are so after the release as well."""
    kept(cluster, scene, keeper)
    off = {"syncPolicy": {"automated": None}} if keeper is APPLICATIONS else {"suspend": True}
    changed(scene, keeper, SPACES[keeper.kind], "ml", {"spec": off})
    changed(scene, DEPLOYMENTS, "training", "trainer", {"spec": {"paused": True}})
    before = live(scene, keeper)
    controls, situation = frozen(scene)
    assert live(scene, keeper) == before
    released(FREEZE, controls.values(), situation)
    assert live(scene, keeper) == before
    assert scene.admin.get(DEPLOYMENTS, "training", "trainer")["spec"]["paused"] is True


@pytest.mark.parametrize("keeper", KEEPERS[:2], ids=lambda r: r.kind)
def test_the_mend_gets_through_while_git_is_paused(cluster: RehearsalCluster, scene: Scene, keeper: Resource) -> None:
    """Committed, named and synced by the team, the patched image rolls out under the freeze; what it does not name, Git
    cannot roll out; and the freeze is in order all the while."""
    kept(cluster, scene, keeper)
    controls, situation = frozen(scene)
    cluster.git.commit(deployment(picture=image(GOOD), replicas=3, serviceAccountName="trainer"))
    scene.settle()
    assert scene.admin.get(DEPLOYMENTS, "training", "trainer")["spec"]["replicas"] == 2
    situation = replace(situation, patched=frozenset([GOOD]))
    for control in controls.values():
        assert FREEZE.apply(control.intent, situation).outcome is Outcome.DONE
    if keeper is APPLICATIONS:
        cluster.git.sync("Application", "ml")
    else:
        resume(scene, keeper)

    def is_mended() -> bool:
        scene.settle()
        pods = scene.admin.all_of(PODS, "training", labels="app=trainer")
        return len(pods) == 3 and {p["spec"]["containers"][0]["image"] for p in pods} == {image(GOOD)}

    scene.eventually(is_mended)
    assert not any(FREEZE.differences(c.intent, situation) for c in controls.values())
    cluster.git.commit(deployment(picture=image("sha256:" + "e" * 64), serviceAccountName="trainer"))
    if keeper is APPLICATIONS:
        cluster.git.sync("Application", "ml")
    scene.settle()
    assert is_mended()
    [receipt] = released(FREEZE, [controls[keeper.kind]], situation)
    assert receipt.outcome is Outcome.DONE
    assert keeper is APPLICATIONS or live(scene, keeper)["suspend"] is False  # as its team has set it


@pytest.mark.parametrize("keeper", KEEPERS[:2], ids=lambda r: r.kind)
def test_a_keeper_that_is_resumed_before_the_mend_is_drift(
    cluster: RehearsalCluster, scene: Scene, keeper: Resource
) -> None:
    """While no mend is named, resuming it fails policy_in_sync, by the name of who did; the freeze itself still refuses
    what Git would change."""
    kept(cluster, scene, keeper)
    _, situation = frozen(scene)
    cluster.git.commit(deployment(picture=image(GOOD), serviceAccountName="trainer"))
    resume(scene, keeper)
    [seen] = PolicyInSync().observe(PolicyInSync().parameters(), situation)
    assert seen.verdict is Verdict.FAIL
    assert any("held by someone" in r and keeper.kind in r for r in seen.reasons)
    assert scene.admin.get(DEPLOYMENTS, "training", "trainer")["spec"]["template"]["spec"]["containers"][0][
        "image"
    ] == image(BAD)


def test_a_foreign_change_is_a_conflict_and_stays(cluster: RehearsalCluster, scene: Scene) -> None:
    """An Application whose policy someone set anew, to something else, is not overwritten by the release."""
    kept(cluster, scene, APPLICATIONS)
    controls, situation = frozen(scene)
    changed(scene, APPLICATIONS, "argocd", "ml", {"spec": {"syncPolicy": {"automated": {"prune": False}}}})
    with pytest.raises(ConflictError, match="held by someone"):
        FREEZE.release(controls["Application"], situation)
    assert live(scene, APPLICATIONS)["syncPolicy"] == {"automated": {"prune": False}}


def test_who_would_resume_a_keeper_is_named(cluster: RehearsalCluster, scene: Scene) -> None:
    """An ApplicationSet that writes policies back, an app of apps, and a Kustomization above are named in the plan."""
    kept(cluster, scene, APPLICATIONS)
    meta = {"name": "fleet", "namespace": "argocd"}
    made = {"apiVersion": APPLICATION_SETS.api_version, "kind": "ApplicationSet", "metadata": meta, "spec": {}}
    uid = scene.admin.create(APPLICATION_SETS, "argocd", made)["metadata"]["uid"]
    owner = {"apiVersion": APPLICATION_SETS.api_version, "kind": "ApplicationSet", "name": "fleet", "uid": uid}
    marks = {"argocd.argoproj.io/tracking-id": "root:argoproj.io/Application:argocd/ml"}
    labels = {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
    above = {"metadata": {"ownerReferences": [owner], "annotations": marks, "labels": labels}}
    changed(scene, APPLICATIONS, "argocd", "ml", above)
    situation = scene.situation(scene.workload("trainer"))
    target = next(t for t in scene.targets(FREEZE, situation) if t.kind == "Application")
    told = " ".join(FREEZE.preview(FREEZE.parameters(), target, situation))
    for words in (
        "it keeps 1 object(s)",
        "ApplicationSet argocd/fleet made it and writes",
        "Application root keeps it (an app of apps)",
        "Kustomization flux-system/apps keeps it",
    ):
        assert words in told
    left = {"spec": {"syncPolicy": {"applicationsSync": "create-only"}}}
    changed(scene, APPLICATION_SETS, "argocd", "fleet", left)
    assert "writes its sync policy back" not in " ".join(FREEZE.preview(FREEZE.parameters(), target, situation))


ELSEWHERE = (
    (
        {"annotations": {"argocd.argoproj.io/tracking-id": "ml:apps/Deployment:training/trainer"}},
        "Application ml keeps it by its tracking mark and is not in this cluster",
    ),
    ({"labels": {"argocd.argoproj.io/instance": "ml"}}, "is not in this cluster"),
    (
        {"labels": {"helm.toolkit.fluxcd.io/name": "ml", "helm.toolkit.fluxcd.io/namespace": "flux-system"}},
        "HelmRelease flux-system/ml keeps it by its labels and is not served",
    ),
    ({"annotations": {"argocd.argoproj.io/tracking-id": "ml:apps/Deployment:training/other"}}, ""),
    ({"labels": {"app.kubernetes.io/instance": "ml"}}, ""),
)


def test_a_keeper_elsewhere_is_said_to_be_uncovered(cluster: RehearsalCluster, scene: Scene) -> None:
    """A mark whose Application or HelmRelease is not here names one that runs elsewhere, whether or not its kinds are
    served here; a mark of another object and a chart's own label name none."""
    for installed in (False, True):
        if installed:
            cluster.install("argocd", "flux")
        for meta, words in ELSEWHERE:
            changed(scene, DEPLOYMENTS, "training", "trainer", {"metadata": meta})
            assert [words in r for r in uncovered(scene)] == ([True] if words else []), meta
            gone = {field: dict.fromkeys(marks) for field, marks in meta.items()}
            changed(scene, DEPLOYMENTS, "training", "trainer", {"metadata": gone})


def test_an_application_that_deploys_elsewhere_is_not_paused(cluster: RehearsalCluster, scene: Scene) -> None:
    """An Application whose destination is another server is said, and is no target."""
    kept(cluster, scene, APPLICATIONS)
    away = {"spec": {"destination": {"server": "https://10.0.0.1"}}}
    changed(scene, APPLICATIONS, "argocd", "ml", away)
    [reason] = uncovered(scene)
    assert "deploys to https://10.0.0.1: whether that is this cluster cannot be told" in reason


def test_applications_that_may_not_be_read_are_unknown_where_they_are_served(
    cluster: RehearsalCluster, scene: Scene
) -> None:
    """Without the permission an installed Argo CD leaves the workload uncovered, one that is not installed does not; one
    that fails to answer does, and the rest of the freeze goes on."""
    scene.person("blind", "get apps/deployments", "get core/namespaces")
    assert uncovered(scene, "blind") == []
    cluster.install("argocd")
    [reason] = uncovered(scene, "blind")
    assert "is unknown: patchgap may not list argoproj.io/applications" in reason
    scene.admin._sleep = lambda _: None
    cluster.fail("error", path="applications$", times=4)
    assert [w for w in uncovered(scene) if "answered 500 to GET /apis/argoproj.io/v1alpha1/applications" in w]


def test_a_protected_keeper_is_left_and_said(cluster: RehearsalCluster, scene: Scene) -> None:
    """An Application in a namespace that the settings protect is no target: the rest of the freeze goes on."""
    kept(cluster, scene, APPLICATIONS)
    connections = scene.connections()
    settings = connections.settings
    connections.settings = settings.model_copy(update={"protect": Protection(namespaces=("argo*",))})
    situation = scene.situation(scene.workload("trainer"))
    found = list(FREEZE.targets(FREEZE.parameters(), situation))
    assert {t.kind for t in found if isinstance(t, Target)} == {"Namespace", "Deployment"}
    [left] = [t for t in found if isinstance(t, Uncovered)]
    assert "the settings protect the namespace argocd: pause it by hand" in left.reason


def test_an_application_that_keeps_a_protected_object_is_left_and_said(cluster: RehearsalCluster, scene: Scene) -> None:
    """To pause it would stop the sync of a workload that the settings protect: it is no target, by what it lists."""
    gateway = deployment("gateway", image(GOOD), serviceAccountName="trainer")
    cluster.git.keep(APPLICATIONS.kind, "ml", [deployment(serviceAccountName="trainer"), gateway])
    scene.settle()
    connections = scene.connections()
    protect = Protection(workloads=("*/training/Deployment/gateway",))
    connections.settings = connections.settings.model_copy(update={"protect": protect})
    found = list(FREEZE.targets(FREEZE.parameters(), scene.situation(scene.workload("trainer"))))
    assert APPLICATIONS.kind not in {t.kind for t in found if isinstance(t, Target)}
    assert any("Deployment/gateway is protected" in t.reason for t in found if isinstance(t, Uncovered)), found


def test_a_kustomization_is_read_by_its_inventory() -> None:
    """Namespace, kind and name as Flux writes them; what is not of that form names nothing."""
    ids = ["training_gateway_apps_Deployment", "_training__Namespace", "odd"]
    status = {"inventory": {"entries": [{"id": one, "v": "v1"} for one in ids]}}
    kept = gitops.kept({"kind": KUSTOMIZATIONS.kind, "status": status})
    assert kept == (("training", "Deployment", "gateway"), ("", "Namespace", "training"))


def test_an_application_found_by_what_it_says_it_keeps(cluster: RehearsalCluster, scene: Scene) -> None:
    """A workload without any mark is still kept by the Application that lists it."""
    kept(cluster, scene, APPLICATIONS)
    scene.admin.patch(
        APPLICATIONS, "argocd", "ml", {"spec": {"syncPolicy": {"automated": {"prune": True, "selfHeal": False}}}}
    )
    bare = {"metadata": {"annotations": {"argocd.argoproj.io/tracking-id": None}}}
    changed(scene, DEPLOYMENTS, "training", "trainer", bare)
    scene.settle()
    assert "Application" in {t.kind for t in scene.targets(FREEZE, scene.situation(scene.workload("trainer")))}


def test_two_tiers_that_reach_differently_hold_one_application_each_for_itself(
    cluster: RehearsalCluster, scene: Scene
) -> None:
    """Released by one, the Application stays paused for the other; the last one resumes it."""
    kept(cluster, scene, APPLICATIONS)
    before = live(scene, APPLICATIONS)
    wide, situation = frozen(scene)
    narrow, _ = frozen(scene, reach="affected_workloads")
    [receipt] = released(FREEZE, [wide["Application"]], situation)
    assert f"{INCIDENT}.workloads holds it too" in receipt.detail[0]
    assert not FREEZE.differences(narrow["Application"].intent, situation)
    released(FREEZE, [narrow["Application"]], situation)
    assert live(scene, APPLICATIONS) == before


def test_a_pause_that_was_cut_off_is_taken_back_whole(scene: Scene) -> None:
    """A Deployment whose pause lost its answer is released without a receipt of success."""
    situation = scene.situation(scene.workload("trainer"))
    target = next(t for t in scene.targets(FREEZE, situation) if t.kind == "Deployment")
    intent = scene.intent(FREEZE, target, situation)
    FREEZE.apply(intent, situation)
    half = Control(
        intent, Receipt(intent.action.id, Outcome.FAILED, (str(UnreachableError("cut off", "Again.")),)), NOW
    )
    for _ in range(2):
        assert FREEZE.release(half, situation).outcome is Outcome.DONE
        assert "paused" not in scene.admin.get(DEPLOYMENTS, "training", "trainer")["spec"]


def test_a_person_who_resumes_rollouts_is_drift(scene: Scene) -> None:
    """A frozen Deployment whose rollouts were resumed, by whoever the policy admits, is told."""
    controls, situation = frozen(scene)
    changed(scene, DEPLOYMENTS, "training", "trainer", {"spec": {"paused": False}})
    assert "spec.paused is false" in FREEZE.differences(controls["Deployment"].intent, situation)[0]


def test_a_rotation_restarts_what_the_freeze_holds_still(scene: Scene) -> None:
    """The consumers of a rotated account get new pods under a freeze; the freeze stays in order, and its release leaves
    the rollouts as they were."""
    controls, situation = frozen(scene)
    old = {p["metadata"]["uid"] for p in scene.admin.all_of(PODS, "training", labels="app=trainer")}
    [rotation] = scene.perform(RotateCredentials(), situation)
    said = "Deployment/trainer: restarted, for which its rollouts go on again; the freeze's policy stands"
    assert f"{said}; every pod of it is new" in rotation.receipt.detail
    scene.settle()
    pods = scene.admin.all_of(PODS, "training", labels="app=trainer")
    assert len(pods) == 2
    assert not old & {p["metadata"]["uid"] for p in pods}
    assert not any(FREEZE.differences(c.intent, situation) for c in controls.values())
    released(FREEZE, controls.values(), situation)
    assert not scene.admin.get(DEPLOYMENTS, "training", "trainer")["spec"].get("paused")


def test_a_rollout_of_an_affected_image_stays_paused_when_the_mend_is_named(scene: Scene) -> None:
    """Frozen before it rolled out, a Deployment goes on only once its template is the mend."""
    controls, situation = frozen(scene)
    intent, situation = controls["Deployment"].intent, replace(situation, patched=frozenset([GOOD]))
    pictured = {"containers": [{"name": "main", "image": image(BAD, "registry.example.com/ml/again")}]}
    scene.admin.patch(DEPLOYMENTS, "training", "trainer", {"spec": {"template": {"spec": pictured}}})
    scene.settle()
    FREEZE.apply(intent, situation)
    assert scene.admin.get(DEPLOYMENTS, "training", "trainer")["spec"]["paused"] is True
    assert not FREEZE.differences(intent, situation)
    pictured["containers"][0]["image"] = image(GOOD)
    scene.admin.patch(DEPLOYMENTS, "training", "trainer", {"spec": {"template": {"spec": pictured}}})
    assert "held still, though the mend is named" in FREEZE.differences(intent, situation)[0]
    FREEZE.apply(intent, situation)
    assert not scene.admin.get(DEPLOYMENTS, "training", "trainer")["spec"].get("paused")
    assert not FREEZE.differences(intent, situation)
