"""SPDX tag-value says what the same SBOM's JSON says, and what its lines alone can hold is read or refused."""

from __future__ import annotations

from typing import Any

import pytest
from sbom_formats import DIGEST, HEX, NAME, as_json, as_tag_value, references, relationship, said, spdx, spdx_id

from patchgap.errors import BadInputError
from patchgap.graph.sbom.read import parse_sbom

IMAGE = "registry.example.org/team/app@sha256:" + "a" * 64
HEAD = "SPDXVersion: SPDX-2.3\nDocumentName: app\n"


def packages(*lines: str) -> list[str]:
    content = HEAD + "\n".join(lines) + "\n"
    return [one.purl or f"{one.name}@{one.version}" for one in parse_sbom(content.encode(), "x.spdx", IMAGE).packages]


@pytest.mark.parametrize("version", ["2.2", "2.3"])
def test_both_versions_say_what_their_json_says(version: str) -> None:
    """The same SBOM in both, its digest, repository and namespace too."""
    read, other = parse_sbom(as_tag_value(spdx(version)), "x.spdx"), parse_sbom(as_json(spdx(version)), "x.json")
    assert (said(read), read.reference, read.format) == (said(other), other.reference, f"SPDX {version}")
    assert (read.digests, read.artifact.repository, len(read.edges), len(read.packages)) == ((DIGEST,), NAME, 3, 4)


ROOT = {"SPDXID": "SPDXRef-root", "name": NAME, "primaryPackagePurpose": "CONTAINER"}
CHECKSUM = {"algorithm": "SHA256", "checksumValue": HEX}
LIBSSL = {"SPDXID": "SPDXRef-l", "name": "libssl3", **references("pkg:deb/debian/libssl3@3.0.11-1")}
DOCUMENTS: dict[str, dict[str, Any]] = {
    "a checksum of the image": {"packages": [ROOT | {"checksums": [CHECKSUM]}]},
    "a location of the image": {"packages": [ROOT | {"downloadLocation": f"https://{NAME}@{DIGEST}"}]},
    "a purl of the image": {"packages": [ROOT | references(f"pkg:oci/app@sha256%3A{HEX}")]},
    "an attribution of the image": {"packages": [ROOT | {"attributionTexts": [f"RepoDigest: {NAME}@{DIGEST}"]}]},
    "a source package": {"packages": [ROOT | {"versionInfo": DIGEST}, LIBSSL | {"sourceInfo": "built package from: openssl 3"}]},
    "several purls": {"packages": [ROOT | {"versionInfo": DIGEST}, {"SPDXID": "SPDXRef-a", "name": "a", **references("pkg:npm/a@1", "pkg:pypi/a@1")}]},
    "files": {
        "files": [{"fileName": "./f", "SPDXID": "SPDXRef-f"}],
        "relationships": [relationship("DOCUMENT", "DESCRIBES", "root"), relationship("root", "DEPENDS_ON", "f")],
    },
    "other documents": {
        "externalDocumentRefs": [{"externalDocumentId": "DocumentRef-o", "spdxDocument": "https://example.org/o"}],
        "relationships": [
            relationship("DOCUMENT", "DESCRIBES", "root"),
            {**relationship("root", "DEPENDS_ON", ""), "relatedSpdxElement": "DocumentRef-o:SPDXRef-x"},
        ],
    },
    "relationships of every kind": {
        "relationships": [
            relationship("root", "DESCRIBED_BY", "DOCUMENT"),
            relationship("r-express", "DEPENDENCY_OF", "root"),
            relationship("r-express", "STATIC_LINK", "r-libssl"),
            relationship("r-libssl", "PREREQUISITE_FOR", "r-requests"),
            relationship("root", "CONTAINS", "r-requests"),
            relationship("root", "SOMEHOW_NEAR", "r-requests"),
            {**relationship("r-requests", "DEPENDS_ON", ""), "relatedSpdxElement": "NOASSERTION"},
            {**relationship("r-requests", "DEPENDS_ON", ""), "relatedSpdxElement": "NONE"},
        ]
    },
}  # fmt: skip


@pytest.mark.parametrize("name", DOCUMENTS)
def test_each_part_is_read_as_in_json(name: str) -> None:
    """Wherever JSON has a part that counts, tag-value has it too."""
    document = spdx(**DOCUMENTS[name])
    in_tags, in_json = parse_sbom(as_tag_value(document), "x.spdx"), parse_sbom(as_json(document), "x.json")
    assert (said(in_tags), in_tags.packages, in_tags.hides) == (said(in_json), in_json.packages, in_json.hides)
    assert in_tags.digests == (DIGEST,)


def test_a_text_may_hold_lines_that_look_like_tags() -> None:
    """What stands in `<text>` is one value, of however many lines."""
    text = "PackageComment: <text>one\nPackageName: no package\r\n\nRelationship: broken\n# no comment</text> and more"
    assert packages("PackageName: a", "PackageVersion: 1", text, "PackageName: b", "PackageVersion: 2") == [
        "a@1",
        "b@2",
    ]


