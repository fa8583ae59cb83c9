"""CycloneDX, whatever it was written in: what the graph stores of a BOM, and how that becomes an SBOM document.

The values here are what the JSON, XML and protobuf readers decode, and no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from patchgap.graph.sbom.collector import Collector, label
from patchgap.graph.sbom.counted import Counted
from patchgap.graph.sbom.described import is_package
from patchgap.graph.sbom.document import REVISION, SbomDocument, Source, is_image, package
from patchgap.graph.sbom.image import digest_of_hash, digests_in, names_the_image
from patchgap.graph.sbom.packages import all_named_by

MAX_DEPTH = 60
_NO_PACKAGE = frozenset({"file", "data", "cryptographic-asset"})
_GROUPS = frozenset({"operating-system", "container", "platform"})
_SYSTEM = frozenset({"apk", "deb", "rpm"})  # these alone are built from source packages
_NOTHING = frozenset({b"", b"null", b"[]", b"{}"})
_OPEN_LISTS = {  # after "it says that its list of components"
    "incomplete": "is incomplete",
    "incomplete_first_party_only": "is incomplete: only first-party ones",
    "incomplete_third_party_only": "is incomplete: only third-party ones",
    "unknown": "may be incomplete: its completeness is unknown",
    "not_specified": "may be incomplete: its completeness is not specified",
}


class Property(msgspec.Struct, gc=False):
    name: str | None = None
    value: str | None = None


class Hash(msgspec.Struct, gc=False):
    alg: str | None = None
    content: str | None = None


class Reference(msgspec.Struct, gc=False):
    type: str | None = None
    url: str | None = None


class Component(Counted, gc=False, rename={"reference": "bom-ref"}):
    """A component. Its properties stay JSON until a source package is looked for in them."""

    name: str | None = None
    version: str | None = None
    group: str | None = None
    type: str | None = None
    purl: str | None = None
    reference: str | None = None
    properties: msgspec.Raw = msgspec.Raw()
    components: list[Component] | None = None
    pedigree: msgspec.Raw = msgspec.Raw()


class Root(Component, gc=False, rename={"reference": "bom-ref", "links": "externalReferences"}):
    """The component that the SBOM describes: the only one whose hashes and links are read."""

    hashes: list[Hash] | None = None
    links: list[Reference] | None = None


class Metadata(msgspec.Struct):
    component: Root | None = None
    properties: list[Property] | None = None
    tools: msgspec.Raw = msgspec.Raw()


class Dependency(Counted, gc=False, rename={"children": "dependsOn"}):
    ref: str | None = None
    children: list[str] | None = None


class Service(msgspec.Struct, gc=False, rename={"reference": "bom-ref"}):
    reference: str | None = None
    services: list[Service] | None = None


class Composition(msgspec.Struct, gc=False):
    aggregate: str | None = None
    assemblies: list[str] | None = None
    dependencies: list[str] | None = None


class Bom(msgspec.Struct, rename="camel"):
    spec_version: str
    bom_format: str | None = None
    serial_number: str | None = None
    metadata: Metadata | None = None
    components: list[Component] | None = None
    services: list[Service] | None = None
    dependencies: list[Dependency] | None = None
    compositions: list[Composition] | None = None
    formulation: msgspec.Raw = msgspec.Raw()
    declarations: msgspec.Raw = msgspec.Raw()
    packages: msgspec.Raw = msgspec.Raw()  # of another format


_PROPERTIES = msgspec.json.Decoder(list[Property] | None)


def other_list(name: str, said: msgspec.Raw) -> tuple[str, ...]:
    """That a document has another format's list of packages too."""
    return (f"it has {name} too, as another format, and those were not read",) if bytes(said) not in _NOTHING else ()


def check_version(field: str, version: str, known: Sequence[str]) -> None:
    """Raises ValueError for a version to come, or of another format."""
    if version not in known:
        raise ValueError(f"{field} {version[:80]!r} is not one of {', '.join(known)}")


def document(bom: Bom, digest: str, links: int = 0, amiss: Sequence[str] = ()) -> SbomDocument:
    """The SBOM; its artifact's digest is "" where it names none. `digest` is the file's own, `links` how often the file
    names another document by BOM-Link, `amiss` what its reader found open."""
    metadata = bom.metadata or Metadata()
    root = metadata.component or Root()
    collector = _collect(bom, root)
    if (links := links - collector.foreign) > 0:  # those that are edges are counted as such
        times = "once" if links == 1 else f"{links} times"
        collector.hide(f"it refers to other documents by BOM-Link {times}; those were not read")
    for sentence in amiss:
        collector.hide(sentence)
    for name, said in (("formulation", bom.formulation), ("declarations", bom.declarations)):
        if bytes(said) not in _NOTHING:
            collector.note(f"components that stand in its {name} are not taken to be in the image")
    properties = [*properties_of(root), *(metadata.properties or ())]
    return collector.document(
        digest,
        f"CycloneDX {bom.spec_version}",
        bom.serial_number or digest,
        label(root.name or "", root.version or "", root.group or "", root.purl or ""),
        _digests(root, properties),
        whole=root.type == "container" or is_image(root.purl or ""),
        repository=_repository(root),
        commit=_property(properties, REVISION) or _revision_link(root),
    )


def properties_of(component: Component) -> Sequence[Property]:
    raw = bytes(component.properties)
    return (_PROPERTIES.decode(raw) or ()) if raw else ()


