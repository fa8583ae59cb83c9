"""What an SBOM of a part cannot clear: an application's says nothing about the image that it is in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from graph_fleet import IMAGE, NOW, bom, cluster, container, reasons, workload

from patchgap.graph.question import Question
from patchgap.graph.sbom.document import SbomDocument
from patchgap.graph.sbom.read import parse_sbom
from patchgap.graph.store import Graph
from patchgap.model.signal import Advisory, AffectedPackage

NPM, DEB = (
    AffectedPackage("npm", "left-pad", versions=("1.0.0",)),
    AffectedPackage("Debian:12", "openssl", versions=("3.0.11-1",)),
)
LIBC = "pkg:deb/debian/libc6@2.36?upstream=glibc"
APPLICATION = {"type": "application", "name": "shop", "version": "2.0.0", "purl": "pkg:npm/shop@2.0.0"}
WHOLE = "describes an application and not the whole image, and lists no"


def asked(*affected: AffectedPackage) -> Question:
    return Question.of_advisory(Advisory(id="X-1", digest="", affected=affected))


def application(*purls: str) -> SbomDocument:
    components = [{"name": "n", "purl": one} for one in purls]
    document = {"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"component": APPLICATION}}
    return parse_sbom(json.dumps({**document, "components": components}).encode(), "x.json", f"app@{IMAGE}")


def spdx(purpose: str, purl: str) -> SbomDocument:
    root = {"SPDXID": "SPDXRef-root", "name": "app", "primaryPackagePurpose": purpose}
    reference = {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}
    document: dict[str, Any] = {
        "spdxVersion": "SPDX-2.3", "name": "app", "documentDescribes": ["SPDXRef-root"],
        "packages": [root, {"SPDXID": "SPDXRef-a", "name": "a", "versionInfo": "1", "externalRefs": [reference]}],
    }  # fmt: skip
    return parse_sbom(json.dumps(document).encode(), "x.json", f"app@{IMAGE}")


@pytest.mark.parametrize(
    ("sbom", "affected", "verdict"),
    [
        (application("pkg:npm/express@4.0.0"), [DEB], "unknown"),
        (application("pkg:npm/express@4.0.0"), [AffectedPackage("PyPI", "requests")], "unknown"),
        (application("pkg:npm/express@4.0.0"), [NPM, DEB], "unknown"),
        (application("pkg:npm/express@4.0.0"), [NPM], "clean"),
        (application("pkg:npm/left-pad@1.0.0"), [NPM, DEB], "affected"),
        (application("pkg:npm/express@4.0.0", LIBC), [DEB], "clean"),
        (application("pkg:npm/express@4.0.0", LIBC), [AffectedPackage("PyPI", "x")], "clean"),
        (bom("pkg:npm/express@4.0.0"), [DEB], "clean"),
        (bom("pkg:deb/debian/libssl3@3.0.11-1"), [DEB], "unknown"),
        (bom("pkg:deb/debian/libssl3@3.0.11-1?upstream=openssl"), [DEB], "affected"),
        (bom("pkg:deb/debian/tzdata@2024a-0"), [DEB], "clean"),
        (bom("pkg:apk/alpine/libcrypto3@3.1.0-r0"), [AffectedPackage("Alpine:v3.18", "openssl")], "unknown"),
        (spdx("CONTAINER", "pkg:npm/express@4.0.0"), [DEB], "clean"),
        (spdx("APPLICATION", "pkg:npm/express@4.0.0"), [DEB], "unknown"),
    ],
)
def test_a_part_clears_only_what_it_would_list(
    graph: Graph, sbom: SbomDocument, affected: list[AffectedPackage], verdict: str
) -> None:
    """A Debian package is not absent from an image because its application's packages do not name it."""
    graph.add_sbom(sbom, NOW)
    assert graph.standing(asked(*affected), [IMAGE])[IMAGE].verdict == verdict


def test_the_images_own_sbom_completes_the_applications(graph: Graph) -> None:
    """Once the whole image is told as well, what neither lists is not there; and the doubt is named until then."""
    graph.add_sbom(application("pkg:npm/express@4.0.0"), NOW)
    graph.record(cluster(workload("shop", container(IMAGE)), workload("shop-2", container(IMAGE))), NOW)
    (doubt,) = reasons(graph.exposure(asked(DEB), NOW))
    assert f"{WHOLE} deb package; prod-ml-eu/training/Deployment/shop and 1 more run it" in doubt
    assert reasons(graph.exposure(asked(NPM), NOW)) == []
    graph.add_sbom(bom(LIBC, name="image"), NOW)
    assert reasons(graph.exposure(asked(DEB), NOW)) == []
    assert graph.standing(asked(DEB), [IMAGE])[IMAGE].verdict == "clean"


def test_a_tool_that_tells_no_source_packages_clears_no_distributions_advisory(graph: Graph) -> None:
    """libssl3 is openssl's, and only its source says so: the doubt stands until an SBOM tells the sources."""
    graph.add_sbom(bom("pkg:deb/debian/libssl3@3.0.13-1", "pkg:deb/debian/libc6@2.36"), NOW)
    graph.record(cluster(workload("shop", container(IMAGE))), NOW)
    (doubt,) = reasons(graph.exposure(asked(DEB), NOW))
    assert "its SBOM tells no deb package's source package" in doubt
    assert reasons(graph.exposure(Question.parse("pkg:deb/debian/libxml2"), NOW)) == []
    graph.add_sbom(bom("pkg:deb/debian/libssl3@3.0.13-1?upstream=openssl", LIBC, name="better"), NOW)
    assert reasons(graph.exposure(asked(DEB), NOW)) == []
    assert graph.standing(asked(DEB), [IMAGE])[IMAGE].verdict == "clean"


def test_an_applications_sbom_does_not_make_up_for_what_the_images_own_hides(graph: Graph) -> None:
    """A whole list of npm packages says nothing of the PyPI package that the image's incomplete list leaves out; the
    doubt stands, on the running image and on its digest, until the whole image is told."""
    asks = asked(AffectedPackage("PyPI", "requests"))
    image = {"type": "container", "name": "app", "version": IMAGE}
    components = [{"name": "n", "purl": LIBC}, {"name": "n", "purl": "pkg:pypi/idna@3"}]
    own = {"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"component": image}, "components": components}
    incomplete = json.dumps({**own, "compositions": [{"aggregate": "incomplete"}]}).encode()
    graph.add_sboms([parse_sbom(incomplete, "x.json"), application("pkg:npm/express@4.0.0")], NOW)
    graph.record(cluster(workload("shop", container(IMAGE))), NOW)
    (doubt,) = reasons(graph.exposure(asks, NOW))
    assert "its list of components is incomplete" in doubt
    assert graph.standing(asks, [IMAGE])[IMAGE].verdict == "unknown"
    graph.add_sbom(bom(LIBC, name="image"), NOW)
    assert reasons(graph.exposure(asks, NOW)) == []
    assert graph.standing(asks, [IMAGE])[IMAGE].verdict == "clean"
