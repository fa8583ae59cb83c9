"""What a service account may do, told: every rule of every role that is bound to it, and which of them are dangerous.

Owns the words for dangerous rules. How bindings are read is the privilege profile's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from integrations.kubernetes.inventory.privileges import Grant, PrivilegeReader
from integrations.kubernetes.inventory.snapshot import RBAC, Snapshot

_READS = ("get", "list", "watch")
_WRITES = ("create", "update", "patch")
_RBAC_GROUP = "rbac.authorization.k8s.io"
# group, resource (with its subresource), verbs of which one is enough, and what that allows; {where} and {named} are filled in.
_DANGERS = (
    ("", "secrets", _READS, "read every Secret{named} {where}"),
    ("", "pods/exec", ("create", "get"), "run commands in the pods{named} {where}"),
    ("", "pods/attach", ("create", "get"), "attach to the pods{named} {where}"),
    ("", "pods/ephemeralcontainers", ("update", "patch"), "put containers into running pods{named} {where}"),
    ("", "pods/portforward", ("create", "get"), "reach the ports of the pods{named} {where}"),
    ("", "nodes/proxy", ("create", "get"), "command the kubelets of nodes{named}, and so every pod on them"),
    ("", "serviceaccounts/token", ("create",), "make tokens of every service account{named} {where}"),
    ("", "pods", ("create",), "start pods {where}, as any service account there"),
    ("apps", "deployments", _WRITES, "change what Deployments{named} run {where}, as any service account there"),
    ("apps", "statefulsets", _WRITES, "change what StatefulSets{named} run {where}, as any service account there"),
    ("apps", "daemonsets", _WRITES, "change what DaemonSets{named} run {where}, as any service account there"),
    ("batch", "jobs", _WRITES, "start Jobs {where}, as any service account there"),
    ("batch", "cronjobs", _WRITES, "change what CronJobs{named} run {where}, as any service account there"),
    (_RBAC_GROUP, "roles", ("bind", "escalate"), "give itself any Role's rights{named} {where}"),
    (_RBAC_GROUP, "clusterroles", ("bind", "escalate"), "give itself any ClusterRole's rights{named} {where}"),
    (_RBAC_GROUP, "rolebindings", _WRITES, "bind roles that it holds to others{named} {where}"),
    (_RBAC_GROUP, "clusterrolebindings", _WRITES, "bind cluster roles that it holds to others{named}"),
    ("", "users", ("impersonate",), "act as any user{named}"),
    ("", "groups", ("impersonate",), "act as a member of any group{named}"),
    ("", "serviceaccounts", ("impersonate",), "act as any service account{named} {where}"),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations", _WRITES, "rewrite what others create{named}"),
    (
        "certificates.k8s.io",
        "certificatesigningrequests/approval",
        ("update", "patch"),
        "approve new identities{named}",
    ),
)


def reach_of(snapshot: Snapshot, namespace: str, account: str) -> dict[str, Any]:
    """Every grant with its binding, role and rule; `dangerous` says in a sentence each what of it is, and `untold`
    why not all of it may be here ("" where it is all)."""
    grants = list(PrivilegeReader(snapshot).grants(namespace, account))
    return {
        "account": f"{namespace}/{account}",
        "grants": [_told(g) for g in grants],
        "dangerous": sorted(set(_sentences(grants))),
        "untold": snapshot.why_not(RBAC),
    }


def _told(grant: Grant) -> dict[str, Any]:
    return {"binding": grant.binding, "role": grant.role, "scope": grant.scope, "rule": dict(grant.rule)}


def _sentences(grants: Iterable[Grant]) -> Iterator[str]:
    for grant in grants:
        by = f"by {grant.role} through {grant.binding}"
        for what in _dangers(grant.rule, grant.scope):
            yield f"may {what}, {by}"


def _dangers(rule: Mapping[str, Any], scope: str) -> Iterator[str]:
    groups, resources, verbs = (tuple(rule.get(k) or ()) for k in ("apiGroups", "resources", "verbs"))
    if not resources:
        if "*" in verbs or "*" in (rule.get("nonResourceURLs") or ()):
            yield f"{','.join(verbs)} the URLs {','.join(rule.get('nonResourceURLs') or ())}"
        return
    where = f"in {scope}"
    names = f" named {', '.join(rule['resourceNames'])}" if rule.get("resourceNames") else ""
    if all("*" in part for part in (groups, resources, verbs)):
        yield f"do everything {where}{names}"
        return
    if wild := [k for k, part in (("group", groups), ("resource", resources), ("verb", verbs)) if "*" in part]:
        yield (
            f"{','.join(verbs)} {','.join(resources)}{names} {where}: a wildcard stands for every {' and every '.join(wild)}"
        )
    for group, resource, enough, what in _DANGERS:
        if _covers(groups, group) and _names(resources, resource) and ("*" in verbs or set(enough) & set(verbs)):
            yield what.format(where=where, named=names)


def _covers(groups: tuple[str, ...], group: str) -> bool:
    return "*" in groups or group in groups


def _names(resources: tuple[str, ...], resource: str) -> bool:
    """Whether a rule's resources mean it: `*` does, and `*/exec` every resource's subresource of that name."""
    _, _, subresource = resource.partition("/")
    return "*" in resources or resource in resources or bool(subresource and f"*/{subresource}" in resources)
