"""The paths that are not resources: discovery, the version and the health checks.

Owns their documents; what the cluster does not serve is not advertised.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from integrations.rehearsal import custom
from integrations.rehearsal.document import Json
from integrations.rehearsal.resources import (
    GROUP_ORDER,
    GROUPS_ELSEWHERE,
    VERSIONS_ELSEWHERE,
    group_document,
    group_list,
    resource_list,
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
        return group_list(installed), ""
    if parts[:1] == ["openapi"] or parts[:1] == ["metrics"]:
        raise not_implemented(f"the path {path}")
    return _group(parts, installed), ""


def _group(parts: list[str], installed: Collection[str]) -> Json:
    found: Json | None = None
    if parts[:1] == ["apis"] and set(parts[1:2]) & custom.GROUPS - set(installed):
        raise no_such_path()
    match parts:
        case ["api", version]:
            found = resource_list("", version)
        case ["apis", group] if group in GROUP_ORDER or group in installed:
            found = {"kind": "APIGroup", "apiVersion": "v1", **group_document(group)}
        case ["apis", group, version] if (group, version) not in VERSIONS_ELSEWHERE:
            found = resource_list(group, version)
        case ["apis", group, version]:
            raise not_implemented(f"the API version {group}/{version}")
    if found is None:
        if parts[:1] == ["apis"] and set(parts[1:2]) & GROUPS_ELSEWHERE:
            raise not_implemented(f"the API group {parts[1]}")
        raise no_such_path()
    return found
