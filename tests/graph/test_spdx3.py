"""SPDX 3 JSON-LD says what the same SBOM in SPDX 2 says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sbom_formats import DIGEST, HEX, NAME, as_json, iri, relation, said, spdx, spdx3

from patchgap.errors import BadInputError
from patchgap.graph.sbom.document import ROOT, SbomDocument
from patchgap.graph.sbom.read import parse_sbom

IMAGE = "registry.example.org/team/app@sha256:" + "a" * 64


def read(*extra: dict[str, Any], artifact: str | None = None, **root: Any) -> SbomDocument:
    document = spdx3(*extra)
    document["@graph"][4] |= root
    return parse_sbom(as_json(document), "x.json", artifact)


@pytest.mark.parametrize("version", ["3.0.0", "3.0.1"])
def test_it_says_what_spdx_2_says(version: str) -> None:
    """Packages, edges, digest, root and gaps."""
    found = parse_sbom(as_json(spdx3(version=version)), "x.json")
    assert said(found) == said(parse_sbom(as_json(spdx()), "x.json"))
    assert (found.format, found.reference, found.digests) == (f"SPDX {version}", iri("document"), (DIGEST,))


def purl(text: str, kind: str = "packageUrl") -> dict[str, str]:
    return {"type": "ExternalIdentifier", "externalIdentifierType": kind, "identifier": text}


def package(reference: str, **fields: Any) -> dict[str, Any]:
    return {"type": "software_Package", "spdxId": iri(reference), "name": reference, **fields}


def test_a_purl_may_be_an_external_identifier() -> None:
    """Both ways of writing it are read, each purl once."""
    one = package(
        "a", software_packageUrl="pkg:npm/a@1", externalIdentifier=[purl("pkg:npm/a@1"), purl("cpe:x", "cpe23")]
    )
    other = package("b", externalIdentifier=[purl("pkg:npm/b@1"), purl("pkg:pypi/b@1")])
    assert [found.purl for found in read(one, other).packages[4:]] == ["pkg:npm/a@1", "pkg:npm/b@1", "pkg:pypi/b@1"]


HASH = {"type": "Hash", "algorithm": "sha256", "hashValue": HEX}


@pytest.mark.parametrize(
    "root",
    [
        {"software_packageVersion": DIGEST},
        {"software_packageUrl": f"pkg:oci/app@sha256%3A{HEX}"},
        {"verifiedUsing": [HASH]},
        {"software_downloadLocation": f"https://{NAME}@{DIGEST}"},
        {"externalIdentifier": [purl(f"pkg:oci/app@sha256:{HEX}")]},
    ],
)
def test_the_image_is_named_in_each_place(root: dict[str, Any]) -> None:
    """Version, purl, hash, location and identifier of the root."""
    assert read(**{"software_packageVersion": "1", **root}).digests == (DIGEST,)


def test_relationships_are_edges_where_they_say_depends_on() -> None:
    """Optional, provided, linked: edges. Contained, for tests or at build time alone: none."""
    names = "abcdefgh"
    kinds = ["dependsOn", "hasOptionalDependency", "hasProvidedDependency", "hasStaticLink", "hasDynamicLink"]
    kinds += ["hasPrerequisite", "contains", "hasTest"]
    extra = [package(name, software_packageVersion="1") for name in names]
    extra += [relation("root", kind, [name]) for kind, name in zip(kinds, names, strict=True)]
    scoped = {"type": "LifecycleScopedRelationship"}
    extra += [relation("a", "dependsOn", ["g"], **scoped, scope=scope) for scope in ("build", "test", "development")]
    extra += [relation("b", "dependsOn", ["h"], **scoped, scope="runtime")]
    found = read(*extra)
    names_of = [one.name for one in found.packages]
    assert {names_of[n] for n in found.edges[ROOT]} == {"express", "requests", *"abcdef"}
    assert {names_of[start]: [names_of[n] for n in ends] for start, ends in found.edges.items() if start > 3} == {
        "b": ["h"]
    }
    assert found.gaps == ("9 of 12 packages have no usable purl",)


def test_what_is_left_open_is_told() -> None:
    """Another document's element, an incomplete list, an unknown kind, nothing asserted, an end that is nowhere."""
    found = read(
        {
            "type": "SpdxDocument",
            "spdxId": iri("d2"),
            "import": [{"type": "ExternalMap", "externalSpdxId": "urn:else"}],
        },
        relation("r-express", "dependsOn", [], to=["urn:else", iri("nowhere")], completeness="incomplete"),
        relation("r-libssl", "dependsOn", [], to=["https://spdx.org/rdf/3.0.1/terms/Core/NoAssertionElement"]),
        relation("r-libssl", "isNear", ["r-express"]),
    )
    assert found.gaps[1:] == (
        "1 dependency edge leads nowhere",
        "1 dependency edge leads into other documents, which were not read",
        "1 relationship of an unknown kind could not be read: isNear",
        "it does not know what 1 package depends on",
    )
    assert found.hides == (
        "it refers to 1 other document, which was not read",
        "it says that its list of the dependencies of 1 package is incomplete",
    )


def test_files_are_no_packages_and_ai_packages_are() -> None:
    """An edge through a file is told; a model is a package."""
    found = read(
        {"type": "software_File", "spdxId": iri("f"), "name": "f"},
        {"type": "ai_AIPackage", "spdxId": iri("m"), "name": "model", "software_packageVersion": "1"},
        relation("root", "dependsOn", ["f", "m"]),
    )
    assert found.packages[-1].name == "model"
    assert "1 dependency edge leads through files or services, which are no packages" in found.gaps


def test_elements_may_stand_in_any_order_and_in_place() -> None:
    """A graph has none; a reference may be the element itself."""
    document = spdx3()
    document["@graph"].reverse()
    assert said(parse_sbom(as_json(document), "x.json")) == said(read())
    edge = next(
        one for one in document["@graph"] if one.get("relationshipType") == "dependsOn" and one["from"] == iri("root")
    )
    edge["from"] = {"type": "software_Package", "spdxId": iri("root")}
    assert said(parse_sbom(as_json(document), "x.json")) == said(read())


def test_an_sbom_without_a_root_says_so() -> None:
    """The packages are kept, under the image that the flag names."""
    document = spdx3()
    for one in document["@graph"]:
        one.pop("rootElement", None)
    found = parse_sbom(as_json(document), "x.json", IMAGE)
    assert len(found.packages) == 5
    assert "it does not say which of its packages it describes" in found.gaps


@pytest.mark.parametrize(
    ("graph", "problem"),
    [
        ([{"type": "CreationInfo", "specVersion": "4.0"}], "specVersion '4.0' is not one of 3.0"),
        ([{"type": "software_Package", "name": 7}], r"@graph\[0\].name: Expected `str`"),
        ({"type": "software_Package"}, "@graph: Expected `array"),
        ([{"type": "software_Package", "name": "a", "verifiedUsing": 7}], "xpected `array`"),
    ],
)
def test_a_bad_graph_is_refused_with_its_field(graph: Any, problem: str) -> None:
    """Each refusal names the file."""
    content = json.dumps({"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": graph}).encode()
    with pytest.raises(BadInputError, match=problem) as caught:
        parse_sbom(content, "sboms/x.json", IMAGE)
    assert str(caught.value).startswith("sboms/x.json: ")
