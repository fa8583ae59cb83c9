"""The paths that are not resources: discovery, the version and the health checks.

Owns their documents; what the cluster does not serve is not advertised.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection
from typing import Any

from integrations.rehearsal import custom
from integrations.rehearsal.document import Json
from integrations.rehearsal.resources import (
    CREATE,
    GROUP_ORDER,
    GROUPS_ELSEWHERE,
    RESOURCES,
    VERSIONS_ELSEWHERE,
    Resource,
)
from integrations.rehearsal.status import no_such_path, not_implemented

VERSION: Json = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.2+rehearsal",
    "gitCommit": "",
    "gitTreeState": "",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "",
}
_CORE: Json = {
    "kind": "APIVersions",
    "versions": ["v1"],
    "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1"}],
}


def discover(path: str, installed: Collection[str]) -> tuple[Any, str]:
    """The document (or the text) of a path; raises ApiError 404 or 501. `installed` are groups of other products."""
    parts = [part for part in path.split("/") if part]
    if path in ("/healthz", "/livez", "/readyz"):
        return None, "ok"
    if parts == ["version"]:
        return VERSION, ""
    if parts == ["api"]:
        return _CORE, ""
    if parts == ["apis"]:
        return _group_list(installed), ""
    if parts[:1] == ["openapi"] or parts[:1] == ["metrics"]:
        raise not_implemented(f"the path {path}")
    return _group(parts, installed), ""


def _group(parts: list[str], installed: Collection[str]) -> Json:
    found: Json | None = None
    if parts[:1] == ["apis"] and set(parts[1:2]) & custom.GROUPS - set(installed):
        raise no_such_path()
    match parts:
        case ["api", version]:
            found = _resource_list("", version)
        case ["apis", group] if group in GROUP_ORDER or group in installed:
            found = {"kind": "APIGroup", "apiVersion": "v1", **_group_document(group)}
        case ["apis", group, version] if (group, version) not in VERSIONS_ELSEWHERE:
            found = _resource_list(group, version)
        case ["apis", group, version]:
            raise not_implemented(f"the API version {group}/{version}")
    if found is None:
        if parts[:1] == ["apis"] and set(parts[1:2]) & GROUPS_ELSEWHERE:
            raise not_implemented(f"the API group {parts[1]}")
        raise no_such_path()
    return found


def _storage_hash(resource: Resource) -> str:
    """The discovery hash of where a kind is stored (sha256 of group/version/kind, eight bytes)."""
    digest = hashlib.sha256(f"{resource.group}/{resource.version}/{resource.kind}".encode()).digest()
    return base64.b64encode(digest[:8]).decode()


def _entry(resource: Resource) -> Json:
    entry: Json = {
        "name": resource.plural,
        "singularName": resource.kind.lower(),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short:
        entry["shortNames"] = list(resource.short)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.verbs != CREATE:
        entry["storageVersionHash"] = _storage_hash(resource)
    return entry


def _sub_entry(resource: Resource, name: str, kind: str, where: str, verbs: tuple[str, ...]) -> Json:
    entry: Json = {"name": f"{resource.plural}/{name}", "singularName": "", "namespaced": resource.namespaced}
    if where:
        group, _, version = where.rpartition("/")
        entry |= {"group": group, "version": version}
    return entry | {"kind": kind, "verbs": list(verbs)}


def _resource_list(group: str, version: str) -> Json | None:
    """The APIResourceList of a group version, or None where nothing of it is served."""
    entries: list[Json] = []
    for resource in RESOURCES:
        if (resource.group, resource.version) == (group, version):
            entries.append(_entry(resource))
            entries += [_sub_entry(resource, *sub) for sub in resource.subresources]
    if not entries:
        return None
    document: Json = {"kind": "APIResourceList"}
    if group:
        document["apiVersion"] = "v1"
    document["groupVersion"] = f"{group}/{version}" if group else version
    return document | {"resources": entries}


def _group_document(group: str) -> Json:
    """One APIGroup entry."""
    versions = sorted({r.version for r in RESOURCES if r.group == group}, reverse=True)
    listed = [{"groupVersion": f"{group}/{v}", "version": v} for v in versions]
    return {"name": group, "versions": listed, "preferredVersion": listed[0]}


def _group_list(installed: Collection[str]) -> Json:
    """The APIGroupList of /apis; `installed` are the groups of what is not Kubernetes' own."""
    groups = [_group_document(g) for g in (*GROUP_ORDER, *sorted(installed))]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
