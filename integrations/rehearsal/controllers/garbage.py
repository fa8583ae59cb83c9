"""Garbage: dependents of what is gone, and of what waits to go.

Owns owner references' meaning (background, foreground and orphan deletion) and the emptying of namespaces.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from integrations.rehearsal.controllers.work import Hands, resource_of
from integrations.rehearsal.document import Json
from integrations.rehearsal.machine import Machine
from integrations.rehearsal.resources import CREATE, RESOURCES
from integrations.rehearsal.storage import Change, Key

_FOREGROUND, _ORPHAN = "foregroundDeletion", "orphan"
_STORED = tuple(one for one in RESOURCES if one.verbs != CREATE and not one.list_only)
Located = tuple[str, Key]


class Garbage:
    """The garbage collector; its keys are (resource, key) of owners waiting to go, or ("", uid) of those gone."""

    def __init__(self, machine: Machine) -> None:
        self._hands = Hands(machine, "generic-garbage-collector")

    def keys(self, change: Change) -> Iterable[tuple[str, object]]:
        """What a change may leave behind."""
        if change.new is None and change.old is not None:
            yield ("", change.old["metadata"]["uid"])
            for reference in change.old["metadata"].get("ownerReferences") or ():
                owner = resource_of(reference)
                if owner is not None:
                    yield (owner.key, (change.key[0] if owner.namespaced else "", reference["name"]))
        elif change.new is not None:
            if set(change.new["metadata"].get("finalizers") or ()) & {_FOREGROUND, _ORPHAN}:
                yield (change.resource, change.key)
            if change.old is None and change.new["metadata"].get("ownerReferences"):
                yield ("check", (change.resource, change.key))

    def sync(self, key: tuple[str, object]) -> float | None:
        """Collect what is left behind by one owner."""
        where, what = key
        if where == "":
            self._collect(str(what))
        elif where == "check":
            self._check(what)  # type: ignore[arg-type]  # keys() makes it a Located
        else:
            self._waiting(where, what)  # type: ignore[arg-type]  # keys() makes it a Key
        return None

    def _dependents(self, uid: str) -> Iterator[tuple[str, Json]]:
        for resource in _STORED:
            for document in self._hands.storage.all(resource.key):
                references = document["metadata"].get("ownerReferences")
                if references and any(reference["uid"] == uid for reference in references):
                    yield resource.key, document

    def _collect(self, uid: str) -> None:
        for resource, document in list(self._dependents(uid)):
            self._drop(resource, document)

    def _check(self, located: Located) -> None:
        """A new dependent of an owner that is not there (any more) is garbage at once."""
        resource, key = located
        document = self._hands.get(resource, key)
        if document is not None:
            self._drop(resource, document)

    def _drop(self, resource: str, document: Json) -> None:
        if not any(self._lives(reference, document) for reference in document["metadata"].get("ownerReferences") or ()):
            self._hands.delete(resource, document)

    def _lives(self, reference: Json, document: Json) -> bool:
        owner = resource_of(reference)
        if owner is None:
            return True
        namespace = document["metadata"].get("namespace", "") if owner.namespaced else ""
        live = self._hands.get(owner.key, (namespace, reference["name"]))
        return live is not None and live["metadata"]["uid"] == reference["uid"]

    def _waiting(self, resource: str, key: Key) -> None:
        owner = self._hands.get(resource, key)
        if owner is None or not owner["metadata"].get("deletionTimestamp"):
            return
        finalizers = owner["metadata"].get("finalizers") or []
        dependents = list(self._dependents(owner["metadata"]["uid"]))
        if _ORPHAN in finalizers:
            for where, document in dependents:
                self._disown(where, document, owner)
            self._release(resource, owner, _ORPHAN)
        elif _FOREGROUND in finalizers:
            for where, document in dependents:
                if not document["metadata"].get("deletionTimestamp"):
                    self._hands.delete(where, document, "Background" if where == "pods" else "Foreground")
            if not list(self._dependents(owner["metadata"]["uid"])):
                self._release(resource, owner, _FOREGROUND)

    def _disown(self, resource: str, document: Json, owner: Json) -> None:
        uid = owner["metadata"]["uid"]

        def edit(one: Json) -> None:
            left = [r for r in one["metadata"].get("ownerReferences") or () if r["uid"] != uid]
            if left:
                one["metadata"]["ownerReferences"] = left
            else:
                one["metadata"].pop("ownerReferences", None)

        self._hands.edit(resource, document, edit)

    def _release(self, resource: str, owner: Json, finalizer: str) -> None:
        def edit(one: Json) -> None:
            one["metadata"]["finalizers"] = [f for f in one["metadata"].get("finalizers") or () if f != finalizer]

        self._hands.edit(resource, owner, edit)


class Namespaces:
    """Empties a namespace that is being deleted, then lets it go."""

    def __init__(self, machine: Machine) -> None:
        self._hands = Hands(machine, "namespace-controller")

    def keys(self, change: Change) -> Iterable[str]:
        """Namespaces on their way out, and removals inside them."""
        if change.resource == "namespaces" and change.new is not None:
            yield change.key[1]
        elif change.new is None and change.key[0]:
            yield change.key[0]

    def sync(self, key: str) -> float | None:
        """Delete what is in the namespace; finalize it when it is empty."""
        namespace = self._hands.get("namespaces", ("", key))
        if namespace is None or not namespace["metadata"].get("deletionTimestamp"):
            return None
        left = False
        for resource in _STORED:
            for document in self._hands.storage.all(resource.key, key) if resource.namespaced else ():
                left = True
                if not document["metadata"].get("deletionTimestamp"):
                    self._hands.delete(resource.key, document)
        if not left or not self._anything(key):
            self._hands.edit("namespaces", namespace, lambda one: one.update(spec={}), "finalize")
        return None

    def _anything(self, namespace: str) -> bool:
        return any(self._hands.storage.all(resource.key, namespace) for resource in _STORED if resource.namespaced)
