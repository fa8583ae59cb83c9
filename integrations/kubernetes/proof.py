"""The proof that a block holds: the API server itself, asked by its dry run, denies the image.

Owns how the question is put so that nothing but admission policies can be the reason. It writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from integrations.kubernetes.answers import DeniedError
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.resources import DEPLOYMENTS, PODS, Resource

PERMISSIONS = ("create core/pods", "create apps/deployments")
WAIT = 15.0  # seconds: an API server loads a new policy within a few
_NAME = "patchgap-proof"


@dataclass(frozen=True, slots=True)
class Proof:
    """What the dry run answered for one image in one namespace. `holds` is True only where every question was
    answered, and the incident's policy denied it. `said` is a sentence for a person."""

    image: str
    namespace: str
    holds: bool
    said: str


def prove(cluster: Cluster, policy: str, namespace: str, image: str) -> Proof:
    """Asks for a pod and for a Deployment of that image. Raises UnreachableError and ForbiddenError."""
    answers = [_ask(cluster, r, namespace, image) for r in (PODS, DEPLOYMENTS)]
    denied = [a for a in answers if a.policy == policy]
    admitted = [a for a in answers if a.admitted]
    if denied and not admitted:
        return Proof(image, namespace, holds=True, said=f"{policy} denies {image} in {namespace} (dry run)")
    what = " and ".join(a.kind for a in admitted) or "the question"
    other = "; ".join(a.said for a in answers if not a.admitted)
    told = f"a dry run of {what} with {image} in {namespace} was not denied by {policy}" + (
        f" ({other})" if other else ""
    )
    return Proof(image, namespace, holds=False, said=told)


def awaited(cluster: Cluster, policy: str, questions: Sequence[tuple[str, str]], seconds: float) -> tuple[Proof, ...]:
    """The proofs of each (namespace, image), asked again until all hold or the time is over."""
    last: tuple[Proof, ...] = ()

    def all_hold() -> tuple[Proof, ...] | None:
        nonlocal last
        last = tuple(prove(cluster, policy, n, i) for n, i in questions)
        return last if all(p.holds for p in last) else None

    return cluster.until(seconds, all_hold) or last


@dataclass(frozen=True, slots=True)
class _Asked:
    kind: str
    admitted: bool
    policy: str
    said: str


def _ask(cluster: Cluster, resource: Resource, namespace: str, image: str) -> _Asked:
    pod = {"metadata": {"labels": {"app": _NAME}}, "spec": _spec(image)}
    body: dict[str, Any] = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": _NAME, "namespace": namespace},
    }
    if resource is PODS:
        body["spec"] = pod["spec"]
    else:
        body["spec"] = {"replicas": 1, "selector": {"matchLabels": {"app": _NAME}}, "template": pod}
    try:
        cluster.create(resource, namespace, body, dry_run=True)
    except DeniedError as error:
        return _Asked(resource.kind, admitted=False, policy=error.policy, said=error.problem)
    return _Asked(resource.kind, admitted=True, policy="", said="")


def _spec(image: str) -> dict[str, Any]:
    # As harmless as the strictest pod security standard and a quota ask, so that neither answers first.
    few = {"cpu": "1m", "memory": "1Mi"}
    return {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "proof",
                "image": image,
                "resources": {"requests": few, "limits": few},
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }
        ],
    }
