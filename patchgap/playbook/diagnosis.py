"""What pydantic refuses, told as a problem of the text: line, words for a person, the nearest name, the mended line.

Owns the words for schema errors; knows no verbs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from patchgap.playbook.language import NAMED
from patchgap.playbook.problems import listed, nearest
from patchgap.playbook.quantities import in_words
from patchgap.playbook.source import Path, Source

_TYPES = {
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "string_type": "must be text",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "model_type": "must be `name: value` pairs",
    "model_attributes_type": "must be `name: value` pairs",
    "dict_type": "must be `name: value` pairs",
    "mapping_type": "must be `name: value` pairs",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
    "string_too_long": "is too long",
}
_TRUTH = {"yes": "true", "on": "true", "1": "true", "no": "false", "off": "false", "0": "false"}


def tell(source: Source, error: ValidationError, base: Path, model: type[BaseModel], of: str = "") -> None:
    """Notes each schema error that a person must hear as a problem; `base` is the path to what `model` validated, `of`
    names it. What only follows from something told already is left out."""
    errors = error.errors(include_url=False, include_context=True)
    meant = {(*_above(e), nearest(_last(e), _keys(_inner(model, _above(e))))) for e in errors if _is_extra(e)}
    for one in errors:
        path = (*base, *one["loc"])
        if any(path[: len(e)] == e for e in source.empty):
            continue  # it has no value, which is told
        if one["type"] == "too_short" and one["input"]:
            continue  # its members were refused, one by one
        if one["type"] == "missing" and one["loc"] in meant:
            continue  # it is there, misspelt
        _explain(source, one, path, model, of)


def _is_extra(one: ErrorDetails) -> bool:
    return one["type"] == "extra_forbidden"


def _above(one: ErrorDetails) -> Path:
    return tuple(one["loc"][:-1])


def _last(one: ErrorDetails) -> str:
    return str(one["loc"][-1])


def _explain(source: Source, one: ErrorDetails, path: Path, model: type[BaseModel], of: str) -> None:
    loc = tuple(one["loc"])
    if one["type"] == "extra_forbidden":
        _unknown_key(source, path, model, loc, of)
    elif one["type"] == "missing":
        _missing_key(source, path, model, loc, of)
    else:
        _bad_value(source, one, path, _field(model, loc), of)


def _unknown_key(source: Source, path: Path, model: type[BaseModel], loc: Path, of: str) -> None:
    key, span = str(path[-1]), source.keys.get(path, source.span(path))
    valid = _keys(_inner(model, loc[:-1]))
    near = nearest(key, valid)
    corrected = source.replaced(span, near) if near else source.without(span, source.span(path))
    choice = f"the keys here are {listed(valid)}" if valid else "it takes none"
    source.refuse(span, f"there is no key `{key}`{of or _under(path)}; {choice}", near, corrected)


def _missing_key(source: Source, path: Path, model: type[BaseModel], loc: Path, of: str) -> None:
    parent = path[:-1]
    span = source.keys.get(parent, source.span(parent))
    field = _field(model, loc)
    entry = f"{path[-1]}: {_example(field)}"
    line = _entry_in(source, parent, entry)
    source.refuse(span, f"the key `{path[-1]}`{of or _under(path)} is missing; add `{entry}`", corrected=line)


def _entry_in(source: Source, parent: Path, entry: str) -> str:
    """The line to add in a block mapping; the line itself with the entry in a flow mapping or behind a bare verb."""
    inside = source.span(parent)
    line = source.line(inside.line)
    keys = [span for path, span in source.keys.items() if path and path[:-1] == parent]
    if parent in source.scalars:
        return source.replaced(inside, f"{line[inside.column : inside.end_column]}: {{{entry}}}")
    if line[inside.column : inside.column + 1] == "{":
        if inside.end_line != inside.line:
            return ""
        before = line[: inside.end_column - 1].rstrip()
        return f"{before}{'' if before.endswith('{') else ', '}{entry}{line[inside.end_column - 1 :]}"
    return " " * min((k.column for k in keys), default=0) + entry


def _bad_value(source: Source, one: ErrorDetails, path: Path, field: FieldInfo | None, of: str) -> None:
    span, name = source.span(path), next((str(p) for p in reversed(path) if isinstance(p, str)), "the playbook")
    example = _example(field)
    if isinstance(path[-1], int):
        example = example.removeprefix("[").removesuffix("]")  # one member, not the list
    expected = re.findall(r"'([^']*)'", str(one.get("ctx", {}).get("expected", "")))
    if expected:
        value = _shown(one["input"])
        near = nearest(value, expected)
        whole = path in source.values and isinstance(path[-1], str)
        what = f"`{name}`{of} cannot be {value}; it is {listed(expected)}"
        source.refuse(span, what, near, _mended(source, path, near or (whole and example) or expected[0]))
        return
    if one["type"] == "bool_type":
        example = _TRUTH.get(str(one["input"]).lower(), example)
    if one["type"] in {"tuple_type", "list_type"} and span.line == span.end_line:
        example = f"[{source.line(span.line)[span.column : span.end_column]}]"
    words = _TYPES.get(one["type"]) or _said(one)
    hint = f", such as `{example}`" if example and "such as" not in words and "true or" not in words else ""
    source.refuse(span, f"`{name}`{of} {words}{hint}", corrected=_mended(source, path, example))


def _said(one: ErrorDetails) -> str:
    if one["type"] == "string_pattern_mismatch":
        named = one["ctx"]["pattern"] == NAMED
        return "must be lower-case letters, digits and dashes" if named else "must be one line of printable text"
    words = one["msg"].removeprefix("Value error, ")
    return words.replace("Input should be", "must be").replace("a valid", "a")


def _mended(source: Source, path: Path, value: str) -> str:
    """The line with that value; a value that spans lines is written anew behind its key."""
    span, key = source.span(path), source.keys.get(path)
    if not value:
        return ""
    if span.line == span.end_line or key is None:
        return source.replaced(span, value)
    return f"{source.line(key.line)[: key.end_column]}: {value}"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else type(value).__name__ if isinstance(value, (dict, list)) else str(value)
    return f"{text[:60]}…" if len(text) > 60 else text  # noqa: PLR2004  (a report's line, not a law)


def _under(path: Path) -> str:
    above = [str(p) for p in path[:-1] if isinstance(p, str)]
    return f" in `{above[-1]}`" if above else ""


def _example(field: FieldInfo | None) -> str:
    if field is None:
        return ""
    if field.examples:
        return str(field.examples[0])
    default = field.default
    return in_words(default) if isinstance(default, timedelta) else default if isinstance(default, str) else ""


def _keys(model: type[BaseModel] | None) -> Iterable[str]:
    return [f.alias or name for name, f in model.model_fields.items()] if model else []


def _field(model: type[BaseModel], loc: Path) -> FieldInfo | None:
    """The field that a location stands at, or the one it stands in."""
    *above, last = [p for p in loc if isinstance(p, str)] or [""]
    inner = _inner(model, tuple(above))
    return next((f for n, f in inner.model_fields.items() if last in (n, f.alias)), None) if inner else None


def _inner(model: type[BaseModel], loc: Path) -> type[BaseModel] | None:
    """The model of the mapping at that location."""
    here: type[BaseModel] | None = model
    for part in loc:
        if isinstance(part, int) or here is None:
            continue
        field = next((f for n, f in here.model_fields.items() if part in (n, f.alias)), None)
        here = _model_in(field.annotation) if field else None
    return here


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in get_args(annotation) if (m := _model_in(a))), None)
