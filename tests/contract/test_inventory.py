"""The inventory: what it reads from a control plane, kind by kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scene import BAD, CLUSTER, GOOD, OTHER, Scene, account, deployment, image, namespace, template

from integrations.kubernetes.inventory import KubernetesInventory
from integrations.kubernetes.inventory.snapshot import PERMISSIONS
from integrations.kubernetes.resources import DEPLOYMENTS, PODS
from patchgap.errors import BadInputError, UnreachableError
from patchgap.model.unknown import Unknown
from patchgap.model.workload import Classification, Container, ContainerRole, RunState
from patchgap.ports import Connections
from patchgap.settings import ClusterSettings, KubernetesSettings


@pytest.fixture
def scene(controllers: Any, tmp_path: Path) -> Scene:
    """A labelled namespace."""
    made = Scene(controllers, tmp_path)
    labels = {"patchgap.dev/environment": "prod", "patchgap.dev/classification": "sensitive"}
    made.make(namespace("training", **labels))
    return made


def workload(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    """A workload of any kind in the namespace."""
    group = {"Pod": "v1", "Job": "batch/v1", "CronJob": "batch/v1"}.get(kind, "apps/v1")
    return {"apiVersion": group, "kind": kind, "metadata": {"name": name, "namespace": "training"}, "spec": spec}


def selecting(name: str, **spec: Any) -> dict[str, Any]:
    """A selector and a template that fits it."""
    return {"selector": {"matchLabels": {"app": name}}, "template": template(name, image(BAD), **spec)}


def entry(scene: Scene, kind: str, name: str, container: str = "main") -> list[Container]:
    """The entries of one container of a workload."""
    return [c for c in scene.workload(name, kind).containers if c.name == container]


def test_every_kind_is_a_workload_with_its_state(scene: Scene) -> None:
    """Each kind is listed once by its highest owner, running, scheduled or at zero; nothing below it is listed."""
    job = {"template": template("job", image(BAD), restartPolicy="Never")}
    scene.make(
        deployment("trainer", replicas=3),
        deployment("idle", replicas=0),
        workload("StatefulSet", "store", serviceName="store", replicas=1, **selecting("store")),
        workload("DaemonSet", "agent", **selecting("agent")),
        workload("ReplicaSet", "set", replicas=1, **selecting("set")),
        workload("Job", "once", **job),
        workload("CronJob", "nightly", schedule="0 3 * * *", suspend=True, jobTemplate={"spec": job}),
        workload("Pod", "bare", **template("bare", image(BAD))["spec"]),
    )
    scene.eventually(lambda: scene.workload("trainer").running == 3 and scene.workload("store", "StatefulSet").running)
    found = {(w.ref.kind, w.ref.name): w for w in scene.inventory().workloads if w.ref.namespace == "training"}
    states = {key: {c.state for c in w.containers} for key, w in found.items()}
    assert set(states) == {
        ("Deployment", "trainer"),
        ("Deployment", "idle"),
        ("StatefulSet", "store"),
        ("DaemonSet", "agent"),
        ("ReplicaSet", "set"),
        ("Job", "once"),
        ("CronJob", "nightly"),
        ("Pod", "bare"),
    }
    assert states["Deployment", "idle"] == {RunState.SCALED_TO_ZERO}
    assert states["CronJob", "nightly"] == {RunState.SCHEDULED}
    for key in (("Deployment", "trainer"), ("StatefulSet", "store"), ("ReplicaSet", "set"), ("Pod", "bare")):
        assert states[key] == {RunState.RUNNING}, key
    trainer = found["Deployment", "trainer"]
    assert (trainer.replicas, trainer.running) == (3, 3)
    assert trainer.nodes
    assert trainer.selector == {"matchLabels": {"app": "trainer"}}
    [main] = trainer.containers
    assert (main.digest, main.pods, main.role) == (BAD, 3, ContainerRole.MAIN)


def test_the_place_and_the_data_are_read_from_the_nearest_label(scene: Scene) -> None:
    """The workload's label is believed before its template's, that before the namespace's; a store list is split."""
    trainer = deployment("trainer")
    trainer["metadata"]["annotations"] = {"patchgap.dev/writes-to": "model-registry, feature-store"}
    public = deployment("public")
    public["metadata"]["labels"]["patchgap.dev/classification"] = "public"
    public["spec"]["template"]["metadata"]["labels"] |= {
        "patchgap.dev/classification": "internal",
        "patchgap.dev/environment": "canary",
    }
    scene.make(trainer, public)
    found = scene.workload("trainer")
    assert (found.environment, found.data_scope.classification) == ("prod", Classification.SENSITIVE)
    assert found.data_scope.writes_to == ("model-registry", "feature-store")
    found = scene.workload("public")
    assert (found.environment, found.data_scope.classification) == ("canary", Classification.PUBLIC)


