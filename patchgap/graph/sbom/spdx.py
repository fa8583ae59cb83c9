"""SPDX, whatever it was written in: what the graph stores of a document, and how that becomes an SBOM document.

Only relationships that say "depends on" are edges: CONTAINS says where a package lies, not what brought it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from patchgap.graph.sbom.collector import Collector, label, many
from patchgap.graph.sbom.counted import Counted
from patchgap.graph.sbom.described import is_package
from patchgap.graph.sbom.document import Package, SbomDocument, Source, is_image, package
from patchgap.graph.sbom.image import digest_of_hash, digests_in
from patchgap.graph.sbom.packages import all_named_by

DOCUMENT = "SPDXRef-DOCUMENT"
FOREIGN = "DocumentRef-"  # starts a reference into another document
NO_ASSERTION = "NOASSERTION"
NONE = "NONE"
_SYNONYMS = {"DESCRIBE": "DESCRIBES", "DEPENDS": "DEPENDS_ON", "DEPEND_ON": "DEPENDS_ON"}  # real files carry them
_FORWARD = frozenset({"DEPENDS_ON", "STATIC_LINK", "DYNAMIC_LINK", "HAS_PREREQUISITE"})
_BACKWARD = frozenset({
    "DEPENDENCY_OF", "RUNTIME_DEPENDENCY_OF", "OPTIONAL_DEPENDENCY_OF", "PROVIDED_DEPENDENCY_OF", "PREREQUISITE_FOR",
})  # fmt: skip
_NO_EDGES = frozenset(
    """AMENDS ANCESTOR_OF BUILD_DEPENDENCY_OF BUILD_TOOL_OF CONTAINED_BY CONTAINS COPY_OF DATA_FILE_OF
    DEPENDENCY_MANIFEST_OF DESCENDANT_OF DESCRIBED_BY DESCRIBES DEV_DEPENDENCY_OF DEV_TOOL_OF DISTRIBUTION_ARTIFACT
    DOCUMENTATION_OF EXAMPLE_OF EXPANDED_FROM_ARCHIVE FILE_ADDED FILE_DELETED FILE_MODIFIED GENERATED_FROM GENERATES
    METAFILE_OF OPTIONAL_COMPONENT_OF OTHER PACKAGE_OF PATCH_APPLIED PATCH_FOR REQUIREMENT_DESCRIPTION_FOR
    SPECIFICATION_FOR TEST_CASE_OF TEST_DEPENDENCY_OF TEST_OF TEST_TOOL_OF VARIANT_OF""".split()  # noqa: SIM905 - words read best as words
)
_KINDS = _FORWARD | _BACKWARD | _NO_EDGES
_BUILT = "built package from: "
_BUILT_FROM = re.compile(_BUILT + r"(?P<name>\S+)(?: (?P<version>\S+))?")
_GROUP_PURPOSES = frozenset({"OPERATING_SYSTEM", "OPERATING-SYSTEM", "CONTAINER"})

_NO_VERSION = frozenset({NO_ASSERTION, NONE})
_NO_OWN = (  # as Trivy's and Syft's identifiers start of what was scanned
    "SPDXRef-ContainerImage", "SPDXRef-Filesystem", "SPDXRef-Repository", "SPDXRef-OperatingSystem",
    "SPDXRef-DocumentRoot-Directory", "SPDXRef-DocumentRoot-File", "SPDXRef-DocumentRoot-Image",
)  # fmt: skip


class ExternalReference(msgspec.Struct, gc=False, rename="camel"):
    reference_type: str | None = None
    reference_locator: str | None = None


class Checksum(msgspec.Struct, gc=False, rename={"value": "checksumValue"}):
    algorithm: str | None = None
    value: str | None = None


class SpdxPackage(Counted, gc=False, rename={
    "id": "SPDXID", "version": "versionInfo", "references": "externalRefs", "purpose": "primaryPackagePurpose",
    "attributions": "attributionTexts", "origin": "sourceInfo", "location": "downloadLocation",
}):  # fmt: skip
    id: str | None = None
    name: str | None = None
    version: str | None = None
    references: list[ExternalReference] | None = None
    checksums: list[Checksum] | None = None
    purpose: str | None = None
    attributions: list[str] | None = None
    origin: str | None = None
    location: str | None = None

    def purls(self) -> list[str]:
        """Every purl once: one package may have several, and not every tool calls their type `purl`."""
        found = [
            one.reference_locator
            for one in self.references or ()
            if one.reference_locator and (one.reference_type == "purl" or one.reference_locator[:4].lower() == "pkg:")
        ]
        return found if len(found) < 2 else list(dict.fromkeys(found))  # noqa: PLR2004

    @property
    def source(self) -> Source:
        """The source package of a distribution's package, as Trivy writes it."""
        built = _BUILT_FROM.match(self.origin) if self.origin else None
        return Source(built["name"], built["version"] or "") if built else Source()


