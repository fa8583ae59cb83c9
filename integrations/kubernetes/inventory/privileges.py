"""The privilege profile of a workload: its service account's reach by RBAC, and what its pods may do on a node.

Owns the reading of roles and bindings. What may not be listed makes the reach unknown, never empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from integrations.kubernetes.inventory.snapshot import RBAC, Snapshot
from integrations.kubernetes.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
    SERVICE_ACCOUNTS,
    Json,
    pod_template,
)
from patchgap.model.unknown import Unknown
from patchgap.model.workload import Privileges

EVERYWHERE = "all namespaces"
# What every account may do: discovery and asking about itself.
_DISCOVERY = {
    "system:discovery",
    "system:basic-user",
    "system:public-info-viewer",
    "system:service-account-issuer-discovery",
}
_LISTS = ("containers", "initContainers", "ephemeralContainers")


class Subject(NamedTuple):
    """Whom a binding names; a namespace for a service account alone."""

    kind: str
    namespace: str
    name: str


class Grant(NamedTuple):
    """One rule that an account has: where it holds, and by which role and binding ("ClusterRole/view")."""

    scope: str
    rule: Mapping[str, Any]
    role: str
    binding: str


class PrivilegeReader:
    """Answers for the workloads of one snapshot; each account's reach is worked out once."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._accounts = {_key(a): a for a in snapshot.of(SERVICE_ACCOUNTS)}
        self._reach: dict[tuple[str, str], tuple[bool, tuple[str, ...]]] = {}

    def of(self, head: Json) -> Privileges:
        """The profile of a workload."""
        spec = pod_template(head).get("spec") or {}
        namespace = head["metadata"].get("namespace", "")
        account = spec.get("serviceAccountName") or "default"
        contexts = [c.get("securityContext") or {} for part in _LISTS for c in spec.get(part) or ()]
        added = {a for c in contexts for a in (c.get("capabilities") or {}).get("add") or ()}
        untold = self._snapshot.why_not(RBAC)
        admin, reach = self._of_account(namespace, account)
        return Privileges(
            service_account=account,
            cluster_admin=admin if admin or not untold else None,
            privileged=any(c.get("privileged") for c in contexts),
            host_namespace=any(spec.get(h) for h in ("hostNetwork", "hostPID", "hostIPC")),
            capabilities=tuple(sorted(added)),
            token_mounted=self._mounted(spec, namespace, account),
            reach=reach,
            unknown=(Unknown(f"RBAC of cluster {self._snapshot.cluster}", untold),) if untold else (),
        )

    def _mounted(self, spec: Json, namespace: str, account: str) -> bool:
        said = spec.get("automountServiceAccountToken")
        if said is None:
            said = self._accounts.get((namespace, account), {}).get("automountServiceAccountToken")
        return said is not False

    def _of_account(self, namespace: str, account: str) -> tuple[bool, tuple[str, ...]]:
        key = (namespace, account)
        if key not in self._reach:
            granted = list(self.grants(namespace, account))
            lines = sorted({line for g in granted if (line := _line(g.rule, g.scope))})
            admin = any(g.scope == EVERYWHERE and _is_everything(g.rule) for g in granted)
            self._reach[key] = admin, tuple(lines)
        return self._reach[key]

    def grants(self, namespace: str, account: str) -> Iterator[Grant]:
        """Every rule that the account has, without what every account may do: discovery and asking about itself."""
        for subject in subjects_of(namespace, account):
            for binding in self._bindings.get(subject, ()):
                role, within = binding["roleRef"], binding["metadata"].get("namespace", "")
                if role["name"] in _DISCOVERY:
                    continue
                for rule in self._rules.get((role["kind"], within if role["kind"] == "Role" else "", role["name"]), ()):
                    named = (f"{role['kind']}/{role['name']}", f"{binding['kind']}/{binding['metadata']['name']}")
                    yield Grant(within or EVERYWHERE, rule, *named)

    @cached_property
    def _bindings(self) -> dict[Subject, list[Json]]:
        found: dict[Subject, list[Json]] = {}
        for binding in (*self._snapshot.of(CLUSTER_ROLE_BINDINGS), *self._snapshot.of(ROLE_BINDINGS)):
            for subject in named_by(binding):
                found.setdefault(subject, []).append(binding)
        return found

    @cached_property
    def _rules(self) -> dict[tuple[str, str, str], Iterable[Mapping[str, Any]]]:
        roles = (*self._snapshot.of(ROLES), *self._snapshot.of(CLUSTER_ROLES))
        return {(r["kind"], *_key(r)): r.get("rules") or () for r in roles}


def _key(manifest: Json) -> tuple[str, str]:
    return manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"]


def named_by(binding: Json) -> frozenset[Subject]:
    """Whom a binding names."""
    return frozenset(
        Subject(s["kind"], s.get("namespace", "") if s["kind"] == "ServiceAccount" else "", s["name"])
        for s in binding.get("subjects") or ()
    )


def subjects_of(namespace: str, account: str) -> tuple[Subject, ...]:
    """The names by which a binding may mean a service account."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return (
        Subject("ServiceAccount", namespace, account),
        Subject("User", "", f"system:serviceaccount:{namespace}:{account}"),
        *(Subject("Group", "", group) for group in groups),
    )


def _is_everything(rule: Mapping[str, Any]) -> bool:
    return all("*" in (rule.get(part) or ()) for part in ("verbs", "resources", "apiGroups"))


def _line(rule: Mapping[str, Any], scope: str) -> str:
    """`get,list secrets in training`; "" for a rule about URLs alone."""
    if not rule.get("resources"):
        return ""
    groups = rule.get("apiGroups") or [""]
    suffixes = ["" if g in {"", "*"} else f".{g}" for g in groups]
    resources = ",".join(r + s for r in rule["resources"] for s in suffixes)
    names = f" named {','.join(rule['resourceNames'])}" if rule.get("resourceNames") else ""
    return f"{','.join(rule['verbs'])} {resources}{names} in {scope}"
