"""CycloneDX JSON, 1.2 to 1.7. Decodes only the fields that the graph stores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from patchgap.graph.purl import canonical
from patchgap.graph.sbom.document import DIGEST, IMAGE_PURLS, REVISION, Collector, SbomDocument, Source, package
from patchgap.model.exposure import Artifact

VERSIONS = ("1.2", "1.3", "1.4", "1.5", "1.6", "1.7")
_NO_PACKAGE = frozenset({"file", "data", "cryptographic-asset"})
_OTHER_DIGESTS = ("repodigest", "repodigests", "imageid", "manifestdigest", "manifest-digest", "image:digest")
_MAX_DEPTH = 60


class Named(msgspec.Struct):
    """A property."""

    name: str | None = None
    value: str | None = None


class Hash(msgspec.Struct):
    alg: str | None = None
    content: str | None = None


class Reference(msgspec.Struct):
    type: str | None = None
    url: str | None = None


class Component(msgspec.Struct, rename={"reference": "bom-ref"}):
    name: str
    version: str | None = None
    group: str | None = None
    type: str | None = None
    purl: str | None = None
    reference: str | None = None
    properties: list[Named] | None = None
    components: list[Component] | None = None


class Root(Component, rename={"reference": "bom-ref", "links": "externalReferences"}):
    """The component that the SBOM describes: the only one whose hashes and links are read."""

    hashes: list[Hash] | None = None
    links: list[Reference] | None = None


class Metadata(msgspec.Struct):
    component: Root | None = None
    properties: list[Named] | None = None


class Dependency(msgspec.Struct, rename={"children": "dependsOn"}):
    ref: str
    children: list[str] | None = None


class Bom(msgspec.Struct, rename="camel"):
    spec_version: str
    bom_format: str | None = None
    serial_number: str | None = None
    metadata: Metadata | None = None
    components: list[Component] | None = None
    dependencies: list[Dependency] | None = None


_DECODER = msgspec.json.Decoder(Bom)


def read(content: bytes, document: str) -> SbomDocument:
    """The SBOM; its artifact's digest is "" where it names none. Raises msgspec.ValidationError and ValueError."""
    bom = _DECODER.decode(content)
    if bom.spec_version not in VERSIONS:
        raise ValueError(f"specVersion {bom.spec_version!r} is not one of {', '.join(VERSIONS)}")
    root = (bom.metadata and bom.metadata.component) or Root(name="")
    collector = _collect(bom, root)
    properties = [*(root.properties or ()), *((bom.metadata and bom.metadata.properties) or ())]
    digests = _digests(root, properties)
    reference = bom.serial_number or document
    return SbomDocument(
        document=document,
        format=f"CycloneDX {bom.spec_version}",
        reference=reference,
        artifact=Artifact(
            digest=digests[0] if digests else "",
            repository=_repository(root),
            commit=_property(properties, REVISION) or _revision_link(root),
            sbom_ref=reference,
        ),
        digests=digests,
        root=_label(root),
        packages=collector.packages,
        edges=collector.edges,
        whole=root.type == "container" or (root.purl or "").startswith(IMAGE_PURLS),
    )


def _collect(bom: Bom, root: Root) -> Collector:
    collector = Collector()
    collector.root(root.reference or "")
    collector.root(root.purl or "")
    own = package(root.name, root.version or "", root.group or "", root.purl or "")
    if own.purl:  # an application is a package too; a container is not
        collector.add(own)
    for one in _walk([*(bom.components or ()), *(root.components or ())]):
        if one.purl or one.type not in _NO_PACKAGE:
            found = package(one.name, one.version or "", one.group or "", one.purl or "", _source(one.properties or ()))
            collector.add(found, one.reference or "", one.purl or "")
    for dependency in bom.dependencies or ():
        for child in dependency.children or ():
            collector.link(dependency.ref, child)
    return collector


def _source(properties: Sequence[Named]) -> Source:
    """The source package of a distribution's package, as Trivy and Syft write it."""
    said = {(p.name or "").rpartition(":")[2]: p.value or "" for p in properties}
    if name := said.get("SrcName"):
        version = "-".join(part for part in (said.get("SrcVersion"), said.get("SrcRelease")) if part)
        epoch = said.get("SrcEpoch", "0")
        return Source(name, f"{epoch}:{version}" if version and epoch != "0" else version)
    return Source(said.get("source", ""), said.get("sourceVersion", ""))


def _walk(components: Sequence[Component]) -> Iterator[Component]:
    rest = [(one, 1) for one in reversed(components)]
    while rest:
        one, depth = rest.pop()
        if depth > _MAX_DEPTH:
            raise ValueError(f"components are nested deeper than {_MAX_DEPTH}")
        yield one
        rest.extend((child, depth + 1) for child in reversed(one.components or ()))


def _label(root: Root) -> str:
    if root.purl:
        own = package(root.name, root.version or "", root.group or "", root.purl)
        return own.purl or canonical(root.purl)
    name = f"{root.group}/{root.name}" if root.group else root.name
    return f"{name}@{root.version}" if root.version else name


def _digests(root: Root, properties: Sequence[Named]) -> tuple[str, ...]:
    texts = [root.version or "", (root.purl or "").replace("%3A", ":"), root.name, root.reference or ""]
    texts += [p.value or "" for p in properties if (p.name or "").lower().endswith(_OTHER_DIGESTS)]
    found = [match for text in texts for match in DIGEST.findall(text)]
    if root.type == "container":
        found += [
            f"sha256:{h.content.lower()}"
            for h in root.hashes or ()
            if h.alg == "SHA-256" and h.content and DIGEST.fullmatch(f"sha256:{h.content.lower()}")
        ]
    return tuple(dict.fromkeys(found))


def _repository(root: Root) -> str:
    if root.type != "container":
        return ""
    return root.name.partition("@")[0]


def _property(properties: Sequence[Named], suffix: str) -> str:
    return next((p.value for p in properties if p.value and (p.name or "").endswith(suffix)), "")


def _revision_link(root: Root) -> str:
    """The commit of a `vcs` link that names one (`…git@<40 hex digits>` or `#<40 hex digits>`)."""
    for link in root.links or ():
        commit = (link.url or "").replace("#", "@").rpartition("@")[2]
        if link.type == "vcs" and len(commit) == 40 and all(c in "0123456789abcdef" for c in commit):  # noqa: PLR2004
            return commit
    return ""
