"""SPDX 3.0 JSON-LD: its graph of elements, read as what SPDX 2 calls packages and relationships.

Only the compact form that SPDX's own context gives is read: the keys `@context` and `@graph`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from patchgap.graph.documents import check_keys
from patchgap.graph.sbom.collector import many
from patchgap.graph.sbom.counted import Counted, decode_counted
from patchgap.graph.sbom.document import SbomDocument
from patchgap.graph.sbom.spdx import (
    DOCUMENT,
    FOREIGN,
    NO_ASSERTION,
    NONE,
    Checksum,
    ExternalReference,
    File,
    Other,
    Relationship,
    Spdx,
    SpdxPackage,
    document,
)

_RELATIONSHIPS = frozenset({"Relationship", "LifecycleScopedRelationship"})
_COLLECTIONS = frozenset({"SpdxDocument", "software_Sbom", "Bom", "Bundle"})
_NOT_AT_RUN_TIME = frozenset({"build", "design", "development", "test"})
_KINDS = {
    "dependsOn": "DEPENDS_ON", "hasOptionalDependency": "DEPENDS_ON", "hasProvidedDependency": "DEPENDS_ON",
    "hasStaticLink": "STATIC_LINK", "hasDynamicLink": "DYNAMIC_LINK", "hasPrerequisite": "HAS_PREREQUISITE",
    "describes": "DESCRIBES",
}  # fmt: skip
_NO_EDGES = frozenset(
    """affects amendedBy ancestorOf availableFrom configures contains coordinatedBy copiedTo delegatedTo descendantOf
    doesNotAffect expandsTo exploitCreatedBy fixedBy fixedIn foundBy generates hasAddedFile hasAssessmentFor
    hasAssociatedVulnerability hasConcludedLicense hasDataFile hasDeclaredLicense hasDeletedFile hasDependencyManifest
    hasDistributionArtifact hasDocumentation hasEvidence hasExample hasHost hasInput hasMetadata hasOptionalComponent
    hasOutput hasRequirement hasSpecification hasTest hasTestCase hasVariant invokedBy modifiedBy other packagedBy
    patchedBy publishedBy reportedBy republishedBy serializedInArtifact testedOn trainedOn underInvestigationFor
    usesTool""".split()  # noqa: SIM905 - words read best as words
)
_DEPENDENCIES = frozenset({"DEPENDS_ON", "STATIC_LINK", "DYNAMIC_LINK", "HAS_PREREQUISITE"})
_SNAKE = re.compile(r"(?<=[a-z])(?=[A-Z])")


class Identifier(msgspec.Struct, gc=False, rename={"type": "externalIdentifierType"}):
    type: str | None = None
    identifier: str | None = None


class Hash(msgspec.Struct, gc=False, rename={"value": "hashValue"}):
    type: str | None = None
    algorithm: str | None = None
    value: str | None = None


class Element(Counted, gc=False, rename={
    "id": "spdxId", "node": "@id", "version": "software_packageVersion", "purl": "software_packageUrl",
    "identifiers": "externalIdentifier", "hashes": "verifiedUsing", "purpose": "software_primaryPurpose",
    "location": "software_downloadLocation", "origin": "software_sourceInfo", "roots": "rootElement",
    "start": "from", "end": "to", "kind": "relationshipType", "imports": "import", "elements": "element", "spec": "specVersion",
}):  # fmt: skip
    """Any element: each of its types fills some of these fields."""

    type: str = ""
    id: str | None = None
    node: str | None = None
    name: str | None = None
    version: str | None = None
    purl: str | None = None
    identifiers: list[Identifier] | None = None
    hashes: msgspec.Raw = msgspec.Raw()
    purpose: str | None = None
    location: str | None = None
    origin: str | None = None
    roots: Any = None
    start: Any = None
    end: Any = None
    kind: str | None = None
    scope: str | None = None
    completeness: str | None = None
    imports: msgspec.Raw = msgspec.Raw()
    elements: msgspec.Raw = msgspec.Raw()
    spec: str | None = None


class Elsewhere(msgspec.Struct, gc=False, rename={"id": "externalSpdxId"}):
    """An element of another document."""

    id: str | None = None


class Linked(msgspec.Struct, rename={"graph": "@graph"}):
    graph: list[Element] | None = None


_DECODER = msgspec.json.Decoder(Linked)
_HASHES = msgspec.json.Decoder(list[Hash])
_IMPORTS = msgspec.json.Decoder(list[Elsewhere])


def read(content: bytes, where: str | Path, digest: str) -> SbomDocument:
    """The SBOM. Raises BadInputError and ValueError."""
    linked, built = decode_counted(content, where, _DECODER)
    elements = linked.graph or []
    version = next((one.spec for one in elements if one.type == "CreationInfo" and one.spec), "3.0")
    if not version.startswith("3."):
        raise ValueError(f"specVersion {version[:80]!r} is not one of 3.0")
    kinds = {one.type for one in elements}
    of_packages = {kind for kind in kinds if kind.lower().endswith("package")}  # software_Package, ai_AIPackage, …
    packages = [_package(one) for one in elements if one.type in of_packages]
    elsewhere = {found.id or "" for one in elements if one.imports for found in _IMPORTS.decode(one.imports)}
    relationships, amiss = _relationships(elements, elsewhere)
    own = next((one for one in elements if one.type == "SpdxDocument"), None)
    spdx = Spdx(
        spdx_version=f"SPDX-{version}",
        name=own.name if own else None,
        document_namespace=own.id if own else None,
        document_describes=list(_roots(elements)),
        packages=packages,
        relationships=relationships,
        files=[File(one.id or one.node) for one in elements if one.type == "software_File"],
        external_document_refs=[Other(one) for one in elsewhere],
    )
    read_keys = {"software_packageUrl": sum(one.purl is not None for one in elements)}
    dropped = check_keys(content, where, read_keys, dropped=built - len(elements))
    return document(spdx, digest, (*amiss, *dropped, *_unread(elements, kinds)))


def _unread(elements: Sequence[Element], kinds: set[str]) -> Iterator[str]:
    """Where packages may stand that are not read."""
    if "" in kinds and (count := sum(not one.type for one in elements)):
        yield f"{many(count, 'element')} without a type {'was' if count == 1 else 'were'} not read"
    held = (value for one in elements for value in (one.roots, one.start, one.end) if value is not None)
    inline = any(isinstance(one, dict) for value in held for one in (value if isinstance(value, list) else (value,)))
    if inline or any(b"{" in bytes(one.elements) for one in elements if one.type in _COLLECTIONS):
        yield "elements that are written within others were not read"


def _package(one: Element) -> SpdxPackage:
    found = [one.purl] if one.purl else []
    found += [i.identifier for i in one.identifiers or () if i.identifier and i.type in {"packageUrl", "purl"}]
    hashes = _HASHES.decode(one.hashes) if one.hashes else []
    return SpdxPackage(
        id=one.id or one.node,
        name=one.name,
        version=one.version,
        references=[ExternalReference("purl", purl) for purl in found],
        checksums=[Checksum(h.algorithm, h.value) for h in hashes if h.type == "Hash"],
        purpose=_SNAKE.sub("_", one.purpose).upper() if one.purpose else None,
        origin=one.origin,
        location=one.location,
    )


def _roots(elements: Sequence[Element]) -> Iterator[str]:
    """The root elements of the document, and where those are collections, theirs."""
    collections = {one.id or one.node or "": one for one in elements if one.type in _COLLECTIONS}
    rest = [root for one in collections.values() if one.type == "SpdxDocument" for root in _references(one.roots)]
    seen: set[str] = set()
    while rest:
        root = rest.pop(0)
        if root in seen:
            continue
        seen.add(root)
        if root in collections:
            rest.extend(_references(collections[root].roots))
        else:
            yield root


def _relationships(elements: Sequence[Element], elsewhere: set[str]) -> tuple[list[Relationship], tuple[str, ...]]:
    found: list[Relationship] = []
    open_ends = 0
    documents = {one.id for one in elements if one.type in _COLLECTIONS}
    for one in elements:
        if one.type not in _RELATIONSHIPS or one.kind in _NO_EDGES:
            continue
        kind = _KINDS.get(one.kind or "", one.kind or "")
        if kind in _DEPENDENCIES:
            if one.scope in _NOT_AT_RUN_TIME:
                continue
            open_ends += one.completeness == "incomplete"
        for start in _references(one.start):
            parent = DOCUMENT if start in documents else start
            found += [
                Relationship(parent, kind, f"{FOREIGN}{end}" if end in elsewhere else end)
                for end in _references(one.end)
            ]
    listed = many(open_ends, "package")
    return found, (f"it says that its list of the dependencies of {listed} is incomplete",) if open_ends else ()


def _references(value: Any) -> list[str]:
    """One reference or several; an element written in place counts by its id."""
    every = value if isinstance(value, list) else [] if value is None else [value]
    found = [one.get("spdxId") or one.get("@id") if isinstance(one, dict) else one for one in every]
    return [_special(one) for one in found if isinstance(one, str)]


def _special(reference: str) -> str:
    if reference.endswith("NoAssertionElement"):
        return NO_ASSERTION
    return NONE if reference.endswith("NoneElement") else reference