def _collect(bom: Bom, root: Root) -> Collector:
    collector = Collector()
    own = package(root.name or "", root.version or "", root.group or "", root.purl or "")
    collector.root(root.reference or "", own)
    collector.root(root.purl or "")
    if own.purl:  # an application is a package too; a container is not
        collector.add(own)
    _add_all(collector, list(walk([*(bom.components or ()), *(root.components or ())])))
    if not own.purl and is_package(own, root.type or "") and not _was_scanned(root):
        collector.add_own(own)
    for service in _services(bom.services or ()):
        collector.no_package(service.reference or "")
    collector.link_all((one.ref, one.children) for one in bom.dependencies or ())
    _open_lists(collector, bom.compositions or (), root.reference or "")
    return collector


def _add_all(collector: Collector, every: Sequence[Component]) -> None:
    """Most purls say all that is stored of a package; the others' components are looked at one by one."""
    found = all_named_by([one.purl for one in every])
    groups = []
    for n, named in enumerate(found):
        if named is not None and named.version and (named.source or named.ecosystem not in _SYSTEM):
            continue
        one = every[n]
        if not one.purl and one.type in _NO_PACKAGE:
            collector.no_package(one.reference or "")
            continue
        made = package(one.name or "", one.version or "", one.group or "", one.purl or "", _source(one))
        found[n] = made
        if not one.purl and (one.type in _GROUPS or _is_lock_file(one)):
            groups.append(made)
    collector.add_all(found, [one.reference for one in every])
    for made in groups:
        collector.group(made)


def walk(components: Sequence[Component]) -> Iterator[Component]:
    """Each component and those nested in it, a parent before its parts. Raises ValueError for a nest without end."""
    if not any(one.components for one in components):
        yield from components
        return
    rest = [(one, 1) for one in reversed(components)]
    while rest:
        one, depth = rest.pop()
        if depth > MAX_DEPTH:
            raise ValueError(f"components are nested deeper than {MAX_DEPTH}")
        yield one
        if one.components:
            rest.extend((child, depth + 1) for child in reversed(one.components))


def _services(services: Sequence[Service]) -> Iterator[Service]:
    rest = list(services)
    while rest:
        one = rest.pop()
        yield one
        rest.extend(one.services or ())


def _source(component: Component) -> Source:
    """The source package of a distribution's package, as Trivy and Syft write it."""
    raw = bytes(component.properties)
    if b'SrcName"' not in raw and b':source"' not in raw:
        return Source()
    said = {(p.name or "").rpartition(":")[2]: p.value or "" for p in properties_of(component)}
    if name := said.get("SrcName"):
        version = "-".join(part for part in (said.get("SrcVersion"), said.get("SrcRelease")) if part)
        epoch = said.get("SrcEpoch", "0")
        return Source(name, f"{epoch}:{version}" if version and epoch != "0" else version)
    return Source(said.get("source", ""), said.get("sourceVersion", ""))


def _is_lock_file(component: Component) -> bool:
    """Trivy's component for a lock file or the like, under which its packages hang."""
    return component.type == "application" and b"trivy:Class" in bytes(component.properties)


def _was_scanned(root: Root) -> bool:
    """Whether Trivy names a directory or repository so; an image is a container."""
    return is_image(root.purl or "") or b"aquasecurity:trivy:" in bytes(root.properties)


def _open_lists(collector: Collector, compositions: Sequence[Composition], root: str) -> None:
    """What the SBOM itself declares to be open."""
    for one in compositions:
        said = _OPEN_LISTS.get(aggregate := one.aggregate or "not_specified")
        if said is None and aggregate.startswith("incomplete"):
            said = f"is incomplete ({aggregate})"
        if said is None:
            continue
        whole = not one.assemblies and not one.dependencies
        if whole or (root and root in (one.assemblies or ())):
            collector.hide(f"it says that its list of components {said}")
        elif one.assemblies:
            collector.hide(f"it says that its list of the parts of {_some_components(one.assemblies)} {said}")
        if one.dependencies:
            collector.note(f"it says that its list of the dependencies of {_some_components(one.dependencies)} {said}")


def _some_components(references: Sequence[str]) -> str:
    return references[0][:80] if len(references) == 1 else f"{len(references)} components"


def _digests(root: Root, properties: Sequence[Property]) -> tuple[str, ...]:
    texts = [root.version or "", root.purl or "", root.name or "", root.reference or ""]
    texts += [p.value or "" for p in properties if names_the_image(p.name or "")]
    found = list(digests_in(texts))
    if root.type == "container":
        found += [digest for one in root.hashes or () for digest in digest_of_hash(one.alg or "", one.content or "")]
    return tuple(dict.fromkeys(found))


def _repository(root: Root) -> str:
    return (root.name or "").partition("@")[0] if root.type == "container" else ""


def _property(properties: Sequence[Property], suffix: str) -> str:
    return next((p.value for p in properties if p.value and (p.name or "").endswith(suffix)), "")


def _revision_link(root: Root) -> str:
    """The commit of a `vcs` link that names one (`…git@<40 hex digits>` or `#<40 hex digits>`)."""
    for link in root.links or ():
        commit = (link.url or "").replace("#", "@").rpartition("@")[2]
        if link.type == "vcs" and len(commit) == 40 and all(c in "0123456789abcdef" for c in commit):  # noqa: PLR2004
            return commit
    return ""
