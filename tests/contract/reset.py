"""Bringing a control plane back to how it was started, so that each test finds it empty.

Owns what is taken away after a test and how, also where no namespace controller would do it.
"""

from __future__ import annotations

import time
from typing import Any

import httpx

Json = dict[str, Any]
_RBAC, _ADMISSION = "/apis/rbac.authorization.k8s.io/v1", "/apis/admissionregistration.k8s.io/v1"
_CLUSTER_WIDE = (
    f"{_ADMISSION}/validatingadmissionpolicybindings",
    f"{_ADMISSION}/validatingadmissionpolicies",
    f"{_RBAC}/clusterrolebindings",
    f"{_RBAC}/clusterroles",
)
_OWNERS_FIRST = (
    ("/apis/apps/v1", "deployments"),
    ("/apis/apps/v1", "statefulsets"),
    ("/apis/apps/v1", "daemonsets"),
    ("/apis/batch/v1", "cronjobs"),
    ("/apis/batch/v1", "jobs"),
    ("/apis/apps/v1", "replicasets"),
    ("/api/v1", "pods"),
    ("/apis/networking.k8s.io/v1", "networkpolicies"),
    ("/apis/policy/v1", "poddisruptionbudgets"),
    (_RBAC, "rolebindings"),
    (_RBAC, "roles"),
    ("/api/v1", "secrets"),
    ("/api/v1", "configmaps"),
    ("/api/v1", "serviceaccounts"),
    ("/api/v1", "services"),
    ("/api/v1", "events"),
)
_PASSING = (404, 405, 409)  # gone meanwhile, not served, or on its way out
_WITHIN, _OURS_AFTER = 60.0, 2.0
_OPTIONS = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "propagationPolicy": "Background"}
_MERGE = {"Content-Type": "application/merge-patch+json"}
_OWN = "node.kubernetes.io/"  # the taints that a cluster itself sets


class Reset:
    """Remembers what a control plane started with, and takes away the rest."""

    def __init__(self, client: httpx.Client, *, has_controllers: bool) -> None:
        self._client = client
        self._has_controllers = has_controllers
        self._first = {path: self._names(path) for path in (*_CLUSTER_WIDE, "/api/v1/namespaces")}

    def run(self) -> None:
        """Take away policies first (they could refuse the rest), then roles, then namespaces and what is in them."""
        for path in _CLUSTER_WIDE:
            for name in self._names(path) - self._first[path]:
                self._send("DELETE", f"{path}/{name}", _OPTIONS)
        self._uncordon()
        made = self._names("/api/v1/namespaces") - self._first["/api/v1/namespaces"]
        for name in made:
            self._send("DELETE", f"/api/v1/namespaces/{name}", _OPTIONS)
        started = time.monotonic()
        while left := made & self._names("/api/v1/namespaces"):
            waited = time.monotonic() - started
            if waited > _WITHIN:
                raise TimeoutError(f"the namespaces {sorted(left)} did not go within {_WITHIN:g} s")
            for name in left:
                self._empty(name)
                if not self._has_controllers or waited > _OURS_AFTER:
                    self._finalize(name)
            time.sleep(0.05)
        self._empty_default()

    def _empty(self, namespace: str) -> None:
        for group, plural in _OWNERS_FIRST:
            path = f"{group}/namespaces/{namespace}/{plural}"
            for item in self._items(path):
                self._remove(path, item)

    def _empty_default(self) -> None:
        """Nothing of a test stays in the namespace that cannot be deleted."""
        for group, plural in _OWNERS_FIRST:
            path = f"{group}/namespaces/default/{plural}"
            for item in self._items(path):
                if item["metadata"]["name"] not in ("default", "kubernetes", "kube-root-ca.crt"):
                    self._remove(path, item)

    def _remove(self, path: str, item: Json) -> None:
        where = f"{path}/{item['metadata']['name']}"
        if item["metadata"].get("finalizers"):
            self._send("PATCH", where, {"metadata": {"finalizers": None}}, _MERGE)
        self._send("DELETE", where, _OPTIONS)

    def _finalize(self, name: str) -> None:
        path = f"/api/v1/namespaces/{name}"
        answer = self._client.get(path)
        if answer.status_code == 200:
            self._send("PUT", f"{path}/finalize", {**answer.json(), "spec": {"finalizers": []}})

    def _uncordon(self) -> None:
        for node in self._items("/api/v1/nodes"):
            notes = {n: None for n in node["metadata"].get("annotations") or {} if n.startswith("patchgap.dev/")}
            taints = node["spec"].get("taints") or ()
            if node["spec"].get("unschedulable") or notes or any(not t["key"].startswith(_OWN) for t in taints):
                body = {"metadata": {"annotations": notes}, "spec": {"unschedulable": None, "taints": None}}
                self._send("PATCH", f"/api/v1/nodes/{node['metadata']['name']}", body, _MERGE)

    def _items(self, path: str) -> list[Json]:
        answer = self._client.get(path)
        return [] if answer.status_code in _PASSING else list(answer.raise_for_status().json()["items"])

    def _names(self, path: str) -> set[str]:
        return {item["metadata"]["name"] for item in self._items(path)}

    def _send(self, method: str, path: str, body: Json, headers: dict[str, str] | None = None) -> None:
        answer = self._client.request(method, path, json=body, headers=headers)
        if answer.status_code not in _PASSING:
            answer.raise_for_status()