def test_a_value_in_text_and_blanks_around_it_are_trimmed() -> None:
    """Tools indent, put a blank before the colon, and wrap single words."""
    lines = ["  PackageName : a ", "\tPackageVersion:<text> 1 </text>", "   ", "   # a comment: of no tag"]
    assert packages(*lines) == ["a@1"]


def test_an_elements_tags_are_its_own() -> None:
    """A file's and a snippet's SPDXID or version is not the package's above it."""
    lines = ["PackageName: a", "SPDXID: SPDXRef-a", "PackageVersion: 1", "FileName: ./f", "SPDXID: SPDXRef-f"]
    lines += ["SnippetSPDXID: SPDXRef-s", "PackageVersion: 9", "LicenseID: LicenseRef-1", "PackageVersion: 8"]
    edges = ["Relationship: SPDXRef-a DEPENDS_ON SPDXRef-f"]
    document = parse_sbom((HEAD + "\n".join(lines + edges) + "\n").encode(), "x.spdx", IMAGE)
    assert [(one.name, one.version) for one in document.packages] == [("a", "1")]
    assert "1 dependency edge leads through files or services, which are no packages" in document.gaps


@pytest.mark.parametrize("name", ["PackageName:", "PackageName: ", "PackageName: <text></text>"])
def test_a_package_without_a_name_is_counted_and_leaves_its_neighbours_alone(name: str) -> None:
    """What follows it is its own, and not the package's above it."""
    lines = ["PackageName: a", "PackageVersion: 1", name, "SPDXID: SPDXRef-b", "PackageVersion: 2", "PackageName: c"]
    document = parse_sbom((HEAD + "\n".join(lines) + "\nPackageVersion: 3\n").encode(), "x.spdx", IMAGE)
    assert [(one.name, one.version) for one in document.packages] == [("a", "1"), ("", "2"), ("c", "3")]
    assert "3 of 3 packages have no usable purl" in document.gaps


def test_a_file_without_a_name_takes_nothing_from_the_package_above_it() -> None:
    """Its SPDXID is its own."""
    lines = ["PackageName: a", "SPDXID: SPDXRef-a", "PackageVersion: 1", "FileName:", "SPDXID: SPDXRef-f"]
    edges = ["PackageName: b", "SPDXID: SPDXRef-b", "Relationship: SPDXRef-a DEPENDS_ON SPDXRef-b"]
    document = parse_sbom((HEAD + "\n".join(lines + edges) + "\n").encode(), "x.spdx", IMAGE)
    assert document.edges == {0: (1,)}


def test_a_relationship_comment_changes_nothing() -> None:
    """A comment of the relationship stands on its own line."""
    lines = [f"Relationship: {spdx_id('a')} DEPENDS_ON {spdx_id('b')}", "RelationshipComment: <text>because\nso</text>"]
    named = [f"PackageName: {one}\nSPDXID: {spdx_id(one)}\nPackageVersion: 1" for one in "ab"]
    assert parse_sbom((HEAD + "\n".join(named + lines)).encode(), "x.spdx", IMAGE).edges == {0: (1,)}


@pytest.mark.parametrize(
    "words",
    ["b DEPENDENCY OF a", "a DEPENDS ON b", "b runtime dependency of a", "a DEPENDS b", "a DEPENDS_ON b and more"],
)
def test_a_kind_of_relationship_may_be_written_with_blanks(words: str) -> None:
    """As with a dash or in lower case, its elements stay the first word and the one after it."""
    named = [f"PackageName: {one}\nSPDXID: {one}\nPackageVersion: 1" for one in "ab"]
    document = parse_sbom((HEAD + "\n".join([*named, f"Relationship: {words}"])).encode(), "x.spdx", IMAGE)
    assert document.edges == {0: (1,)}
    assert not [one for one in (*document.gaps, *document.hides) if "relationship" in one]


REFUSED = {
    "a relationship of two words": ("Relationship: a DEPENDS_ON", "line 3: a relationship has three words"),
    "a reference of two words": ("PackageName: a\nExternalRef: PACKAGE-MANAGER purl", "line 4: an external reference"),
    "a text without end": ("PackageComment: <text>so", "line 3: its <text> does not end"),
    "no tag": ("PackageName: a\n\nso it is", "line 5: it is no `Tag: value`"),
    "no tag, after CR": ("PackageName: a\r\r\nso it is", "line 5: it is no `Tag: value`"),
    "a version to come": ("SPDXVersion: SPDX-9.9", "SPDXVersion 'SPDX-9.9' is not one of SPDX-2.2"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_line_is_refused_with_its_number(name: str) -> None:
    """Each refusal names the file and the line."""
    text, problem = REFUSED[name]
    with pytest.raises(BadInputError, match=problem) as caught:
        parse_sbom((HEAD + text + "\n").encode(), "sboms/x.spdx", IMAGE)
    assert str(caught.value).startswith("sboms/x.spdx: ")
