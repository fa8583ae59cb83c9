"""SBOM readers, on real files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from graph_fleet import DATA, sbom

from patchgap.errors import BadInputError
from patchgap.graph.documents import read_bytes
from patchgap.graph.sbom.document import ROOT
from patchgap.graph.sbom.read import parse_sbom, read_sbom

IMAGE = "registry.example.org/team/app@sha256:" + "a" * 64


def bom(**fields: Any) -> bytes:
    root = {"type": "container", "name": "app", "version": "sha256:" + "c" * 64, "bom-ref": "root"}
    document = {"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"component": root}, **fields}
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("name", "packages", "digest"),
    [
        ("alpine", 15, "sha256:1304f174557314a7ed9eddb4eab12fed12cb0cd9809e4c28f29af86979a3c870"),
        ("python", 431, "sha256:e9ebb760d74df0c28447c2f67050800c3392a3987ed77ce493545c7d3ad24c9d"),
    ],
)
def test_an_image_sbom_names_its_own_digest(name: str, packages: int, digest: str) -> None:
    """Syft's container SBOMs bind to their image without help, and have no edges."""
    document = read_sbom(sbom(name))
    assert (document.artifact.digest, len(document.packages)) == (digest, packages)
    assert document.edges == {}


@pytest.mark.parametrize(
    ("name", "packages", "starts"),
    [
        ("laravel.1.2.cdx.json.gz", 63, 34),
        ("laravel.1.3.cdx.json.gz", 63, 34),
        ("laravel.1.4.cdx.json.gz", 63, 34),
        ("dropwizard.cdx.json.gz", 168, 61),
        ("juice-shop.cdx.json.gz", 979, 536),
        ("memcached.spdx.json.gz", 100, 0),
    ],
)
def test_a_programs_sbom_takes_its_image_from_the_flag(name: str, packages: int, starts: int) -> None:
    """An SBOM that names no image reads whole once --artifact says which image it is."""
    document = read_sbom(DATA / "sboms" / name, IMAGE)
    assert (len(document.packages), len(document.edges)) == (packages, starts)
    assert document.artifact.digest == "sha256:" + "a" * 64
    assert document.artifact.repository == "registry.example.org/team/app"


def test_every_component_of_a_real_file_is_kept() -> None:
    """The packages read are those that a plain walk over the JSON finds, nested ones included."""
    path = DATA / "sboms" / "juice-shop.cdx.json.gz"
    raw = json.loads(read_bytes(path))

    def walk(components: list[dict[str, Any]]) -> set[tuple[str, str]]:
        return {(c.get("group", ""), c["name"]) for c in components}.union(
            *(walk(c.get("components", [])) for c in components)
        )

    expected = {f"{group}/{name}".strip("/").lower() for group, name in walk(raw["components"])}
    found = {p.name.lower() for p in read_sbom(path, IMAGE).packages}
    assert expected | {"juice-shop"} == found


def test_an_sbom_without_a_digest_names_the_flag_that_helps() -> None:
    """The refusal holds the exact flag to add."""
    with pytest.raises(BadInputError, match=r"--artifact REPOSITORY@sha256:<digest>"):
        read_sbom(DATA / "sboms" / "memcached.spdx.json.gz")


def test_the_commit_and_the_source_chain_come_with_the_sbom() -> None:
    """The OCI revision becomes the artifact's commit, and the root leads to what it depends on."""
    document = read_sbom(sbom("trainer-v2"))
    assert document.artifact.commit == "f9676d83590d403ef37eb06a4497f8b9a611983a"
    first = [document.packages[n].name for n in document.edges[ROOT]]
    assert first == ["pytorch-forecasting"]


@pytest.mark.parametrize(
    "root",
    [
        {"type": "container", "name": "app@sha256:" + "c" * 64},
        {"type": "container", "name": "app", "purl": "pkg:oci/app@sha256%3A" + "c" * 64},
        {"type": "container", "name": "app", "bom-ref": "app@sha256:" + "c" * 64},
        {"type": "container", "name": "app", "hashes": [{"alg": "SHA-256", "content": "c" * 64}]},
        {
            "type": "container",
            "name": "app",
            "properties": [{"name": "aquasecurity:trivy:RepoDigest", "value": "app@sha256:" + "c" * 64}],
        },
    ],
)
def test_a_digest_is_found_wherever_tools_write_it(root: dict[str, Any]) -> None:
    """Name, purl, reference, hash and Trivy's properties all name the image."""
    assert parse_sbom(bom(metadata={"component": root}), "x.json").artifact.digest == "sha256:" + "c" * 64