class Relationship(msgspec.Struct, gc=False, rename={
    "start": "spdxElementId", "kind": "relationshipType", "end": "relatedSpdxElement",
}):  # fmt: skip
    start: str | None = None
    kind: str | None = None
    end: str | None = None


class File(msgspec.Struct, gc=False, rename={"id": "SPDXID"}):
    """A file: edges may name it, and it is no package."""

    id: str | None = None


class Other(msgspec.Struct, gc=False, rename={"document": "spdxDocument"}):
    """Another document that this one refers to."""

    document: str | None = None


class Spdx(msgspec.Struct, rename="camel"):
    spdx_version: str
    name: str | None = None
    document_namespace: str | None = None
    document_describes: list[str] | None = None
    packages: list[SpdxPackage] | None = None
    relationships: list[Relationship] | None = None
    files: list[File] | None = None
    external_document_refs: list[Other] | None = None


def document(spdx: Spdx, digest: str, amiss: Sequence[str] = ()) -> SbomDocument:
    """The SBOM; its artifact's digest is "" where it names none. `digest` is the file's own, `amiss` what its reader
    found open."""
    kinds = _kinds(spdx.relationships or ())
    described = _described(spdx, kinds)
    roots = [one for one in spdx.packages or () if one.id in described]
    root = roots[0] if len({one.id for one in roots}) == 1 else None
    collector = _collect(spdx, root)
    if root is None and spdx.packages:
        collector.note(_no_root(len(described)))
        collector.link(DOCUMENT, list(dict.fromkeys(one.id for one in roots if one.id)))
    _link(collector, spdx.relationships or (), kinds)
    if others := len(spdx.external_document_refs or ()):
        collector.hide(
            f"it refers to {many(others, 'other document')}, which {'was' if others == 1 else 'were'} not read"
        )
    for sentence in amiss:
        collector.hide(sentence)
    digests = _digests(root, spdx.name or "")
    return collector.document(
        digest,
        spdx.spdx_version.replace("-", " "),
        spdx.document_namespace or digest,
        _label(root, spdx.name or ""),
        digests,
        whole=root is not None and (root.purpose == "CONTAINER" or any(map(is_image, root.purls()))),
        repository=(root.name or "").partition("@")[0] if root and digests else "",
    )


def _kinds(relationships: Sequence[Relationship]) -> dict[str | None, str]:
    """Each kind as the specification writes it."""
    found: dict[str | None, str] = {}
    for kind in {one.kind for one in relationships}:
        found[kind] = _plain(kind or "")
    return found


def is_kind(text: str) -> bool:
    """Whether it is a kind of relationship, however it is spelt."""
    return _plain(text) in _KINDS


def _plain(kind: str) -> str:
    plain = kind.strip().upper().replace("-", "_").replace(" ", "_")
    return _SYNONYMS.get(plain, plain)


def _described(spdx: Spdx, kinds: dict[str | None, str]) -> set[str]:
    found = set(spdx.document_describes or ())
    for kind, plain in kinds.items():
        if plain == "DESCRIBES":
            found |= {one.end for one in spdx.relationships or () if one.kind == kind and one.end}
        elif plain == "DESCRIBED_BY":
            found |= {one.start for one in spdx.relationships or () if one.kind == kind and one.start}
    return found


def _no_root(described: int) -> str:
    if described:
        return f"it describes {many(described, 'element')} and does not say which of them is the image"
    return "it does not say which of its packages it describes"


