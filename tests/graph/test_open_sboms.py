"""What an SBOM leaves open is kept where its meaning is clear, else counted: nothing is dropped in silence."""

from __future__ import annotations

import json
from typing import Any

import pytest
from graph_fleet import IMAGE

from patchgap.graph.sbom.document import ROOT, SbomDocument
from patchgap.graph.sbom.read import parse_sbom

ARTIFACT = f"app@{IMAGE}"


def npm(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "library", "name": name, "version": "1", "purl": f"pkg:npm/{name}@1", "bom-ref": name, **more}


def cyclonedx(*components: dict[str, Any], **more: Any) -> SbomDocument:
    document = {
        "bomFormat": "CycloneDX", "specVersion": "1.6", "components": components,
        "metadata": {"component": {"type": "container", "name": "app", "bom-ref": "root"}}, **more,
    }  # fmt: skip
    return parse_sbom(json.dumps(document).encode(), "x.json", ARTIFACT)


def depends(**edges: list[str]) -> list[dict[str, Any]]:
    return [{"ref": ref, "dependsOn": on} for ref, on in edges.items()]


def spdx(*relationships: tuple[str, str, str], names: str = "ab", **more: Any) -> SbomDocument:
    packages = [
        {"SPDXID": name, "name": name, "versionInfo": "1",
         "externalRefs": [{"referenceType": "purl", "referenceLocator": f"pkg:npm/{name}@1"}]}
        for name in names
    ]  # fmt: skip
    keys = ("spdxElementId", "relationshipType", "relatedSpdxElement")
    document = {
        "spdxVersion": "SPDX-2.3", "packages": [{"SPDXID": "image", "name": "app"}, *packages],
        "relationships": [dict(zip(keys, one, strict=True)) for one in relationships], **more,
    }  # fmt: skip
    return parse_sbom(json.dumps(document).encode(), "x.json", ARTIFACT)


ROOTED = ("SPDXRef-DOCUMENT", "DESCRIBES", "image")
FROM_ROOT = depends(root=["a"])


def test_a_whole_sbom_has_no_gaps() -> None:
    """Every package with purl and version, every edge with two ends, a root that reaches them."""
    found = cyclonedx(npm("a"), npm("b"), dependencies=depends(root=["a"], a=["b"]))
    assert (found.gaps, found.hides) == ((), ())


def test_nested_components_are_packages_like_others() -> None:
    """However deep a component stands in another, it is in the image."""
    found = cyclonedx(npm("a", components=[npm("b", components=[npm("c")])]), dependencies=FROM_ROOT)
    assert [p.name for p in found.packages] == ["a", "b", "c"]
    assert found.gaps == ()


@pytest.mark.parametrize("purl", [None, "", "not a purl", "pkg:none/b@1", "pkg:", "pkg:npm"])
def test_a_package_without_a_usable_purl_stays_and_is_counted(purl: str | None) -> None:
    """Its name is still asked for; how many there are is told."""
    found = cyclonedx(npm("a"), npm("b", purl=purl), dependencies=FROM_ROOT)
    assert [p.name for p in found.packages] == ["a", "b"]
    assert found.gaps == ("1 of 2 packages has no usable purl",)


def test_a_component_without_a_name_stays_and_is_counted() -> None:
    """One component that says nothing does not refuse the others."""
    found = cyclonedx(npm("a"), {}, {"name": None, "version": None}, dependencies=FROM_ROOT)
    assert len(found.packages) == 2
    assert found.gaps == ("1 of 2 packages has no usable purl", "1 of 2 packages has no version")


def test_packages_without_a_version_are_counted() -> None:
    """A package without a version cannot be compared."""
    found = cyclonedx(npm("a", version=None, purl="pkg:npm/a"), npm("b"), dependencies=FROM_ROOT)
    assert found.gaps == ("1 of 2 packages has no version",)


