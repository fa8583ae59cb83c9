"""Label and field selectors: parsing them as the API server does, and matching.

Owns the two grammars and their error words; knows nothing of storage.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from integrations.rehearsal.document import Json, dig
from integrations.rehearsal.resources import Resource
from integrations.rehearsal.status import bad_request

Labels = Mapping[str, str]

_TOKEN = re.compile(r"\s*(?:(!=|==|[=!,()<>])|([^\s=!,()<>]+))")
_END = ""


@dataclass(frozen=True)
class Requirement:
    """One term: `operator` is one of in, notin, exists, absent, gt, lt."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def holds(self, labels: Labels) -> bool:
        """Whether labels satisfy the term."""
        present = self.key in labels
        if self.operator == "exists":
            return present
        if self.operator == "absent":
            return not present
        if self.operator == "in":
            return present and labels[self.key] in self.values
        if self.operator == "notin":
            return not present or labels[self.key] not in self.values
        return present and self._compares(labels[self.key])

    def _compares(self, value: str) -> bool:
        bound = next(iter(self.values))
        if not (_is_integer(value) and _is_integer(bound)):
            return False
        return int(value) > int(bound) if self.operator == "gt" else int(value) < int(bound)


def _is_integer(text: str) -> bool:
    return re.fullmatch(r"[+-]?[0-9]+", text) is not None


@dataclass(frozen=True)
class Selector:
    """Terms that must all hold; none selects everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Labels | None) -> bool:
        """Whether labels satisfy every term."""
        return all(requirement.holds(labels or {}) for requirement in self.requirements)


class _Parser:
    """A label selector's text, token by token."""

    def __init__(self, text: str) -> None:
        self.tokens: list[str] = []
        place = 0
        while place < len(text) and (match := _TOKEN.match(text, place)):
            self.tokens.append(match[1] or match[2])
            place = match.end()
        self.place = 0

    def peek(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else _END

    def take(self) -> str:
        token = self.peek()
        self.place += 1
        return token

    def parse(self) -> Selector:
        terms: list[Requirement] = []
        if not self.tokens:
            return Selector()
        while True:
            terms.append(self.term())
            piece = self.take()
            if piece == _END:
                return Selector(tuple(terms))
            if piece != ",":
                raise _unparsed(piece, "',' or 'end of string'")
            if self.peek() == _END:
                raise _unparsed(_END, "identifier after ','")

    def term(self) -> Requirement:
        absent = self.peek() == "!"
        if absent:
            self.take()
        key = self.take()
        if not _identifier(key):
            raise _unparsed(key, "identifier")
        if self.peek() in (",", _END):
            return Requirement(key, "absent" if absent else "exists")
        operator = self.take()
        if operator in ("in", "notin"):
            return Requirement(key, operator, self.values())
        if operator in ("=", "==", "!=", "<", ">"):
            return self.comparison(key, operator)
        raise _unparsed(operator, "in, notin, =, ==, !=, gt, lt")

    def comparison(self, key: str, operator: str) -> Requirement:
        value = "" if self.peek() in (",", _END) else self.take()
        if value and not _identifier(value):
            raise _unparsed(value, "identifier")
        names = {"=": "in", "==": "in", "!=": "notin", ">": "gt", "<": "lt"}
        return Requirement(key, names[operator], frozenset({value}))

    def values(self) -> frozenset[str]:
        opening = self.take()
        if opening != "(":
            raise _unparsed(opening, "'('")
        found: set[str] = set()
        while (piece := self.take()) != ")":
            if piece == ",":
                continue
            if not _identifier(piece):
                raise _unparsed(piece, "',', or identifier")
            found.add(piece)
        return frozenset(found or {""})


def _identifier(token: str) -> bool:
    return bool(token) and token not in ("=", "==", "!=", "!", ",", "(", ")", "<", ">")


def _unparsed(found: str, expected: str) -> Exception:
    return bad_request(f"unable to parse requirement: found '{found}', expected: {expected}")


def parse_labels(text: str) -> Selector:
    """A selector from a query's text; raises ApiError 400 in the server's words."""
    return _Parser(text).parse()


_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "absent"}


def from_document(selector: Json | None) -> Selector:
    """A selector from a LabelSelector document; None (like an empty one) selects everything."""
    selector = selector or {}
    terms = [Requirement(k, "in", frozenset({v})) for k, v in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        operator = _OPERATORS[expression["operator"]]
        terms.append(Requirement(expression["key"], operator, frozenset(expression.get("values") or ())))
    return Selector(tuple(terms))


Match = Callable[[Json], bool]

_EMPTY_AS = {
    "spec.hostNetwork": "false",
    "spec.unschedulable": "false",
    "status.replicas": "0",
    "status.successful": "0",
}


def _field(document: Json, label: str) -> str:
    if label == "source":
        return str(dig(document, "source", "component") or document.get("reportingComponent") or "")
    if label == "status.successful":
        return str(dig(document, "status", "succeeded") or 0)
    value: Any = dig(document, *label.split("."))
    if isinstance(value, bool):
        return "true" if value else "false"
    return _EMPTY_AS.get(label, "") if value is None else str(value)


def parse_fields(resource: Resource, text: str) -> Match:
    """A matcher from a field selector's text; raises ApiError 400 for a field that cannot be selected."""
    known = {"metadata.name", *resource.field_labels}
    if resource.namespaced:
        known.add("metadata.namespace")
    terms: list[tuple[str, bool, str]] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        split = re.fullmatch(r"(.+?)(!=|==|=)(.*)", part)
        if split is None:
            message = f"invalid selector: '{text}'; can't understand '{part}'"
            raise bad_request(message)
        label, operator, value = split.groups()
        if label not in known:
            message = f"field label not supported: {label}"
            raise bad_request(message)
        terms.append((label, operator != "!=", value))
    return lambda document: all((_field(document, label) == value) is wanted for label, wanted, value in terms)
