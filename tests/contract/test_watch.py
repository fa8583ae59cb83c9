"""The watch: what happens on a control plane is in the graph soon after, whatever becomes of a stream on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from scene import BAD, CLUSTER, GOOD, Scene, account, deployment, image, namespace, template
from watching import PODS, Watching

from integrations.kubernetes.inventory import inventory_of
from integrations.kubernetes.inventory.kept import keeping
from integrations.kubernetes.inventory.snapshot import PERMISSIONS, WATCH_PERMISSIONS, read
from integrations.kubernetes.resources import (
    CLUSTER_ROLE_BINDINGS,
    DEPLOYMENTS,
    NAMESPACES,
    ROLE_BINDINGS,
    SERVICE_ACCOUNTS,
    SERVICES,
)
from integrations.kubernetes.resources import PODS as POD
from patchgap.model.unknown import Unknown
from patchgap.model.workload import Classification, RunState
from patchgap.settings import ClusterSettings

DEPLOYMENT_PATH = "/apis/apps/v1/deployments?"
RBAC = "rbac.authorization.k8s.io"
EXPIRED = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Expired", "code": 410}


@pytest.fixture
def scene(controllers: Any, tmp_path: Path) -> Scene:
    """A namespace with a Deployment that runs."""
    made = Scene(controllers, tmp_path)
    made.make(namespace("training", **{"patchgap.dev/environment": "prod"}), account(), deployment("trainer"))
    made.eventually(lambda: made.workload("trainer").running == 2)
    return made


@pytest.fixture
def watching(scene: Scene, tmp_path: Path) -> Iterator[Watching]:
    """Its watch."""
    with Watching(scene, tmp_path) as found:
        yield found


def scale(scene: Scene, replicas: int) -> None:
    scene.admin.patch(DEPLOYMENTS, "training", "trainer", {"spec": {"replicas": replicas}})


def roll(scene: Scene, picture: str) -> None:
    containers = [{"name": "main", "image": picture}]
    scene.admin.patch(DEPLOYMENTS, "training", "trainer", {"spec": {"template": {"spec": {"containers": containers}}}})


def delete(scene: Scene, resource: Any, name: str) -> None:
    found = scene.admin.get(resource, "training", name)
    scene.admin.delete(resource, "training", name, found["metadata"]["uid"])


def test_what_is_kept_of_an_object_is_all_that_the_inventory_reads(scene: Scene) -> None:
    """The same workloads come of whole objects and of those that were cut down."""
    job = {"template": template("job", image(BAD), restartPolicy="Never")}
    nightly = {"schedule": "0 3 * * *", "suspend": True, "jobTemplate": {"spec": job}}
    strong = deployment("strong", serviceAccountName="trainer", hostPID=True)
    strong["metadata"]["annotations"] = {"patchgap.dev/writes-to": "model-registry"}
    strong["spec"]["template"]["spec"]["containers"][0]["securityContext"] = {
        "privileged": True,
        "capabilities": {"add": ["SYS_ADMIN"]},
    }
    store = {
        "serviceName": "s",
        "selector": {"matchLabels": {"app": "store"}},
        "template": template("store", image(BAD)),
    }
    scene.make(
        strong,
        {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": {"name": "n", "namespace": "training"},
            "spec": nightly,
        },
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once", "namespace": "training"}, "spec": job},
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": "s", "namespace": "training"},
            "spec": store,
        },
        service("strong"),
    )
    roll(scene, image(GOOD))
    settings = scene.connections().settings.kubernetes

    def is_same() -> bool:
        scene.settle()
        whole, cut = read(scene.admin), read(scene.admin, keep=keeping(settings))
        configured = ClusterSettings(name=CLUSTER)
        return inventory_of(whole, settings, configured) == inventory_of(cut, settings, configured)

    scene.eventually(is_same)


def service(name: str) -> dict[str, Any]:
    spec = {"type": "LoadBalancer", "selector": {"app": name}, "ports": [{"port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "training"}, "spec": spec}


def test_the_graph_follows_a_workload_from_its_beginning_to_its_end(scene: Scene, watching: Watching) -> None:
    """A new one, its scale, its image with the old one to roll back to, and its deletion, each without a reading."""
    assert watching.workload("trainer")
    lists = len(watching.line.lists(PODS))
    scene.make(deployment("second", image(GOOD), 1))
    watching.until(lambda: (found := watching.workload("second")) and found.running == 1)
    scale(scene, 4)
    watching.until(lambda: (found := watching.workload("trainer")) and (found.replicas, found.running) == (4, 4))
    roll(scene, image(GOOD))

    def is_rolled() -> bool:
        scene.settle()
        found = watching.workload("trainer")
        states = {(c.digest, c.state) for c in found.containers} if found else set()
        return states == {(GOOD, RunState.RUNNING), (BAD, RunState.ROLLBACK)}

    watching.until(is_rolled)
    delete(scene, DEPLOYMENTS, "second")
    watching.until(lambda: scene.settle() or not watching.workload("second"))
    watching.until(watching.agrees)
    assert len(watching.line.lists(PODS)) == lists


def test_an_event_is_told_with_the_workload_that_it_belongs_to(scene: Scene, watching: Watching) -> None:
    """A pod's event names its Deployment, and when it was heard and was in the graph."""
    scale(scene, 3)
    told = watching.until(lambda: [one for one in watching.applied if one.kind == "Pod"])
    assert {one.workload for one in told} == {f"{CLUSTER}/training/Deployment/trainer"}
    assert all(one.heard_at <= one.applied_at for one in told)


