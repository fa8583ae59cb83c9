"""RBAC made of permission lines: `get,list apps/deployments`, and `get,patch core/configmaps in home` for what is needed
in patchgap's own namespace alone.

Owns where a line must hold: in the whole cluster (a ClusterRole), or in one namespace (a Role). What is no kind of a
namespace cannot stand in a Role; of `core/namespaces in home` the ClusterRole names the one that is meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from integrations.kubernetes.resources import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES, is_namespaced

READING = ("get", "list", "watch")
_ORDER = (*READING, "create", "patch", "update", "delete")
_HOME = " in home"


@dataclass(frozen=True, slots=True)
class Permission:
    """One verb on one resource (its subresource included); `home` where patchgap's own namespace is enough."""

    group: str
    plural: str
    verb: str
    home: bool = False

    @property
    def namespaced(self) -> bool:
        """Whether a Role can hold it. A kind that is not known is taken to be the cluster's."""
        return is_namespaced(self.group, self.plural.partition("/")[0])


def permissions(lines: Iterable[str]) -> frozenset[Permission]:
    """Each verb of each line."""
    found = set()
    for line in lines:
        verbs, _, resource = line.removesuffix(_HOME).partition(" ")
        group, _, plural = resource.partition("/")
        home = line.endswith(_HOME)
        found |= {Permission("" if group == "core" else group, plural, verb, home) for verb in verbs.split(",")}
    return frozenset(found)


def rules(wanted: Iterable[Permission], names: Sequence[str] = ()) -> list[dict[str, Any]]:
    """A rule a resource, its verbs in a fixed order; with `names`, of the objects of those names alone."""
    by: dict[tuple[str, str], set[str]] = {}
    for one in wanted:
        by.setdefault((one.group, one.plural), set()).add(one.verb)
    only = {"resourceNames": list(names)} if names else {}
    return [
        {"apiGroups": [group], "resources": [plural], **only, "verbs": sorted(verbs, key=_place)}
        for (group, plural), verbs in sorted(by.items())
    ]


def _place(verb: str) -> tuple[int, str]:
    return (_ORDER.index(verb) if verb in _ORDER else len(_ORDER), verb)


def roles(
    anywhere: Iterable[Permission],
    targets: Iterable[Permission],
    subject: Mapping[str, str],
    name: str,
    home: str,
    namespaces: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """The roles of that name, each with its binding to `subject` (as Kubernetes writes one): a ClusterRole, a Role in
    `home`, and, where `namespaces` are given, a Role in each for what `targets` needs there instead of everywhere.
    Nothing stands in a Role that the ClusterRole holds already."""
    every = {*anywhere, *targets}
    inside = {p for p in targets if p.namespaced and not p.home} - set(anywhere) if namespaces else set()
    wide = {p for p in every if not p.home} - inside
    at_home = {p for p in every if p.home and replace(p, home=False) not in wide}
    named = [p for p in at_home if not p.namespaced]
    made = _bound(CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS, name, "", [*rules(wide), *rules(named, (home,))], subject)
    for place in sorted({home, *namespaces}):
        here = [p for p in at_home if p.namespaced and place == home] + [p for p in inside if place in namespaces]
        if here:
            made += _bound(ROLES, ROLE_BINDINGS, name, place, rules(here), subject)
    return made


def _bound(
    kind: Any, binding: Any, name: str, place: str, held: list[dict[str, Any]], subject: Mapping[str, str]
) -> list[dict[str, Any]]:
    metadata: dict[str, Any] = {"name": name, "labels": {"app.kubernetes.io/managed-by": "patchgap"}}
    if place:
        metadata["namespace"] = place
    return [
        {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "rules": held},
        {
            "apiVersion": binding.api_version,
            "kind": binding.kind,
            "metadata": metadata,
            "roleRef": {"apiGroup": kind.group, "kind": kind.kind, "name": name},
            "subjects": [dict(subject)],
        },
    ]
