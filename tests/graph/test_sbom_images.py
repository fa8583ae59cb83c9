"""Which image an SBOM describes, from its own words, its file's name or the flag."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from patchgap.errors import BadInputError
from patchgap.graph.sbom.read import parse_sbom, read_sbom

C, D, E = ("sha256:" + letter * 64 for letter in "cde")
HEX = "c" * 64


def cyclonedx(root: dict[str, Any] | None, **metadata: Any) -> bytes:
    metadata |= {"component": {"type": "container", "name": "app", **root}} if root is not None else {}
    return json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": metadata}).encode()


def spdx(root: dict[str, Any], **more: Any) -> bytes:
    packages = [{"SPDXID": "image", "name": "app", **root}]
    document = {"spdxVersion": "SPDX-2.3", "documentDescribes": ["image"], "packages": packages, **more}
    return json.dumps(document).encode()


PURL = f"pkg:oci/app@sha256%3A{HEX}?repository_url=registry.example.org/app"
SAID = {
    "CycloneDX version": cyclonedx({"version": C}),
    "CycloneDX purl": cyclonedx({"purl": PURL}),
    "CycloneDX purl, unescaped": cyclonedx({"purl": PURL.replace("%3A", ":")}),
    "CycloneDX purl, small letters": cyclonedx({"purl": PURL.replace("%3A", "%3a")}),
    "CycloneDX purl qualifier": cyclonedx({"purl": f"pkg:docker/app@1?digest={C}"}),
    "CycloneDX bom-ref": cyclonedx({"bom-ref": f"pkg:oci/app@sha256%3A{HEX}"}),
    "CycloneDX hash": cyclonedx({"hashes": [{"alg": "SHA-256", "content": HEX.upper()}]}),
    "CycloneDX name": cyclonedx({"name": f"registry.example.org/app@{C}"}),
    "Trivy's RepoDigest": cyclonedx({"properties": [{"name": "aquasecurity:trivy:RepoDigest", "value": f"a@{C}"}]}),
    "Trivy's ImageID": cyclonedx({"properties": [{"name": "aquasecurity:trivy:ImageID", "value": C}]}),
    "a metadata property": cyclonedx({}, properties=[{"name": "syft:image:manifestDigest", "value": C}]),
    "SPDX version": spdx({"versionInfo": C}),
    "SPDX purl": spdx({"externalRefs": [{"referenceType": "purl", "referenceLocator": PURL}]}),
    "SPDX checksum": spdx({
        "primaryPackagePurpose": "CONTAINER", "checksums": [{"algorithm": "SHA256", "checksumValue": HEX}]
    }),
    "SPDX download location": spdx({"downloadLocation": f"https://registry.example.org/v2/app/manifests/{C}"}),
    "SPDX attribution": spdx({"attributionTexts": [f"RepoDigest: app@{C}", f"DiffID: {D}"]}),
    "SPDX name of the document": spdx({}, name=f"app@{C}"),
}  # fmt: skip


@pytest.mark.parametrize("how", SAID)
def test_a_digest_is_found_wherever_a_tool_writes_it(how: str) -> None:
    """The document's own words name its image."""
    assert parse_sbom(SAID[how], "x.json").digests == (C,)


OTHERS = {
    "a layer": cyclonedx({"properties": [{"name": "aquasecurity:trivy:DiffID", "value": C}]}),
    "a layer's digest": cyclonedx({"properties": [{"name": "aquasecurity:trivy:LayerDigest", "value": C}]}),
    "the base image": cyclonedx(
        {"properties": [{"name": "syft:image:labels:org.opencontainers.image.base.digest", "value": C}]}
    ),
    "the base image's digest": cyclonedx({"properties": [{"name": "base:image:digest", "value": C}]}),
    "an application's archive": cyclonedx({"type": "application", "hashes": [{"alg": "SHA-256", "content": HEX}]}),
    "another hash": cyclonedx({"hashes": [{"alg": "SHA3-256", "content": HEX}]}),
    "an archive's checksum": spdx({"checksums": [{"algorithm": "SHA256", "checksumValue": HEX}]}),
    "a layer in SPDX": spdx({"attributionTexts": [f"DiffID: {C}"]}),
    "nothing": cyclonedx(None),
}


