"""The harness itself: what every contract test leans on holds on whichever control plane runs."""

from __future__ import annotations

from typing import Any

import httpx
from control_plane import ControlPlane
from reach import ClientFor, Eventually

DIGEST = "sha256:" + "a" * 64


def deployment(name: str, image: str, replicas: int = 2) -> dict[str, Any]:
    """A Deployment of one container."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": image}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def test_a_pod_runs_with_its_digest(
    control_plane: ControlPlane, api: httpx.Client, namespace: str, eventually: Eventually
) -> None:
    """A pod made by hand is put on a node and reports the digest of the image that its tag stands for."""
    control_plane.images["registry.example.com/x/tool:1.0"] = DIGEST
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "tool"},
        "spec": {"containers": [{"name": "main", "image": "registry.example.com/x/tool:1.0"}]},
    }
    path = f"/api/v1/namespaces/{namespace}/pods"
    api.post(path, json=pod).raise_for_status()
    status = eventually(
        lambda: (found := api.get(f"{path}/tool").json()["status"]).get("phase") == "Running" and found,
        what="the pod runs",
    )
    assert status["containerStatuses"][0]["imageID"] == f"registry.example.com/x/tool@{DIGEST}"


def test_a_deleted_pod_goes(api: httpx.Client, namespace: str, eventually: Eventually) -> None:
    """A running pod that is deleted terminates and is gone."""
    image = f"registry.example.com/x/tool@{DIGEST}"
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "tool"},
        "spec": {"containers": [{"name": "main", "image": image}]},
    }
    path = f"/api/v1/namespaces/{namespace}/pods"
    api.post(path, json=pod).raise_for_status()
    eventually(lambda: api.get(f"{path}/tool").json()["status"].get("phase") == "Running", what="the pod runs")
    api.delete(f"{path}/tool").raise_for_status()
    eventually(lambda: api.get(f"{path}/tool").status_code == 404, what="the pod is gone")


def test_a_deployment_rolls_out(
    controllers: ControlPlane, api: httpx.Client, namespace: str, eventually: Eventually
) -> None:
    """A Deployment gets its pods, and a new image replaces them."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    api.post(path, json=deployment("web", f"registry.example.com/x/web@{DIGEST}")).raise_for_status()
    eventually(lambda: api.get(f"{path}/web").json()["status"].get("readyReplicas") == 2, what="two pods are ready")
    newer = "registry.example.com/x/web@sha256:" + "b" * 64
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": newer}]}}}}
    headers = {"Content-Type": "application/strategic-merge-patch+json"}
    api.patch(f"{path}/web", json=patch, headers=headers).raise_for_status()

    def images() -> set[str]:
        pods = api.get(f"/api/v1/namespaces/{namespace}/pods").json()["items"]
        return {one["imageID"] for pod in pods for one in pod["status"].get("containerStatuses", ())}

    eventually(lambda: images() == {newer}, within=60, what="only the new image runs")
    controllers.settle()
    assert images() == {newer}


def test_a_user_may_do_nothing_until_it_is_bound(
    control_plane: ControlPlane, client_for: ClientFor, api: httpx.Client, namespace: str, eventually: Eventually
) -> None:
    """A new user is refused, and allowed once a role is bound to it."""
    user = f"reader-{namespace}"
    client = client_for(control_plane.add_user(user))
    path = f"/api/v1/namespaces/{namespace}/pods"
    assert client.get(path).status_code == 403
    subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    binding = {"metadata": {"name": "reader"}, "subjects": [subject], "roleRef": reference}
    where = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings"
    api.post(where, json=binding).raise_for_status()
    eventually(lambda: client.get(path).status_code == 200, what="the binding is in force")
