"""OpenVEX 0.0.1 to 0.2 (github.com/openvex/spec): statements over products, each with the subcomponents that are meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from patchgap.graph.vex.fields import (
    Gathering,
    digest,
    is_list,
    is_named,
    items,
    mapping,
    mappings,
    product,
    text,
    texts,
    time,
)
from patchgap.model.vex import VexProduct, VexStatement, VexStatus


def statements(
    record: Mapping[str, Any], document: str, subjects: tuple[VexProduct, ...], missed: Gathering
) -> Iterator[VexStatement]:
    """Each statement; where one names no products, it is about `subjects`, those of the attestation that holds it."""
    for n, one in enumerate(mappings(record.get("statements"))):
        where = f"statements[{n}]"
        status = text(one.get("status"))
        ids = _ids(one.get("vulnerability"))
        if status not in [*VexStatus] or not ids:
            if ids:
                missed.refuse(f"{where}.status", f"{status!r} is none of {', '.join(VexStatus)}")
            else:
                missed.refuse(f"{where}.vulnerability", "it names none")
            continue
        if not is_list(one.get("products")):
            missed.refuse(f"{where}.products", "it is no list")
            continue
        found = tuple(_products(one, where, missed)) or (() if one.get("products") else subjects)
        if not found:
            missed.miss(where, f"it names no product of {ids[0]} by purl or digest")
            continue
        yield VexStatement(
            vulnerabilities=ids,
            products=found,
            status=VexStatus(status),
            justification=text(one.get("justification")),
            impact=text(one.get("impact_statement")),
            action=text(one.get("action_statement")),
            author=text(one.get("supplier")) or text(record.get("author")),
            timestamp=time(
                one.get("last_updated"), one.get("timestamp"), record.get("last_updated"), record.get("timestamp")
            ),
            document=document,
        )


def _ids(value: Any) -> tuple[str, ...]:
    """0.0.1 has a text; later ones an object with a name, aliases, and an IRI whose last part may be an id."""
    if not isinstance(value, dict):
        return (text(value),) if text(value) else ()
    name = text(value.get("name")) or text(value.get("@id")).rstrip("/").rpartition("/")[2]
    return tuple(dict.fromkeys(one for one in (name, *texts(value.get("aliases"))) if one))


def _products(one: Mapping[str, Any], where: str, missed: Gathering) -> Iterator[VexProduct]:
    shared = one.get("subcomponents")  # 0.0.1: beside the products
    for value in items(one.get("products")):
        own = mapping(value).get("subcomponents")
        inner = shared if own is None or own == [] else own
        if not is_list(inner):  # without it the whole product would be meant
            missed.refuse(f"{where}.products.subcomponents", "it is no list")
            continue
        within = tuple(_product(part) for part in items(inner))
        found = _product(value, tuple(part for part in within if is_named(part)))
        if not is_named(found):
            missed.miss(f"product {found.name}", "it has no purl and no digest")
        elif within and not found.subcomponents:
            missed.miss(f"product {found.name}", "none of its subcomponents has a purl or a digest")
        else:
            yield found


def _product(value: Any, within: tuple[VexProduct, ...] = ()) -> VexProduct:
    record = mapping(value)
    name = text(value) or text(record.get("@id"))
    identifiers = mapping(record.get("identifiers"))
    hashes = mapping(record.get("hashes")).items()
    purls = tuple(one for one in (text(identifiers.get("purl")), name) if one)
    return product(name or (purls[0] if purls else ""), purls, (digest(*pair) for pair in hashes), subcomponents=within)
