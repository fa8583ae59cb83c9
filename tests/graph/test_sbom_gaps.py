"""What an SBOM leaves open is told with its count: `gaps` of the packages that it lists, `hides` where others may be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sbom_as_protobuf import as_protobuf
from sbom_as_xml import as_xml
from sbom_formats import as_json, as_tag_value, cyclonedx, references, relationship, spdx

from patchgap.errors import BadInputError
from patchgap.graph.sbom.document import ROOT, SbomDocument
from patchgap.graph.sbom.read import parse_sbom

IMAGE = "registry.example.org/team/app@sha256:" + "a" * 64
LINK = "urn:cdx:f08a6ccd-4dce-4759-bd84-c626675d60a7/1#a"
WRITERS = {"JSON": as_json, "XML": as_xml, "protobuf": as_protobuf}
in_each_encoding = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
Writer = Callable[[dict[str, Any]], bytes]


def part(name: str, reference: str = "", **fields: Any) -> dict[str, Any]:
    given = {"name": name, "version": "1", "purl": f"pkg:npm/{name}@1", "bom-ref": reference or name, **fields}
    return {key: value for key, value in given.items() if value is not None}


def edge(parent: str, *children: str) -> dict[str, Any]:
    return {"ref": parent, "dependsOn": list(children)}


Case = tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]
CASES: dict[str, Case] = {
    "nothing": ({"components": [part("a")], "dependencies": [edge("root", "a")]}, (), ()),
    "no purl": (
        {"components": [part("a"), part("b", purl=None), part("c", purl="npm/c")], "dependencies": []},
        ("2 of 3 packages have no usable purl",),
        (),
    ),
    "no version": (
        {"components": [part("a", version=None, purl="pkg:npm/a"), part("b")], "dependencies": []},
        ("1 of 2 packages has no version",),
        (),
    ),
    "neither": (
        {"components": [part("a", version=None, purl=None)], "dependencies": []},
        ("1 of 1 package has no usable purl", "1 of 1 package has no version"),
        (),
    ),
    "a collision": (
        {"components": [part("a", "x"), part("b", "x"), part("c")], "dependencies": [edge("root", "c"), edge("c", "x")]},
        ("1 reference stands for several packages: x",),
        (),
    ),
    "collisions, more than are listed": (
        {"components": [part(f"{n}{m}", f"r{n}") for n in range(7) for m in "ab"], "dependencies": []},
        ("7 references stand for several packages: r0, r1, r2, r3, r4, …",),
        (),
    ),
    "edges that lead nowhere": (
        {"components": [part("a")], "dependencies": [edge("root", "a", "gone"), edge("lost", "a"), edge("lost", "gone")]},
        ("3 dependency edges lead nowhere",),
        (),
    ),
    "a root that reaches nothing": (
        {"components": [part("a"), part("b"), part("c")], "dependencies": [edge("a", "b", "c")]},
        ("no chain starts at the artifact: its root leads to nothing, though 2 dependency edges stand in it",),
        (),
    ),
    "edges through a service and a file": (
        {
            "components": [part("a"), {"name": "f", "type": "file", "bom-ref": "f"}],
            "services": [{"bom-ref": "s", "name": "s", "services": [{"bom-ref": "t", "name": "t"}]}],
            "dependencies": [edge("root", "a", "s"), edge("t", "a"), edge("a", "f")],
        },
        ("3 dependency edges lead through files or services, which are no packages",),
        (),
    ),
    "an edge into another document": (
        {"components": [part("a")], "dependencies": [edge("root", "a", LINK)]},
        ("1 dependency edge leads into other documents, which were not read",),
        (),
    ),
    "links to other documents": (
        {"components": [part("a", properties=[{"name": "see", "value": LINK}] * 2)], "dependencies": []},
        (),
        ("it refers to other documents by BOM-Link 2 times; those were not read",),
    ),
    "a list that is incomplete": (
        {"components": [part("a")], "dependencies": [], "compositions": [{"aggregate": "incomplete"}]},
        (),
        ("it says that its list of components is incomplete",),
    ),
    "a list of first parties alone, of the root": (
        {
            "components": [part("a")],
            "dependencies": [],
            "compositions": [{"aggregate": "incomplete_first_party_only", "assemblies": ["root"]}],
        },
        (),
        ("it says that its list of components is incomplete: only first-party ones",),
    ),
    "a part's list and dependencies that are incomplete": (
        {
            "components": [part("a"), part("b")],
            "dependencies": [],
            "compositions": [
                {"aggregate": "incomplete", "assemblies": ["a"], "dependencies": ["a", "b"]},
                {"aggregate": "complete", "assemblies": ["root"]},
            ],
        },
        ("it says that its list of the dependencies of 2 components is incomplete",),
        ("it says that its list of the parts of a is incomplete",),
    ),
}  # fmt: skip


@in_each_encoding
@pytest.mark.parametrize("name", CASES)
def test_what_cyclonedx_leaves_open_is_told(name: str, write: Writer) -> None:
    """The same sentences in each encoding, and no others."""
    fields, gaps, hides = CASES[name]
    document = parse_sbom(write(cyclonedx(**fields)), "bom")
    assert (document.gaps, document.hides) == (gaps, hides)


@in_each_encoding
def test_nested_components_are_all_kept(write: Writer) -> None:
    """At any depth below the list and below the root's own component; edges reach them."""
    below = part("a", components=[part("b", components=[part("c"), part("d")])])
    root = cyclonedx()["metadata"]["component"] | {"components": [part("e", components=[part("f")])]}
    bom = cyclonedx(
        metadata={"component": root}, components=[below], dependencies=[edge("root", "a", "f"), edge("a", "d")]
    )
    document = parse_sbom(write(bom), "bom")
    names = [one.name for one in document.packages]
    assert sorted(names) == [*"abcdef"]
    assert {names[n] for n in document.edges[ROOT]} == {"a", "f"}
    assert document.edges[names.index("a")] == (names.index("d"),)


