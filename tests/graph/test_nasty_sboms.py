"""Documents that bend their format: each package that a reader of the text would see is kept, or its loss is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sbom_as_protobuf import as_protobuf, wire
from sbom_as_xml import as_xml
from sbom_formats import as_json, as_tag_value, cyclonedx, iri, references, relation, relationship, spdx, spdx3

from patchgap.errors import BadInputError
from patchgap.graph.sbom.document import ROOT, SbomDocument
from patchgap.graph.sbom.read import parse_sbom

Writer = Callable[[dict[str, Any]], bytes]
in_each_cyclonedx = pytest.mark.parametrize("write", [as_json, as_xml, as_protobuf])
in_each_spdx = pytest.mark.parametrize("write", [as_json, as_tag_value])


OWN = "sha256:" + "c" * 64  # as the documents name their image


def read(content: bytes) -> SbomDocument:
    return parse_sbom(content, "x", f"app@{OWN}")


def named(document: SbomDocument) -> list[str]:
    return [one.name for one in document.packages]


def part(name: str, reference: str = "") -> dict[str, Any]:
    return {"name": name, "version": "1", "purl": f"pkg:npm/{name}@1", "bom-ref": reference or name}


def spdx_part(name: str, reference: str = "", **fields: Any) -> dict[str, Any]:
    given = {"SPDXID": f"SPDXRef-{reference or name}", "name": name, "versionInfo": "1"}
    return {**given, **references(f"pkg:npm/{name}@1"), **fields}


SPDX_ROOT = spdx()["packages"][0]
DESCRIBES = relationship("DOCUMENT", "DESCRIBES", "root")


@in_each_cyclonedx
def test_a_component_that_shares_the_roots_reference_is_a_collision(write: Writer) -> None:
    """Edges may mean either: they lead to the component, and from it."""
    edges = [{"ref": "root", "dependsOn": ["a"]}, {"ref": "a", "dependsOn": ["root"]}]
    document = read(write(cyclonedx(components=[part("a"), part("b", "root")], dependencies=edges)))
    assert (named(document), document.edges) == (["a", "b"], {ROOT: (0,), 1: (0,), 0: (1,)})
    assert document.gaps == ("1 reference stands for several packages: root",)


@in_each_cyclonedx
def test_the_root_that_is_listed_as_a_component_too_is_no_collision(write: Writer) -> None:
    """It is the same."""
    root = cyclonedx()["metadata"]["component"]
    application = root | {"type": "application", "name": "payments", "version": "2.3"}
    bom = cyclonedx(metadata={"component": application}, components=[application, part("a")], dependencies=[])
    assert (named(read(write(bom))), read(write(bom)).gaps) == (
        ["payments", "a"],
        ("1 of 2 packages has no usable purl",),
    )


@pytest.mark.parametrize("place", ["formulation", "declarations"])
def test_components_of_how_it_was_made_are_not_the_images_and_are_told(place: str) -> None:
    """What a build used, or what is claimed of it, is read in no encoding; an empty list says nothing."""
    said = (f"components that stand in its {place} are not taken to be in the image",)
    bom = cyclonedx(components=[part("a")], dependencies=[])
    number = {"formulation": 13, "declarations": 14}[place]
    documents = {
        "JSON": as_json({**bom, place: [{"components": [part("lost")]}]}),
        "XML": as_xml(bom).replace(b"</bom>", f"<{place}><components/></{place}></bom>".encode()),
        "protobuf": as_protobuf(bom) + 2 * wire(number, wire(2, wire(8, "lost"))),
    }
    assert {name: (named(read(one)), read(one).gaps) for name, one in documents.items()} == dict.fromkeys(
        documents, (["a"], said)
    )
    assert read(as_json({**bom, place: []})).gaps == ()


def test_xml_with_two_purls_in_one_component_is_refused() -> None:
    """Which of them is meant nobody can tell; JSON refuses the same."""
    content = as_xml(cyclonedx()).replace(b"<purl>", b"<purl>pkg:npm/lost@1</purl><purl>", 1)
    with pytest.raises(BadInputError, match="line 2: a component has its purl twice"):
        read(content)


def test_a_document_of_two_formats_at_once_says_which_list_was_not_read() -> None:
    """Whichever it is read as."""
    both = [as_json({**cyclonedx(), **spdx()}), as_json({**spdx(), **cyclonedx()})]
    told = [read(content).hides for content in both]
    assert told == [
        ("it has packages too, as another format, and those were not read",),
        ("it has components too, as another format, and those were not read",),
    ]


@in_each_spdx
def test_a_package_that_shares_the_roots_spdxid_is_a_collision(write: Writer) -> None:
    """As in CycloneDX."""
    edges = [DESCRIBES, relationship("root", "DEPENDS_ON", "a"), relationship("a", "DEPENDS_ON", "root")]
    parts = [SPDX_ROOT, spdx_part("a"), spdx_part("b", "root")]
    document = read(write(spdx(packages=parts, relationships=edges)))
    assert (named(document), document.edges) == (["a", "b"], {ROOT: (0,), 1: (0,), 0: (1,)})
    assert document.gaps == ("1 reference stands for several packages: SPDXRef-root",)


@in_each_spdx
def test_a_version_that_is_not_asserted_is_none(write: Writer) -> None:
    """NOASSERTION and NONE are no versions."""
    parts = [SPDX_ROOT, spdx_part("a", versionInfo="NOASSERTION", **references("pkg:npm/a"))]
    parts.append(spdx_part("b", versionInfo="NONE", externalRefs=[]))
    document = read(write(spdx(packages=parts, relationships=[DESCRIBES])))
    assert [(one.version, one.purl) for one in document.packages] == [("", "pkg:npm/a"), ("", "")]
    assert "2 of 2 packages have no version" in document.gaps


@pytest.mark.parametrize("compact", [False, True])
def test_a_comment_that_reads_like_a_kind_hides_no_edge(compact: bool) -> None:
    """Relationships are passed over where all of them are of kinds that say nothing; a comment is none of them."""
    edges = [relationship("root", "DEPENDS_ON", "a") | {"comment": "OTHER"}]
    document = spdx(packages=[SPDX_ROOT, spdx_part("a")], relationships=edges, documentDescribes=["SPDXRef-root"])
    content = as_json(document)
    assert read(content.replace(b'": ', b'":') if compact else content).edges == {ROOT: (0,)}


def test_tags_in_another_case_are_those_tags() -> None:
    """Else a package's fields would be taken for its neighbour's."""
    content = as_tag_value(spdx(packages=[SPDX_ROOT, spdx_part("a"), spdx_part("b")], relationships=[DESCRIBES]))
    lower = content.replace(b"PackageName: b", b"packageName: b").replace(b"PackageVersion", b"PACKAGEVERSION")
    assert read(lower).packages == read(content).packages


OTHER_ROOT = "<component type='container'><name>o</name><components><component><name>lost</name></component></components></component>"


@pytest.mark.parametrize("more", [OTHER_ROOT, f"{OTHER_ROOT}</metadata><metadata>"], ids=["component", "metadata"])
def test_xml_that_describes_two_components_is_refused(more: str) -> None:
    """What the first holds would be gone."""
    content = as_xml(cyclonedx()).replace(b"<metadata>", f"<metadata>{more}".encode(), 1)
    with pytest.raises(BadInputError, match="it describes more than one component"):
        read(content)


def test_protobuf_with_metadata_twice_is_refused() -> None:
    """As XML is; a list may be continued."""
    first = wire(4, wire(4, wire(8, "o") + wire(21, wire(8, "lost"))))
    content = as_protobuf(cyclonedx())
    with pytest.raises(BadInputError, match="its metadata stands twice"):
        read(content + first)
    assert named(read(content + wire(5, wire(8, "more"))))[-1] == "more"


@pytest.mark.parametrize(
    "element", ["<Component><name>lost</name></Component>", "<component xmlns='urn:x'><name>lost</name></component>"]
)
def test_what_stands_among_xmls_components_and_is_none_is_told(element: str) -> None:
    """By another name, or of another namespace."""
    document = read(as_xml(cyclonedx()).replace(b"<components>", f"<components>{element}".encode(), 1))
    assert document.hides == ("1 element in its lists of components is of another name or namespace, and not read",)


@pytest.mark.parametrize("kind", ["Package", "software:Package", "https://spdx.org/rdf/3.0.1/terms/Software/Package"])
def test_spdx_3_packages_are_packages_however_their_type_is_written(kind: str) -> None:
    """In short, as a compact name, or whole."""
    document = read(as_json(spdx3({"type": kind, "spdxId": iri("q"), "name": "odd"})))
    assert (named(document)[-1], document.hides) == ("odd", ())


INLINE = {"type": "software_Package", "spdxId": iri("q"), "name": "lost"}
WITHIN = "elements that are written within others were not read"
UNREAD: dict[str, tuple[dict[str, Any], str]] = {
    "without a type": ({"@type": "software_Package", "name": "lost"}, "1 element without a type was not read"),
    "in a collection": ({"type": "software_Sbom", "spdxId": iri("s"), "element": [INLINE]}, WITHIN),
    "in a root": ({"type": "software_Sbom", "spdxId": iri("s"), "rootElement": [INLINE]}, WITHIN),
    "in a relationship": (relation("root", "dependsOn", []) | {"to": [INLINE]}, WITHIN),
}  # fmt: skip


@pytest.mark.parametrize("name", UNREAD)
def test_spdx_3_elements_that_are_not_read_are_told(name: str) -> None:
    """Packages may be among them."""
    element, sentence = UNREAD[name]
    assert read(as_json(spdx3(element))).hides == (sentence,)
