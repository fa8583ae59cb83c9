"""The three patches that are not apply: merge, strategic merge and JSON patch.

Owns how a patch changes a document; validation, ownership and storage come after.
"""

from __future__ import annotations

from typing import Any

from integrations.rehearsal.document import Json, clone
from integrations.rehearsal.schema import Type
from integrations.rehearsal.status import ApiError, bad_request

_DIRECTIVE = "$patch"
_DELETE_PRIMITIVES = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"
_RETAIN = "$retainKeys"


def merge_patch(document: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return clone(patch)
    merged: Json = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def strategic_merge(document: Any, patch: Any, kind: Type) -> Any:
    """Kubernetes' strategic merge: lists with a merge key merge by it, `$patch` directives hold."""
    if not isinstance(patch, dict):
        return clone(patch)
    directive = patch.get(_DIRECTIVE)
    if directive == "delete":
        return {}
    if directive == "replace":
        return {key: clone(value) for key, value in patch.items() if key != _DIRECTIVE}
    merged: Json = dict(document) if isinstance(document, dict) else {}
    if _RETAIN in patch:
        merged = {key: value for key, value in merged.items() if key in patch[_RETAIN]}
    for key, value in patch.items():
        if key.startswith(_DELETE_PRIMITIVES):
            name = key.removeprefix(_DELETE_PRIMITIVES)
            merged[name] = [item for item in merged.get(name) or () if item not in value]
        elif not key.startswith("$"):
            _merge_field(merged, key, value, kind.field(key))
    _reorder(merged, patch, kind)
    return merged


def _merge_field(merged: Json, key: str, value: Any, kind: Type) -> None:
    if value is None:
        merged.pop(key, None)
    elif isinstance(value, list):
        merged[key] = _merge_list(merged.get(key) or [], value, kind)
    elif isinstance(value, dict) and "replace" not in kind.strategies:
        merged[key] = strategic_merge(merged.get(key), value, kind)
    else:
        merged[key] = clone(value)


def _merge_list(current: list[Any], patch: list[Any], kind: Type) -> list[Any]:
    if "merge" not in kind.strategies:
        return [clone(item) for item in patch if not _is_replace(item)]
    if not kind.merge_key:
        return [*current, *(clone(item) for item in patch if item not in current)]
    if any(_is_replace(item) for item in patch):
        return [clone(item) for item in patch if not _is_replace(item)]
    merged = list(current)
    for item in patch:
        _merge_item(merged, item, kind)
    return merged


def _is_replace(item: Any) -> bool:
    return isinstance(item, dict) and item.get(_DIRECTIVE) == "replace"


def _merge_item(merged: list[Any], item: Json, kind: Type) -> None:
    key = kind.merge_key
    if key not in item:
        message = f"map: {item} does not contain declared merge key: {key}"
        raise bad_request(message)
    place = next((i for i, old in enumerate(merged) if old.get(key) == item[key]), None)
    if item.get(_DIRECTIVE) == "delete":
        if place is not None:
            del merged[place]
    elif place is None:
        merged.append(strategic_merge({}, item, kind.item()))
    else:
        merged[place] = strategic_merge(merged[place], item, kind.item())


def _reorder(merged: Json, patch: Json, kind: Type) -> None:
    for marker in (key for key in patch if key.startswith(_ORDER)):
        name = marker.removeprefix(_ORDER)
        key = kind.field(name).merge_key
        wanted = [item.get(key) if isinstance(item, dict) else item for item in patch[marker]]

        def rank(item: Any, key: str = key, wanted: list[Any] = wanted) -> int:
            value = item.get(key) if isinstance(item, dict) else item
            return wanted.index(value) if value in wanted else len(wanted)

        merged[name] = sorted(merged.get(name) or (), key=rank)


def json_patch(document: Any, operations: Any) -> Any:
    """RFC 6902; raises ApiError 422 where an operation fails, 400 where the patch is not one."""
    if not isinstance(operations, list):
        message = "error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch"
        raise bad_request(message)
    patched = clone(document)
    for operation in operations:
        try:
            patched = _operate(patched, operation)
        except (KeyError, IndexError, ValueError, TypeError) as failure:
            raise _refused() from failure
    return patched


def _refused() -> ApiError:
    return ApiError(422, "Invalid", "the server rejected our request due to an error in our request", {})


def _operate(document: Any, operation: Json) -> Any:
    name, path = operation["op"], _pointer(operation["path"])
    if name == "test":
        if _read(document, path) != operation.get("value"):
            raise ValueError(operation["path"])
        return document
    if name in ("move", "copy"):
        source = _pointer(operation["from"])
        value = clone(_read(document, source))
        if name == "move":
            document = _write(document, source, None, remove=True)
        return _write(document, path, value, insert=True)
    if name == "remove":
        return _write(document, path, None, remove=True)
    if name == "add":
        return _write(document, path, clone(operation.get("value")), insert=True)
    if name == "replace":
        _read(document, path)
        return _write(document, path, clone(operation.get("value")))
    raise ValueError(name)


def _pointer(text: str) -> list[str]:
    if not text:
        return []
    if not text.startswith("/"):
        raise ValueError(text)
    return [part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/")]


def _index(part: str) -> int:
    if not part.isascii() or not part.isdigit():
        raise ValueError(part)
    return int(part)


def _read(document: Any, path: list[str]) -> Any:
    for part in path:
        document = document[_index(part)] if isinstance(document, list) else document[part]
    return document


def _write(document: Any, path: list[str], value: Any, *, remove: bool = False, insert: bool = False) -> Any:
    if not path:
        return value
    holder, last = _read(document, path[:-1]), path[-1]
    if isinstance(holder, list):
        place = len(holder) if last == "-" else _index(last)
        if place > len(holder):
            raise IndexError(last)
        if remove:
            del holder[place]
        elif insert:
            holder.insert(place, value)
        else:
            holder[place] = value
    elif remove:
        del holder[last]
    else:
        holder[last] = value
    return document