def test_a_layer_is_not_the_image() -> None:
    """A DiffID property names no image."""
    properties = [{"name": "aquasecurity:trivy:DiffID", "value": "sha256:" + "d" * 64}]
    with pytest.raises(BadInputError, match="names no digest"):
        parse_sbom(bom(metadata={"component": {"type": "container", "name": "a", "properties": properties}}), "x")


def test_spdx_dependencies_are_edges_in_either_direction() -> None:
    """DEPENDS_ON and DEPENDENCY_OF make edges; CONTAINS, the misspelt DESCRIBE does no harm,
    and an id that two packages share leads to both."""
    purl = {"referenceType": "purl", "referenceCategory": "PACKAGE-MANAGER"}
    packages = [
        {"SPDXID": "image", "name": "app", "versionInfo": "sha256:" + "c" * 64},
        {"SPDXID": "a", "name": "a", "externalRefs": [{**purl, "referenceLocator": "pkg:npm/a@1.0.0"}]},
        {"SPDXID": "b", "name": "b", "externalRefs": [{**purl, "referenceLocator": "pkg:npm/b@1.0.0"}]},
        {"SPDXID": "b", "name": "b", "externalRefs": [{**purl, "referenceLocator": "pkg:npm/b@2.0.0"}]},
    ]
    relations = [
        ("SPDXRef-DOCUMENT", "DESCRIBE", "image"),
        ("image", "CONTAINS", "b"),
        ("image", "DEPENDS_ON", "a"),
        ("b", "DEPENDENCY_OF", "a"),
    ]
    names = ("spdxElementId", "relationshipType", "relatedSpdxElement")
    content = json.dumps(
        {
            "spdxVersion": "SPDX-2.3",
            "packages": packages,
            "relationships": [dict(zip(names, one, strict=True)) for one in relations],
        }
    ).encode()
    document = parse_sbom(content, "x.json")
    assert [p.purl for p in document.packages] == ["pkg:npm/a@1.0.0", "pkg:npm/b@1.0.0", "pkg:npm/b@2.0.0"]
    assert document.edges == {ROOT: (0,), 0: (1, 2)}


@pytest.mark.parametrize(
    ("component", "ecosystem", "purl"),
    [
        ({"name": "a", "version": "1", "purl": "pkg:pypi/a"}, "pypi", "pkg:pypi/a@1"),
        ({"name": "a", "version": "1", "purl": "pkg:alpine/musl@1.2.3-r0"}, "apk", "pkg:alpine/musl@1.2.3-r0"),
        ({"name": "a", "version": "1", "purl": "pkg:none/a@1"}, "", ""),
        ({"name": "a", "version": "1", "purl": "not a purl"}, "", ""),
    ],
)
def test_odd_purls_of_real_files_are_kept(component: dict[str, str], ecosystem: str, purl: str) -> None:
    """A purl without version takes the component's; one that names nothing leaves a nameless package, not none."""
    (found,) = parse_sbom(bom(components=[component]), "x.json").packages
    assert (found.ecosystem, found.purl) == (ecosystem, purl)


def test_the_reader_goes_by_content(tmp_path: Path) -> None:
    """A file's name decides nothing."""
    path = tmp_path / "inventory.txt"
    path.write_bytes(bom(components=[{"name": "a", "purl": "pkg:npm/a@1.0.0"}]))
    assert read_sbom(path).format == "CycloneDX 1.6"


