"""A CSAF document's products: branches, full product names, relationships (a component of a product) and groups."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from patchgap.graph.purl import parse
from patchgap.graph.vex.fields import digest, is_named, mapping, mappings, product, text, texts
from patchgap.model.vex import VexProduct

_PACKAGED = frozenset({"rpm", "deb", "apk"})
_NOTHING = "it has no purl and no digest"
_CPE = re.compile(r"cpe:(?:/|2\.3:)([aoh]):([^:]*):([^:]*):?([^:]*):?([^:]*)", re.IGNORECASE)
_SYSTEMS = {
    ("redhat", ""): "Red Hat:{product}:{version}",
    ("canonical", "ubuntu_linux"): "Ubuntu:{version}",
    ("debian", "debian_linux"): "Debian:{version}",
    ("alpinelinux", "alpine_linux"): "Alpine:v{version}",
    ("rocky", "rocky"): "Rocky Linux:{version}",
    ("resf", "rocky_linux"): "Rocky Linux:{version}",
    ("almalinux", "almalinux"): "AlmaLinux:{version}",
    ("suse", ""): "SUSE:Linux {version} {update}",
    ("opensuse", "leap"): "openSUSE:Leap {version}",
    ("opensuse", "tumbleweed"): "openSUSE:Tumbleweed",
}


class ProductTree:
    """Products by id, each as what its purls and hashes name."""

    def __init__(self, tree: Mapping[str, Any]) -> None:
        self._leaves: dict[str, Mapping[str, Any]] = {}
        self._within: dict[str, tuple[str, str]] = {}
        for one in (*mappings(tree.get("full_product_names")), *_branched(tree)):
            self._leaves.setdefault(text(one.get("product_id")), one)
        for one in mappings(tree.get("relationships")):
            full = mapping(one.get("full_product_name"))
            parts = (text(one.get("product_reference")), text(one.get("relates_to_product_reference")))
            self._within.setdefault(text(full.get("product_id")), parts)
        self._groups = {
            text(one.get("group_id")): texts(one.get("product_ids")) for one in mappings(tree.get("product_groups"))
        }

    def group(self, names: Sequence[str]) -> Iterator[str]:
        """The products of those groups."""
        return (one for name in names for one in self._groups.get(name, ()))

    def product(self, name: str) -> VexProduct | str:
        """The product, or why nothing can be told to be it."""
        parts = self._within.get(name)
        if parts is None:
            found = self._leaf(name)
            return found if is_named(found) else _NOTHING
        inner, outer = self._leaf(parts[0]), self._leaf(parts[1])
        if not is_named(inner):
            return _NOTHING
        if is_named(outer):
            return replace(outer, subcomponents=(inner,))
        release = _release(self._helper(parts[1]))
        if not release or not any(_is_packaged(one) for one in inner.purls):
            return f"{outer.name} has no purl and no digest, so its {inner.name} cannot be told from another's"
        return replace(inner, name=f"{inner.name} of {outer.name}", release=release)

    def _helper(self, name: str) -> Mapping[str, Any]:
        return mapping(self._leaves.get(name, {}).get("product_identification_helper"))

    def _leaf(self, name: str) -> VexProduct:
        helper = self._helper(name)
        hashes = (
            digest(one.get("algorithm"), one.get("value"))
            for found in mappings(helper.get("hashes"))
            for one in mappings(found.get("file_hashes"))
        )
        purls = (text(helper.get("purl")), *texts(helper.get("purls")))
        return product(text(self._leaves.get(name, {}).get("name")) or name, purls, hashes)


def _branched(tree: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    rest = [*mappings(tree.get("branches"))]
    while rest:
        branch = rest.pop()
        if found := mapping(branch.get("product")):
            yield found
        rest += mappings(branch.get("branches"))


def _release(helper: Mapping[str, Any]) -> str:
    """The operating system's release, as OSV would name it, of a CPE; "" where it names none that is known."""
    match = _CPE.match(text(helper.get("cpe")))
    if match is None:
        return ""
    _, vendor, name, version, update = (part.lower().replace("*", "") for part in match.groups())
    pattern = _SYSTEMS.get((vendor, name)) or _SYSTEMS.get((vendor, ""))
    if pattern is None or (not version and "{version}" in pattern):
        return ""
    return pattern.format(product=name, version=version, update=update).strip()


def _is_packaged(purl: str) -> bool:
    return parse(purl).ecosystem in _PACKAGED
