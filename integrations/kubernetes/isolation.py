"""The policy that isolates pods, in Kubernetes' own form, Cilium's or Calico's; and which form a cluster takes.

Owns the manifests and the choice. Products' deny rules beat others' allows, so they are preferred where they are enforced.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from integrations.kubernetes import calico
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.enforcement import Enforcement
from integrations.kubernetes.resources import CALICO_POLICIES, CILIUM_POLICIES, NETWORK_POLICIES, Resource

FORMS: dict[str, tuple[Resource, str]] = {  # a form's kind, and the plugin that must enforce it
    "cilium": (CILIUM_POLICIES, "Cilium"),
    "calico": (CALICO_POLICIES, "Calico"),
    "kubernetes": (NETWORK_POLICIES, ""),
}
PERMISSIONS = tuple(f"get,list,create,patch,delete {r.permission}" for r, _ in FORMS.values())


def form_of(groups: Collection[str], asked: str, enforced: Enforcement) -> str:
    """The form that is asked for; of `auto` the best one that is both served and enforced."""
    if asked != "auto":
        return asked
    return next(
        f for f, (r, plugin) in FORMS.items() if not plugin or (r.group in groups and plugin == enforced.plugin)
    )


def form_found(found: Mapping[str, Any]) -> str:
    """The form that an intent chose; one of before there was a choice is Kubernetes' own."""
    return str(found.get("form") or "kubernetes")


def why_not(cluster: Cluster, asked: str) -> str:
    """Why the cluster does not take that form; "" where it does."""
    if asked in {"auto", "kubernetes"} or FORMS[asked][0].group in cluster.groups():
        return ""
    return (
        f"cluster {cluster.name} does not serve {FORMS[asked][0].permission}: leave `form` out, or write `kubernetes`"
    )


def doubt(enforced: Enforcement, form: str) -> str:
    """Why it is not certain that anything enforces a policy of that form; "" where it is."""
    wanted = FORMS[form][1]
    if wanted and wanted != enforced.plugin:
        return f"unknown whether anything enforces it: only {wanted} does so in this form, and it is not recognised"
    return enforced.doubt


def told(enforced: Enforcement, form: str) -> str:
    """Who enforces it, or why that is not certain."""
    return doubt(enforced, form) or f"{enforced.plugin} enforces it"


def policy(form: str, head: Mapping[str, Any], selector: Mapping[str, Any]) -> dict[str, Any]:
    """The policy that denies all traffic both ways. `head` is its metadata."""
    resource = FORMS[form][0]
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": head, "spec": _SPECS[form](selector)}


def _kubernetes(selector: Mapping[str, Any]) -> dict[str, Any]:
    return {"podSelector": selector, "policyTypes": ["Ingress", "Egress"]}


def _cilium(selector: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "endpointSelector": selector,
        "ingressDeny": [{"fromEntities": ["all"]}],
        "egressDeny": [{"toEntities": ["all"]}],
    }


def _calico(selector: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "order": calico.ORDER,
        "selector": calico.written(selector),
        "types": ["Ingress", "Egress"],
        "ingress": [{"action": "Deny"}],
        "egress": [{"action": "Deny"}],
    }


_SPECS = {"kubernetes": _kubernetes, "cilium": _cilium, "calico": _calico}
