"""freeze_deployments: what the API server refuses and admits while a freeze stands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scene import BAD, GOOD, HOME, INCIDENT, OTHER, Scene, deployment, image, namespace, template

from integrations.kubernetes.actions.freeze_deployments import FreezeDeployments
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.resources import CONFIG_MAPS, CRON_JOBS, DEPLOYMENTS, PODS
from patchgap.errors import ConflictError
from patchgap.model.plan import Control
from patchgap.ports import Situation

FREEZE = FreezeDeployments()
DEPLOYER = (
    "get,list,create,patch,delete apps/deployments",
    "patch apps/deployments/scale",
    "get,create,delete,patch,list core/pods",
    "create batch/cronjobs",
)
FROZEN = f"frozen by incident {INCIDENT}"


@pytest.fixture
def scene(control_plane: Any, tmp_path: Path) -> Scene:
    """A trainer with a sidecar, and a namespace that is not affected."""
    made = Scene(control_plane, tmp_path)
    trainer = deployment()
    trainer["spec"]["template"]["spec"]["containers"].append({"name": "proxy", "image": image(OTHER, "r.example/p")})
    made.make(
        namespace(), namespace("serving"), namespace(HOME), trainer, deployment("api", image(GOOD), space="serving")
    )
    return made


def frozen(scene: Scene, **parameters: Any) -> tuple[Control, Situation, Cluster]:
    """A freeze that stands, and a deployer who meets it."""
    situation = scene.situation(scene.workload("trainer"))
    control = scene.perform(FREEZE, situation, **parameters)[0]
    deployer = scene.person("deployer", *DEPLOYER)
    scene.refused(lambda: scale(deployer, 5), FROZEN)
    return control, situation, deployer


def scale(cluster: Cluster, replicas: int, name: str = "trainer", space: str = "training") -> None:
    """Tries to scale, by the server's dry run."""
    cluster.patch(DEPLOYMENTS, space, name, {"spec": {"replicas": replicas}}, subresource="scale", dry_run=True)


def images(cluster: Cluster, main: str, proxy: str = image(OTHER, "r.example/p"), *, dry_run: bool = True) -> None:
    """Tries to roll out images."""
    pictures = [{"name": "main", "image": main}, {"name": "proxy", "image": proxy}]
    body = {"spec": {"template": {"spec": {"containers": pictures}}}}
    cluster.patch(DEPLOYMENTS, "training", "trainer", body, dry_run=dry_run)


def test_a_frozen_namespace_refuses_what_people_change(scene: Scene) -> None:
    """Creating, deleting, scaling and changing a workload is refused by the API server; a new CronJob or pod too."""
    _, _, deployer = frozen(scene)
    uid = scene.workload("trainer").ref.uid
    job = {"spec": {"template": {**template("n", image(GOOD))}}}
    job["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    cron = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly"}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "shell"}, "spec": template("x", image(GOOD))["spec"]}
    attempts = (
        lambda: deployer.create(DEPLOYMENTS, "training", deployment("new", image(GOOD)), dry_run=True),
        lambda: deployer.delete(DEPLOYMENTS, "training", "trainer", uid, dry_run=True),
        lambda: deployer.patch(DEPLOYMENTS, "training", "trainer", {"spec": {"paused": False}}, dry_run=True),
        lambda: images(deployer, image(OTHER)),
        lambda: deployer.create(
            CRON_JOBS, "training", {**cron, "spec": {"schedule": "0 3 * * *", "jobTemplate": job}}, dry_run=True
        ),
        lambda: deployer.create(PODS, "training", pod, dry_run=True),
    )
    for attempt in attempts:
        scene.refused(attempt, FROZEN)


def test_a_freeze_admits_what_leaves_the_spec_as_it_is(scene: Scene) -> None:
    """A label may be put on, and other namespaces are not reached."""
    _, _, deployer = frozen(scene)
    labelled = {"metadata": {"labels": {"team": "ml"}}}
    deployer.patch(DEPLOYMENTS, "training", "trainer", labelled, dry_run=True)
    scale(deployer, 5, "api", "serving")


