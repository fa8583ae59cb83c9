"""The rehearsal's controllers move workloads as real ones do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from calls import Caller, image, workload

from integrations.rehearsal import RehearsalCluster
from integrations.rehearsal.kubelet import FINISH


def test_a_new_image_makes_a_new_replica_set_and_keeps_the_old_at_zero(admin: Caller) -> None:
    """A rollout leaves the old ReplicaSet at zero as the rollback target, with its revision."""
    admin.create("deployments", workload("Deployment", "web", replicas=4)).raise_for_status()
    admin.settle()
    admin.set_image("deployments", "web", image("b"))
    sets = {s["metadata"]["annotations"]["deployment.kubernetes.io/revision"]: s for s in admin.list("replicasets")}
    assert {revision: s["spec"]["replicas"] for revision, s in sets.items()} == {"1": 0, "2": 4}
    assert admin.images("web") == {image("b")}


def test_rolling_back_to_an_old_template_reuses_its_replica_set(admin: Caller) -> None:
    """The old ReplicaSet comes back under the next revision, and no third one is made."""
    admin.create("deployments", workload("Deployment", "web", replicas=1)).raise_for_status()
    admin.settle()
    admin.set_image("deployments", "web", image("b"))
    admin.set_image("deployments", "web", image("a"))
    revisions = sorted(
        s["metadata"]["annotations"]["deployment.kubernetes.io/revision"] for s in admin.list("replicasets")
    )
    assert revisions == ["2", "3"]
    assert admin.images("web") == {image("a")}


def test_the_history_limit_deletes_the_oldest_empty_sets(admin: Caller) -> None:
    """No more empty ReplicaSets stay than revisionHistoryLimit says."""
    admin.create("deployments", workload("Deployment", "web", replicas=1, revisionHistoryLimit=1)).raise_for_status()
    for letter in "bcd":
        admin.settle()
        admin.set_image("deployments", "web", image(letter))
    assert sum(1 for one in admin.list("replicasets") if one["spec"]["replicas"] == 0) == 1


def test_paused_holds_a_rollout_and_resuming_lets_it_go(admin: Caller) -> None:
    """A paused Deployment keeps its pods whatever its template says, and rolls out when it is resumed."""
    admin.create("deployments", workload("Deployment", "web", replicas=2)).raise_for_status()
    admin.settle()
    admin.patch("deployments", "web", {"spec": {"paused": True}}).raise_for_status()
    admin.set_image("deployments", "web", image("b"))
    assert admin.images("web") == {image("a")}
    admin.patch("deployments", "web", {"spec": {"paused": False}}).raise_for_status()
    admin.settle()
    assert admin.images("web") == {image("b")}


def test_a_rollout_in_steps_keeps_enough_pods_available() -> None:
    """With steps that take time, availability never falls below what maxUnavailable leaves."""
    objects = [workload("Deployment", "web", replicas=4)]
    with RehearsalCluster.start(objects=objects, step=0.02) as cluster:
        cluster.settle()
        caller = Caller(cluster, cluster.kubeconfig()["users"][0]["user"]["token"])
        path = "/apis/apps/v1/namespaces/default/deployments/web"
        start = caller.http.get(path).json()["metadata"]["resourceVersion"]
        containers = [{"name": "main", "image": image("b")}]
        headers = {"Content-Type": "application/strategic-merge-patch+json"}
        body = {"spec": {"template": {"spec": {"containers": containers}}}}
        caller.http.patch(path, json=body, headers=headers).raise_for_status()
        cluster.settle()
        query = {"watch": "1", "resourceVersion": start, "timeoutSeconds": "1"}
        lines = caller.http.get("/apis/apps/v1/namespaces/default/deployments", params=query).text.splitlines()
        caller.http.close()
    statuses = [json.loads(line)["object"]["status"] for line in lines]
    assert min(status.get("availableReplicas", 0) for status in statuses) == 3
    assert max(status.get("replicas", 0) for status in statuses) == 5
    assert statuses[-1]["updatedReplicas"] == statuses[-1]["replicas"] == 4


def test_recreate_stops_everything_before_it_starts_anything(admin: Caller) -> None:
    """Under Recreate no old and new pod are there together."""
    document = workload("Deployment", "web", replicas=2, strategy={"type": "Recreate"})
    admin.create("deployments", document).raise_for_status()
    admin.settle()
    admin.set_image("deployments", "web", image("b"))
    assert admin.images("web") == {image("b")}
    assert sorted(s["spec"]["replicas"] for s in admin.list("replicasets")) == [0, 2]


@pytest.mark.parametrize(
    ("plural", "kind", "spec"),
    [
        ("statefulsets", "StatefulSet", {"replicas": 3, "serviceName": "store"}),
        ("daemonsets", "DaemonSet", {}),
    ],
)
def test_other_workloads_roll_too(admin: Caller, plural: str, kind: str, spec: dict[str, Any]) -> None:
    """StatefulSets and DaemonSets replace every pod when their template changes."""
    admin.create(plural, workload(kind, "store", **spec)).raise_for_status()
    admin.settle()
    assert len(admin.list("pods", "app=store")) == 3
    before = {pod["metadata"]["uid"] for pod in admin.list("pods", "app=store")}
    admin.set_image(plural, "store", image("b"))
    assert admin.images("store") == {image("b")}
    assert not before & {pod["metadata"]["uid"] for pod in admin.list("pods", "app=store")}


def test_a_restart_annotation_replaces_the_pods(admin: Caller) -> None:
    """Changing the template's restartedAt rolls the pods without another image."""
    admin.create("deployments", workload("Deployment", "web", replicas=2)).raise_for_status()
    admin.settle()
    before = {pod["metadata"]["uid"] for pod in admin.list("pods")}
    annotations = {"kubectl.kubernetes.io/restartedAt": "2026-11-24T07:10:00Z"}
    body = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
    admin.patch("deployments", "web", body).raise_for_status()
    admin.settle()
    assert not before & {pod["metadata"]["uid"] for pod in admin.list("pods")}


