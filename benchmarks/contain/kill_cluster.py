"""The Kubernetes cluster that is contained in the kill tests: an affected Deployment, its account, and two that are not."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
CLUSTER = "kills"
BAD, GOOD, OTHER = (f"sha256:{letter * 64}" for letter in "abc")
REPOSITORY = "registry.example.org/ml/trainer"


def objects() -> list[Json]:
    """Every manifest, namespaces first."""
    labels = {"patchgap.dev/environment": "production", "patchgap.dev/classification": "sensitive"}
    meta = {"namespace": "training"}
    token = {"kubernetes.io/service-account.name": "trainer"}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {**meta, "name": "trainer"}}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/service-account-token",
        "metadata": {**meta, "name": "trainer-token", "annotations": token},
    }
    database = {"apiVersion": "v1", "kind": "Secret", "metadata": {**meta, "name": "db"}, "data": {"password": "b2xk"}}
    return [
        *(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n, "labels": labels}}
            for n in ("training", "patchgap")
        ),
        account,
        secret,
        database,
        deployment("trainer", BAD, 2, serviceAccountName="trainer", imagePullSecrets=[{"name": "db"}]),
        *(deployment(f"other-{n}", OTHER, 1) for n in range(2)),
    ]


def deployment(name: str, digest: str, replicas: int, **pod: Any) -> Json:
    """A Deployment of the repository's image by that digest."""
    labels = {"app": name}
    containers = [{"name": "main", "image": f"{REPOSITORY}@{digest}"}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "training", "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers, **pod}},
        },
    }
