"""CycloneDX XML says what the same SBOM's JSON says; what XML alone can do to a reader is refused or stepped over."""

from __future__ import annotations

from typing import Any

import pytest
from cyclonedx.model.bom import Bom
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from graph_fleet import DATA
from sbom_as_xml import as_xml
from sbom_formats import DIGEST, NAME, as_json, cyclonedx, everything, said

from patchgap.errors import BadInputError
from patchgap.graph.sbom.read import parse_sbom, read_sbom

IMAGE = "registry.example.org/team/app@sha256:" + "a" * 64
VERSIONS = ("1.2", "1.3", "1.4", "1.5", "1.6", "1.7")
XML = as_xml(cyclonedx())


def packages(content: bytes) -> list[str]:
    return [one.purl or one.name for one in parse_sbom(content, "bom.xml", IMAGE).packages]


@pytest.mark.parametrize("name", ["laravel.1.2", "laravel.1.4", "proton-bridge"])
def test_a_real_pair_says_the_same(name: str) -> None:
    """Tools wrote both files of one program: packages, edges, root and gaps are equal."""
    in_json, in_xml = (read_sbom(DATA / "sboms" / f"{name}.cdx.{one}.gz", IMAGE) for one in ("json", "xml"))
    assert len(in_xml.packages) > 60
    assert len(in_xml.edges) > 30
    assert (said(in_xml), in_xml.format, in_xml.hides) == (said(in_json), in_json.format, in_json.hides)


def test_a_version_without_a_described_component_is_read() -> None:
    """1.1 has no metadata and no edges: the packages are those of 1.2, without the program's own."""
    old, new = (read_sbom(DATA / "sboms" / f"laravel.{one}.cdx.xml.gz", IMAGE) for one in ("1.1", "1.2"))
    assert {one.purl for one in new.packages} - {one.purl for one in old.packages} == {new.root}
    assert (old.edges, old.root, old.format) == ({}, "", "CycloneDX 1.1")


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_says_what_its_json_says(version: str) -> None:
    """The same SBOM in both, its digest and repository too."""
    bom = cyclonedx(version)
    read = parse_sbom(as_xml(bom), "bom.xml")
    assert said(read) == said(parse_sbom(as_json(bom), "bom.json"))
    assert (read.digests, read.artifact.repository, len(read.edges), len(read.packages)) == ((DIGEST,), NAME, 3, 4)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_cyclonedxs_own_library_writes_says_the_same(version: str) -> None:
    """The library of CycloneDX wrote the XML, from the JSON that the other reader reads."""
    bom = Bom.from_json(cyclonedx("1.5"))  # type: ignore[attr-defined]  # made by a decorator
    schema = SchemaVersion.from_version(version)
    written = [make_outputter(bom, form, schema).output_as_string() for form in (OutputFormat.JSON, OutputFormat.XML)]
    in_json, in_xml = (parse_sbom(text.encode(), "bom") for text in written)
    assert said(in_xml) == said(in_json)
    assert (in_xml.format, in_xml.reference) == (f"CycloneDX {version}", in_json.reference)
    assert len(in_xml.edges) == 3


ROOT = {"type": "container", "name": NAME, "bom-ref": "root"}
LINK = {"type": "vcs", "url": "https://example.org/app.git@" + "b" * 40}
BOMS: dict[str, dict[str, Any]] = {
    "a hash of the image": {"metadata": {"component": ROOT | {"hashes": [{"alg": "SHA-256", "content": "c" * 64}]}}},
    "a link to the commit": {"metadata": {"component": ROOT | {"version": DIGEST, "externalReferences": [LINK]}}},
    "properties of the image": {
        "metadata": {
            "component": ROOT | {"properties": [{"name": "aquasecurity:trivy:RepoDigest", "value": f"{NAME}@{DIGEST}"}]}
        }
    },
    "properties of the document": {
        "metadata": {"component": ROOT, "properties": [{"name": "syft:image:digest", "value": DIGEST}]}
    },
    "nested components": {
        "components": [
            {"name": "a", "purl": "pkg:npm/a@1", "components": [{"name": "b", "components": [{"name": "c"}]}]},
            {"name": "d", "version": "2"},
        ]
    },
    "a source package": {
        "components": [
            {
                "name": "libssl3",
                "purl": "pkg:deb/debian/libssl3@3.0.11-1",
                "properties": [
                    {"name": "aquasecurity:trivy:SrcName", "value": "openssl"},
                    {"name": "aquasecurity:trivy:SrcVersion", "value": "3.0.11"},
                ],
            }
        ]
    },
    "files and services": {
        "components": [{"name": "a", "purl": "pkg:npm/a@1", "bom-ref": "a"}, {"name": "f", "type": "file"}],
        "services": [{"bom-ref": "s", "name": "s", "services": [{"bom-ref": "t", "name": "t"}]}],
        "dependencies": [{"ref": "root", "dependsOn": ["a", "t"]}],
    },
    "open lists": {
        "compositions": [
            {"aggregate": "incomplete", "assemblies": ["root"]},
            {"aggregate": "incomplete_first_party_only", "dependencies": ["r-express", "r-requests"]},
            {"aggregate": "complete"},
        ]
    },
    "a group and a name without purl": {"components": [{"group": "g", "name": "n", "version": "1"}]},
    "text that must be escaped": {"components": [{"name": "<&>\"'", "purl": "pkg:npm/a@1?a=b&c=d", "bom-ref": '<&"'}]},
}