def test_what_decides_privileges_place_and_exposure_is_followed(scene: Scene, watching: Watching) -> None:
    """A binding, an account, a namespace's label and a Service change the workloads that they are about."""
    strong = deployment("strong", replicas=0, serviceAccountName="trainer")
    scene.make(strong)
    watching.until(lambda: watching.workload("strong"))
    binding = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "trainer-root"},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "trainer", "namespace": "training"}],
    }
    scene.admin.create(CLUSTER_ROLE_BINDINGS, "", binding)
    watching.until(lambda: watching.workload("strong").privileges.cluster_admin)  # type: ignore[union-attr]
    assert not watching.workload("trainer").privileges.cluster_admin  # type: ignore[union-attr]
    scene.admin.patch(SERVICE_ACCOUNTS, "training", "trainer", {"automountServiceAccountToken": False})
    watching.until(lambda: not watching.workload("strong").privileges.token_mounted)  # type: ignore[union-attr]
    label = {"metadata": {"labels": {"patchgap.dev/classification": "sensitive"}}}
    scene.admin.patch(NAMESPACES, "", "training", label)
    watching.until(
        lambda: watching.workload("trainer").data_scope.classification is Classification.SENSITIVE  # type: ignore[union-attr]
    )
    scene.admin.create(SERVICES, "training", service("trainer"))
    watching.until(lambda: watching.workload("trainer").internet_exposed)  # type: ignore[union-attr]
    assert not watching.workload("strong").internet_exposed  # type: ignore[union-attr]
    watching.until(watching.agrees)


def test_a_role_that_changes_reaches_those_whom_it_is_bound_to(scene: Scene, watching: Watching) -> None:
    """The reach of an account is worked out anew where a role that it has is changed, and where the binding ends."""
    meta = {"metadata": {"name": "read", "namespace": "training"}}
    role = {"apiVersion": f"{RBAC}/v1", "kind": "Role", **meta}
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
    subjects = [{"kind": "ServiceAccount", "name": "default", "namespace": "training"}]
    reference = {"apiGroup": RBAC, "kind": "Role", "name": "read"}
    scene.make({**role, "rules": [rule]}, {**role, "kind": "RoleBinding", "roleRef": reference, "subjects": subjects})
    watching.until(lambda: watching.workload("trainer").privileges.reach == ("get secrets in training",))  # type: ignore[union-attr]
    scene.admin.request(
        "PATCH",
        f"/apis/{RBAC}/v1/namespaces/training/roles/read",
        body={"rules": [{**rule, "verbs": ["get", "list"]}]},
        content_type="application/merge-patch+json",
    )
    watching.until(lambda: watching.workload("trainer").privileges.reach == ("get,list secrets in training",))  # type: ignore[union-attr]
    delete(scene, ROLE_BINDINGS, "read")
    watching.until(lambda: watching.workload("trainer").privileges.reach == ())  # type: ignore[union-attr]


def test_a_cut_connection_goes_on_where_it_was(scene: Scene, watching: Watching) -> None:
    """After a cut in mid-stream the watch resumes from the last resource version: what happened meanwhile is told, and
    nothing is listed again."""
    scale(scene, 3)
    watching.until(lambda: (found := watching.workload("trainer")) and found.running == 3)
    scene.settle()
    stream, lists = watching.line.newest(PODS), len(watching.line.lists(PODS))
    begun = len(watching.line.of(PODS))
    last = watching.until(lambda: stream.last)
    stream.cut()
    scale(scene, 1)
    watching.until(lambda: len(watching.line.of(PODS)) > begun)
    assert f"resourceVersion={last}&" in watching.line.of(PODS)[begun]
    watching.until(lambda: (found := watching.workload("trainer")) and found.running == 1)
    assert len(watching.line.lists(PODS)) == lists
    watching.until(watching.agrees)


def test_a_bookmark_moves_the_resource_version_on(scene: Scene, watching: Watching) -> None:
    """A watch that has heard nothing but a bookmark resumes from there."""
    assert "allowWatchBookmarks=true" in watching.line.of(DEPLOYMENT_PATH)[0]
    _, version = scene.admin.listed(DEPLOYMENTS, keep=lambda one: one)
    begun = len(watching.line.of(DEPLOYMENT_PATH))
    mark = {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"resourceVersion": version}}
    watching.line.newest(DEPLOYMENT_PATH).end_with({"type": "BOOKMARK", "object": mark})
    watching.until(lambda: len(watching.line.of(DEPLOYMENT_PATH)) > begun)
    assert f"resourceVersion={version}&" in watching.line.of(DEPLOYMENT_PATH)[begun]
    assert watching.line.lists(DEPLOYMENT_PATH) == watching.line.lists(DEPLOYMENT_PATH)[:1]