@pytest.mark.parametrize(
    "group",
    [
        {"type": "operating-system", "name": "debian"},
        {"type": "application", "name": "package-lock.json",
         "properties": [{"name": "aquasecurity:trivy:Class", "value": "lang-pkgs"}]},
    ],
)  # fmt: skip
def test_what_stands_for_others_needs_no_purl(group: dict[str, Any]) -> None:
    """An operating system or a lock file is a node of chains and no gap."""
    dependencies = depends(root=["group"], group=["a"])
    found = cyclonedx(npm("a"), {"bom-ref": "group", **group}, dependencies=dependencies)
    assert found.gaps == ()
    assert found.edges == {ROOT: (1,), 1: (0,)}


def test_edges_that_lead_nowhere_are_counted() -> None:
    """From nowhere, to nowhere, and the good edge beside them."""
    found = cyclonedx(npm("a"), npm("b"), dependencies=depends(root=["a"], a=["b", "x", "y"], z=["b"]))
    assert found.edges == {ROOT: (0,), 0: (1,)}
    assert found.gaps == ("3 dependency edges lead nowhere",)


def test_edges_through_files_and_services_are_counted() -> None:
    """They are no packages, so a chain through them is not drawn."""
    found = cyclonedx(
        npm("a"),
        {"type": "file", "name": "/bin/sh", "bom-ref": "file"},
        services=[{"bom-ref": "api", "name": "api", "services": [{"bom-ref": "inner", "name": "inner"}]}],
        dependencies=depends(root=["a", "api"], a=["file"], inner=["a"]),
    )
    assert len(found.packages) == 1
    assert found.gaps == ("3 dependency edges lead through files or services, which are no packages",)


def test_a_reference_that_two_packages_share_leads_to_both() -> None:
    """Rather a chain too many than none; and it is told."""
    found = cyclonedx(npm("a"), npm("b"), npm("c", **{"bom-ref": "b"}), dependencies=depends(root=["a"], a=["b"]))
    assert found.edges == {ROOT: (0,), 0: (1, 2)}
    assert found.gaps == ("1 reference stands for several packages: b",)


def test_a_package_that_is_listed_twice_is_no_collision() -> None:
    """The same package under the same reference, or under two."""
    found = cyclonedx(npm("a"), npm("a"), npm("a", **{"bom-ref": "again"}), dependencies=depends(root=["a", "again"]))
    assert len(found.packages) == 1
    assert found.edges == {ROOT: (0,)}
    assert found.gaps == ()


def test_a_root_that_reaches_nothing_is_told() -> None:
    """There are edges, and no chain begins at the artifact."""
    found = cyclonedx(npm("a"), npm("b"), dependencies=depends(a=["b"]))
    assert found.gaps == (
        "no chain starts at the artifact: its root leads to nothing, though 1 dependency edge stands in it",
    )


@pytest.mark.parametrize(
    ("composition", "said"),
    [
        ({"aggregate": "incomplete"}, "it says that its list of components is incomplete"),
        ({"aggregate": "incomplete", "assemblies": ["root"]}, "it says that its list of components is incomplete"),
        (
            {"aggregate": "incomplete_third_party_only", "assemblies": ["root"]},
            "it says that its list of components is incomplete: only third-party ones",
        ),
        (
            {"aggregate": "unknown"},
            "it says that its list of components may be incomplete: its completeness is unknown",
        ),
        ({"aggregate": "incomplete", "assemblies": ["a"]}, "it says that its list of the parts of a is incomplete"),
        (
            {"aggregate": "incomplete_first_party_opensource_only", "assemblies": ["a", "b"]},
            "it says that its list of the parts of 2 components is incomplete (incomplete_first_party_opensource_only)",
        ),
        (
            {"aggregate": "incomplete", "dependencies": ["a"]},
            "it says that its list of the dependencies of a is incomplete",
        ),
    ],
)
def test_a_composition_that_is_declared_open_is_told(composition: dict[str, Any], said: str) -> None:
    """The SBOM itself says that it is not all."""
    found = cyclonedx(npm("a"), npm("b"), dependencies=FROM_ROOT, compositions=[composition])
    assert (*found.gaps, *found.hides) == (said,)