DEB = "pkg:deb/debian/libssl3@3.0.11-1?distro=debian-12"
SOURCES = {
    "Syft's purl": ({"purl": f"{DEB}&upstream=openssl%403.0.11-1"}, ("openssl", "3.0.11-1")),
    "Syft's properties": (
        {
            "purl": DEB,
            "properties": [
                {"name": "syft:metadata:source", "value": "openssl"},
                {"name": "syft:metadata:sourceVersion", "value": "3.0.11-1"},
            ],
        },
        ("openssl", "3.0.11-1"),
    ),
    "Trivy's properties": (
        {
            "purl": DEB,
            "properties": [
                {"name": "aquasecurity:trivy:SrcName", "value": "openssl"},
                {"name": "aquasecurity:trivy:SrcVersion", "value": "3.0.11"},
                {"name": "aquasecurity:trivy:SrcRelease", "value": "1"},
                {"name": "aquasecurity:trivy:SrcEpoch", "value": "2"},
            ],
        },
        ("openssl", "2:3.0.11-1"),
    ),
    "a source RPM": ({"purl": "pkg:rpm/redhat/a-libs@1-2?upstream=a-b-1-2.el9.src.rpm"}, ("a-b", "")),
    "none": ({"purl": DEB}, ("", "")),
}


@pytest.mark.parametrize("name", SOURCES)
def test_the_source_package_is_read_wherever_tools_write_it(name: str) -> None:
    """Distributions' advisories name source packages: without them, a binary package is missed."""
    component, expected = SOURCES[name]
    (found,) = parse_sbom(bom(components=[{"name": "libssl3", **component}]), "x.json").packages
    assert (found.source, found.source_version) == expected


@pytest.mark.parametrize(
    ("purl", "version"),
    [
        ("pkg:deb/debian/a@1.2-3?arch=amd64&epoch=1", "1:1.2-3"),
        ("pkg:rpm/redhat/a@1.2-3?epoch=0", "1.2-3"),
        ("pkg:deb/debian/a@2:1.2-3?epoch=1", "2:1.2-3"),
        ("pkg:npm/a@1.2.3?epoch=1", "1.2.3"),
    ],
)
def test_an_epoch_in_a_qualifier_is_part_of_the_version(purl: str, version: str) -> None:
    """A version without its epoch would compare as older than it is."""
    (found,) = parse_sbom(bom(components=[{"name": "a", "purl": purl}]), "x.json").packages
    assert found.version == version


def test_an_spdx_package_is_all_of_its_purls() -> None:
    """Each purl of a package counts, whatever the tool calls the reference's type; Trivy's source package too."""
    packages = [
        {"SPDXID": "image", "name": "app", "versionInfo": "sha256:" + "c" * 64},
        {
            "SPDXID": "a",
            "name": "a",
            "versionInfo": "1.0",
            "sourceInfo": "built package from: openssl 3.0.11-1",
            "externalRefs": [
                {"referenceType": "cpe23Type", "referenceLocator": "cpe:2.3:a:a:a:1.0"},
                {"referenceType": "http://spdx.org/rdf/references/purl", "referenceLocator": "pkg:deb/debian/a@1.0"},
                {"referenceType": "purl", "referenceLocator": "pkg:npm/a"},
            ],
        },
        {"SPDXID": "b", "name": "b", "versionInfo": "1.0", "sourceInfo": "acquired package info from DPKG DB"},
    ]
    content = json.dumps({"spdxVersion": "SPDX-2.3", "documentDescribes": ["image"], "packages": packages}).encode()
    found = parse_sbom(content, "x.json").packages
    assert [(p.purl, p.source) for p in found] == [
        ("pkg:deb/debian/a@1.0", "openssl"),
        ("", ""),
        ("pkg:npm/a@1.0", "openssl"),
    ]


@pytest.mark.parametrize("reference", ["root", "pkg:npm/app@1.0.0"])
def test_edges_may_name_the_root_by_reference_or_purl(reference: str) -> None:
    """The chain starts at the artifact in either case, and its label is its purl with its version."""
    root = {"type": "application", "name": "app", "version": "1.0.0", "purl": "pkg:npm/app@1.0.0", "bom-ref": "root"}
    content = bom(
        metadata={"component": root},
        components=[{"name": "a", "purl": "pkg:npm/a@1", "bom-ref": "a"}],
        dependencies=[{"ref": reference, "dependsOn": ["a"]}],
    )
    document = parse_sbom(content, "x.json", IMAGE)
    assert document.edges == {ROOT: (1,)}
    root.pop("purl")
    assert (
        parse_sbom(bom(metadata={"component": {**root, "purl": "pkg:npm/app"}}), "x", IMAGE).root == "pkg:npm/app@1.0.0"
    )
