"""Syft's own JSON says what the same SBOM in CycloneDX says; its image is found in each of its schemas."""

from __future__ import annotations

from typing import Any

import pytest
from sbom_formats import DIGEST, NAME, PACKAGES, as_json, cyclonedx, said, syft

from patchgap.errors import BadInputError
from patchgap.graph.sbom.document import ROOT, SbomDocument
from patchgap.graph.sbom.read import parse_sbom

IMAGE = "registry.example.org/team/app@sha256:" + "a" * 64
CONFIG = "sha256:" + "1" * 64
LAYER = "sha256:" + "2" * 64


def read(artifact: str | None = None, **fields: Any) -> SbomDocument:
    return parse_sbom(as_json(syft(**fields)), "x.json", artifact)


def test_it_says_what_cyclonedx_says_but_where_chains_start() -> None:
    """Syft knows which package needs which, and never which of them the image itself needs: that is told."""
    found, other = read(), parse_sbom(as_json(cyclonedx()), "x.json")
    packages, edges, _, *rest, gaps = said(found)
    assert (packages, rest) == (said(other)[0], list(said(other)[3:-1]))
    assert edges == {start: ends for start, ends in said(other)[1].items() if start != other.root}
    assert (found.format, found.whole, ROOT in found.edges) == ("Syft 16.0.0", True, False)
    assert gaps[-1].startswith("no chain starts at the artifact: its root leads to nothing, though 3 dependency edges")


def test_every_digest_of_the_image_is_kept_and_no_layers() -> None:
    """Manifest, repository digests and config are one image; a layer is not."""
    found = read()
    assert found.digests == (DIGEST, CONFIG)
    assert LAYER not in found.digests


IMAGE_IN = {"userInput": f"{NAME}:1", "manifestDigest": DIGEST, "layers": [{"digest": LAYER}], "labels": {"a": "b"}}


@pytest.mark.parametrize(
    "source",
    [
        {"type": "image", "target": IMAGE_IN},
        {"type": "image", "metadata": IMAGE_IN},
        {"type": "image", "name": NAME, "version": DIGEST, "metadata": {"userInput": f"{NAME}:1"}},
        {"type": "image", "metadata": {"userInput": f"{NAME}:1", "imageID": DIGEST}},
        {"type": "image", "metadata": {"userInput": f"{NAME}:1", "repoDigests": [f"{NAME}@{DIGEST}"]}},
        {"type": "image", "metadata": {"userInput": f"{NAME}@{DIGEST}"}},
    ],
)
def test_the_image_is_found_in_each_schema(source: dict[str, Any]) -> None:
    """`target` in the older ones, `metadata` in those since 9, and in each field that names it."""
    found = read(source=source)
    assert (found.digests, found.artifact.repository) == ((DIGEST,), NAME)


def test_the_commit_comes_from_the_images_label() -> None:
    """The OCI revision."""
    labels = {"org.opencontainers.image.revision": "b" * 40}
    assert read(source={"type": "image", "metadata": IMAGE_IN | {"labels": labels}}).artifact.commit == "b" * 40


@pytest.mark.parametrize(
    "source",
    [
        {"type": "directory", "target": "/src"},
        {"type": "directory", "name": "src", "metadata": {"path": "/src"}},
        {"type": "file", "metadata": {"path": "/app", "digests": [{"algorithm": "sha256", "value": "e" * 64}]}},
        None,
    ],
)
def test_what_is_no_image_names_none(source: dict[str, Any] | None) -> None:
    """A folder's or a file's SBOM is bound by the flag, and does not claim to be the whole of an image."""
    with pytest.raises(BadInputError, match="names no digest"):
        read(source=source)
    found = read(IMAGE, source=source)
    assert (found.digests, found.whole, len(found.packages)) == (("sha256:" + "a" * 64,), False, len(PACKAGES))


def test_relationships_that_are_no_dependency_are_no_edges_and_unknown_ones_are_told() -> None:
    """`contains` says where a package lies; a name that no schema knows is counted."""
    edges = [{"parent": "r-express", "child": "r-libssl", "type": kind} for kind in ("contains", "near-to", "near-to")]
    edges.append({"parent": "r-libssl", "child": "nowhere", "type": "dependency-of"})
    found = read(artifactRelationships=edges)
    assert found.edges == {}
    assert found.gaps[1:] == (
        "1 dependency edge leads nowhere",
        "2 relationships of an unknown kind could not be read: near-to",
    )


def test_a_field_of_another_type_is_refused_with_its_name() -> None:
    """Each refusal names the file and the field."""
    with pytest.raises(BadInputError, match=r"x\.json: artifacts\[0\].name: Expected `str`"):
        read(artifacts=[{"name": 7}])