@pytest.mark.parametrize("what", OTHERS)
def test_what_is_not_the_image_binds_nothing(what: str) -> None:
    """A digest of something else would join two images into one: `gone` would be said of what runs."""
    with pytest.raises(BadInputError, match=r"names no digest.* --artifact REPOSITORY@sha256"):
        parse_sbom(OTHERS[what], "x.json")


def test_all_that_a_document_says_of_its_image_is_equivalent() -> None:
    """Index, platform and configuration go by one image where the document says so of one."""
    properties = [
        {"name": "aquasecurity:trivy:RepoDigest", "value": f"app@{D}"},
        {"name": "aquasecurity:trivy:ImageID", "value": E},
        {"name": "aquasecurity:trivy:DiffID", "value": "sha256:" + "f" * 64},
    ]
    assert parse_sbom(cyclonedx({"version": C, "properties": properties}), "x").digests == (C, D, E)


def test_the_flag_joins_no_image_that_the_document_does_not() -> None:
    """After a slip one image would answer for another. Of a document that names the flag's digest the others are believed,
    and of an image whose digests are known those alone."""
    content = cyclonedx({"version": C, "properties": [{"name": "aquasecurity:trivy:RepoDigest", "value": f"app@{D}"}]})
    slip = parse_sbom(content, "x", f"app@{E}")
    assert slip.digests == (E,)
    assert f"it names {C}, {D} too, which is not known to be this image" in slip.gaps
    named = parse_sbom(content, "x", f"app@{D}")
    assert (set(named.digests), named.artifact.digest, named.gaps) == ({C, D}, D, parse_sbom(content, "x").gaps)
    known = parse_sbom(content, "x", f"app@{E}", frozenset({E, D}))
    assert known.digests == (E, D)
    assert f"it names {C} too, which is not known to be this image" in known.gaps


@pytest.mark.parametrize(
    "name",
    [
        f"sha256-{HEX}.sbom", f"sha256-{HEX}.json", f"app@sha256_{HEX}.cdx.json", f"app_sha256-{HEX}.spdx.json.gz",
        f"sha256:{HEX}", f"app@sha256={HEX}.json",
    ],
)  # fmt: skip
def test_a_file_that_is_named_after_an_image_binds_to_it(name: str) -> None:
    """As cosign's tags and registries' exports are named; the flag is not needed."""
    assert parse_sbom(cyclonedx(None), Path("sboms") / name).digests == (C,)


@pytest.mark.parametrize("name", [f"{HEX}.json", f"sha256-{HEX}0.json", f"sha256-{HEX[:-1]}.json", f"xsha256-{HEX}"])
def test_a_name_that_only_looks_alike_binds_nothing(name: str) -> None:
    """A folder of blobs names each file by some digest."""
    with pytest.raises(BadInputError, match="names no digest"):
        parse_sbom(cyclonedx(None), name)


def test_a_file_that_is_named_after_its_own_content_binds_nothing(tmp_path: Path) -> None:
    """A content-addressed store's name is the SBOM's digest and no image's."""
    content = cyclonedx(None)
    path = tmp_path / f"sha256-{hashlib.sha256(content).hexdigest()}.json"
    path.write_bytes(content)
    with pytest.raises(BadInputError, match="names no digest"):
        read_sbom(path)


def test_the_documents_words_go_before_its_files_name() -> None:
    """They are not joined, and the difference is told."""
    document = parse_sbom(cyclonedx({"version": D}), f"sha256-{HEX}.json")
    assert document.digests == (D,)
    assert f"its file is named after another digest, {C}" in document.gaps


def test_the_flag_goes_before_both() -> None:
    """Whoever names the image knows; what the document and the file's name say of another is not joined to it."""
    document = parse_sbom(cyclonedx({"version": D}), f"sha256-{HEX}.json", f"app@{E}")
    assert document.digests == (E,)
