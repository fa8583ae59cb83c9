"""CycloneDX XML's statements, 1.4 to 1.7, put in the shape of CycloneDX JSON: `cyclonedx` reads both.

Streamed; an element that says nothing of vulnerabilities is stepped over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from patchgap.graph.documents import MAX_DEPTH
from patchgap.graph.sbom.xml import ENCODINGS, NAMESPACE, Elements
from patchgap.graph.vex.fields import MOST


@dataclass(frozen=True, slots=True)
class _Element:
    """What an element becomes: text, an object or a list, under that key of the object that holds it."""

    key: str
    of: type[str | dict[str, Any] | list[Any]] = str
    children: dict[str, _Element] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)  # which of its own, and under which key


def _texts(*names: str) -> dict[str, _Element]:
    return {name: _Element(name) for name in names}


def _list(key: str, name: str, item: _Element) -> _Element:
    return _Element(key, list, {name: item})


def _object(key: str, children: dict[str, _Element], **attributes: str) -> _Element:
    return _Element(key, dict, children, {name.replace("_", "-"): key for name, key in attributes.items()})


_NAMED = _texts("name")
_COMPONENT = _object("component", _texts("name", "version", "purl"), bom_ref="bom-ref")
_COMPONENT.children["hashes"] = _list("hashes", "hash", _object("hash", {}, alg="alg"))
_COMPONENT.children["components"] = _list("components", "component", _COMPONENT)
_SERVICE = _object("service", _NAMED, bom_ref="bom-ref")
_METADATA = _texts("timestamp") | {
    "component": _COMPONENT,
    "authors": _list("authors", "author", _object("author", _NAMED)),
    **{name: _object(name, _NAMED) for name in ("supplier", "manufacturer", "manufacture")},
}
_ANALYSIS = _texts("state", "justification", "detail", "firstIssued", "lastUpdated") | {
    "responses": _list("response", "response", _Element("response"))
}
_VERSION = _object("version", _texts("version", "range", "status"))
_TARGET = _object("target", {"ref": _Element("ref"), "versions": _list("versions", "version", _VERSION)})
_VULNERABILITY = _texts("id", "recommendation", "updated") | {
    "references": _list("references", "reference", _object("reference", _texts("id"))),
    "analysis": _object("analysis", _ANALYSIS),
    "affects": _list("affects", "target", _TARGET),
}
_BOM = {
    "metadata": _object("metadata", _METADATA),
    "components": _list("components", "component", _COMPONENT),
    "services": _list("services", "service", _SERVICE),
    "vulnerabilities": _list("vulnerabilities", "vulnerability", _object("vulnerability", _VULNERABILITY)),
}
_ROOT = _object("", {"bom": _object("bom", _BOM, serialNumber="serialNumber", version="version")})
_CONTENT = {"hash": "content"}  # an object that has text of its own, and its key


def may_state(content: bytes) -> bool:
    """Whether it may hold a vulnerability, at a glance."""
    return any("vulnerabilities".encode(one) in content for one in ENCODINGS)


def record(content: bytes, where: str | Path) -> dict[str, Any]:
    """The document, as CycloneDX JSON has it. Raises BadInputError with line and column."""
    builder = _Builder(where)
    builder.parse(content)
    return {"bomFormat": "CycloneDX", **builder.made.get("bom", {})}


class _Builder(Elements):
    """`_open` are the elements that are looked into, each with its value, and `_skipped` how many others are open."""

    def __init__(self, where: str | Path) -> None:
        super().__init__(where)
        self.made: dict[str, Any] = {}
        self._open: list[tuple[_Element, Any]] = [(_ROOT, self.made)]
        self._namespace = ""
        self._skipped = 0
        self._text: list[str] = []

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        namespace, _, name = tag.rpartition(" ")
        holder, value = self._open[-1]
        element = None if self._skipped else holder.children.get(name)
        if element is None or not self._own(namespace):
            self._skipped += 1
            if self._skipped > MAX_DEPTH:
                raise self._refused("it is nested too deeply")
            return
        if len(self._open) > MAX_DEPTH:
            raise self._refused("it is nested too deeply")
        made: Any = None if element.of is str else self._held(value, element) or element.of()
        self._open.append((element, made))
        if made is None or element.key in _CONTENT:
            self._text = []
            self._parser.CharacterDataHandler = self._text.append
        if made is not None and self._held(value, element) is None:
            self._put(holder, value, element.key, made)
        for own, key in element.attributes.items():
            if own in attributes:
                made[key] = attributes[own]

    def _own(self, namespace: str) -> bool:
        """Another namespace's elements say nothing here, whatever they are called."""
        if not self._namespace and NAMESPACE.fullmatch(namespace):
            self._namespace = namespace
        return bool(namespace) and namespace == self._namespace

    def _end(self, _: str) -> None:
        if self._skipped:
            self._skipped -= 1
            return
        element, made = self._open.pop()
        if made is not None and element.key not in _CONTENT:
            return
        self._parser.CharacterDataHandler = None
        text = "".join(self._text).strip()
        if made is None:
            self._put(*self._open[-1], element.key, text)
        else:
            made[_CONTENT[element.key]] = text

    def _held(self, value: Any, element: _Element) -> list[Any] | None:
        """The list of that name that its holder has already: its parts may stand in several."""
        return value.get(element.key) if element.of is list and isinstance(value, dict) else None

    def _put(self, holder: _Element, value: Any, key: str, made: Any) -> None:
        if holder.of is not list:
            if key in value:
                raise self._refused(f"line {self._parser.CurrentLineNumber}: its {holder.key} has more than one {key}")
            value[key] = made
            return
        value.append(made)
        if len(value) > MOST:
            raise self._refused(f"it has more than {MOST:,} {holder.key}")
