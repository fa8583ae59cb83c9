"""The API: from a request's method and path to its answer.

Owns routing, authentication, authorization and the query's options; the verbs do the work.
It knows nothing of sockets: the server calls `answer` and follows watches itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.rehearsal import custom, patches, tables
from integrations.rehearsal.call import Call
from integrations.rehearsal.deletion import DeleteOptions
from integrations.rehearsal.discovery import discover
from integrations.rehearsal.document import Json, decode, encode
from integrations.rehearsal.machine import Machine
from integrations.rehearsal.rbac import Attributes, User
from integrations.rehearsal.reading import Query, Watch, bare_item
from integrations.rehearsal.request import Request, Route, read_call, read_query, route
from integrations.rehearsal.resources import CREATE, Resource
from integrations.rehearsal.schema import Type, type_of
from integrations.rehearsal.status import (
    ApiError,
    Cause,
    Target,
    bad_request,
    forbidden,
    invalid,
    no_such_path,
    not_implemented,
    unauthorized,
)
from integrations.rehearsal.storage import Key
from integrations.rehearsal.subresources import scale_of

_OPTIONS = Target("meta.k8s.io", "patchoptions", "PatchOptions")
_PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)


@dataclass
class Answer:
    """What is written back: a document (text, or bytes as they are), or a watch for the server to follow."""

    status: int
    document: Any = None
    text: str = ""
    raw: bytes | None = None
    warnings: list[str] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)
    watch: Watch | None = None

    def body(self) -> bytes:
        """The bytes of the answer."""
        if self.raw is not None:
            return self.raw
        return self.text.encode() if self.text else encode(self.document)


class Api:
    """The API over one machine (storage, verbs, tokens, roles)."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def answer(self, request: Request) -> tuple[str, Answer]:
        """The user's name and the answer; failures are answers too."""
        user = User("system:anonymous", ("system:unauthenticated",))
        warnings: list[str] = []
        try:
            user = self._authenticate(request)
            return user.name, self._routed(request, user, warnings)
        except ApiError as failure:
            answer = Answer(failure.code, failure.document(), failure.text, None, warnings, failure.headers)
            return user.name, answer

    def _authenticate(self, request: Request) -> User:
        if any(name.startswith("impersonate-") for name in request.headers):
            raise not_implemented("impersonation")
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        user = self._machine.tokens.authenticate(token.strip()) if scheme.lower() == "bearer" else None
        if user is None:
            raise unauthorized()
        return user

    def _routed(self, request: Request, user: User, warnings: list[str]) -> Answer:
        found = route(request)
        if isinstance(found, str):
            self._authorize(user, Attributes(request.method.lower(), path=found))
            document, text = discover(found, self._machine.installed)
            return Answer(200, document, text)
        self._authorize(user, _asked(found, found.verb), found)
        if found.resource.group in custom.GROUPS - self._machine.installed:
            raise no_such_path()  # after the roles, as a real server: who may not list is not told what there is
        call = read_call(request, user, warnings)
        answer = self._serve(request, found, call)
        answer.warnings = warnings
        return answer

    def _authorize(self, user: User, asked: Attributes, found: Route | None = None) -> None:
        if self._machine.authorizer.decide(user, asked).allowed:
            return
        why = asked.refusal(user)
        if found is None:
            raise ApiError(403, "Forbidden", f"forbidden: {why}", {})
        raise forbidden(found.resource.target(found.name), why)

    def _serve(self, request: Request, found: Route, call: Call) -> Answer:
        if found.subresource in ("scale", "eviction", "token", "binding"):
            return self._special(request, found, call)
        if found.subresource == "log":
            tables.asked_form(request.headers.get("accept", ""))
            log = self._machine.logs.read(found.key, request.query)
            return Answer(204, raw=b"") if log is None else Answer(200, raw=log)
        if found.verb == "watch":
            query = read_query(request)
            query.matcher(found.resource)
            form = tables.asked_form(request.headers.get("accept", ""))
            shown = self._shown(request, found.resource) if tables.is_printed(found.resource, form) else dict
            return Answer(200, watch=Watch(found.resource, found.namespace, self._one(found, query), shown))
        if found.resource.verbs == CREATE:
            body = self._body(request, found.resource)
            return Answer(201, self._machine.reviews.answer(call, found.resource, found.namespace, body))
        serve: dict[str, Callable[[Request, Route, Call], Answer]] = {
            "create": self._create,
            "delete": self._delete,
            "deletecollection": self._delete_many,
            "get": self._get,
            "list": self._list,
            "patch": self._patch,
            "update": self._update,
        }
        return serve[found.verb](request, found, call)

    def _one(self, found: Route, query: Query) -> Query:
        if not found.name:
            return query
        fields = ",".join(filter(None, (query.fields, f"metadata.name={found.name}")))
        return Query(query.labels, fields, revision=query.revision)

    def _body(self, request: Request, resource: Resource) -> Json:
        try:
            body = decode(request.body)
        except ValueError as failure:
            raise _unreadable(request.body, resource) from failure
        if not isinstance(body, dict):
            raise _unreadable(request.body, resource)
        return body

    def _typed(self, request: Request, resource: Resource, kind: str = "", version: str = "") -> Json:
        """The body, checked to be of the kind that the path serves."""
        body = self._body(request, resource)
        wanted = (version or resource.group_version, kind or resource.kind)
        if (body.get("apiVersion", wanted[0]), body.get("kind", wanted[1])) != wanted:
            message = (
                f"{body.get('kind')} in version {body.get('apiVersion')!s} cannot be handled as a {wanted[1]}: "
                f"the API version and kind in the data ({body.get('apiVersion')}, Kind={body.get('kind')}) do not "
                f"match the expected ({wanted[0]}, Kind={wanted[1]})"
            )
            raise bad_request(message)
        return body

    def _get(self, request: Request, found: Route, call: Call) -> Answer:
        del call
        form = tables.asked_form(request.headers.get("accept", ""))
        document = self._machine.reader.get(found.resource, found.key)
        if tables.is_printed(found.resource, form):
            return Answer(200, self._shown(request, found.resource)(document))
        return Answer(200, tables.partial(document) if form.name == "PartialObjectMetadata" else document)

    def _list(self, request: Request, found: Route, call: Call) -> Answer:
        del call
        form = tables.asked_form(request.headers.get("accept", ""))
        items, metadata = self._machine.reader.select(found.resource, found.namespace, read_query(request))
        if tables.is_printed(found.resource, form):
            return Answer(200, self._table(request, found.resource, items, metadata))
        if form.name == "PartialObjectMetadataList":
            return Answer(200, tables.partial_list(items, metadata))
        return Answer(200, _listed(found.resource, items, metadata))

    def _shown(self, request: Request, resource: Resource) -> Callable[[Json], Json]:
        """A watched object as a table of one row."""

        def shown(item: Json) -> Json:
            metadata = {"resourceVersion": item["metadata"]["resourceVersion"]}
            return self._table(request, resource, [item], metadata)

        return shown

    def _table(self, request: Request, resource: Resource, items: list[Json], metadata: Json) -> Json:
        return tables.table(
            resource, items, metadata, self._machine.world.clock(), request.query.get("includeObject", "")
        )

    def _create(self, request: Request, found: Route, call: Call) -> Answer:
        body = self._typed(request, found.resource)
        return Answer(201, self._machine.writer.create(call, found.resource, found.namespace, body))

    def _update(self, request: Request, found: Route, call: Call) -> Answer:
        body = self._typed(request, found.resource)
        writer = self._machine.writer
        return Answer(200, writer.update(call, found.resource, found.key, body, found.subresource))

    def _patch(self, request: Request, found: Route, call: Call) -> Answer:
        writer = self._machine.writer
        if self._patch_kind(request) == _PATCHES[3]:
            if not read_manager(request):
                cause = Cause("FieldValueRequired", "Required value: is required for apply patch", "fieldManager")
                raise invalid(_OPTIONS, [cause])
            body = self._typed(request, found.resource)
            if self._machine.storage.get(found.resource.key, found.key) is None:
                self._authorize(call.user, _asked(found, "create"), found)
            document, created = writer.apply(call, found.resource, found.key, body, found.subresource)
            return Answer(201 if created else 200, document)
        if found.resource.group in custom.GROUPS and self._patch_kind(request) == _PATCHES[2]:
            raise _unsupported_media()  # a strategic merge needs a type's own marks, and a CRD has none
        patch = self._reader_of_patch(request)
        return Answer(200, writer.patch(call, found.resource, found.key, patch, found.subresource))

    def _patch_kind(self, request: Request) -> str:
        kind = request.headers.get("content-type", "").partition(";")[0].strip()
        if kind not in _PATCHES:
            raise _unsupported_media()
        return kind

    def _reader_of_patch(self, request: Request) -> Callable[[Json, Type], Json]:
        kind = self._patch_kind(request)
        try:
            patch = decode(request.body)
        except ValueError as failure:
            message = f"error decoding patch: {failure}"
            raise bad_request(message) from failure
        if kind == _PATCHES[0]:
            return lambda live, _: patches.json_patch(live, patch)
        if not isinstance(patch, dict):
            message = "error decoding patch: the patch is not an object"
            raise bad_request(message)
        if kind == _PATCHES[1]:
            return lambda live, _: patches.merge_patch(live, patch)
        return lambda live, type_: patches.strategic_merge(live, patch, type_)

    def _delete(self, request: Request, found: Route, call: Call) -> Answer:
        options = self._options(request)
        document, gone = self._machine.deleter.delete(call, found.resource, found.key, options)
        if not gone or found.resource.returns_deleted:
            return Answer(200, document)
        details = {**found.resource.target(found.name).details(), "uid": document["metadata"]["uid"]}
        return Answer(
            200,
            {
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Success",
                "details": details,
            },
        )

    def _delete_many(self, request: Request, found: Route, call: Call) -> Answer:
        options = self._options(request)
        items, metadata = self._machine.reader.select(found.resource, found.namespace, read_query(request))
        gone = [self._machine.deleter.delete(call, found.resource, _key(item), options)[0] for item in items]
        return Answer(200, _listed(found.resource, gone, metadata))

    def _options(self, request: Request) -> DeleteOptions:
        if request.body.strip():
            return DeleteOptions.read(self._body(request, Resource("", "v1", "", "DeleteOptions")))
        document: Json = {}
        if "gracePeriodSeconds" in request.query:
            document["gracePeriodSeconds"] = _number(request.query["gracePeriodSeconds"])
        if "propagationPolicy" in request.query:
            document["propagationPolicy"] = request.query["propagationPolicy"]
        return DeleteOptions.read(document)

    def _special(self, request: Request, found: Route, call: Call) -> Answer:
        parts = self._machine.subresources
        if found.subresource == "scale":
            return self._scale(request, found, call)
        body = self._body(request, found.resource)
        if found.subresource == "eviction":
            return Answer(201, parts.evict(call, found.key, body))
        if found.subresource == "token":
            return Answer(201, parts.token(call, found.key, body))
        return Answer(201, parts.bind(call, found.key, body))

    def _scale(self, request: Request, found: Route, call: Call) -> Answer:
        if found.verb == "get":
            return Answer(200, scale_of(self._machine.reader.get(found.resource, found.key)))
        edit = self._machine.subresources.scale
        if found.verb == "update":
            body = self._typed(request, found.resource, "Scale", "autoscaling/v1")
            return Answer(200, edit(call, found.resource, found.key, lambda _: body))
        if self._patch_kind(request) == _PATCHES[3]:
            raise not_implemented("server-side apply on the scale subresource")
        patch, kind = self._reader_of_patch(request), type_of("autoscaling", "v1", "Scale")
        return Answer(200, edit(call, found.resource, found.key, lambda live: patch(live, kind or Type({}))))