def test_a_job_ends_when_its_pod_does(admin: Caller) -> None:
    """A Job whose pods are told to finish is Complete; any other keeps running."""
    ending = workload("Job", "ending")
    ending["spec"]["template"]["metadata"]["annotations"] = {FINISH: "succeed"}
    admin.create("jobs", ending).raise_for_status()
    admin.create("jobs", workload("Job", "going")).raise_for_status()
    admin.settle()
    types = {c["type"] for c in admin.get("jobs", "ending")["status"]["conditions"]}
    assert types == {"SuccessCriteriaMet", "Complete"}
    assert admin.get("jobs", "going")["status"]["active"] == 1


@pytest.mark.parametrize(("policy", "left"), [("Background", 0), ("Foreground", 0), ("Orphan", 2)])
def test_deletion_reaches_dependents_as_asked(admin: Caller, policy: str, left: int) -> None:
    """Background and foreground deletion take the pods along; orphaning leaves them."""
    admin.create("deployments", workload("Deployment", "web", replicas=2)).raise_for_status()
    admin.settle()
    admin.delete("deployments", "web", propagationPolicy=policy).raise_for_status()
    admin.settle()
    assert admin.http.get(admin.path("deployments", "web")).status_code == 404
    assert len(admin.list("pods")) == left


def test_a_deleted_namespace_takes_everything_along(admin: Caller) -> None:
    """A namespace that is deleted is gone with what was in it."""
    admin.create("deployments", workload("Deployment", "web", replicas=2)).raise_for_status()
    admin.settle()
    admin.http.delete("/api/v1/namespaces/work").raise_for_status()
    admin.settle()
    assert admin.http.get("/api/v1/namespaces/work").status_code == 404
    assert admin.list("pods") == []


def test_an_unknown_tag_waits_until_the_registry_has_it(admin: Caller) -> None:
    """A pod whose image cannot be pulled waits without an imageID, and runs once the tag is known."""
    admin.create("deployments", workload("Deployment", "web", "registry.example.com/x/app:1.0", replicas=1))
    admin.settle()
    waiting = admin.list("pods")[0]["status"]
    assert (waiting["phase"], waiting["containerStatuses"][0]["imageID"]) == ("Pending", "")
    admin.cluster.images["registry.example.com/x/app:1.0"] = "sha256:" + "a" * 64
    admin.settle()
    assert admin.images("web") == {image("a")}


def test_a_cordoned_node_gets_no_pods(admin: Caller) -> None:
    """New pods avoid a node that is unschedulable, and wait where every node is."""
    headers = {"Content-Type": "application/merge-patch+json"}
    for number in range(3):
        path = f"/api/v1/nodes/node-{number}"
        admin.http.patch(path, json={"spec": {"unschedulable": number > 0}}, headers=headers).raise_for_status()
    admin.create("deployments", workload("Deployment", "web", replicas=3)).raise_for_status()
    admin.settle()
    assert {pod["spec"]["nodeName"] for pod in admin.list("pods")} == {"node-0"}