@in_each_encoding
def test_an_edge_to_a_collision_leads_to_each(write: Writer) -> None:
    """Rather a chain too many than none, from each as well."""
    components = [part("a", "x"), part("b", "x"), part("c")]
    document = parse_sbom(
        write(cyclonedx(components=components, dependencies=[edge("root", "x"), edge("x", "c")])), "bom"
    )
    assert document.edges == {ROOT: (0, 1), 0: (2,), 1: (2,)}


def test_too_many_edges_of_a_collision_are_told_and_the_packages_kept() -> None:
    """Two thousand packages of one reference that leads to itself: four million edges out of one."""
    components = [part(f"n{n}", "x") for n in range(2000)]
    document = parse_sbom(as_json(cyclonedx(components=components, dependencies=[edge("x", "x")])), "bom")
    assert (len(document.packages), document.edges) == (2000, {})
    assert document.gaps == (
        "1 reference stands for several packages: x",
        "1 dependency edge of such references leads to too many packages to be kept",
    )


def test_entries_of_one_package_add_up() -> None:
    """Several entries for one reference, what they share once, and what leads back to the artifact or itself not at all."""
    dependencies = [
        edge("root", "a"),
        edge("a", "b"),
        edge("root", "b", "a"),
        edge("a", "c", "b", "a", "root"),
        edge("b", "b"),
    ]
    components = [part("a"), part("b"), part("c")]
    document = parse_sbom(as_json(cyclonedx(components=components, dependencies=dependencies)), "bom")
    assert (document.edges, document.gaps) == ({ROOT: (0, 1), 0: (1, 2)}, ())


def spdx_package(name: str, reference: str = "", **fields: Any) -> dict[str, Any]:
    given = {
        "SPDXID": f"SPDXRef-{reference or name}",
        "name": name,
        "versionInfo": "1",
        **references(f"pkg:npm/{name}@1"),
    }
    return {key: value for key, value in {**given, **fields}.items() if value is not None}


