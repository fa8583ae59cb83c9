"""The sample fleet: twelve workloads in three namespaces of one cluster, with the SBOMs of their images.

Plain manifests, as a team would have written them; nothing here knows of incidents. The image digests are those that
the SBOMs in `data/sboms` name.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

CLUSTER = "prod-ml-eu"
REGION = "eu-west-1"  # as the rehearsal cluster's nodes are labelled
TEAM = "ml-platform"  # the team that owns the fleet and rolls out the mend
SBOMS = Path(__file__).parent / "data" / "sboms"

_NAMESPACES = {
    "patchgap": {},
    "training": {"patchgap.dev/environment": "production", "patchgap.dev/classification": "sensitive"},
    "serving": {"patchgap.dev/environment": "production", "patchgap.dev/classification": "internal"},
    "staging": {"patchgap.dev/environment": "staging", "patchgap.dev/classification": "internal"},
}


@dataclass(frozen=True)
class _Row:
    namespace: str
    kind: str
    name: str
    image: str  # the stem of its SBOM's file
    replicas: int = 1
    account: str = "default"
    writes_to: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    pod: Mapping[str, Any] = field(default_factory=dict)


_FLEET = (
    _Row("training", "Deployment", "trainer-v2", "trainer-v2", 8, "trainer", ("model-registry", "feature-store")),
    _Row("training", "CronJob", "finetune-nightly", "finetune-nightly", 1, "finetune", ("model-registry",)),
    _Row("training", "Deployment", "feature-builder", "feature-builder", 3, "features", ("feature-store",)),
    _Row("training", "StatefulSet", "feature-store", "postgres", 3),
    _Row("training", "DaemonSet", "node-tuner", "alpine", 1, pod={"hostNetwork": True}),
    _Row("serving", "Deployment", "inference-api", "python", 4, "inference", ("session-cache",)),
    _Row("serving", "Deployment", "model-registry", "postgres", 2),
    _Row("serving", "Deployment", "gateway", "nginx", 2, labels={"patchgap.dev/internet-exposed": "true"}),
    _Row("serving", "StatefulSet", "session-cache", "redis", 3),
    _Row("staging", "Deployment", "trainer-v2", "trainer-v2", 1, "trainer"),
    _Row("staging", "Deployment", "inference-api", "python", 1),
    _Row("staging", "Job", "schema-migration", "postgres", 1),
)

_API = {
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "Job": "batch/v1",
    "CronJob": "batch/v1",
}


def sboms() -> tuple[Path, ...]:
    """The SBOMs of every image of the fleet and of their mends."""
    return tuple(sorted(p for p in SBOMS.iterdir() if p.name.endswith((".cdx.json", ".cdx.json.gz"))))


@cache
def image(stem: str) -> str:
    """The reference, by digest, of the image that the SBOM of that name describes."""
    for suffix in (".cdx.json", ".cdx.json.gz"):
        path = SBOMS / (stem + suffix)
        if path.is_file():
            raw = path.read_bytes()
            document = json.loads(gzip.decompress(raw) if suffix.endswith(".gz") else raw)
            described = document["metadata"]["component"]
            name = described["name"].split("@")[0].rsplit(":", 1)[0] if "/" in described["name"] else described["name"]
            repository = name if "/" in name else f"registry.example.org/library/{name.split(':')[0]}"
            return f"{repository}@{described['version']}"
    raise FileNotFoundError(f"{SBOMS} has no SBOM of {stem}")


def manifests(*, most: int = 1 << 30) -> Iterator[dict[str, Any]]:
    """Every object of the fleet, namespaces first; `most` caps the replicas of each workload."""
    for name, labels in _NAMESPACES.items():
        yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels)}}
    for namespace, account in sorted({(r.namespace, r.account) for r in _FLEET if r.account != "default"}):
        yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account, "namespace": namespace}}
    yield from _access()
    for row in _FLEET:
        yield _manifest(replace(row, replicas=min(row.replicas, most)))


def running(digest: str) -> Iterator[dict[str, Any]]:
    """The workloads of the fleet that run the image of that digest."""
    return (_manifest(row) for row in _FLEET if image(row.image).endswith(f"@{digest}"))


def network_plugin() -> Iterator[dict[str, Any]]:
    """What enforces network policies on every node, as Calico is known by; its image is one whose SBOM is known."""
    row = _Row("kube-system", "DaemonSet", "calico-node", "alpine", pod={"hostNetwork": True})
    yield _manifest(row)


def _access() -> Iterator[dict[str, Any]]:
    """What the trainer's account may do, and what the owning team may do."""
    yield {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "trainer", "namespace": "training"},
        "rules": [{"apiGroups": [""], "resources": ["secrets", "configmaps"], "verbs": ["get", "list"]}],
    }
    subject = {"kind": "ServiceAccount", "name": "trainer", "namespace": "training"}
    yield _binding("trainer", "training", "Role", "trainer", subject)
    team = {"kind": "User", "name": TEAM, "apiGroup": "rbac.authorization.k8s.io"}
    for namespace in ("training", "serving", "staging"):
        yield _binding(TEAM, namespace, "ClusterRole", "edit", team)


def _binding(name: str, namespace: str, role_kind: str, role: str, subject: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name, "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": role},
        "subjects": [subject],
    }


def _manifest(row: _Row) -> dict[str, Any]:
    labels = {"app": row.name, **row.labels}
    annotations = {"patchgap.dev/writes-to": ",".join(row.writes_to)} if row.writes_to else {}
    ends = row.kind in ("Job", "CronJob")
    template = {
        "metadata": {"labels": labels},
        "spec": {
            "serviceAccountName": row.account,
            "containers": [{"name": "main", "image": image(row.image)}],
            **({"restartPolicy": "Never"} if ends else {}),
            **row.pod,
        },
    }
    return {
        "apiVersion": _API[row.kind],
        "kind": row.kind,
        "metadata": {"name": row.name, "namespace": row.namespace, "labels": labels, "annotations": annotations},
        "spec": _spec(row, template),
    }


def _spec(row: _Row, template: dict[str, Any]) -> dict[str, Any]:
    if row.kind == "Job":
        return {"template": template}
    if row.kind == "CronJob":
        return {"schedule": "0 2 * * *", "jobTemplate": {"spec": {"template": template}}}
    selected = {"selector": {"matchLabels": {"app": row.name}}, "template": template}
    if row.kind == "StatefulSet":
        return {"replicas": row.replicas, "serviceName": row.name, **selected}
    return selected if row.kind == "DaemonSet" else {"replicas": row.replicas, **selected}
