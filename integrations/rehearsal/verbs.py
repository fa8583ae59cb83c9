"""The writing verbs: create, update, patch, and what they share.

Owns the order of the steps (decode, default, own, admit, validate, store) as the API server takes them.
It knows nothing of HTTP; who may call is decided before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from integrations.rehearsal import defaults, strategy, validation
from integrations.rehearsal.apply import Applied, Manager, apply, track_update
from integrations.rehearsal.call import Call, World
from integrations.rehearsal.document import Json, clone
from integrations.rehearsal.resources import Resource
from integrations.rehearsal.schema import Type, type_of
from integrations.rehearsal.status import (
    ApiError,
    Cause,
    already_exists,
    bad_request,
    conflict,
    invalid,
    modified,
    not_found,
    not_implemented,
)
from integrations.rehearsal.storage import Key, Storage

_SERVER_METADATA = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink")


class Admission(Protocol):
    """What may change or refuse a write."""

    def mutate(self, call: Call, resource: Resource, operation: str, document: Json) -> None:
        """Change the document before it is validated; raises ApiError to refuse."""

    def validate(
        self, call: Call, resource: Resource, subresource: str, operation: str, new: Json | None, old: Json | None
    ) -> None:
        """Refuse a write by raising ApiError."""


class Writer:
    """The writing verbs over one storage."""

    def __init__(self, storage: Storage, world: World, admission: Admission) -> None:
        self.storage = storage
        self.world = world
        self.admission = admission

    def kind_of(self, resource: Resource) -> Type:
        """The resource's type; raises ApiError 501 where it is listed only."""
        kind = type_of(resource.group, resource.version, resource.kind)
        if kind is None or resource.list_only:
            raise not_implemented(f"writing {resource.key}")
        return kind

    def create(self, call: Call, resource: Resource, namespace: str, body: Json) -> Json:
        """Store a new object; returns it as stored (or as it would be, when dry)."""
        kind = self.kind_of(resource)
        document = self._decoded(call, resource, kind, body)
        metadata = self._identify(resource, namespace, document)
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"][:58] + self.world.suffix()
        return self._store_new(call, resource, kind, document, Manager(call.manager, "Update", resource.group_version))

    def _store_new(self, call: Call, resource: Resource, kind: Type, document: Json, manager: Manager | None) -> Json:
        metadata = document["metadata"]
        defaults.fill(resource, document)
        metadata["uid"] = self.world.uid()
        metadata["creationTimestamp"] = self.world.now()
        metadata.pop("resourceVersion", None)
        for name in ("deletionTimestamp", "deletionGracePeriodSeconds", "generation"):
            metadata.pop(name, None)
        if manager is not None:
            track_update(None, document, kind, manager, self.world.now())
        with self.storage.lock:
            self.admission.mutate(call, resource, "CREATE", document)
            strategy.prepare_create(resource, document)
            self._refuse_invalid(resource, validation.problems(document, kind, resource), metadata.get("name", ""))
            self.admission.validate(call, resource, "", "CREATE", document, None)
            key = (metadata.get("namespace", ""), metadata["name"])
            if self.storage.get(resource.key, key) is not None:
                raise already_exists(resource.target(metadata["name"]))
            return document if call.dry_run else self.storage.put(resource.key, key, document)

    def update(self, call: Call, resource: Resource, key: Key, body: Json, subresource: str = "") -> Json:
        """Replace an object (PUT)."""
        kind = self.kind_of(resource)
        document = self._decoded(call, resource, kind, body)
        self._identify(resource, key[0], document, name=key[1])
        return self.change(call, resource, key, lambda _: document, subresource)

    def patch(
        self, call: Call, resource: Resource, key: Key, patch: Callable[[Json, Type], Json], subresource: str = ""
    ) -> Json:
        """Change an object by a patch, which is given its present form (without managedFields' loss)."""
        kind = self.kind_of(resource)

        def change(live: Json) -> Json:
            return self._decoded(call, resource, kind, patch(live, kind))

        return self.change(call, resource, key, change, subresource)

    def change(
        self, call: Call, resource: Resource, key: Key, edit: Callable[[Json], Json], subresource: str = ""
    ) -> Json:
        """Change an object by a function of its present form; the steps of every update."""
        kind = self.kind_of(resource)
        with self.storage.lock:
            old = self._live(resource, key)
            new = edit(clone(old))
            self._same_object(resource, old, new)
            defaults.fill(resource, new)
            strategy.keep_parts(resource, subresource, old, new)
            manager = Manager(call.manager, "Update", resource.group_version, subresource)
            new["metadata"]["managedFields"] = old["metadata"].get("managedFields")
            track_update(old, new, kind, manager, self.world.now())
            return self._store_changed(call, resource, key, (old, new), subresource)

    def _store_changed(
        self, call: Call, resource: Resource, key: Key, pair: tuple[Json, Json], subresource: str
    ) -> Json:
        old, new = pair
        kind = self.kind_of(resource)
        for name in _SERVER_METADATA:
            if name in old["metadata"]:
                new["metadata"][name] = old["metadata"][name]
            else:
                new["metadata"].pop(name, None)
        self.admission.mutate(call, resource, "UPDATE", new)
        strategy.bump_generation(resource, subresource, old, new)
        new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
        if subresource != "status":
            found = validation.problems(new, kind, resource)
            found += validation.update_problems(old, new, resource) if subresource == "" else ()
            self._refuse_invalid(resource, found, key[1])
        self.admission.validate(call, resource, subresource, "UPDATE", new, old)
        if call.dry_run:
            return new
        if _finished(new, resource):
            self.storage.remove(resource.key, key)
            return new
        return old if _timeless(new) == _timeless(old) else self.storage.put(resource.key, key, new)

    def apply(self, call: Call, resource: Resource, key: Key, body: Json, subresource: str = "") -> tuple[Json, bool]:
        """Server-side apply; returns the object and whether it was created."""
        kind = self.kind_of(resource)
        decoded, found = validation.decode(body, kind, resource)
        if found.unknown:
            raise _untyped(resource, body, found.unknown)
        self._identify(resource, key[0], decoded, name=key[1])
        manager = Manager(call.manager, "Apply", resource.group_version, subresource)
        asked = Applied(decoded, manager, call.force, self.world.now())
        with self.storage.lock:
            old = self.storage.get(resource.key, key)
            if old is None:
                if subresource:
                    raise not_found(resource.target(key[1]))
                made = apply(None, asked, kind)
                self._identify(resource, key[0], made, name=key[1])
                return self._store_new(call, resource, kind, made, None), True
            self._check_version(resource, old, decoded)
            new = apply(old, asked, kind)
            defaults.fill(resource, new)
            strategy.keep_parts(resource, subresource, old, new)
            return self._store_changed(call, resource, key, (old, new), subresource), False

    def _decoded(self, call: Call, resource: Resource, kind: Type, body: Json) -> Json:
        document, found = validation.decode(body, kind, resource)
        if found.unknown and call.field_validation == "Strict":
            raise validation.strict_failure(resource, found.unknown)
        if found.unknown and call.field_validation == "Warn":
            call.warnings.extend(f'unknown field "{name}"' for name in found.unknown)
        document.setdefault("metadata", {})
        return {"kind": resource.kind, "apiVersion": resource.group_version, **_without_type(document)}

    def _identify(self, resource: Resource, namespace: str, document: Json, name: str = "") -> Json:
        metadata: Json = document["metadata"]
        named = metadata.get("namespace", "")
        if resource.namespaced:
            if named and named != namespace:
                message = "the namespace of the provided object does not match the namespace sent on the request"
                raise bad_request(message)
            metadata["namespace"] = namespace
        elif named:
            message = f"the namespace of the provided object does not match the namespace sent on the request: {named}"
            raise bad_request(message)
        if name and metadata.get("name", name) != name:
            message = f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
            raise bad_request(message)
        if name:
            metadata["name"] = name
        return metadata

    def _live(self, resource: Resource, key: Key) -> Json:
        live = self.storage.get(resource.key, key)
        if live is None:
            raise not_found(resource.target(key[1]))
        return live

    def _same_object(self, resource: Resource, old: Json, new: Json) -> None:
        metadata = new["metadata"]
        target = resource.target(old["metadata"]["name"])
        uid = metadata.get("uid")
        if uid and uid != old["metadata"]["uid"]:
            why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {old['metadata']['uid']}"
            raise conflict(target, why)
        for name in ("name", "namespace"):
            if metadata.get(name, "") != old["metadata"].get(name, ""):
                message = f"Invalid value: {validation.quoted(metadata.get(name, ''))}: field is immutable"
                raise invalid(target, [Cause("FieldValueInvalid", message, f"metadata.{name}")])
        self._check_version(resource, old, new)

    def _check_version(self, resource: Resource, old: Json, new: Json) -> None:
        version = new.get("metadata", {}).get("resourceVersion")
        if version and version != old["metadata"]["resourceVersion"]:
            raise modified(resource.target(old["metadata"]["name"]))

    def _refuse_invalid(self, resource: Resource, found: list[Cause], name: str) -> None:
        if found:
            raise invalid(resource.target(name), found)


