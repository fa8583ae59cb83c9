"""Calls on a rehearsal cluster, and the objects that its tests are about."""

from __future__ import annotations

import base64
from typing import Any

import httpx

from integrations.rehearsal import RehearsalCluster

Json = dict[str, Any]
KINDS = {
    "deployments": "/apis/apps/v1",
    "statefulsets": "/apis/apps/v1",
    "daemonsets": "/apis/apps/v1",
    "replicasets": "/apis/apps/v1",
    "jobs": "/apis/batch/v1",
    "networkpolicies": "/apis/networking.k8s.io/v1",
    "rolebindings": "/apis/rbac.authorization.k8s.io/v1",
    "roles": "/apis/rbac.authorization.k8s.io/v1",
}
PATCHES = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
}


def image(letter: str) -> str:
    """An image by digest."""
    return f"registry.example.com/x/app@sha256:{letter * 64}"


class Caller:
    """One user's calls on a cluster, in the namespace `work`."""

    def __init__(self, cluster: RehearsalCluster, token: str) -> None:
        self.cluster = cluster
        headers = {"Authorization": f"Bearer {token}"}
        self.http = httpx.Client(base_url=cluster.url, verify=cluster.trust(), headers=headers, timeout=5)

    def path(self, plural: str, name: str = "") -> str:
        """The path of a kind (and a name) in `work`."""
        return f"{KINDS.get(plural, '/api/v1')}/namespaces/work/{plural}" + (f"/{name}" if name else "")

    def get(self, plural: str, name: str) -> Json:
        """One object."""
        return dict(self.http.get(self.path(plural, name)).raise_for_status().json())

    def list(self, plural: str, selector: str = "") -> list[Json]:
        """The objects of a kind."""
        answer = self.http.get(self.path(plural), params={"labelSelector": selector})
        return list(answer.raise_for_status().json()["items"])

    def create(self, plural: str, document: Json, **query: str) -> httpx.Response:
        """The answer to a create."""
        return self.http.post(self.path(plural), json=document, params=query)

    def patch(self, plural: str, name: str, body: Any, kind: str = "merge", **query: str) -> httpx.Response:
        """The answer to a patch."""
        headers = {"Content-Type": PATCHES[kind]}
        return self.http.patch(self.path(plural, name), json=body, params=query, headers=headers)

    def delete(self, plural: str, name: str, **options: Any) -> httpx.Response:
        """The answer to a delete with options."""
        return self.http.request("DELETE", self.path(plural, name), json=options or None)

    def settle(self) -> None:
        """Wait for the controllers."""
        self.cluster.settle()

    def set_image(self, plural: str, name: str, reference: str) -> None:
        """Roll a workload to an image."""
        containers = [{"name": "main", "image": reference}]
        body = {"spec": {"template": {"spec": {"containers": containers}}}}
        self.patch(plural, name, body, "strategic").raise_for_status()
        self.settle()

    def images(self, app: str) -> set[str]:
        """The images that an app's pods run."""
        pods = self.list("pods", f"app={app}")
        return {status["imageID"] for pod in pods for status in pod["status"].get("containerStatuses", ())}


def workload(kind: str, name: str, reference: str = image("a"), **spec: Any) -> Json:
    """A workload of one container with the label `app`."""
    template: Json = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "main", "image": reference}]},
    }
    selector = {} if kind == "Job" else {"selector": {"matchLabels": {"app": name}}}
    if kind == "Job":
        template["spec"]["restartPolicy"] = "Never"
    group = "batch/v1" if kind == "Job" else "apps/v1"
    return {
        "apiVersion": group,
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"template": template, **selector, **spec},
    }


def secret_token(secret: Json) -> str:
    """The token in a service-account-token Secret."""
    return base64.b64decode(secret["data"]["token"]).decode()