def read_manager(request: Request) -> str:
    """The field manager that the query names, or an empty string."""
    return request.query.get("fieldManager", "")


def _unsupported_media() -> ApiError:
    return ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})


def _key(item: Json) -> Key:
    return (item["metadata"].get("namespace", ""), item["metadata"]["name"])


def _number(text: str) -> int:
    if not text.lstrip("-").isascii() or not text.lstrip("-").isdigit():
        message = f'strconv.ParseInt: parsing "{text}": invalid syntax'
        raise bad_request(message)
    return int(text)


def _listed(resource: Resource, items: list[Json], metadata: Json) -> Json:
    return {
        "kind": f"{resource.kind}List",
        "apiVersion": resource.group_version,
        "metadata": metadata,
        "items": [bare_item(item) for item in items],
    }


def _unreadable(raw: bytes, resource: Resource) -> ApiError:
    shown = raw[:200].decode("utf-8", "replace")
    after = next((letter for letter in shown.lstrip("{ \n") if letter), "")
    message = (
        f"the object provided is unrecognized (must be of type {resource.kind}): couldn't get version/kind; json "
        f"parse error: invalid character '{after}' looking for beginning of object key string ({shown})"
    )
    return bad_request(message)


def _asked(found: Route, verb: str) -> Attributes:
    space = found.name if found.resource.kind == "Namespace" and not found.namespace else found.namespace
    return Attributes(verb, found.resource.group, found.resource.plural, found.subresource, space, found.name)