def test_a_freeze_admits_patchgap_and_the_clusters_controllers(controllers: Any, scene: Scene) -> None:
    """The identity that froze may change the workload, and its deleted pods come back."""
    frozen(scene)
    scale(scene.admin, 5)
    [first, _] = scene.admin.all_of(PODS, "training", labels="app=trainer")
    deployer = scene.seen_by("deployer")
    deployer.delete(PODS, "training", first["metadata"]["name"], first["metadata"]["uid"])

    def is_back() -> bool:
        scene.settle()
        pods = scene.admin.all_of(PODS, "training", labels="app=trainer")
        return len(pods) == 2 and first["metadata"]["uid"] not in {p["metadata"]["uid"] for p in pods}

    scene.eventually(is_back)


def test_a_freeze_admits_the_mend_once_its_digest_is_named(scene: Scene) -> None:
    """An update to the patched digest is refused until the digest is named, then admitted, a sidecar left as it is;
    any other image stays refused."""
    control, _, deployer = frozen(scene)
    scene.refused(lambda: images(deployer, image(GOOD)), FROZEN)
    patched = scene.situation(scene.workload("trainer"), patched=[GOOD], controls=[control])
    assert FREEZE.differences(control.intent, patched)
    assert FREEZE.observe(control.intent, patched) is None
    receipt = FREEZE.apply(control.intent, patched)
    assert receipt.result["patched"] == [GOOD]
    assert FREEZE.observe(control.intent, patched)
    scene.admitted(lambda: images(deployer, image(GOOD)))
    scene.refused(lambda: images(deployer, image(GOOD), image("sha256:" + "d" * 64, "r.example/p")), FROZEN)
    scene.refused(lambda: images(deployer, image(BAD), image(GOOD)), FROZEN)


def test_a_freeze_of_workloads_reaches_those_alone(scene: Scene) -> None:
    """With `reach: affected_workloads` another workload of the namespace may be made and scaled."""
    _, _, deployer = frozen(scene, reach="affected_workloads")
    deployer.create(DEPLOYMENTS, "training", deployment("new", image(GOOD)), dry_run=True)
    uid = scene.workload("trainer").ref.uid
    scene.refused(lambda: deployer.delete(DEPLOYMENTS, "training", "trainer", uid, dry_run=True), FROZEN)


def test_a_released_freeze_refuses_nothing(scene: Scene) -> None:
    """After the release the deployer may scale again."""
    control, situation, deployer = frozen(scene)
    FREEZE.release(control, situation)
    scene.admitted(lambda: scale(deployer, 5))


def test_a_freeze_that_someone_changed_is_left_to_them(scene: Scene) -> None:
    """A foreign change of its parameters is drift that names field and owner; neither apply nor release overwrites."""
    control, situation, _ = frozen(scene)
    editor = scene.person("editor", "get,patch core/configmaps")
    name = control.receipt.result["objects"][0]["name"]
    path = CONFIG_MAPS.path(HOME, name)
    editor.request(
        "PATCH",
        path,
        query={"fieldManager": "someone"},
        body={"data": {"identity": "editor"}},
        content_type="application/merge-patch+json",
    )
    assert any("identity is held by someone" in d for d in FREEZE.differences(control.intent, situation))
    for attempt in (
        lambda: FREEZE.apply(control.intent, situation),
        lambda: FREEZE.release(control, situation),
    ):
        with pytest.raises(ConflictError, match="identity is held by someone"):
            attempt()
    assert scene.admin.get(CONFIG_MAPS, HOME, name)["data"]["identity"] == "editor"


def test_a_freeze_makes_its_namespace_where_it_is_missing(control_plane: Any, tmp_path: Path) -> None:
    """On a cluster without patchgap's namespace the preview says that it is made, and apply makes it."""
    scene = Scene(control_plane, tmp_path)
    scene.make(namespace(), deployment())
    situation = scene.situation(scene.workload("trainer"))
    target = scene.targets(FREEZE, situation)[0]
    lines = FREEZE.preview(FREEZE.parameters(), target, situation)
    assert f"Namespace {HOME}: create" in lines
    control = scene.perform(FREEZE, situation)[0]
    assert FREEZE.observe(control.intent, situation)


def test_an_unreachable_cluster_leaves_its_workloads_uncovered(scene: Scene) -> None:
    """A workload of a cluster that is not configured is named as uncovered with the reason."""
    workload = scene.workload("trainer")
    elsewhere = replace(workload, ref=replace(workload.ref, cluster="gone"))
    [uncovered] = FREEZE.targets(FREEZE.parameters(), scene.situation(elsewhere))
    assert "gone" in uncovered.reason
    assert uncovered.target == str(elsewhere.ref)