def test_init_and_tagged_images_are_told_by_the_runtime(scene: Scene) -> None:
    """An init container counts as run with its pod; a tag's digest is what the runtime reports, and unknown where
    none has."""
    scene.plane.images["registry.example.com/base/init:1"] = OTHER
    init = [{"name": "init", "image": "registry.example.com/base/init:1"}]
    scene.make(deployment("trainer", replicas=1, initContainers=init))
    scene.eventually(lambda: scene.workload("trainer").running == 1)
    [found] = entry(scene, "Deployment", "trainer", "init")
    assert (found.role, found.digest, found.state) == (ContainerRole.INIT, OTHER, RunState.RUNNING)
    scene.make(deployment("idle", "registry.example.com/base/idle:1", replicas=0))
    [found] = entry(scene, "Deployment", "idle")
    assert isinstance(found.digest, Unknown)
    assert "base/idle:1" in found.digest.what


def test_an_ephemeral_container_counts(scene: Scene) -> None:
    """A debug container in a running pod is an entry of its workload."""
    scene.make(deployment("trainer", image(GOOD), 1))
    pod = scene.admin.all_of(PODS, "training", labels="app=trainer")[0]["metadata"]["name"]
    body = {"spec": {"ephemeralContainers": [{"name": "debug", "image": image(BAD)}]}}
    scene.admin.patch(PODS, "training", pod, body, subresource="ephemeralcontainers")
    scene.settle()
    [found] = entry(scene, "Deployment", "trainer", "debug")
    assert (found.role, found.digest) == (ContainerRole.EPHEMERAL, BAD)


def test_an_old_replica_set_is_a_rollback_target(scene: Scene) -> None:
    """After a rollout the old image is kept as what could be rolled back to."""
    scene.make(deployment("trainer", replicas=1))
    containers = [{"name": "main", "image": image(GOOD)}]
    scene.admin.patch(DEPLOYMENTS, "training", "trainer", {"spec": {"template": {"spec": {"containers": containers}}}})

    def is_over() -> bool:
        scene.settle()
        found = {(c.digest, c.state) for c in entry(scene, "Deployment", "trainer")}
        return found == {(GOOD, RunState.RUNNING), (BAD, RunState.ROLLBACK)}

    scene.eventually(is_over)


def test_a_foreign_owner_ends_the_chain(scene: Scene) -> None:
    """A pod that an unknown controller made is a workload of its own and names that owner."""
    pod = workload("Pod", "driver", **template("driver", image(BAD))["spec"])
    owner = {"apiVersion": "sparkoperator.k8s.io/v1", "kind": "SparkApplication", "name": "etl", "uid": "u-1"}
    scene.admin.create(
        PODS, "training", {**pod, "metadata": {**pod["metadata"], "ownerReferences": [{**owner, "controller": True}]}}
    )
    found = next(w for w in scene.inventory().workloads if w.ref.name == "driver")
    assert (found.ref.kind, found.owners) == ("Pod", ("SparkApplication/etl",))


