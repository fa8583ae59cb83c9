"""CEL: compiling and evaluating the expressions of admission policies.

Owns the use of cel-python (imported when the first policy is written, since it is slow to import) and the string
functions that Kubernetes adds. An expression that needs what is not here is refused with 501, never guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from integrations.rehearsal.status import not_implemented

VARIABLES = frozenset({"object", "oldObject", "request", "params", "namespaceObject", "variables", "authorizer"})
_MACROS = frozenset({"all", "exists", "exists_one", "filter", "map"})
_TYPES = frozenset({"bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"})
_FUNCTIONS = frozenset(
    [
        "contains",
        "endsWith",
        "matches",
        "startsWith",
        "size",
        "has",
        "dyn",
        "duration",
        "timestamp",
        "getDate",
        "getDayOfMonth",
        "getDayOfWeek",
        "getDayOfYear",
        "getFullYear",
        "getHours",
        "getMilliseconds",
        "getMinutes",
        "getMonth",
        "getSeconds",
    ]
)
_ELSEWHERE = frozenset(
    {"cidr", "format", "ip", "isCIDR", "isIP", "isQuantity", "isSemver", "isURL", "quantity", "semver", "url"}
)
_OPTIONAL = re.compile(r"\.\?|\[\s*\?|\boptional\.")


class CompileError(Exception):
    """An expression that is not CEL, in the words of the API server."""


class EvaluationError(Exception):
    """An expression that failed on these values."""


def _text(value: Any) -> str:
    return str(value)


@cache
def _library() -> dict[str, Callable[..., Any]]:
    """The string functions that Kubernetes adds to CEL (its strings and lists libraries)."""
    from celpy import celtypes  # 0.6 s that a cluster without policies need not pay

    string, integer = celtypes.StringType, celtypes.IntType

    def split(text: Any, separator: Any, limit: Any = -1) -> Any:
        parts = list(_text(text)) if not separator else _text(text).split(_text(separator), _splits(int(limit)))
        return celtypes.ListType([string(part) for part in ([] if int(limit) == 0 else parts)])

    def join(items: Any, separator: Any = "") -> Any:
        return string(_text(separator).join(_text(item) for item in items))

    def replace(text: Any, old: Any, new: Any, limit: Any = -1) -> Any:
        return string(_text(text).replace(_text(old), _text(new), int(limit)))

    def substring(text: Any, start: Any, end: Any = None) -> Any:
        whole = _text(text)
        stop = len(whole) if end is None else int(end)
        if not 0 <= int(start) <= stop <= len(whole):
            message = f"index out of range: {start}"
            raise ValueError(message)
        return string(whole[int(start) : stop])

    def bounded(text: Any, part: Any) -> Any:
        return integer(_text(text).find(_text(part)))

    return {
        "split": split,
        "join": join,
        "replace": replace,
        "substring": substring,
        "indexOf": bounded,
        "lastIndexOf": lambda text, part: integer(_text(text).rfind(_text(part))),
        "lowerAscii": lambda text: string(_ascii(_text(text), str.lower)),
        "upperAscii": lambda text: string(_ascii(_text(text), str.upper)),
        "trim": lambda text: string(_text(text).strip()),
    }


def _splits(limit: int) -> int:
    return limit - 1 if limit > 0 else -1


def _ascii(text: str, change: Callable[[str], str]) -> str:
    return "".join(change(letter) if letter.isascii() else letter for letter in text)


@cache
def _environment() -> Any:
    import celpy  # see _library

    return celpy.Environment()


def _trees(tree: Any, rule: str) -> Iterator[Any]:
    yield from tree.find_data(rule)


def _token(tree: Any) -> str:
    return next((str(child) for child in tree.children if not hasattr(child, "children")), "")


def _check_names(source: str, tree: Any) -> None:
    bound: set[str] = set()
    for call in _trees(tree, "member_dot_arg"):
        name = str(call.children[1])
        if name in _MACROS:
            first = next(_trees(call.children[2].children[0], "ident"), None)
            bound.add(_token(first) if first is not None else "")
        elif name not in _FUNCTIONS and name not in _library():
            raise not_implemented(f"the CEL function {name}()")
    for call in _trees(tree, "ident_arg"):
        name = _token(call)
        if name in _ELSEWHERE:
            raise not_implemented(f"the CEL function {name}()")
        if name not in _FUNCTIONS and name not in _TYPES:
            raise _undeclared(source, name)
    for ident in _trees(tree, "ident"):
        name = _token(ident)
        if name == "authorizer":
            raise not_implemented("the CEL variable authorizer")
        if name not in VARIABLES and name not in bound and name not in _TYPES:
            raise _undeclared(source, name)


def _undeclared(source: str, name: str) -> CompileError:
    return CompileError(_located(source, source.find(name), f"undeclared reference to '{name}' (in container '')"))


def _located(source: str, place: int, words: str) -> str:
    before = source[: max(0, place)]
    row, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1)
    shown = source.split("\n")[row - 1]
    return f"ERROR: <input>:{row}:{column + 1}: {words}\n | {shown}\n | {'.' * column}^"


@cache
def compiled(source: str) -> Any:
    """The program of an expression; raises CompileError, or ApiError 501 for CEL that is not here."""
    from celpy import celparser  # see _library

    if _OPTIONAL.search(re.sub(r"'[^']*'|\"[^\"]*\"", "''", source)):
        raise not_implemented("CEL's optional syntax (.?, [?], optional)")
    try:
        tree = _environment().compile(source)
    except celparser.CELParseError as failure:
        row, column = failure.line or 1, failure.column or 1
        place = sum(len(line) + 1 for line in source.split("\n")[: row - 1]) + column - 1
        near = source[max(0, place - 1) : place + 1]
        words = f"Syntax error: no viable alternative at input '{near}'"
        raise CompileError(_located(source, place, words)) from failure
    _check_names(source, tree)
    return _environment().program(tree, functions=_library())


def evaluate(source: str, values: Mapping[str, Any]) -> Any:
    """The value of an expression over CEL values; raises EvaluationError."""
    from celpy import evaluation  # see _library

    try:
        result = compiled(source).evaluate(dict(values))
    except (evaluation.CELEvalError, ValueError, TypeError, KeyError) as failure:
        raise EvaluationError(_words(failure)) from failure
    if isinstance(result, evaluation.CELEvalError):
        raise EvaluationError(_words(result))
    return result


def _words(failure: Exception) -> str:
    text = str(failure.args[0]) if failure.args else str(failure)
    found = re.search(r"no such member in mapping: '(.*?)'", text)
    return f"no such key: {found[1]}" if found else text.split(" (in activation")[0]


def to_cel(document: Any) -> Any:
    """A JSON value as a CEL value; None stays None (CEL's null)."""
    from celpy import adapter  # see _library

    return None if document is None else adapter.json_to_cel(document)


def lazy_map(compute: Mapping[str, Callable[[], Any]]) -> Any:
    """A CEL map whose values are computed when first asked for."""
    from celpy import celtypes  # see _library

    class Lazy(celtypes.MapType):
        def __init__(self) -> None:
            super().__init__()
            self._known: dict[str, Any] = {}

        def __getitem__(self, key: Any) -> Any:
            name = str(key)
            if name not in compute:
                raise KeyError(name)
            if name not in self._known:
                self._known[name] = compute[name]()
            return self._known[name]

        def __contains__(self, key: Any) -> bool:
            return str(key) in compute

        def get(self, key: Any, default: Any = None) -> Any:
            return self[key] if key in self else default  # noqa: SIM401 - this is what get() is made of

    return Lazy()
