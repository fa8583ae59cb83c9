"""CSAF 2.0 VEX (docs.oasis-open.org/csaf, profile 5): a product tree with purls and hashes, and each vulnerability's status by
product id, with flags (justifications), threats (impact) and remediations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from patchgap.graph.vex.fields import Gathering, mapping, mappings, text, texts, time
from patchgap.graph.vex.product_tree import ProductTree
from patchgap.model.vex import VexProduct, VexStatement, VexStatus

_STATUSES = {
    "known_not_affected": VexStatus.NOT_AFFECTED,
    "known_affected": VexStatus.AFFECTED,
    "first_affected": VexStatus.AFFECTED,
    "last_affected": VexStatus.AFFECTED,
    "fixed": VexStatus.FIXED,
    "first_fixed": VexStatus.FIXED,
    "under_investigation": VexStatus.UNDER_INVESTIGATION,
}
_OTHERS = frozenset({"recommended", "unknown"})  # what to move to; what nothing is known of


@dataclass(frozen=True, slots=True)
class _Said:
    """What is said of some products alike: statements are parted by it."""

    status: VexStatus
    justification: str
    impact: str
    action: str


def statements(record: Mapping[str, Any], document: str, missed: Gathering) -> Iterator[VexStatement]:
    """A statement for each vulnerability and each set of products of which the same is said."""
    about = mapping(record.get("document"))
    tree = ProductTree(mapping(record.get("product_tree")))
    released = mapping(about.get("tracking")).get("current_release_date")
    author = text(mapping(about.get("publisher")).get("name"))
    for n, one in enumerate(mappings(record.get("vulnerabilities"))):
        ids = tuple(dict.fromkeys(i for i in (text(one.get("cve")), *_ids(one)) if i))
        if not ids:
            missed.refuse(f"vulnerabilities[{n}].cve", "it names no vulnerability")
            continue
        for said, products in _grouped(one, tree, f"vulnerabilities[{n}]", missed).items():
            yield VexStatement(
                vulnerabilities=ids,
                products=tuple(products),
                status=said.status,
                justification=said.justification,
                impact=said.impact,
                action=said.action,
                author=author,
                timestamp=time(released, one.get("release_date")),
                document=document,
            )


def _ids(one: Mapping[str, Any]) -> Iterator[str]:
    return (text(found.get("text")) for found in mappings(one.get("ids")))


def _grouped(one: Mapping[str, Any], tree: ProductTree, where: str, missed: Gathering) -> dict[_Said, list[VexProduct]]:
    flags = _by_product(one.get("flags"), "label", tree)
    if flags.pop("", ""):  # which CSAF forbids, and does not of threats
        missed.refuse(f"{where}.flags", "one names no product, and says nothing of any")
    threats = (found for found in mappings(one.get("threats")) if text(found.get("category")) == "impact")
    impacts = _by_product([*threats], "details", tree)
    actions = _by_product(one.get("remediations"), "details", tree)
    grouped: dict[_Said, list[VexProduct]] = {}
    for key, names in _statuses(one, where, missed):
        status = _STATUSES.get(key)
        for name in texts(names) if status else ():
            found = tree.product(name)
            if isinstance(found, str):
                missed.miss(f"product {name}", found)
                continue
            said = _Said(status, _of(flags, name), _of(impacts, name), _of(actions, name))  # type: ignore[arg-type]
            grouped.setdefault(said, []).append(found)
    return grouped


def _statuses(one: Mapping[str, Any], where: str, missed: Gathering) -> Iterator[tuple[str, Any]]:
    """Each status with its products; what is none is told."""
    held = one.get("product_status", {})
    if not isinstance(held, dict):
        missed.refuse(f"{where}.product_status", "it is no object")
    for key, names in mapping(held).items():
        if not isinstance(names, list):
            missed.refuse(f"{where}.product_status.{key}", "it is no list")
        elif key not in _STATUSES and key not in _OTHERS:
            missed.refuse(f"{where}.product_status.{key}", "it is no status")
        else:
            yield key, names


def _by_product(entries: Any, key: str, tree: ProductTree) -> dict[str, str]:
    """What each entry says, by the products that it names itself or by a group; "" for one that names none."""
    found: dict[str, str] = {}
    for entry in mappings(entries):
        names = [*texts(entry.get("product_ids")), *tree.group(texts(entry.get("group_ids")))]
        for name in names or [""]:
            found.setdefault(name, text(entry.get(key)))
    return found


def _of(found: Mapping[str, str], name: str) -> str:
    return found.get(name) or found.get("", "")