@pytest.mark.parametrize("name", BOMS)
def test_each_part_is_read_as_in_json(name: str) -> None:
    """Wherever JSON has a part that counts, XML has it too."""
    bom = cyclonedx(**BOMS[name])

    artifact = None if "metadata" in BOMS[name] else IMAGE
    in_xml = parse_sbom(as_xml(bom), "bom.xml", artifact)
    assert everything(in_xml) == everything(parse_sbom(as_json(bom), "bom.json", artifact))
    if "image" in name or "document" in name:
        assert in_xml.digests == (DIGEST,)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_an_encoding_that_xml_declares_is_read(encoding: str) -> None:
    """XML says its own encoding; names come out as text, and BOM-Links are counted in each."""
    bom = cyclonedx(dependencies=[{"ref": "r-express", "dependsOn": ["r-zoë"]}])
    bom["components"][0]["properties"] = [{"name": "see", "value": "urn:cdx:f08a6ccd-4dce-4759-bd84-c626675d60a7/1#a"}]
    document = parse_sbom(as_xml(bom, encoding), "bom.xml")
    assert [one.name for one in document.packages][-1] == "zoë & <sons>"
    assert list(document.edges.values()) == [(3,)]
    assert document.hides == ("it refers to other documents by BOM-Link once; those were not read",)


def test_another_namespaces_elements_say_nothing() -> None:
    """An extension's `purl`, `name` and `components` are not CycloneDX's: they took the place of the component's own."""
    foreign = (
        b'<q:purl xmlns:q="urn:q">pkg:npm/other@1</q:purl><q:components xmlns:q="urn:q"><q:component/></q:components>'
    )
    content = XML.replace(b"</component>", foreign + b"</component>")
    assert content != XML
    assert packages(content) == packages(XML)


def test_prefixed_elements_are_the_same_elements() -> None:
    """A prefix for CycloneDX's namespace changes nothing."""
    content = XML.replace(b"</", b"</c:").replace(b"<", b"<c:").replace(b"<c:/c:", b"</c:").replace(b"<c:?", b"<?")
    content = content.replace(b"xmlns=", b"xmlns:c=")
    assert said(parse_sbom(content, "bom.xml")) == said(parse_sbom(XML, "bom.xml"))


def test_the_extension_that_old_versions_write_edges_in_is_read() -> None:
    """1.0 and 1.1 have no dependencies of their own."""
    content = b"""<bom xmlns="http://cyclonedx.org/schema/bom/1.1"
        xmlns:dg="http://cyclonedx.org/schema/ext/dependency-graph/1.0">
      <components><component type="library" bom-ref="a"><name>a</name><version>1</version></component>
      <component type="library" bom-ref="b"><name>b</name><version>1</version></component></components>
      <dg:dependencies><dg:dependency ref="a"><dg:dependency ref="b"/></dg:dependency></dg:dependencies></bom>"""
    assert parse_sbom(content, "bom.xml", IMAGE).edges == {0: (1,)}


DOCTYPE = b'<!DOCTYPE bom SYSTEM "http://127.0.0.1:1/bom.dtd">'
REFUSED = {
    "an undeclared entity of a DTD elsewhere": (
        XML.replace(b"?>", b"?>" + DOCTYPE).replace(b"express@", b"&e;express@"),
        r"line 2: it uses the entity 'e', which it does not declare",
    ),
    "a namespace of another": (
        XML.replace(b"<bom xmlns=", b'<bom xmlns="urn:x" a=').replace(b"?>", b"?><!-- cyclonedx.org/schema/bom -->"),
        "its root is in the namespace 'urn:x'",
    ),
    "a version to come": (XML.replace(b"bom/1.6", b"bom/9.9"), "its namespace's version '9.9' is not one of 1.0"),
    "an encoding of no kind": (XML.replace(b"'utf-8'", b"'klingon'"), "its encoding cannot be read: unknown encoding"),
    "a broken text": (XML.replace("zoë".encode(), b"zo\xff"), r"line 2, column \d+: not well-formed"),
    "two roots": (XML + b"<bom/>", r"line 2, column \d+: junk after document element"),
    "cut off": (XML[:-20], r"line 2, column \d+: "),
    "cut off, and large": (XML[:-20] + b" " * (1 << 20), "it ends before </bom>"),
    "an end that does not match": (XML.replace(b"</components>", b"</parts>"), "mismatched tag"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_xml_is_refused_with_its_place(name: str) -> None:
    """Each refusal names the file, and the line where expat knows one."""
    content, problem = REFUSED[name]
    with pytest.raises(BadInputError, match=problem) as caught:
        parse_sbom(content, "sboms/bom.xml", IMAGE)
    assert str(caught.value).startswith("sboms/bom.xml: ")