def test_the_privilege_profile_tells_reach_and_host(scene: Scene) -> None:
    """The account's RBAC reach in lines, what the pods may do on a node, and cluster-admin as such."""
    rbac = "rbac.authorization.k8s.io"
    role = {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": {"name": "read", "namespace": "training"}}
    binding = {**role, "kind": "RoleBinding"}
    security = {"privileged": True, "capabilities": {"add": ["SYS_ADMIN"]}}
    strong = deployment("strong", replicas=0, serviceAccountName="trainer", hostPID=True)
    strong["spec"]["template"]["spec"]["containers"][0]["securityContext"] = security
    scene.make(
        account(),
        account("root", automountServiceAccountToken=False),
        {**role, "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}]},
        {
            **binding,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "read"},
            "subjects": [{"kind": "ServiceAccount", "name": "trainer", "namespace": "training"}],
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "root"},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": "root", "namespace": "training"}],
        },
        strong,
        deployment("admin", replicas=0, serviceAccountName="root"),
    )
    found = scene.workload("strong").privileges
    assert found.reach == ("get,list secrets in training",)
    assert (found.cluster_admin, found.privileged, found.host_namespace) == (False, True, True)
    assert (found.capabilities, found.token_mounted) == (("SYS_ADMIN",), True)
    found = scene.workload("admin").privileges
    assert (found.cluster_admin, found.token_mounted) == (True, False)


def test_what_may_not_be_listed_is_unknown_by_name(scene: Scene) -> None:
    """Without a permission the kind is named as unknown, and a reach that hangs on it is unknown, not empty."""
    scene.make(deployment("trainer"))
    scene.person("partial", *(p for p in PERMISSIONS if "rbac" not in p and "jobs" not in p))
    found = scene.inventory("partial")
    assert {u.what for u in found.unknown} >= {f"cluster {CLUSTER}: Job", f"cluster {CLUSTER}: ClusterRole"}
    assert any("may not list batch/jobs" in u.reason for u in found.unknown)
    privileges = next(w for w in found.workloads if w.ref.name == "trainer").privileges
    assert privileges.cluster_admin is None
    assert privileges.unknown


def test_the_declared_permissions_are_enough(scene: Scene) -> None:
    """A user with the inventory's permissions alone reads all, with nothing unknown."""
    scene.make(deployment("trainer"))
    scene.person("reader", *PERMISSIONS)
    found = scene.inventory("reader")
    assert found.unknown == ()
    named = {w.ref for w in found.workloads}
    assert named == {w.ref for w in scene.inventory().workloads}


def test_a_load_balancer_makes_a_workload_exposed(scene: Scene) -> None:
    """A Service of type LoadBalancer that selects the pods exposes the workload, and a label may deny it."""
    quiet = deployment("quiet", replicas=0)
    quiet["metadata"]["labels"]["patchgap.dev/internet-exposed"] = "false"
    port = {"ports": [{"port": 80}]}
    services = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": "training"},
            "spec": {"type": "LoadBalancer", "selector": {"app": name}, **port},
        }
        for name in ("front", "quiet")
    ]
    scene.make(deployment("front", replicas=0), quiet, deployment("back", replicas=0), *services)
    exposed = {w.ref.name: w.internet_exposed for w in scene.inventory().workloads if w.ref.namespace == "training"}
    assert exposed == {"front": True, "quiet": False, "back": False}


def test_a_cluster_that_does_not_answer_is_unreachable(scene: Scene, tmp_path: Path) -> None:
    """A refused connection is an UnreachableError that names the cluster."""
    file = scene.plane.write_kubeconfig(tmp_path / "moved.kubeconfig")
    file.write_text(file.read_text().replace(scene.plane.url, "http://127.0.0.1:9"))
    settings = replace_clusters(scene, ClusterSettings(name="moved", kubeconfig=file))
    with pytest.raises(UnreachableError, match="cluster moved did not answer"):
        KubernetesInventory().read("moved", Connections(settings))


def test_a_kubeconfig_that_names_nothing_is_one_clear_error(scene: Scene, tmp_path: Path) -> None:
    """A context that is not there is told with the file, the field and what there is."""
    file = scene.plane.write_kubeconfig(tmp_path / "a.kubeconfig")
    settings = replace_clusters(scene, ClusterSettings(name="c", kubeconfig=file, context="none"))
    with pytest.raises(BadInputError, match=r"a\.kubeconfig: contexts: there is no entry 'none'"):
        KubernetesInventory().read("c", Connections(settings))


def replace_clusters(scene: Scene, *clusters: ClusterSettings) -> Any:
    """The scene's settings with other clusters."""
    settings = scene.connections().settings
    return settings.model_copy(update={"kubernetes": KubernetesSettings(clusters=clusters)})