@pytest.mark.parametrize("as_event", [True, False], ids=["an ERROR event", "410 Gone"])
def test_a_version_that_is_too_old_is_listed_again(scene: Scene, watching: Watching, *, as_event: bool) -> None:
    """By an event or by the status of the answer: the kind is listed whole, and a deletion that no watch told of is
    found by it."""
    scene.make({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare", "namespace": "training"},
                "spec": template("bare", image(BAD))["spec"]})  # fmt: skip
    watching.until(lambda: watching.workload("bare", "Pod"))
    watching.line.swallow = lambda url, event: event["object"]["metadata"]["name"] == "bare"
    delete(scene, POD, "bare")
    watching.until(lambda: scene.settle() or not [w for w in scene.inventory().workloads if w.ref.name == "bare"])
    assert watching.workload("bare", "Pod")  # nobody told
    lists = len(watching.line.lists(PODS))
    if as_event:
        watching.line.newest(PODS).end_with({"type": "ERROR", "object": EXPIRED})
    else:
        watching.line.answer[PODS] = (410, json.dumps(EXPIRED).encode())
        watching.line.newest(PODS).cut()
    watching.until(lambda: not watching.workload("bare", "Pod"))
    assert len(watching.line.lists(PODS)) == lists + 1
    assert any("pods were listed again" in one for one in watching.said)
    watching.until(watching.agrees)


def test_a_cluster_that_does_not_answer_is_unknown_until_it_is_read_again(scene: Scene, watching: Watching) -> None:
    """It is recorded as unreachable, and no watch stands; when it returns, what happened meanwhile is in the graph."""
    assert CLUSTER in watching.graph.watches.live(datetime.now(UTC))
    watching.line.is_down = True
    for _, stream in list(watching.line.streams):
        stream.cut()
    watching.until(lambda: isinstance(watching.graph.refreshed_at()[CLUSTER], Unknown))
    assert CLUSTER not in watching.graph.watches.live(datetime.now(UTC))
    delete(scene, DEPLOYMENTS, "trainer")
    scene.settle()
    assert watching.workload("trainer")  # the last that was known
    watching.line.is_down = False
    watching.until(lambda: not isinstance(watching.graph.refreshed_at()[CLUSTER], Unknown))
    watching.until(lambda: not watching.workload("trainer"))
    watching.until(watching.agrees)


def test_nonsense_on_a_stream_is_followed_by_a_list(scene: Scene, watching: Watching) -> None:
    """What is no event ends the stream; the kind is read again, and the watch goes on."""
    lists = len(watching.line.lists(PODS))
    watching.line.answer[PODS] = (200, b'{"type": "ADDED"}\n')
    watching.line.newest(PODS).cut()
    watching.until(lambda: len(watching.line.lists(PODS)) > lists)
    scale(scene, 1)
    watching.until(lambda: (found := watching.workload("trainer")) and found.running == 1)


def test_the_declared_permissions_are_enough(scene: Scene, tmp_path: Path) -> None:
    """One who may list and watch those kinds alone follows the cluster, with nothing unknown."""
    scene.person("watcher", *WATCH_PERMISSIONS)
    with Watching(scene, tmp_path, "watcher") as watching:
        scale(scene, 1)
        watching.until(lambda: (found := watching.workload("trainer")) and found.running == 1)
        assert not [one for one in watching.said if "unknown" in one or "listed again" in one]


def test_a_kind_that_may_not_be_read_is_unknown_and_the_others_are_followed(scene: Scene, tmp_path: Path) -> None:
    """It is named, as the inventory names it."""
    scene.person("partial", *(p for p in WATCH_PERMISSIONS if "rolebindings" not in p))
    with Watching(scene, tmp_path, "partial") as watching:
        assert any("may not list" in one and "clusterrolebindings" in one for one in watching.said)
        scale(scene, 1)
        watching.until(lambda: (found := watching.workload("trainer")) and found.running == 1)
        assert watching.workload("trainer").privileges.cluster_admin is None  # type: ignore[union-attr]


def test_a_kind_that_may_be_listed_and_not_watched_is_told_so(scene: Scene, tmp_path: Path) -> None:
    """The list stands, and the story says that its changes come late."""
    may = [p for p in PERMISSIONS if "core/nodes" in p]
    scene.person("lister", *may, *(p for p in WATCH_PERMISSIONS if "core/nodes" not in p))
    with Watching(scene, tmp_path, "lister") as watching:
        words = f"{CLUSTER}: nodes are listed now and then: patchgap may not watch core/nodes"
        watching.until(lambda: words in watching.said)
