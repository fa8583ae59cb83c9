"""Deleting objects: preconditions, grace, finalizers and propagation.

Owns what one DELETE does to the object it names; dependents are the garbage collector's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from integrations.rehearsal.call import Call
from integrations.rehearsal.document import Json, clone
from integrations.rehearsal.resources import Resource
from integrations.rehearsal.status import Cause, bad_request, conflict, invalid, not_found
from integrations.rehearsal.storage import Key
from integrations.rehearsal.verbs import Writer

_POLICIES = ("Foreground", "Background", "Orphan")
_FINALIZER_OF = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}


@dataclass(frozen=True)
class DeleteOptions:
    """The options of a delete; None where they were not given."""

    grace: int | None = None
    policy: str = ""
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False

    @classmethod
    def read(cls, document: Json) -> DeleteOptions:
        """Options from a DeleteOptions document; raises ApiError where one has no meaning."""
        preconditions = document.get("preconditions") or {}
        policy = document.get("propagationPolicy") or ""
        if document.get("orphanDependents") is True:
            policy = "Orphan"
        dry = document.get("dryRun") or []
        causes: list[Cause] = []
        if policy and policy not in _POLICIES:
            words = 'supported values: "Foreground", "Background", "Orphan", "nil"'
            causes.append(_unsupported("propagationPolicy", policy, words))
        if dry and dry != ["All"]:
            causes.append(_unsupported("dryRun", dry, 'supported values: "All"'))
        if causes:
            raise invalid(_options_target(), causes)
        grace = document.get("gracePeriodSeconds")
        if grace is not None and (isinstance(grace, bool) or not isinstance(grace, int)):
            message = "gracePeriodSeconds must be an integer"
            raise bad_request(message)
        return cls(grace, policy, preconditions.get("uid", ""), preconditions.get("resourceVersion", ""), bool(dry))


def _options_target() -> Any:
    return Resource("meta.k8s.io", "v1", "deleteoptions", "DeleteOptions").target()


def _unsupported(name: str, value: Any, words: str) -> Cause:
    return Cause("FieldValueNotSupported", f"Unsupported value: {value!r}: {words}", name)


def check_preconditions(resource: Resource, live: Json, options: DeleteOptions) -> None:
    """Raise ApiError 409 where the object is not the one that was meant."""
    metadata = live["metadata"]
    if options.uid and options.uid != metadata["uid"]:
        why = (
            f"the UID in the precondition ({options.uid}) does not match the UID in record ({metadata['uid']}). "
            "The object might have been deleted and then recreated"
        )
        raise conflict(resource.target(metadata["name"]), why, by_kind=True)
    if options.resource_version and options.resource_version != metadata["resourceVersion"]:
        why = (
            f"the ResourceVersion in the precondition ({options.resource_version}) does not match the "
            f"ResourceVersion in record ({metadata['resourceVersion']}). The object might have been modified"
        )
        raise conflict(resource.target(metadata["name"]), why, by_kind=True)


def _finalizers(resource: Resource, live: Json, options: DeleteOptions) -> list[str]:
    kept = [f for f in live["metadata"].get("finalizers") or () if f not in _FINALIZER_OF.values()]
    policy = options.policy or ("Orphan" if resource.kind == "Job" else "Background")
    wanted = _FINALIZER_OF.get(policy)
    return [*kept, wanted] if wanted else kept


def _grace(resource: Resource, live: Json, options: DeleteOptions) -> int:
    if resource.kind != "Pod":
        return 0
    if not live["spec"].get("nodeName") or live["status"].get("phase") in ("Succeeded", "Failed"):
        return 0
    asked = options.grace
    if asked is None:
        asked = live["spec"].get("terminationGracePeriodSeconds", 30)
    return max(0, asked)


class Deleter:
    """The DELETE verb over a writer's storage."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def delete(self, call: Call, resource: Resource, key: Key, options: DeleteOptions) -> tuple[Json, bool]:
        """Delete an object; returns its last form and whether it is gone (False: it only began)."""
        storage = self._writer.storage
        with storage.lock:
            live = storage.get(resource.key, key)
            if live is None:
                raise not_found(resource.target(key[1]))
            check_preconditions(resource, live, options)
            self._writer.admission.validate(call, resource, "", "DELETE", None, live)
            if resource.kind == "Job" and not options.policy:
                call.warnings.append(
                    "child pods are preserved by default when jobs are deleted; set "
                    "propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress "
                    "this warning"
                )
            waiting = self._waiting(resource, live, options)
            dry = call.dry_run or options.dry_run
            if waiting is None:
                return (live if dry else storage.remove(resource.key, key)), True
            if dry or waiting == live:
                return waiting, False
            return storage.put(resource.key, key, waiting), False

    def _waiting(self, resource: Resource, live: Json, options: DeleteOptions) -> Json | None:
        """The object marked for deletion, or None where nothing keeps it."""
        finalizers = _finalizers(resource, live, options)
        grace = _grace(resource, live, options)
        held = bool(finalizers) or resource.kind == "Namespace"
        if not grace and not held:
            return None
        marked = clone(live)
        metadata: Json = marked["metadata"]
        before = metadata.get("deletionGracePeriodSeconds")
        if metadata.get("deletionTimestamp") and before is not None and grace >= before:
            if (metadata.get("finalizers") or []) == finalizers:
                return marked
        elif metadata.get("generation"):
            metadata["generation"] += 1
        metadata["deletionTimestamp"] = self._writer.world.now(ahead=grace)
        metadata["deletionGracePeriodSeconds"] = grace
        metadata.pop("finalizers", None)
        if finalizers:
            metadata["finalizers"] = finalizers
        if resource.kind == "Namespace":
            metadata.pop("deletionGracePeriodSeconds")
            marked["status"] = {**marked.get("status", {}), "phase": "Terminating"}
        return marked
