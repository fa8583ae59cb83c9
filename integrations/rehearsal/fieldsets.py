"""Sets of field paths: which fields a document has, and which differ between two.

Owns the FieldsV1 form and the comparison rules of structured merge; knows nothing of managers.
A path is a tuple of elements as FieldsV1 writes them: `f:spec`, `k:{"name":"main"}`, `v:"x"`.
The rules follow sigs.k8s.io/structured-merge-diff (typed/compare.go and typed/tofieldset.go).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from integrations.rehearsal.document import Json
from integrations.rehearsal.schema import Type

Path = tuple[str, ...]
Paths = set[Path]
_MISSING = object()
_OMITTED_WHEN_EMPTY = frozenset({"validationActions"})


def to_fields_v1(paths: Paths) -> Json:
    """The set as FieldsV1: a member that also has children carries `.`."""
    tree: Json = {}
    for path in sorted(paths):
        node = tree
        for element in path:
            node = node.setdefault(element, {})
        node["."] = {}
    return _prune(tree)


def _prune(node: Json) -> Json:
    children = {key: _prune(value) for key, value in sorted(node.items()) if key != "."}
    if not children:
        return {}
    return {".": {}, **children} if "." in node else children


def from_fields_v1(document: Json, prefix: Path = ()) -> Paths:
    """The set that a FieldsV1 document writes."""
    paths: Paths = set()
    for element, inner in document.items():
        if element == ".":
            paths.add(prefix)
            continue
        path = (*prefix, element)
        if not inner:
            paths.add(path)
        paths |= from_fields_v1(inner, path)
    return paths


def item_element(item: Any, kind: Type) -> str:
    """The element that names an item of a map-like or set-like list."""
    if kind.list_keys and isinstance(item, dict):
        item_kind = kind.item()
        key = {}
        for name in kind.list_keys:
            default = item_kind.fields.get(name, {}).get("default")
            value = item.get(name, default)
            if value is not None:
                key[name] = value
        return "k:" + json.dumps(key, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "v:" + json.dumps(item, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def children(value: Any, kind: Type) -> dict[str, tuple[Any, Type]]:
    """The parts of a granular map or list, by element."""
    if isinstance(value, dict):
        return {f"f:{name}": (inner, kind.field(name)) for name, inner in value.items()}
    if isinstance(value, list):
        return {item_element(item, kind): (item, kind.item()) for item in value}
    return {}


def _leaf(value: Any, kind: Type) -> bool:
    if isinstance(value, (dict, list)):
        return kind.whole(value)
    return True


def field_set(value: Any, kind: Type, prefix: Path = ()) -> Paths:
    """The fields that a document has, as an applied configuration owns them."""
    if _leaf(value, kind):
        return {prefix} if prefix else set()
    paths: Paths = set()
    for element, (inner, inner_kind) in children(value, kind).items():
        path = (*prefix, element)
        paths |= field_set(inner, inner_kind, path)
        known_field = element.startswith("f:") and element[2:] in kind.fields
        if not known_field or inner is None or inner in ({}, []):
            paths.add(path)
    return paths


@dataclass
class Difference:
    """The fields that one document has over another."""

    added: Paths = field(default_factory=set)
    removed: Paths = field(default_factory=set)
    modified: Paths = field(default_factory=set)

    @property
    def written(self) -> Paths:
        """Added or modified."""
        return self.added | self.modified


def compare(old: Any, new: Any, kind: Type) -> Difference:
    """What changes from one document to another."""
    found = Difference()
    _compare(old, new, kind, (), found)
    return found


def _is_empty(value: Any) -> bool:
    return value is _MISSING or value is None or value in ({}, [])


def _compare(old: Any, new: Any, kind: Type, path: Path, found: Difference) -> None:
    if old is not _MISSING and new is not _MISSING and old == new:
        return
    sample = old if new is _MISSING or new is None else new
    both_empty = _is_empty(old) and _is_empty(new)
    if not isinstance(sample, (dict, list)) or kind.whole(sample) or both_empty:
        _compare_leaf(old, new, path, found)
        return
    olds = {} if _is_empty(old) else children(old, kind)
    news = {} if _is_empty(new) else children(new, kind)
    for element in {**olds, **news}:
        before, after = olds.get(element), news.get(element)
        inner_kind = (after or before or (None, kind))[1]
        _compare(
            _MISSING if before is None else before[0],
            _MISSING if after is None else after[0],
            inner_kind,
            (*path, element),
            found,
        )
    if path and old is _MISSING:
        found.added.add(path)
    elif path and new is _MISSING:
        found.removed.add(path)


def _compare_leaf(old: Any, new: Any, path: Path, found: Difference) -> None:
    if old is _MISSING:
        found.added.add(path)
    elif new is _MISSING:
        found.removed.add(path)
    else:
        found.modified.add(path)


def skeleton(kind: Type) -> Json:
    """The empty object of a kind as the server's own types write it: what is there before anything is set."""
    empty: Json = {}
    for name, node in kind.fields.items():
        if node.get("empty") and name != "status":
            empty[name] = skeleton(kind.field(name))
        elif name in kind.required and name not in _OMITTED_WHEN_EMPTY:
            empty[name] = None
    return empty


def readable(path: Path) -> str:
    """A path as conflict messages name it: `.spec.containers[name="main"].image`."""
    return "".join(_readable_elements(path))


def _readable_elements(path: Path) -> Iterator[str]:
    for element in path:
        mark, rest = element[:2], element[2:]
        if mark == "f:":
            yield f".{rest}"
        elif mark == "k:":
            pairs = json.loads(rest).items()
            yield "[" + ",".join(f"{name}={json.dumps(value)}" for name, value in pairs) + "]"
        else:
            yield f"[={rest}]"
