"""CycloneDX XML, 1.0 to 1.7: streamed; only the elements that the graph stores become values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from patchgap.errors import BadInputError
from patchgap.graph.documents import MAX_DEPTH
from patchgap.graph.sbom.collector import many
from patchgap.graph.sbom.cyclonedx import (
    Bom,
    Component,
    Composition,
    Dependency,
    Hash,
    Metadata,
    Property,
    Reference,
    Root,
    Service,
    check_version,
    document,
)
from patchgap.graph.sbom.document import SbomDocument
from patchgap.graph.sbom.xml import ENCODINGS, NAMESPACE, Elements

VERSIONS = ("1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7")
_END = re.compile(rb"</(?:[\w.-]+:)?bom\s*>")
_GRAPH = "http://cyclonedx.org/schema/ext/dependency-graph/"  # the extension in which 1.0 and 1.1 write edges
_LARGE = 1 << 20
_TEXTS = frozenset({"group", "name", "version", "purl", "hash", "property", "url", "aggregate"})
_KEPT: dict[str, frozenset[str]] = {  # which elements are looked into, by the element that holds them
    "": frozenset({"bom"}),
    "bom": frozenset({"metadata", "components", "services", "dependencies", "compositions"}),
    "metadata": frozenset({"component", "properties"}),
    "components": frozenset({"component"}),
    "component": frozenset(
        {"group", "name", "version", "purl", "hashes", "properties", "components", "externalReferences"}
    ),
    "hashes": frozenset({"hash"}),
    "properties": frozenset({"property"}),
    "externalReferences": frozenset({"reference"}),
    "reference": frozenset({"url"}),
    "services": frozenset({"service"}),
    "service": frozenset({"services"}),
    "dependencies": frozenset({"dependency"}),
    "dependency": frozenset({"dependency"}),
    "compositions": frozenset({"composition"}),
    "composition": frozenset({"aggregate", "assemblies", "dependencies"}),
    "assemblies": frozenset({"assembly"}),
}


def read(content: bytes, where: str | Path, digest: str) -> SbomDocument:
    """The SBOM. Raises BadInputError with line and column."""
    if len(content) > _LARGE and b"\0" not in content[:4] and not _END.search(content[-4096:]):
        raise BadInputError(where, "it ends before </bom>", "Fetch the file again.")
    builder = _Builder(where)
    builder.parse(content)
    bom = builder.bom
    check_version("its namespace's version", bom.spec_version, VERSIONS)
    links = max(content.count("urn:cdx:".encode(one)) for one in ENCODINGS)
    return document(bom, digest, links, builder.amiss)


class _Builder(Elements):
    """`_path` are the open elements that are looked into, `_skipped` how many others are open."""

    def __init__(self, where: str | Path) -> None:
        super().__init__(where)
        self._version, self._serial = "", ""
        properties: list[Property] = []
        self._metadata = Metadata(properties=properties)
        self._parts: list[Component] = []
        self._services: list[Service] = []
        self._edges: list[Dependency] = []
        self._compositions: list[Composition] = []
        self._namespace = ""
        self._path: list[str] = []
        self._skipped = 0
        self._apart = {"formulation": msgspec.Raw(), "declarations": msgspec.Raw()}
        self._strange = 0  # elements in a list of components that are none
        self._text: list[str] = []
        self._components: list[Component] = []  # the open ones
        self._properties = [properties]  # each open component's, outermost first
        self._reference_type = ""
        self._attributes: dict[str, str] = {}
        self._dependencies: list[list[str]] = []  # the children of each open one
        self._opened = {
            "reference": self._reference,
            "dependency": self._dependency,
            "service": self._service,
            "composition": self._composition,
            "assembly": self._assembly,
        }

    @property
    def bom(self) -> Bom:
        """What was parsed."""
        return Bom(
            spec_version=self._version,
            serial_number=self._serial or None,
            metadata=self._metadata,
            components=self._parts,
            services=self._services,
            dependencies=self._edges,
            compositions=self._compositions,
            formulation=self._apart["formulation"],
            declarations=self._apart["declarations"],
        )

    @property
    def amiss(self) -> Sequence[str]:
        """What was not read, in sentences."""
        if not self._strange:
            return ()
        return (
            f"{many(self._strange, 'element')} in its lists of components {'is' if self._strange == 1 else 'are'} of another name or namespace, and not read",
        )

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if self._skipped:
            self._skipped += 1
            if self._skipped > MAX_DEPTH:
                raise self._refused("it is nested too deeply")
            return
        namespace, _, name = tag.rpartition(" ")
        path = self._path
        if name not in _KEPT.get(path[-1] if path else "", ()) or (path and not self._own(namespace)):
            self._skipped = 1
            self._strange += bool(path) and path[-1] == "components"
            if name in self._apart and path == ["bom"]:
                self._apart[name] = msgspec.Raw(b"[0]")
            return
        if len(path) > MAX_DEPTH:
            raise self._refused("it is nested too deeply")
        path.append(name)
        if name in _TEXTS:
            self._text, self._attributes = [], attributes
            self._parser.CharacterDataHandler = self._text.append
        elif name == "component":
            self._component(attributes)
        elif name in self._opened:
            self._opened[name](attributes)
        elif name == "bom":
            self._open_bom(namespace, attributes)

    def _own(self, namespace: str) -> bool:
        """Another namespace's elements say nothing here, whatever they are called."""
        return namespace == self._namespace or namespace.startswith(_GRAPH)

    def _open_bom(self, namespace: str, attributes: dict[str, str]) -> None:
        match = NAMESPACE.fullmatch(namespace)
        if match is None:
            raise self._refused(f"its root is in the namespace {namespace[:80]!r}, which is not CycloneDX's")
        self._namespace = namespace
        self._version, self._serial = match[1], attributes.get("serialNumber", "")

    def _component(self, attributes: dict[str, str]) -> None:
        made = Root() if self._path[-2] == "metadata" else Component()
        made.type = attributes.get("type")
        made.reference = attributes.get("bom-ref")
        self._components.append(made)
        self._properties.append([])

    def _end(self, _: str) -> None:
        if self._skipped:
            self._skipped -= 1
            return
        name = self._path.pop()
        if name in _TEXTS:
            self._parser.CharacterDataHandler = None
            self._end_text(name, "".join(self._text).strip())
        elif name == "component":
            self._end_component()
        elif name == "dependency":
            self._dependencies.pop()

    def _end_text(self, name: str, text: str) -> None:
        held = self._path[-1]
        if name == "hash":
            self._hash(text)
        elif name == "property":
            self._properties[-1].append(Property(self._attributes.get("name"), text))
        elif name == "url":
            if isinstance(root := self._components[-1], Root):
                root.links = root.links or []
                root.links.append(Reference(self._reference_type, text))
        elif name == "aggregate":
            self._compositions[-1].aggregate = text
        elif held == "component":
            if getattr(self._components[-1], name) is not None:
                raise self._refused(f"line {self._parser.CurrentLineNumber}: a component has its {name} twice")
            setattr(self._components[-1], name, text)

    def _hash(self, text: str) -> None:
        if isinstance(root := self._components[-1], Root):
            root.hashes = root.hashes or []
            root.hashes.append(Hash(self._attributes.get("alg"), text))

    def _end_component(self) -> None:
        made, properties = self._components.pop(), self._properties.pop()
        if properties:
            made.properties = msgspec.Raw(msgspec.json.encode(properties))
        if isinstance(made, Root):
            if self._metadata.component is not None:
                raise self._refused("it describes more than one component")
            self._metadata.component = made
        elif self._components:
            parent = self._components[-1]
            parent.components = parent.components or []
            parent.components.append(made)
        else:
            self._parts.append(made)

    def _reference(self, attributes: dict[str, str]) -> None:
        self._reference_type = attributes.get("type", "")

    def _dependency(self, attributes: dict[str, str]) -> None:
        reference = attributes.get("ref", "")
        children: list[str] = []
        if self._path[-3] == "composition":
            last = self._compositions[-1]
            last.dependencies = last.dependencies or []
            last.dependencies.append(reference)
        elif self._dependencies:
            self._dependencies[-1].append(reference)
        else:
            self._edges.append(Dependency(reference, children))
        self._dependencies.append(children)

    def _service(self, attributes: dict[str, str]) -> None:
        self._services.append(Service(attributes.get("bom-ref")))

    def _composition(self, _: dict[str, str]) -> None:
        self._compositions.append(Composition())

    def _assembly(self, attributes: dict[str, str]) -> None:
        last = self._compositions[-1]
        last.assemblies = last.assemblies or []
        last.assemblies.append(attributes.get("ref", ""))
