"""The API's types: a trimmed form of the server's OpenAPI, and lookups in it.

Owns the loading and the walk from a kind to a field's type; knows nothing of requests or objects in storage.
Source of the data: see data/NOTICE.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from integrations.rehearsal import custom

Node = dict[str, Any]
ANY: Node = {}


@cache
def definitions() -> dict[str, Node]:
    """Every definition by its OpenAPI name."""
    packed = files("integrations.rehearsal").joinpath("data/schema.json.gz").read_bytes()
    loaded: dict[str, Node] = json.loads(gzip.decompress(packed))
    return loaded


@cache
def _by_kind() -> dict[tuple[str, str, str], str]:
    found: dict[tuple[str, str, str], str] = {}
    for name, node in definitions().items():
        gvks = node.get("gvk", ())
        if len(gvks) == 1:
            gvk = gvks[0]
            found[(gvk["group"], gvk["version"], gvk["kind"])] = name
    return found


@dataclass(frozen=True)
class Type:
    """A resolved type: the definition's node with the property's own marks laid over it."""

    node: Node

    @property
    def is_struct(self) -> bool:
        """Whether it has named fields."""
        return "props" in self.node

    @property
    def is_map(self) -> bool:
        """Whether it has arbitrary keys of one type."""
        return "values" in self.node

    @property
    def is_list(self) -> bool:
        """Whether it is an array."""
        return self.node.get("t") == "array"

    @property
    def atomic(self) -> bool:
        """Whether ownership and merging treat it whole."""
        if self.is_list:
            return str(self.node.get("list", "atomic")) == "atomic"
        if self.node.get("t") == "object" and not (self.is_struct or self.is_map):
            return True
        return self.node.get("map") == "atomic"

    def whole(self, value: Any) -> bool:
        """Whether ownership and merging treat this value whole; a list without a schema is."""
        return self.atomic or (isinstance(value, list) and not self.is_list)

    @property
    def list_keys(self) -> tuple[str, ...]:
        """The keys that identify an item of a map-like list."""
        return tuple(self.node.get("keys", ()))

    @property
    def merge_key(self) -> str:
        """The strategic merge key of the list, or an empty string."""
        return str(self.node.get("merge", ""))

    @property
    def strategies(self) -> frozenset[str]:
        """The strategic merge strategies: `merge`, `retainKeys`, `replace`."""
        return frozenset(str(self.node.get("strategy", "")).split(","))

    @property
    def required(self) -> tuple[str, ...]:
        """The fields that must be there."""
        return tuple(self.node.get("required", ()))

    @property
    def fields(self) -> dict[str, Node]:
        """The struct's fields, by name."""
        props: dict[str, Node] = self.node.get("props", {})
        return props

    def item(self) -> Type:
        """The type of a list's items."""
        return resolve(self.node.get("items", ANY))

    def field(self, name: str) -> Type:
        """The type of a struct's field or of a map's value; anything where it is not known."""
        if name in self.fields:
            return resolve(self.fields[name])
        return resolve(self.node.get("values", ANY))


def resolve(node: Node) -> Type:
    """Follow a reference; the property's own marks (strategy, keys) win over the definition's."""
    if "ref" not in node:
        return Type(node)
    return Type({**definitions().get(node["ref"], ANY), **node})


_CUSTOM = Type(
    {
        "t": "object",
        "props": {
            "apiVersion": {"t": "string"},
            "kind": {"t": "string"},
            "metadata": {"empty": True, "ref": "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"},
            "operation": ANY,
            "spec": ANY,
            "status": ANY,
        },
    }
)


@cache
def _type_named(name: str) -> Type:
    return Type(definitions()[name])


def type_of(group: str, version: str, kind: str) -> Type | None:
    """The type of a kind, or None where the schema does not hold it."""
    if group in custom.GROUPS:
        return _CUSTOM
    name = _by_kind().get((group, version, kind))
    return None if name is None else _type_named(name)
