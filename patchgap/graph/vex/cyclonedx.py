"""CycloneDX VEX (1.4 on, cyclonedx.org/capabilities/vex): vulnerabilities with an analysis, and what they affect by `bom-ref`,
BOM-Link (`urn:cdx:SERIAL/VERSION#REF`) or purl. A vulnerability without an analysis states nothing.

Reads JSON's object; XML and protobuf are put in its shape first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from patchgap.graph.vex.fields import (
    Gathering,
    digest,
    is_list,
    is_named,
    mapping,
    mappings,
    product,
    text,
    texts,
    time,
)
from patchgap.model.vex import VexProduct, VexStatement, VexStatus

_STATES = {
    "resolved": VexStatus.FIXED,
    "resolved_with_pedigree": VexStatus.FIXED,
    "exploitable": VexStatus.AFFECTED,
    "in_triage": VexStatus.UNDER_INVESTIGATION,
    "false_positive": VexStatus.NOT_AFFECTED,
    "not_affected": VexStatus.NOT_AFFECTED,
}
_SAID = {  # which versions of `affects` an analysis of that status is about
    VexStatus.AFFECTED: ("affected",),
    VexStatus.FIXED: ("unaffected", "affected"),
    VexStatus.NOT_AFFECTED: ("unaffected",),
    VexStatus.UNDER_INVESTIGATION: ("affected", "unaffected", "unknown"),
}


def statements(record: Mapping[str, Any], document: str, missed: Gathering) -> Iterator[VexStatement]:
    """A statement for each vulnerability with an analysis."""
    known = {ref: found for one in _components(record) if (ref := text(one.get("bom-ref"))) for found in (_of(one),)}
    metadata = mapping(record.get("metadata"))
    component = mapping(metadata.get("component"))
    about, root = _about(record, component), text(component.get("bom-ref"))
    for n, one in enumerate(mappings(record.get("vulnerabilities"))):
        analysis = mapping(one.get("analysis"))
        where = f"vulnerabilities[{n}]"
        if not isinstance(one.get("analysis", {}), dict) or not isinstance(analysis.get("state", ""), str):
            missed.refuse(f"{where}.analysis", "it is no object with a state")
            continue
        ids = tuple(dict.fromkeys(i for i in (text(one.get("id")), *_references(one)) if i))
        state = text(analysis.get("state"))
        if not state:
            continue
        if state not in _STATES or not ids:
            if ids:
                missed.refuse(f"{where}.analysis.state", f"{state!r} is none of {', '.join(_STATES)}")
            else:
                missed.refuse(f"{where}.id", "it names no vulnerability")
            continue
        status = _STATES[state]
        found = tuple(_affected(one, status, known, root, about, missed))
        if not found:
            missed.miss(where, f"it names nothing of {ids[0]} by purl, digest or BOM-Link")
            continue
        yield VexStatement(
            vulnerabilities=ids,
            products=found,
            status=status,
            justification=text(analysis.get("justification"))
            or ("false_positive" if state == "false_positive" else ""),
            impact=text(analysis.get("detail")),
            action=text(one.get("recommendation")) or ", ".join(texts(analysis.get("response"))),
            author=_author(metadata),
            timestamp=time(
                analysis.get("lastUpdated"), analysis.get("firstIssued"), one.get("updated"), metadata.get("timestamp")
            ),
            document=document,
        )


def _components(record: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """All of them at any depth, the root first; walked with a stack of its own."""
    rest = [*mappings(record.get("components")), *mappings(record.get("services"))][::-1]
    rest.append(mapping(mapping(record.get("metadata")).get("component")))
    while rest:
        one = rest.pop()
        yield one
        rest += mappings(one.get("components"))


def _of(one: Mapping[str, Any]) -> VexProduct:
    hashes = (digest(found.get("alg"), found.get("content")) for found in mappings(one.get("hashes")))
    by_version = digest(*text(one.get("version")).partition(":")[::2])  # an image's version is its digest
    name = "@".join(part for part in (text(one.get("name")), text(one.get("version"))) if part)
    return product(name, (text(one.get("purl")),), (*hashes, by_version))


def _affected(
    one: Mapping[str, Any],
    status: VexStatus,
    known: Mapping[str, VexProduct],
    root: str,
    about: VexProduct | None,
    missed: Gathering,
) -> Iterator[VexProduct]:
    for affected in mappings(one.get("affects")):
        ref = text(affected.get("ref"))
        found = known.get(ref) or _linked(ref)
        if not is_list(affected.get("versions")):  # without them every version would be meant
            missed.refuse(f"affects[].versions of {ref}", "it is no list")
            continue
        said = [*mappings(affected.get("versions"))]
        versions = tuple(
            version
            for stated in said
            if text(stated.get("status") or "affected") in _SAID[status]
            and (version := text(stated.get("version")) or text(stated.get("range")))
        )
        if said and not versions:
            continue  # what it says of those versions is another analysis's
        if not is_named(found):
            missed.miss(f"product {found.name or ref}", "it has no purl and no digest")
            continue
        inner = VexProduct(found.name, found.purls, found.digests, found.refs, versions, "", found.subcomponents)
        if about is None or ref == root or ref not in known:
            yield inner
        elif is_named(about):
            yield replace(about, subcomponents=(inner,))
        else:
            missed.miss(f"product {about.name}", f"it has no purl and no digest, so its {found.name} is not told apart")


def _about(record: Mapping[str, Any], component: Mapping[str, Any]) -> VexProduct | None:
    """The product that the document describes, whose components are meant within it alone; None where it names none."""
    if not component:
        return None
    serial, version = text(record.get("serialNumber")).removeprefix("urn:uuid:"), record.get("version", 1)
    return replace(_of(component), refs=(f"urn:cdx:{serial}/{version}",) if serial else ())


def _linked(ref: str) -> VexProduct:
    """A purl itself, or a BOM-Link: where its fragment is a purl, that component of that SBOM, and nowhere else."""
    if not ref.startswith("urn:cdx:"):
        return product(ref, (ref,))
    link, _, fragment = ref.partition("#")
    purl = unquote(fragment) if fragment.startswith("pkg%3A") else fragment
    inner = product(purl, (purl,))
    return VexProduct(ref, refs=(link,), subcomponents=(inner,)) if inner.purls else VexProduct(ref, refs=(ref,))


def _references(one: Mapping[str, Any]) -> Iterator[str]:
    return (text(found.get("id")) for found in mappings(one.get("references")))


def _author(metadata: Mapping[str, Any]) -> str:
    for key in ("supplier", "manufacturer", "manufacture"):
        if name := text(mapping(metadata.get(key)).get("name")):
            return name
    return next((name for one in mappings(metadata.get("authors")) if (name := text(one.get("name")))), "")
