"""Reading a request: its route, its options and its query.

Owns the path's grammar; knows nothing of answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from integrations.rehearsal.call import Call
from integrations.rehearsal.rbac import User
from integrations.rehearsal.reading import Query
from integrations.rehearsal.resources import BY_PATH, ELSEWHERE, GROUPS_ELSEWHERE, VERSIONS_ELSEWHERE, Resource
from integrations.rehearsal.status import (
    Cause,
    Target,
    bad_request,
    invalid,
    method_not_allowed,
    no_such_path,
    no_such_resource,
    not_implemented,
)
from integrations.rehearsal.storage import Key

_NAMED = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "POST": "create"}
_UNNAMED = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}
_TRUE = ("1", "true", "True", "t")
_GROUPS = frozenset(group for group, _, _ in BY_PATH)
_OTHER_SUBRESOURCES = frozenset(["attach", "exec", "portforward", "proxy", "resize", "rollback"])


@dataclass(frozen=True)
class Request:
    """A request as the server read it; header names are lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def dry_run(self) -> bool:
        """Whether the query asks for a dry run."""
        return self.query.get("dryRun") == "All"


@dataclass(frozen=True)
class Route:
    """What a path names and which verb the method is on it."""

    resource: Resource
    verb: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def key(self) -> Key:
        """The storage key of the named object."""
        return (self.namespace, self.name)


def route(request: Request) -> Route | str:
    """The route of a resource's path, or the path itself where it is discovery's (or a health check's)."""
    parts = [part for part in request.path.split("/") if part]
    match parts:
        case ["api", "v1", first, *rest]:
            return _resource_route(request, "", "v1", [first, *rest])
        case ["apis", group, version, first, *rest]:
            return _resource_route(request, group, version, [first, *rest])
    return request.path


def _resource_route(request: Request, group: str, version: str, parts: list[str]) -> Route:
    if group and group not in _GROUPS and group not in GROUPS_ELSEWHERE:
        raise no_such_path()
    namespace = ""
    match parts:
        case ["namespaces", inside, first, *rest] if first not in ("status", "finalize"):
            namespace, parts = inside, [first, *rest]
    plural, name, subresource, *more = (*parts, "", "", "")
    resource = _resource(group, version, plural)
    if resource.namespaced != bool(namespace) and (name or namespace or request.method == "POST"):
        raise no_such_resource()
    if subresource and not resource.has(subresource):
        if subresource in _OTHER_SUBRESOURCES:
            raise not_implemented(f"the subresource {resource.key}/{subresource}")
        raise no_such_resource()
    if any(more):
        raise no_such_resource()
    return Route(resource, _verb(request, resource, name, subresource), namespace, name, subresource)


def _resource(group: str, version: str, plural: str) -> Resource:
    found = BY_PATH.get((group, version, plural))
    if found is None:
        if group in GROUPS_ELSEWHERE or (group, version) in VERSIONS_ELSEWHERE or plural in ELSEWHERE.get(group, ()):
            raise not_implemented(f"the resource {plural}.{group}".rstrip("."))
        raise no_such_resource()
    return found


def _verb(request: Request, resource: Resource, name: str, subresource: str) -> str:
    verb = (_NAMED if name else _UNNAMED).get(request.method)
    if verb in ("get", "list") and request.query.get("watch") in _TRUE:
        verb = "watch"
    verbs = resource.verbs
    if subresource:
        verbs = next(verbs for sub, _, _, verbs in resource.subresources if sub == subresource)
    if verb is None or verb not in verbs or (verb == "create" and name and not subresource):
        raise method_not_allowed()
    return verb


def read_call(request: Request, user: User, warnings: list[str]) -> Call:
    """The call of a request; raises ApiError where an option has no meaning."""
    dry = request.query.get("dryRun", "")
    validation = request.query.get("fieldValidation", "Warn") or "Warn"
    causes: list[Cause] = []
    if dry not in ("", "All"):
        causes.append(_unsupported("dryRun", dry, '"All"'))
    if validation not in ("Strict", "Warn", "Ignore"):
        causes.append(_unsupported("fieldValidation", validation, '"Ignore", "Strict", "Warn"'))
    if causes:
        kinds = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions"}
        kind = kinds.get(request.method, "DeleteOptions")
        raise invalid(Target("meta.k8s.io", kind.lower(), kind), causes)
    agent = request.headers.get("user-agent", "").partition("/")[0][:128]
    return Call(
        user=user,
        manager=request.query.get("fieldManager") or agent or "unknown",
        dry_run=dry == "All",
        field_validation=validation,
        force=request.query.get("force") in _TRUE,
        warnings=warnings,
    )


def _unsupported(name: str, value: str, listed: str) -> Cause:
    return Cause("FieldValueNotSupported", f'Unsupported value: "{value}": supported values: {listed}', name)


def read_query(request: Request) -> Query:
    """The list options of a request."""
    query = request.query
    limit = query.get("limit", "") or "0"
    if not (limit.isascii() and limit.isdigit()):
        message = f'strconv.ParseInt: parsing "{limit}": invalid syntax'
        raise bad_request(message)
    return Query(
        query.get("labelSelector", ""),
        query.get("fieldSelector", ""),
        int(limit),
        query.get("continue", ""),
        query.get("resourceVersion", ""),
        query.get("resourceVersionMatch", ""),
    )
