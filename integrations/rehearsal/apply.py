"""Field ownership: `managedFields` on every write, and server-side apply with its conflicts.

Owns who owns which field; knows nothing of storage, validation or users.
The rules follow sigs.k8s.io/structured-merge-diff (merge/update.go).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from integrations.rehearsal.document import Json, clone
from integrations.rehearsal.fieldsets import (
    Path,
    Paths,
    children,
    compare,
    field_set,
    from_fields_v1,
    item_element,
    readable,
    skeleton,
    to_fields_v1,
)
from integrations.rehearsal.schema import Type
from integrations.rehearsal.status import ApiError

_SYSTEM_FIELDS = tuple(
    ("f:metadata", f"f:{name}")
    for name in (
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "generation",
        "managedFields",
        "resourceVersion",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    )
)
_IGNORED: tuple[Path, ...] = (("f:apiVersion",), ("f:kind",), *_SYSTEM_FIELDS)
_BARE_METADATA = ("name", "namespace", "creationTimestamp", "uid", "generation", "managedFields", "resourceVersion")


@dataclass(frozen=True)
class Manager:
    """Who writes: the manager's name, `Apply` or `Update`, the version and the subresource."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""

    def described(self) -> str:
        """As conflict messages name it."""
        if self.operation == "Apply":
            return f'"{self.name}"'
        if self.subresource:
            return f'"{self.name}" with subresource "{self.subresource}" using {self.api_version}'
        return f'"{self.name}" using {self.api_version}'


@dataclass(frozen=True)
class Owned:
    """A manager's fields and when it last changed them."""

    paths: frozenset[Path]
    time: str


Owners = dict[Manager, Owned]


def read_owners(document: Json) -> Owners:
    """The owners that a document's managedFields write."""
    owners: Owners = {}
    for entry in document.get("metadata", {}).get("managedFields") or ():
        manager = Manager(
            entry.get("manager", ""),
            entry.get("operation", "Update"),
            entry.get("apiVersion", ""),
            entry.get("subresource", ""),
        )
        paths = frozenset(from_fields_v1(entry.get("fieldsV1") or {}))
        owners[manager] = Owned(paths, entry.get("time", ""))
    return owners


def _entry(manager: Manager, owned: Owned) -> Json:
    entry: Json = {
        "manager": manager.name,
        "operation": manager.operation,
        "apiVersion": manager.api_version,
        "time": owned.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": to_fields_v1(set(owned.paths)),
    }
    if manager.subresource:
        entry["subresource"] = manager.subresource
    return entry


def write_owners(document: Json, owners: Owners) -> None:
    """Write the owners into managedFields: applies first, then by time and name."""
    ordered = sorted(owners.items(), key=lambda pair: (pair[0].operation, pair[1].time, pair[0].name))
    entries = [_entry(manager, owned) for manager, owned in ordered if owned.paths]
    if entries:
        document["metadata"]["managedFields"] = entries
    else:
        document["metadata"].pop("managedFields", None)


def _under(path: Path, roots: tuple[Path, ...]) -> bool:
    return any(path[: len(root)] == root for root in roots)


def _reset(paths: Paths, kind: Type, subresource: str) -> Paths:
    roots = _IGNORED
    if subresource == "status":
        roots = (*roots, ("f:spec",), ("f:metadata", "f:deletionTimestamp"))
    elif "status" in kind.fields and "spec" in kind.fields:
        roots = (*roots, ("f:status",))
    return {path for path in paths if path != ("f:metadata",) and not _under(path, roots)}


def bare(document: Json) -> Json:
    """The document without what no manager owns."""
    metadata = {k: v for k, v in document.get("metadata", {}).items() if k not in _BARE_METADATA}
    return {**document, "metadata": metadata}


def track_update(old: Json | None, new: Json, kind: Type, manager: Manager, now: str) -> None:
    """Give an update's (or a create's) changed fields to its manager, in `new`."""
    owners = read_owners(old if old is not None else new)
    if old is None and (new.get("metadata") or {}).get("managedFields") is None:
        owners = {}
    before = bare(old) if old is not None else skeleton(kind)
    difference = compare(before, bare(new), kind)
    written = _reset(difference.written, kind, manager.subresource)
    taken = difference.written | difference.removed
    mine = owners.get(manager, Owned(frozenset(), now))
    for other, owned in list(owners.items()):
        if other != manager:
            owners[other] = _without(owned, taken, now)
    paths = (mine.paths - frozenset(difference.removed)) | frozenset(written)
    owners[manager] = mine if paths == mine.paths and not written else Owned(paths, now)
    write_owners(new, owners)