def _without_type(document: Json) -> Json:
    return {key: value for key, value in document.items() if key not in ("kind", "apiVersion")}


def _timeless(document: Json) -> Json:
    """The object without the times of its managed fields: a write that would change those alone changes nothing."""
    meta = document["metadata"]
    entries = [{k: v for k, v in entry.items() if k != "time"} for entry in meta.get("managedFields") or ()]
    return {**document, "metadata": {**meta, "managedFields": entries}}


def _finished(document: Json, resource: Resource) -> bool:
    """Whether the object was only waiting for finalizers that are now gone."""
    metadata = document["metadata"]
    if not metadata.get("deletionTimestamp") or metadata.get("finalizers"):
        return False
    if resource.kind == "Namespace":
        return not (document.get("spec") or {}).get("finalizers")
    return not metadata.get("deletionGracePeriodSeconds")


def _untyped(resource: Resource, body: Json, unknown: list[str]) -> ApiError:
    metadata = body.get("metadata") or {}
    where = "/".join(filter(None, (metadata.get("namespace", ""), metadata.get("name", ""))))
    listed = "; ".join(f".{name}: field not declared in schema" for name in unknown)
    message = f"failed to create typed patch object ({where}; {resource.group_version}, Kind={resource.kind}): {listed}"
    return ApiError(500, "", message)