def _collect(spdx: Spdx, root: SpdxPackage | None) -> Collector:
    collector = Collector()
    collector.root(DOCUMENT)
    if root is not None:
        collector.root(root.id or "", package(root.name or "", root.version or "", purl=next(iter(root.purls()), "")))
    for file in spdx.files or ():
        collector.no_package(file.id or "")
    own = _own(root) if root else []
    for found in own:
        collector.add(found)
    _add_all(collector, [one for one in spdx.packages or () if one is not root])
    if root is not None and not own and _is_own_package(root, spdx.name or ""):
        collector.add_own(package(root.name or "", root.version or ""))
    return collector


def _own(root: SpdxPackage) -> list[Package]:
    """The packages that the artifact itself is by its purls; a container is none."""
    every = [package(root.name or "", root.version or "", purl=purl, source=root.source) for purl in root.purls()]
    return [one for one in every if one.purl]


def _is_own_package(root: SpdxPackage, name: str) -> bool:
    """Whether the artifact without a usable purl is a package. Where nothing says what it is, one that goes by an image's
    digest is none; nor is what the tools themselves call an image, a file, or a directory or repository that was
    scanned."""
    found = package(root.name or "", root.version or "")
    said = root.purpose or ""
    if (root.id or "").startswith(_NO_OWN) or any(map(is_image, root.purls())):
        return False
    return is_package(found, said) and bool(said or not _digests(root, name))


def _add_all(collector: Collector, every: Sequence[SpdxPackage]) -> None:
    """Packages whose purl says it all are not looked at one by one."""
    purls = [one.purls() for one in every]
    found = all_named_by([some[0] if some else None for some in purls])
    for n, (one, known) in enumerate(zip(every, found, strict=True)):
        if known is None or not known[3] or (one.origin and one.origin.startswith(_BUILT)):
            found[n] = _named(one, purls[n][0] if purls[n] else "")
    collector.add_all(found, [one.id for one in every])
    for one, known, some in zip(every, found, purls, strict=True):
        if not some:
            if known is not None and _is_group(one):
                collector.group(known)
        elif len(some) > 1:
            for purl in some[1:]:
                collector.alias(_named(one, purl), one.id or "")


def _named(one: SpdxPackage, purl: str) -> Package:
    version = one.version or ""
    return package(one.name or "", "" if version in _NO_VERSION else version, purl=purl, source=one.source)


def _is_group(one: SpdxPackage) -> bool:
    """What stands for others: an operating system, an image, Trivy's entry for a lock file."""
    return one.purpose in _GROUP_PURPOSES or (one.id or "").startswith("SPDXRef-Application-")


def _link(collector: Collector, relationships: Sequence[Relationship], kinds: dict[str | None, str]) -> None:
    unknown = 0
    joined: dict[str, list[str]] = {}
    for one in relationships:
        plain = kinds[one.kind]
        if plain in _NO_EDGES:
            continue
        start, end = one.start or "", one.end or ""
        if plain in _FORWARD:
            if end == NO_ASSERTION:
                unknown += 1
            elif end != NONE:
                joined.setdefault(start, []).append(end)
        elif plain in _BACKWARD:
            joined.setdefault(end, []).append(start)
        else:
            collector.odd_relationship(one.kind or "(none)")
    collector.link_all(joined.items())
    if unknown:
        collector.note(f"it does not know what {many(unknown, 'package')} {'depends' if unknown == 1 else 'depend'} on")


def _digests(root: SpdxPackage | None, name: str) -> tuple[str, ...]:
    if root is None:
        return ()
    texts = (
        root.version or "",
        *root.purls(),
        root.name or "",
        root.location or "",
        *(text for text in root.attributions or () if not text.startswith("DiffID")),  # a layer is not the image
    )
    found = list(digests_in(texts)) or list(digests_in((name,)))
    if root.purpose == "CONTAINER" or found:
        found += [digest for c in root.checksums or () for digest in digest_of_hash(c.algorithm or "", c.value or "")]
    return tuple(dict.fromkeys(found))


def _label(root: SpdxPackage | None, name: str) -> str:
    if root is None:
        return name
    return label(root.name or "", root.version or "", "", next(iter(root.purls()), ""))