def _without(owned: Owned, taken: Paths, now: str) -> Owned:
    kept = owned.paths - frozenset(taken)
    return owned if kept == owned.paths else Owned(kept, now)


@dataclass(frozen=True)
class Applied:
    """What an apply asks for: the configuration as sent, by whom, and whether it takes what others own."""

    configuration: Json
    manager: Manager
    force: bool
    now: str


def apply(live: Json | None, asked: Applied, kind: Type) -> Json:
    """The object after a server-side apply; raises ApiError 409 naming each field that another owns."""
    start = clone(live) if live is not None else {}
    owners = read_owners(start) if live is not None else {}
    configuration = bare(asked.configuration)
    paths = frozenset(_reset(field_set(configuration, kind), kind, asked.manager.subresource))
    merged = _merge(bare(start) if live is not None else {}, configuration, kind)
    previous = owners.get(asked.manager, Owned(frozenset(), asked.now))
    others = {m: o for m, o in owners.items() if m != asked.manager}
    kept_by_others: Paths = set().union(*(o.paths for o in others.values()))
    merged = _prune(merged, kind, (), set(previous.paths) - set(paths), kept_by_others | set(paths))
    difference = compare(bare(start) if live is not None else skeleton(kind), merged, kind)
    _settle(others, difference.written & set(paths), asked)
    removed = frozenset(difference.removed)
    owners = {m: replace(o, paths=o.paths - removed) for m, o in others.items()}
    changed = bool(difference.written or difference.removed) or paths != previous.paths
    owners[asked.manager] = Owned(paths, asked.now if changed else previous.time)
    result = {**merged, "metadata": {**start.get("metadata", {}), **merged.get("metadata", {})}}
    for name in ("labels", "annotations", "finalizers", "ownerReferences"):
        if name not in merged.get("metadata", {}):
            result["metadata"].pop(name, None)
    write_owners(result, owners)
    return result


def _settle(others: Owners, written: Paths, asked: Applied) -> None:
    """Take the written fields from their owners, or refuse where that was not asked for."""
    conflicts = [(m, path) for m, o in others.items() for path in sorted(o.paths & written)]
    if conflicts and not asked.force:
        raise _conflict(conflicts)
    for manager, owned in list(others.items()):
        others[manager] = _without(owned, written, asked.now)


def _conflict(conflicts: list[tuple[Manager, Path]]) -> ApiError:
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f"conflict with {manager.described()}",
            "field": readable(path),
        }
        for manager, path in conflicts
    ]
    if len(conflicts) == 1:
        manager, path = conflicts[0]
        message = f"Apply failed with 1 conflict: conflict with {manager.described()}: {readable(path)}"
    else:
        listed = []
        for described in sorted({manager.described() for manager, _ in conflicts}):
            lines = "\n".join(f"- {readable(path)}" for m, path in conflicts if m.described() == described)
            listed.append(f"conflicts with {described}:\n{lines}")
        message = f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(listed)
    return ApiError(409, "Conflict", message, {"causes": causes})


def _merge(live: Any, wanted: Any, kind: Type) -> Any:
    if wanted is None or kind.whole(wanted) or not isinstance(wanted, (dict, list)):
        return clone(wanted)
    if isinstance(wanted, dict):
        merged = dict(live) if isinstance(live, dict) else {}
        for name, value in wanted.items():
            merged[name] = _merge(merged.get(name), value, kind.field(name))
        return merged
    items = list(live) if isinstance(live, list) else []
    places = {item_element(item, kind): place for place, item in enumerate(items)}
    for item in wanted:
        place = places.get(item_element(item, kind))
        if place is None:
            items.append(clone(item))
        else:
            items[place] = _merge(items[place], item, kind.item())
    return items


def _prune(value: Any, kind: Type, path: Path, dropped: Paths, kept: Paths) -> Any:
    """Remove what the manager applied before, does not apply now, and no one else owns."""
    if not dropped or kind.whole(value) or not isinstance(value, (dict, list)):
        return value
    result: list[tuple[str, Any]] = []
    for element, (inner, inner_kind) in children(value, kind).items():
        here = (*path, element)
        below = {p for p in dropped if p[: len(here)] == here}
        owned = any(p[: len(here)] == here for p in kept)
        if here in below and not owned:
            continue
        pruned = _prune(inner, inner_kind, here, below - {here}, kept)
        emptied = pruned in ({}, []) and inner not in ({}, [])
        if not (emptied and below and not owned):
            result.append((element, pruned))
    if isinstance(value, dict):
        return {element[2:]: inner for element, inner in result}
    return [inner for _, inner in result]
