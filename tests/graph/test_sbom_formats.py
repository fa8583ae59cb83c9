"""One SBOM in every format and encoding reads as the same packages, edges and image."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from backports import zstd
from cyclonedx.model.bom import Bom
from cyclonedx.model.bom_ref import BomRef
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from graph_fleet import DATA, IMAGE
from packageurl import PackageURL

from patchgap.errors import BadInputError
from patchgap.graph.documents import read_bytes
from patchgap.graph.sbom.document import ROOT, Package, SbomDocument
from patchgap.graph.sbom.read import parse_sbom, read_sbom

FORMATS = DATA / "formats"
ARTIFACT = f"registry.example.org/team/app@{IMAGE}"
C, D, E = ("sha256:" + letter * 64 for letter in "cde")


def edges(document: SbomDocument) -> set[tuple[str, str]]:
    """The edges by purl or name; the artifact is ""."""

    def name(position: int) -> str:
        return "" if position == ROOT else document.packages[position].purl or document.packages[position].name

    return {(name(start), name(end)) for start, ends in document.edges.items() for end in ends}


def same(one: SbomDocument, other: SbomDocument) -> bool:
    """Whether all is equal but the file's digest and the format's name."""
    reference = {"document": "", "format": "", "reference": "", "artifact": replace(one.artifact, sbom_ref="")}
    return replace(one, **reference) == replace(
        other, **{**reference, "artifact": replace(other.artifact, sbom_ref="")}
    )


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("laravel.1.4.cdx.xml.gz", "laravel.1.4.cdx.json.gz"),
        ("laravel.1.6.cdx.pb.gz", "laravel.1.4.cdx.json.gz"),
        ("dropwizard.cdx.xml.gz", "dropwizard.cdx.json.gz"),
        ("memcached.spdx.gz", "memcached.spdx.json.gz"),
    ],
)
def test_a_real_sbom_reads_the_same_in_each_of_its_formats(name: str, like: str) -> None:
    """XML, protobuf and tag-value of a program give the packages, edges, root and gaps that its JSON gives."""
    found, expected = read_sbom(FORMATS / name, ARTIFACT), read_sbom(DATA / "sboms" / like, ARTIFACT)
    assert set(found.packages) == set(expected.packages)
    assert edges(found) == edges(expected)
    assert (found.root, found.gaps) == (expected.root, expected.gaps)


@pytest.mark.parametrize(("name", "like"), [("image.cdx.pb", "image.cdx.json"), ("image.spdx", "image.spdx.json")])
def test_an_image_with_every_gap_reads_the_same_in_each_format(name: str, like: str) -> None:
    """Nothing is lost between two encodings: digests, commit, source packages, edges, and each count."""
    assert same(read_sbom(FORMATS / name), read_sbom(FORMATS / like))


SSL = Package(
    "deb", "debian", "libssl3", "3.0.11-1", "pkg:deb/debian/libssl3@3.0.11-1?distro=debian-12", "debian-12",
    "openssl", "3.0.11-1",
)  # fmt: skip


@pytest.mark.parametrize(
    "name", ["image.cdx.json", "image.cdx.pb", "image.spdx.json", "image.spdx", "image.spdx3.json"]
)
def test_one_image_is_read_alike_from_cyclonedx_spdx_2_and_spdx_3(name: str) -> None:
    """Digests, chain and source package are the same whichever standard wrote them."""
    document = read_sbom(FORMATS / name)
    assert document.digests == (D, C)
    assert document.artifact.repository == "registry.example.org/team/app"
    assert SSL in document.packages
    assert edges(document) == {("", "debian"), ("debian", SSL.purl), (SSL.purl, "pkg:npm/inner@1.0.0")}
    assert document.whole


def test_the_gaps_of_spdx_3_are_those_of_spdx_2() -> None:
    """What SPDX 3 says with completeness beside that is one more."""
    two, three = (read_sbom(FORMATS / name) for name in ("image.spdx.json", "image.spdx3.json"))
    assert three.gaps == two.gaps
    said = "it says that its list of the dependencies of 1 package is incomplete"
    assert three.hides == (*two.hides, said)
    assert three.format == "SPDX 3.0.1"


def test_syfts_own_json_names_the_image_by_all_its_digests() -> None:
    """Manifest, repository and configuration digests are the one image's; a layer's is not."""
    document = read_sbom(FORMATS / "image.syft.json")
    assert document.digests == (D, E, C)
    assert (document.artifact.repository, document.artifact.commit[:8]) == ("registry.example.org/team/app", "01234567")
    assert edges(document) == {
        (SSL.purl.replace("?", "?arch=amd64&") + "&upstream=openssl", "pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12&upstream=glibc")
    }  # fmt: skip
    assert [(p.name, p.source) for p in document.packages] == [("libssl3", "openssl"), ("libc6", "glibc"), ("app", "")]
    assert "1 relationship of an unknown kind could not be read: likes" in document.gaps
    assert "1 dependency edge leads nowhere" in document.gaps


def test_syft_on_a_folder_names_no_image() -> None:
    """A folder's name is no digest, whatever it holds."""
    syft = json.loads((FORMATS / "image.syft.json").read_bytes())
    syft["source"] = {"type": "directory", "target": f"/srv/{D}"}
    with pytest.raises(BadInputError, match="names no digest"):
        parse_sbom(json.dumps(syft).encode(), "x.json")


