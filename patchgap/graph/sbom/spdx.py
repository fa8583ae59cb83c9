"""SPDX JSON, 2.2 and 2.3. Decodes only the fields that the graph stores.

Only relationships that say "depends on" are edges: CONTAINS says where a package lies, not what brought it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from patchgap.graph.purl import canonical
from patchgap.graph.sbom.document import DIGEST, IMAGE_PURLS, Collector, SbomDocument, Source, package
from patchgap.model.exposure import Artifact

VERSIONS = ("SPDX-2.2", "SPDX-2.3")
_DESCRIBES = frozenset({"DESCRIBES", "DESCRIBE"})  # the second is no SPDX name, and real files carry it
_FORWARD = frozenset({"DEPENDS_ON"})
_BACKWARD = frozenset({"DEPENDENCY_OF", "RUNTIME_DEPENDENCY_OF", "OPTIONAL_DEPENDENCY_OF", "PROVIDED_DEPENDENCY_OF"})
_BUILT_FROM = re.compile(r"built package from: (?P<name>\S+)(?: (?P<version>\S+))?")


class ExternalReference(msgspec.Struct, rename="camel"):
    reference_type: str | None = None
    reference_locator: str | None = None


class Checksum(msgspec.Struct, rename={"value": "checksumValue"}):
    algorithm: str | None = None
    value: str | None = None


class SpdxPackage(msgspec.Struct, rename={
    "id": "SPDXID", "version": "versionInfo", "references": "externalRefs", "purpose": "primaryPackagePurpose",
    "attributions": "attributionTexts", "origin": "sourceInfo",
}):  # fmt: skip
    id: str
    name: str
    version: str | None = None
    references: list[ExternalReference] | None = None
    checksums: list[Checksum] | None = None
    purpose: str | None = None
    attributions: list[str] | None = None
    origin: str | None = None

    @property
    def purl(self) -> str:
        return next(self.purls(), "")

    def purls(self) -> Iterator[str]:
        """Every purl: one package may have several, and not every tool calls their type `purl`."""
        for reference in self.references or ():
            locator = reference.reference_locator or ""
            if reference.reference_type == "purl" or locator.startswith("pkg:"):
                yield locator

    @property
    def source(self) -> Source:
        """The source package of a distribution's package, as Trivy writes it."""
        built = _BUILT_FROM.match(self.origin or "")
        return Source(built["name"], built["version"] or "") if built else Source()


class Relationship(msgspec.Struct, rename={
    "start": "spdxElementId", "kind": "relationshipType", "end": "relatedSpdxElement",
}):  # fmt: skip
    start: str
    kind: str
    end: str | None = None


class Spdx(msgspec.Struct, rename="camel"):
    spdx_version: str
    name: str | None = None
    document_namespace: str | None = None
    document_describes: list[str] | None = None
    packages: list[SpdxPackage] | None = None
    relationships: list[Relationship] | None = None


_DECODER = msgspec.json.Decoder(Spdx)


def read(content: bytes, document: str) -> SbomDocument:
    """The SBOM; its artifact's digest is "" where it names none. Raises msgspec.ValidationError and ValueError."""
    spdx = _DECODER.decode(content)
    if spdx.spdx_version not in VERSIONS:
        raise ValueError(f"spdxVersion {spdx.spdx_version!r} is not one of {', '.join(VERSIONS)}")
    root = _root(spdx)
    collector = _collect(spdx, root)
    digests = _digests(root) if root else ()
    reference = spdx.document_namespace or document
    return SbomDocument(
        document=document,
        format=spdx.spdx_version.replace("-", " "),
        reference=reference,
        artifact=Artifact(
            digest=digests[0] if digests else "",
            repository=root.name.partition("@")[0] if root and digests else "",
            sbom_ref=reference,
        ),
        digests=digests,
        root=_label(root, spdx.name or ""),
        packages=collector.packages,
        edges=collector.edges,
        whole=root is not None and (root.purpose == "CONTAINER" or root.purl.startswith(IMAGE_PURLS)),
    )


def _root(spdx: Spdx) -> SpdxPackage | None:
    """The package that the document describes; none where it describes several or nothing."""
    described = {*(spdx.document_describes or ())}
    described |= {r.end for r in spdx.relationships or () if r.kind in _DESCRIBES and r.end}
    described |= {r.start for r in spdx.relationships or () if r.kind == "DESCRIBED_BY"}
    found = [one for one in spdx.packages or () if one.id in described]
    return found[0] if len(found) == 1 else None


def _collect(spdx: Spdx, root: SpdxPackage | None) -> Collector:
    collector = Collector()
    if root is not None:
        collector.root(root.id)
    for one in spdx.packages or ():
        for purl in dict.fromkeys(one.purls() if one.purl else ("",)):
            found = package(one.name, one.version or "", purl=purl, source=one.source)
            if one is not root:
                collector.add(found, one.id)
            elif found.purl:  # an application is a package too; a container is not
                collector.add(found)
    for relationship in spdx.relationships or ():
        if relationship.kind in _FORWARD:
            collector.link(relationship.start, relationship.end or "")
        elif relationship.kind in _BACKWARD:
            collector.link(relationship.end or "", relationship.start)
    return collector


def _digests(root: SpdxPackage) -> tuple[str, ...]:
    texts: Sequence[str] = (
        root.version or "",
        root.purl.replace("%3A", ":"),
        root.name,
        *(root.attributions or ()),
    )
    texts = [text for text in texts if not text.startswith("DiffID")]  # a layer is not the image
    found = [match for text in texts for match in DIGEST.findall(text)]
    if root.purpose == "CONTAINER" or found:
        sums = (f"sha256:{(c.value or '').lower()}" for c in root.checksums or () if c.algorithm == "SHA256")
        found += [one for one in sums if DIGEST.fullmatch(one)]
    return tuple(dict.fromkeys(found))


def _label(root: SpdxPackage | None, name: str) -> str:
    if root is None:
        return name
    if root.purl:
        return package(root.name, root.version or "", purl=root.purl).purl or canonical(root.purl)
    return f"{root.name}@{root.version}" if root.version else root.name