ROOT_PACKAGE = spdx()["packages"][0]
DESCRIBES = relationship("DOCUMENT", "DESCRIBES", "root")
SPDX_CASES: dict[str, Case] = {
    "nothing": (
        {"packages": [ROOT_PACKAGE, spdx_package("a")], "relationships": [DESCRIBES, relationship("root", "DEPENDS_ON", "a")]},
        (),
        (),
    ),
    "invalid names": (
        {
            "packages": [ROOT_PACKAGE, spdx_package("a"), spdx_package("b")],
            "relationships": [
                relationship("DOCUMENT", "DESCRIBE", "root"),
                relationship("root", "depends-on", "a"),
                relationship("a", "NEAR", "b"),
                relationship("a", "LIKES", "b"),
                relationship("b", "LIKES", "a"),
            ],
        },
        ("3 relationships of an unknown kind could not be read: LIKES, NEAR",),
        (),
    ),
    "a collision": (
        {
            "packages": [ROOT_PACKAGE, spdx_package("a", "x"), spdx_package("b", "x")],
            "relationships": [DESCRIBES, relationship("root", "DEPENDS_ON", "x")],
        },
        ("1 reference stands for several packages: SPDXRef-x",),
        (),
    ),
    "no purl, no version, an edge that leads nowhere": (
        {
            "packages": [ROOT_PACKAGE, spdx_package("a", externalRefs=None), spdx_package("b", versionInfo=None, **references("pkg:npm/b"))],
            "relationships": [DESCRIBES, relationship("root", "DEPENDS_ON", "gone"), relationship("root", "DEPENDS_ON", "b")],
        },
        ("1 of 2 packages has no usable purl", "1 of 2 packages has no version", "1 dependency edge leads nowhere"),
        (),
    ),
    "nothing asserted": (
        {
            "packages": [ROOT_PACKAGE, spdx_package("a")],
            "relationships": [DESCRIBES, {**relationship("a", "DEPENDS_ON", ""), "relatedSpdxElement": "NOASSERTION"}],
        },
        ("it does not know what 1 package depends on",),
        (),
    ),
    "other documents": (
        {
            "packages": [ROOT_PACKAGE, spdx_package("a")],
            "externalDocumentRefs": [
                {"externalDocumentId": f"DocumentRef-{n}", "spdxDocument": "https://example.org/o"} for n in "op"
            ],
            "relationships": [DESCRIBES, {**relationship("root", "DEPENDS_ON", ""), "relatedSpdxElement": "DocumentRef-o:SPDXRef-x"}],
        },
        ("1 dependency edge leads into other documents, which were not read",),
        ("it refers to 2 other documents, which were not read",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("write", [as_json, as_tag_value])
@pytest.mark.parametrize("name", SPDX_CASES)
def test_what_spdx_leaves_open_is_told(name: str, write: Writer) -> None:
    """The same sentences in JSON and tag-value, and no others."""
    fields, gaps, hides = SPDX_CASES[name]
    document = parse_sbom(write(spdx(**fields)), "x")
    assert (document.gaps, document.hides) == (gaps, hides)


@pytest.mark.parametrize(
    ("relationships", "gap"),
    [
        ([], "it does not say which of its packages it describes"),
        (
            [relationship("DOCUMENT", "DESCRIBES", one) for one in ("r-express", "r-requests")],
            "it describes 2 elements and does not say which of them is the image",
        ),
    ],
)
def test_spdx_without_one_root_says_so(relationships: list[dict[str, str]], gap: str) -> None:
    """No package is taken for the image; those that it describes are where chains start."""
    document = parse_sbom(as_json(spdx(relationships=relationships)), "x", IMAGE)
    assert (len(document.packages), document.digests) == (5, (IMAGE.partition("@")[2],))
    assert gap in document.gaps
    assert len(document.edges.get(ROOT, ())) == len(relationships)


def read_named(name: str, **root: Any) -> SbomDocument:
    component = {"type": "container", "name": "app", "bom-ref": "root", **root}
    return parse_sbom(as_json(cyclonedx(metadata={"component": component})), name)


D, E = "d" * 64, "e" * 64


@pytest.mark.parametrize(
    "name", [f"sha256-{D}.sbom", f"app@sha256:{D}.json", f"app_sha256_{D}.cdx.json", f"SHA256={D}", f"x/y/sha256:{D}"]
)
def test_a_files_name_names_the_image(name: str) -> None:
    """As registries and cosign write it, where the SBOM itself names none."""
    assert read_named(name).digests == (f"sha256:{D}",)


@pytest.mark.parametrize("name", [f"{D}.json", f"xsha256-{D}.json", f"sha256-{D}0.json", f"sha256-{D}/app.json"])
def test_another_number_in_a_name_does_not(name: str) -> None:
    """A number without its algorithm, of another length, or a folder's."""
    with pytest.raises(BadInputError, match="names no digest"):
        read_named(name)


def test_a_file_named_after_its_own_content_names_no_image() -> None:
    """Stores call files by their own digest."""
    content = as_json(cyclonedx(metadata={"component": {"type": "container", "name": "app"}}))
    digest = parse_sbom(content, "x", IMAGE).document
    with pytest.raises(BadInputError, match="names no digest"):
        parse_sbom(content, f"{digest}.json")


def test_a_name_that_says_otherwise_is_told() -> None:
    """The SBOM's own words count, and the name is told as a gap."""
    document = read_named(f"sha256-{D}.json", version=f"sha256:{E}")
    assert document.digests == (f"sha256:{E}",)
    assert document.gaps[-1] == f"its file is named after another digest, sha256:{D}"


@pytest.mark.parametrize(
    "name",
    ["aquasecurity:trivy:DiffID", "syft:image:layer:digest", "org.opencontainers.image.base.digest", "x:base:imageDigest",
     "x:parent:repoDigest", "sha256"],
)  # fmt: skip
def test_layers_and_base_images_are_not_the_image(name: str) -> None:
    """Their digests stand in many images' SBOMs."""
    with pytest.raises(BadInputError, match="names no digest"):
        read_named("x", properties=[{"name": name, "value": f"sha256:{D}"}])


@pytest.mark.parametrize("kind", ["SHA-1", "SHA-512", "MD5"])
def test_a_hash_of_another_kind_is_no_digest(kind: str) -> None:
    """Nor is an application's own hash its image's."""
    with pytest.raises(BadInputError, match="names no digest"):
        read_named("x", hashes=[{"alg": kind, "content": D}])
    with pytest.raises(BadInputError, match="names no digest"):
        read_named("x", type="application", hashes=[{"alg": "SHA-256", "content": D}])


def test_an_spdx_checksum_of_a_layer_is_not_the_image() -> None:
    """Trivy writes each layer's DiffID as an attribution; an application's checksum is its file's."""
    root = {"SPDXID": "SPDXRef-root", "name": "app", "primaryPackagePurpose": "CONTAINER"}
    layer = root | {"attributionTexts": [f"DiffID: sha256:{D}"]}
    file = root | {"primaryPackagePurpose": "APPLICATION", "checksums": [{"algorithm": "SHA256", "checksumValue": D}]}
    for one in (layer, file):
        with pytest.raises(BadInputError, match="names no digest"):
            parse_sbom(as_json(spdx(packages=[one], relationships=[DESCRIBES], name="app")), "x")
