"""Attestations in files: bundles, JSON lines, SBOMs inside statements, and what BuildKit writes."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from graph_fleet import IMAGE, OTHER

from patchgap.errors import BadInputError
from patchgap.graph.files import Content, Several, read_file
from patchgap.graph.provenance import parse_provenance
from patchgap.graph.sbom.document import SbomDocument

COMMIT = "f9676d83590d403ef37eb06a4497f8b9a611983a"
SPDX = {
    "spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "app", "documentNamespace": "urn:x",
    "packages": [{"SPDXID": "SPDXRef-1", "name": "left-pad", "versionInfo": "1.0.0"}],
}  # fmt: skip
V02, V1 = "https://slsa.dev/provenance/v0.2", "https://slsa.dev/provenance/v1"


def statement(kind: str, predicate: Any, *digests: str, name: str = "registry.example.org/team/app") -> dict[str, Any]:
    subject = [{"name": name, "digest": {"sha256": one.removeprefix("sha256:")}} for one in digests or (IMAGE,)]
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "predicateType": kind,
        "subject": subject,
        "predicate": predicate,
    }


def dsse(held: dict[str, Any]) -> dict[str, Any]:
    payload = base64.b64encode(json.dumps(held).encode()).decode()
    return {"payloadType": "application/vnd.in-toto+json", "payload": payload, "signatures": []}


def bundle(held: dict[str, Any]) -> dict[str, Any]:
    return {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {},
        "dsseEnvelope": dsse(held),
    }


def read(folder: Path, *documents: dict[str, Any]) -> Content:
    path = folder / "attestation"
    path.write_text("\n".join(json.dumps(one) for one in documents))
    return read_file(path)


SLSA = statement(V1, {"buildDefinition": {}, "runDetails": {"builder": {"id": "https://builder.example.org"}}})


@pytest.mark.parametrize("wrap", [lambda held: held, dsse, bundle])
def test_an_sbom_in_an_attestation_is_its_subjects(tmp_path: Path, wrap: Any) -> None:
    """Bare, in DSSE, in a bundle; also where cosign put the document into `Data` as text."""
    for predicate in (SPDX, {"Data": json.dumps(SPDX)}, {"Data": SPDX}):
        found = read(tmp_path, wrap(statement("https://spdx.dev/Document", predicate)))
        assert isinstance(found, SbomDocument)
        assert (found.artifact.digest, found.artifact.repository) == (IMAGE, "registry.example.org/team/app")


def test_an_attestation_of_two_images_is_an_sbom_of_each(tmp_path: Path) -> None:
    """And does not make them one."""
    found = read(tmp_path, statement("https://spdx.dev/Document", SPDX, IMAGE, OTHER))
    assert isinstance(found, Several)
    assert [one.digests for one in found.contents if isinstance(one, SbomDocument)] == [(IMAGE,), (OTHER,)]


def test_json_lines_are_read_one_by_one(tmp_path: Path) -> None:
    """What cannot be taken is told with its line, and the others are taken."""
    broken = dsse(SLSA) | {"payload": "%"}
    found = read(tmp_path, bundle(SLSA), broken, bundle(statement("https://spdx.dev/Document", SPDX)), bundle(SLSA))
    assert isinstance(found, Several)
    assert (len(found.contents), len(found.failed)) == (3, 1)
    assert str(found.failed[0]).startswith(f"{tmp_path}/attestation:2: payload is no base64")


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"mediaType": "x", "messageSignature": {"messageDigest": {}}}, "signs a file, and holds no statement"),
        (dsse({"_type": "x"}), "is no in-toto statement"),
        (statement("https://example.org/test-result/v1", {"passed": True}), "is no SBOM, provenance or VEX"),
        (dsse(SLSA) | {"payload": base64.b64encode(b'{"a": 1, "a": 2}').decode()}, "stands twice"),
    ],
)
def test_what_is_none_is_told(tmp_path: Path, document: dict[str, Any], problem: str) -> None:
    """One sentence, with the place."""
    with pytest.raises(BadInputError, match=problem):
        read(tmp_path, document)


BUILDKIT_SOURCE = {"uri": "https://git.example.org/team/app.git#refs/heads/main", "digest": {"sha1": COMMIT}}
BUILDKIT: dict[str, dict[str, Any]] = {
    "v0.2 from a repository": statement(
        V02,
        {"builder": {"id": ""}, "buildType": "https://mobyproject.org/buildkit@v1", "invocation": {"configSource": BUILDKIT_SOURCE}},
    ),
    "v0.2 from a checkout": statement(
        V02,
        {
            "builder": {"id": ""}, "buildType": "https://mobyproject.org/buildkit@v1",
            "materials": [{"uri": "https://git.example.org/tool.git", "digest": {"sha1": "0" * 40}}],
            "metadata": {"https://mobyproject.org/buildkit@v1#metadata": {"vcs": {"revision": f"{COMMIT}-dirty"}}},
        },
    ),
    "v1": statement(
        V1,
        {
            "buildDefinition": {
                "buildType": "https://mobyproject.org/buildkit@v1", "externalParameters": {"configSource": BUILDKIT_SOURCE},
            },
            "runDetails": {"builder": {"id": ""}},
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BUILDKIT)
def test_buildkits_provenance_tells_the_commit_and_the_kind_of_build(case: str) -> None:
    """It writes an empty builder where it runs on one's own machine, and addresses that do not say git."""
    held = BUILDKIT[case] | {
        "subject": [{"name": "pkg:docker/team/app@1?platform=linux%2Famd64", "digest": {"sha256": "a" * 64}}]
    }
    (found,) = parse_provenance(json.dumps(held).encode(), "p")
    assert (found.commit, found.provenance, found.repository) == (COMMIT, "https://mobyproject.org/buildkit@v1", "")
