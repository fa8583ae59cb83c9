"""The application that an SBOM describes is a package of its image too; an image, a system or a folder is none."""

from __future__ import annotations

from typing import Any

import pytest
from graph_fleet import IMAGE, NOW, ask, cluster, container, workload
from sbom_as_protobuf import as_protobuf
from sbom_as_xml import as_xml
from sbom_formats import PACKAGES, as_json, as_tag_value, cyclonedx, iri, references, spdx, spdx3

from patchgap.graph.sbom.document import ROOT, SbomDocument
from patchgap.graph.sbom.read import parse_sbom
from patchgap.graph.store import Graph

ARTIFACT = f"app@{IMAGE}"
TRIVY = {"properties": [{"name": "aquasecurity:trivy:SchemaVersion", "value": "2"}]}


def of_cyclonedx(root: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return cyclonedx(metadata={"component": {"bom-ref": "root", **root}}, **fields)


def of_spdx(root: dict[str, Any], **fields: Any) -> dict[str, Any]:
    held = spdx()["packages"][1:]
    return spdx(packages=[{"SPDXID": "SPDXRef-root", **root}, *held], **{"name": "a document", **fields})


def of_spdx3(purpose: str, name: str = "payments", version: str = "2.3") -> dict[str, Any]:
    document = spdx3()
    for one in document["@graph"]:
        if one.get("spdxId") == iri("root"):
            one |= {"name": name, "software_packageVersion": version, "software_primaryPurpose": purpose}
    return document


def own(content: bytes) -> list[tuple[str, str, str]]:
    """What is there besides the packages that each of these documents lists."""
    listed = {name for name, _, _ in PACKAGES.values()}
    found = parse_sbom(content, "x", ARTIFACT).packages
    return [(one.name, one.version, one.purl) for one in found if one.name not in listed]


PAYMENTS = {"name": "payments", "version": "2.3"}
SPDX_PAYMENTS = {"name": "payments", "versionInfo": "2.3"}
STORED = {
    "CycloneDX": as_json(of_cyclonedx(PAYMENTS | {"type": "application"})),
    "CycloneDX, a library": as_json(of_cyclonedx(PAYMENTS | {"type": "library"})),
    "CycloneDX, a framework": as_json(of_cyclonedx(PAYMENTS | {"type": "framework"})),
    "CycloneDX, an unreadable purl": as_json(of_cyclonedx(PAYMENTS | {"type": "application", "purl": "payments"})),
    "CycloneDX XML": as_xml(of_cyclonedx(PAYMENTS | {"type": "application"})),
    "CycloneDX protobuf": as_protobuf(of_cyclonedx(PAYMENTS | {"type": "application"})),
    "SPDX": as_json(of_spdx(SPDX_PAYMENTS | {"primaryPackagePurpose": "APPLICATION"})),
    "SPDX, of no kind": as_json(of_spdx(SPDX_PAYMENTS)),
    "SPDX tag-value": as_tag_value(of_spdx(SPDX_PAYMENTS | {"primaryPackagePurpose": "APPLICATION"})),
    "SPDX 3": as_json(of_spdx3("application")),
}  # fmt: skip


@pytest.mark.parametrize("name", STORED)
def test_a_described_application_without_a_purl_is_a_package(name: str) -> None:
    """It comes last, is no gap, and chains start at the artifact as before."""
    assert own(STORED[name]) == [("payments", "2.3", "")]
    document = parse_sbom(STORED[name], "x", ARTIFACT)
    assert document.packages[-1].ecosystem == ""
    assert document.edges[ROOT] == (0, 1)
    assert document.gaps == ("1 of 4 packages has no usable purl",)  # one that is listed


IMAGE_ID = {"SPDXID": "SPDXRef-DocumentRoot-Image-nginx", "name": "nginx", "versionInfo": "1.25"}
NOT_STORED = {
    "an image": as_json(of_cyclonedx({"type": "container", "name": "nginx", "version": "1.25"})),
    "an image of SPDX": as_json(of_spdx({"name": "nginx", "versionInfo": "1.25", "primaryPackagePurpose": "CONTAINER"})),
    "an image of SPDX 3": as_json(of_spdx3("container")),
    "an image by its purl": as_json(of_cyclonedx(PAYMENTS | {"type": "application", "purl": "pkg:oci/payments@1"})),
    "an image by its digest": as_json(of_spdx({"name": "nginx", "versionInfo": IMAGE})),
    "an image by its file": as_json(of_spdx({"name": "nginx", "versionInfo": "1", "downloadLocation": ARTIFACT})),
    "an image by its identifier": as_json(spdx(
        name="x", packages=[IMAGE_ID, *spdx()["packages"][1:]], documentDescribes=[IMAGE_ID["SPDXID"]], relationships=[],
    )),
    "a system": as_json(of_cyclonedx({"type": "operating-system", "name": "debian", "version": "12"})),
    "a system of SPDX": as_json(of_spdx({"name": "debian", "versionInfo": "12", "primaryPackagePurpose": "OPERATING-SYSTEM"})),
    "a system of SPDX 3": as_json(of_spdx3("operatingSystem")),
    "a folder that Syft scanned": as_json(of_cyclonedx({"type": "file", "name": "payments"})),
    "a folder of SPDX": as_json(of_spdx({"name": "payments", "primaryPackagePurpose": "FILE"})),
    "a folder that Trivy scanned": as_json(of_cyclonedx({"type": "application", "name": "payments", **TRIVY})),
    "a folder by its path": as_json(of_cyclonedx({"type": "application", "name": "/src/payments"})),
    "this folder": as_json(of_cyclonedx({"type": "application", "name": "."})),
    "a repository": as_json(of_spdx({"name": "https://git.example.org/payments", "primaryPackagePurpose": "SOURCE"})),
    "no name": as_json(of_cyclonedx({"type": "application", "name": "", "version": "2.3"})),
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_STORED)
def test_what_is_described_and_is_no_package_is_not_one(name: str) -> None:
    """Its name may well be a package's."""
    assert own(NOT_STORED[name]) == []


def test_every_purl_of_a_described_application_is_a_package() -> None:
    """Also those after the first, and after one that cannot be read."""
    root = SPDX_PAYMENTS | references("pkg:none/payments@1", "pkg:npm/payments@2.3", "pkg:pypi/payments@2.3")
    assert own(as_json(of_spdx(root))) == [
        ("payments", "2.3", "pkg:npm/payments@2.3"),
        ("payments", "2.3", "pkg:pypi/payments@2.3"),
    ]


def sbom(**fields: Any) -> SbomDocument:
    return parse_sbom(as_json(of_cyclonedx(PAYMENTS | {"type": "application"}, **fields)), "x", ARTIFACT)


def test_a_compromised_application_is_found_by_its_name(graph: Graph) -> None:
    """It names no ecosystem, so that whether it is the one stays unknown: exposed, and not clean."""
    graph.add_sbom(sbom(), NOW)
    graph.record(cluster(workload("app", container(IMAGE))), NOW)
    (found,) = ask(graph, "payments@2.3").exposures
    assert (found.component.name, found.component.version) == ("payments", "2.3")
    assert found.standing.value == "unknown"
    assert (found.chains, found.direct) == ((("payments@2.3",),), True)


def test_an_sbom_that_lists_nothing_but_what_it_describes_is_a_blind_spot(graph: Graph) -> None:
    """It says nothing of what is in the image, whatever is asked."""
    document = sbom(components=[], dependencies=[])
    assert document.packages == ()
    graph.add_sbom(document, NOW)
    graph.record(cluster(workload("app", container(IMAGE))), NOW)
    assert any("its SBOM lists no packages" in one.reason for one in ask(graph, "payments@2.3").unknown)
