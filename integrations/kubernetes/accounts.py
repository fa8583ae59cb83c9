"""Service accounts: who uses one, which long-lived tokens it has, and whether a token is still believed.

Owns what a rotation must read and prove. A token that it asks for stays in memory; no Secret's data is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from integrations.kubernetes.answers import UnauthorizedError
from integrations.kubernetes.cluster import METADATA, Cluster
from integrations.kubernetes.inventory.families import Family, families
from integrations.kubernetes.inventory.snapshot import read
from integrations.kubernetes.inventory.states import live_pods
from integrations.kubernetes.resources import SECRETS, SERVICE_ACCOUNTS, WORKLOADS, Json, pod_template
from patchgap.errors import RefusedError
from patchgap.model.codec import digest
from patchgap.model.plan import Target

ROTATED = "patchgap.dev/rotated-for"
TOKEN_OF = "kubernetes.io/service-account.name"  # noqa: S105  (an annotation)
TOKEN_TYPE = "kubernetes.io/service-account-token"  # noqa: S105  (a type)
_OF_OLD = (TOKEN_OF.replace(".name", ".uid"), "kubectl.kubernetes.io/last-applied-configuration")
_LIFETIME = 600  # seconds: the shortest that the API grants


@dataclass(frozen=True, slots=True)
class Consumer:
    """A workload whose pods use what is rotated."""

    family: Family

    @property
    def head(self) -> Json:
        """Its manifest."""
        return self.family.head

    @property
    def live_pods(self) -> list[Json]:
        """Its pods that have not ended."""
        return live_pods(self.family)

    def __str__(self) -> str:
        return f"{self.head['kind']}/{self.head['metadata']['name']}"


def account_of(manifest: Json) -> str:
    """The name of the account that a workload's pods run as."""
    return str((pod_template(manifest).get("spec") or {}).get("serviceAccountName") or "default")


def consumers(cluster: Cluster, namespace: str, account: str) -> tuple[Consumer, ...]:
    """Every workload of the namespace that runs as the account, by its template or by a live pod.
    Raises RefusedError where they cannot all be told."""
    return consumers_of(cluster, namespace, lambda manifest: account_of(manifest) == account)


def consumers_of(cluster: Cluster, namespace: str, uses: Callable[[Json], bool]) -> tuple[Consumer, ...]:
    """Every workload of the namespace of which that holds, by its manifest or by a live pod's. Raises RefusedError where
    they cannot all be told."""
    snapshot = read(cluster, WORKLOADS, namespace)
    if untold := snapshot.why_not(WORKLOADS):
        raise RefusedError(
            f"cluster {cluster.name}: who uses what is to be rotated in {namespace} cannot be told: {untold}",
            "Grant that permission: a rotation must know every workload that it restarts.",
        )
    return tuple(Consumer(f) for f in families(snapshot) if any(uses(m) for m in (f.head, *f.pods)))


def named(target: Target, consumer: Consumer) -> str:
    """The consumer as the workloads of the target name it."""
    return f"{target.cluster}/{target.namespace}/{consumer}"


def planned(target: Target, using: Iterable[Consumer]) -> list[Consumer]:
    """Those of them that the plan names: no other is restarted."""
    return [c for c in using if named(target, c) in target.workloads]


def token_secrets(cluster: Cluster, namespace: str, account: str) -> tuple[dict[str, Any], ...]:
    """The metadata of the account's long-lived token Secrets, as name, uid, labels and annotations."""
    held = cluster.all_of(SECRETS, namespace, fields=f"type={TOKEN_TYPE}", accept=METADATA)
    mine = [h["metadata"] for h in held if (h["metadata"].get("annotations") or {}).get(TOKEN_OF) == account]
    return tuple(
        {
            "name": m["name"],
            "uid": m["uid"],
            "labels": dict(m.get("labels") or {}),
            "annotations": {k: v for k, v in (m.get("annotations") or {}).items() if k not in _OF_OLD},
        }
        for m in mine
    )


def kept(manifest: Json) -> dict[str, Any]:
    """The account's manifest as it is made again: everything that was asked for, nothing that the server added."""
    meta = manifest["metadata"]
    fields = {k: manifest[k] for k in ("secrets", "imagePullSecrets", "automountServiceAccountToken") if k in manifest}
    named = {k: dict(meta[k]) for k in ("labels", "annotations") if meta.get(k)}
    return {
        "apiVersion": SERVICE_ACCOUNTS.api_version,
        "kind": SERVICE_ACCOUNTS.kind,
        "metadata": {"name": meta["name"], "namespace": meta["namespace"], **named},
        **fields,
    }


def made_from(manifest: Json, tokens: Iterable[Json]) -> dict[str, str]:
    """What an account is made again from, as a plan shows it: its manifest (as `kept`) by a digest, its token Secrets."""
    told = ", ".join(sorted(f"{s['name']} {s['uid']}" for s in tokens))
    return {"manifest": digest(manifest), "token Secrets": told}


def is_believed(probe: Cluster) -> bool:
    """Whether the API server still accepts the probe's token. Raises UnreachableError where it does not answer."""
    try:
        probe.review()
    except UnauthorizedError:
        return False
    return True


def probe_of(cluster: Cluster, namespace: str, account: str) -> Cluster:
    """The cluster seen with a short-lived token of the account as it is now. The token is in this object alone."""
    body: Mapping[str, Any] = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": _LIFETIME},
    }
    answer = cluster.create(SERVICE_ACCOUNTS, namespace, body, name=account, subresource="token")
    return cluster.bearer(str(answer["status"]["token"]))
