"""Makes `integrations/rehearsal/data/schema.json.gz` from a server's OpenAPI v3 documents.

Usage: python trim_openapi.py FOLDER_OF_OPENAPI_JSON OUTPUT.json.gz
It keeps what validation, patches and field ownership need (types, required, enums, list and map kinds,
merge keys) and drops every description.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

_REF = "#/components/schemas/"


def flat(node: dict[str, Any]) -> dict[str, Any]:
    """One schema node with the recorder's three property bags merged into one."""
    merged: dict[str, Any] = {}
    for bag in ("ArbitraryKeys", "SchemaProps", "SwaggerSchemaProps"):
        merged.update(node.get(bag, {}))
    merged.update({k: v for k, v in node.items() if not k.endswith(("Keys", "Props"))})
    return merged


_KEPT = (
    ("required", "required"),
    ("enum", "enum"),
    ("x-kubernetes-list-type", "list"),
    ("x-kubernetes-list-map-keys", "keys"),
    ("x-kubernetes-patch-merge-key", "merge"),
    ("x-kubernetes-patch-strategy", "strategy"),
    ("x-kubernetes-map-type", "map"),
    ("x-kubernetes-group-version-kind", "gvk"),
)


def trim(raw: dict[str, Any]) -> dict[str, Any]:
    """A node under short names: its type (t, f, one, ref), its parts (items, values, props) and its marks."""
    node = flat(raw)
    kept: dict[str, Any] = {}
    for inner in node.get("allOf", ()):
        kept.update(trim(inner))
    kept |= typed(node) | parts(node) | {short: node[name] for name, short in _KEPT if name in node}
    if node.get("default") == {}:
        kept["empty"] = True
    elif "default" in node:
        kept["default"] = node["default"]
    return kept


def typed(node: dict[str, Any]) -> dict[str, Any]:
    """What a node is."""
    kept: dict[str, Any] = {}
    if "$ref" in node:
        kept["ref"] = node["$ref"].removeprefix(_REF)
    if node.get("type"):
        kept["t"] = node["type"]
    if node.get("format") in ("int-or-string", "byte", "date-time"):
        kept["f"] = node["format"]
    if "oneOf" in node:
        kept["one"] = [flat(choice)["type"] for choice in node["oneOf"]]
    return kept


def parts(node: dict[str, Any]) -> dict[str, Any]:
    """What a node holds."""
    kept: dict[str, Any] = {}
    if "items" in node:
        kept["items"] = trim(node["items"])
    if isinstance(node.get("additionalProperties"), dict):
        kept["values"] = trim(node["additionalProperties"])
    if "properties" in node:
        kept["props"] = {name: trim(prop) for name, prop in node["properties"].items()}
    return kept


def main(folder: Path, output: Path) -> None:
    """Merge every document's schemas into one gzip file, reproducibly."""
    schemas: dict[str, Any] = {}
    for path in sorted(folder.glob("*.json")):
        document = json.loads(path.read_text())
        for name, raw in document["components"]["schemas"].items():
            schemas[name] = trim(raw)
    text = json.dumps(schemas, sort_keys=True, separators=(",", ":"))
    output.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