def test_a_composition_that_is_complete_is_no_gap() -> None:
    """Complete is what every list is taken for."""
    found = cyclonedx(npm("a"), dependencies=FROM_ROOT, compositions=[{"aggregate": "complete", "assemblies": ["a"]}])
    assert (found.gaps, found.hides) == ((), ())


def test_bom_links_are_counted() -> None:
    """An edge into another document, and a component that another document describes."""
    link = "urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#x"
    found = cyclonedx(
        npm("a", externalReferences=[{"type": "bom", "url": link}]),
        dependencies=depends(root=["a"], a=[link]),
    )
    assert found.gaps == ("1 dependency edge leads into other documents, which were not read",)
    assert found.hides == ("it refers to other documents by BOM-Link once; those were not read",)


def test_spdx_documents_elsewhere_are_counted() -> None:
    """A dependency in another document, and that there is one."""
    found = spdx(
        ROOTED, ("image", "DEPENDS_ON", "a"), ("a", "DEPENDS_ON", "DocumentRef-x:SPDXRef-y"),
        externalDocumentRefs=[{"externalDocumentId": "DocumentRef-x", "spdxDocument": "https://example.org/x"}],
    )  # fmt: skip
    assert found.gaps == ("1 dependency edge leads into other documents, which were not read",)
    assert found.hides == ("it refers to 1 other document, which was not read",)


@pytest.mark.parametrize(
    "kind", ["DEPENDS_ON", "depends_on", "DEPENDS-ON", "STATIC_LINK", "DYNAMIC_LINK", "HAS_PREREQUISITE"]
)
def test_a_relationship_whose_meaning_is_clear_is_an_edge(kind: str) -> None:
    """However a tool spells it."""
    found = spdx(ROOTED, ("image", kind, "a"))
    assert found.edges == {ROOT: (0,)}
    assert found.gaps == ()


def test_relationships_of_unknown_kinds_are_counted_by_name() -> None:
    """What cannot be read is named."""
    found = spdx(ROOTED, ("image", "DEPENDS_ON", "a"), ("a", "LIKES", "b"), ("b", "LIKES", "a"), ("a", "CONTAINS", "b"))
    assert found.gaps == ("2 relationships of an unknown kind could not be read: LIKES",)


def test_dependencies_that_spdx_leaves_open_are_counted_and_none_is_none() -> None:
    """NOASSERTION says that it is not known; NONE says that there are none."""
    found = spdx(ROOTED, ("image", "DEPENDS_ON", "a"), ("a", "DEPENDS_ON", "NOASSERTION"), ("b", "DEPENDS_ON", "NONE"))
    assert found.gaps == ("it does not know what 1 package depends on",)


def test_a_document_that_describes_several_packages_leads_to_each() -> None:
    """None of them is the image, but all of them are in it."""
    found = spdx(("SPDXRef-DOCUMENT", "DESCRIBES", "a"), ("SPDXRef-DOCUMENT", "DESCRIBES", "b"))
    positions = {p.name: n for n, p in enumerate(found.packages)}
    assert found.edges == {ROOT: (positions["a"], positions["b"])}
    assert "it describes 2 elements and does not say which of them is the image" in (*found.gaps, *found.hides)


def test_a_document_that_describes_nothing_is_told() -> None:
    """Its packages stay."""
    found = spdx(documentDescribes=[])
    assert len(found.packages) == 3
    assert "it does not say which of its packages it describes" in (*found.gaps, *found.hides)


def test_a_large_file_with_a_deciding_key_twice_says_so() -> None:
    """Where the strict check would cost too much, the doubled key is counted instead of refused."""
    filler = '"x":"' + "a" * (8 << 20) + '"'
    twice = '{"name":"a","version":"1","purl":"pkg:npm/a@1","purl":"pkg:npm/b@1"}'
    content = f'{{"bomFormat":"CycloneDX","specVersion":"1.6",{filler},"components":[{twice}]}}'
    found = parse_sbom(content.encode(), "x.json", ARTIFACT)
    assert len(found.packages) == 1
    said = (*found.gaps, *found.hides)
    assert any("'purl' stands once where it was not read, or twice in one object" in one for one in said)