def written(version: SchemaVersion, output: OutputFormat) -> bytes:
    """A BOM by the CycloneDX library: a root, two packages, one below the other."""
    root = Component(name="app", type=ComponentType.APPLICATION, version="1", bom_ref="root")
    a, b = (
        Component(
            name=n, version="1.0.0", purl=PackageURL("npm", None, n, "1.0.0"), bom_ref=n, type=ComponentType.LIBRARY
        )
        for n in ("a", "b")
    )
    bom = Bom(components=[a, b])
    bom.metadata.component = root
    bom.register_dependency(root, [a])
    bom.register_dependency(a, [b])
    assert isinstance(a.bom_ref, BomRef)
    return make_outputter(bom, output, version).output_as_string().encode()


XML_VERSIONS = [version for version in SchemaVersion if version <= SchemaVersion.V1_7]
JSON_VERSIONS = [version for version in XML_VERSIONS if version >= SchemaVersion.V1_2]


@pytest.mark.parametrize(
    ("version", "output"),
    [(v, OutputFormat.XML) for v in XML_VERSIONS] + [(v, OutputFormat.JSON) for v in JSON_VERSIONS],
    ids=str,
)
def test_every_version_that_the_cyclonedx_library_writes_is_read(version: SchemaVersion, output: OutputFormat) -> None:
    """1.0 to 1.7 in XML and 1.2 to 1.7 in JSON; edges are there from 1.2 on, when the format got them."""
    document = parse_sbom(written(version, output), "x", ARTIFACT)
    assert document.format == f"CycloneDX {version.to_version()}"
    own = [("app", "")] if version >= SchemaVersion.V1_2 else []  # before, there was no place for it
    found = [(p.name, p.purl) for p in document.packages]
    assert found == [("a", "pkg:npm/a@1.0.0"), ("b", "pkg:npm/b@1.0.0"), *own]
    if own:
        assert edges(document) == {("", "pkg:npm/a@1.0.0"), ("pkg:npm/a@1.0.0", "pkg:npm/b@1.0.0")}
    assert document.gaps == ()


PACKED = {
    "gzip": gzip.compress,
    "gzip in two members": lambda raw: gzip.compress(raw[:500]) + gzip.compress(raw[500:]),
    "zstd": zstd.compress,
    "zstd in two frames": lambda raw: zstd.compress(raw[:500]) + zstd.compress(raw[500:]),
    "a byte order mark": lambda raw: b"\xef\xbb\xbf" + raw,
    "white space": lambda raw: b"\r\n\t " + raw,
}


@pytest.mark.parametrize("packing", PACKED)
def test_an_sbom_is_told_by_its_content_however_it_is_packed_and_called(tmp_path: Path, packing: str) -> None:
    """Neither a name nor an ending decides."""
    path = tmp_path / "notes.txt"
    path.write_bytes(PACKED[packing]((FORMATS / "image.cdx.json").read_bytes()))
    assert same(read_sbom(path), read_sbom(FORMATS / "image.cdx.json"))


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r", "\n\n", "\r\r\n"])
def test_tag_value_is_read_with_any_line_ending(ending: str) -> None:
    """Archives hold files from every system."""
    raw = (FORMATS / "image.spdx").read_text(encoding="utf-8").replace("\n", ending)
    assert same(parse_sbom(raw.encode(), "x"), read_sbom(FORMATS / "image.spdx.json"))


def test_a_text_block_of_tag_value_may_look_like_tags() -> None:
    """What stands between <text> and </text> is one value."""
    raw = (FORMATS / "image.spdx").read_bytes()
    odd = raw.replace(b"<text>two", b"<text>two\nPackageName: ghost\nRelationship: x\n")
    assert odd != raw
    assert same(parse_sbom(odd, "x"), read_sbom(FORMATS / "image.spdx.json"))


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1", "utf-8"])
def test_xml_is_read_in_the_encoding_that_it_declares(encoding: str) -> None:
    """XML says how it is encoded; a name with an umlaut survives."""
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?><c:bom xmlns:c="http://cyclonedx.org/schema/bom/1.4"><c:components>'
        '<c:component type="library"><c:name>münchen</c:name><c:version> 1 </c:version></c:component>'
        "</c:components></c:bom>"
    )
    (found,) = parse_sbom(text.encode(encoding), "x", ARTIFACT).packages
    assert (found.name, found.version) == ("münchen", "1")


def test_the_container_of_a_json_document_may_put_its_format_last() -> None:
    """Keys come in any order; a nested document's do not count."""
    raw: dict[str, Any] = json.loads(read_bytes(FORMATS / "image.cdx.json"))
    turned = {"x": {"spdxVersion": "SPDX-2.3"}, **dict(reversed(raw.items()))}
    assert same(parse_sbom(json.dumps(turned).encode(), "x"), read_sbom(FORMATS / "image.cdx.json"))
