"""Provenance: SLSA v0.2 and v1, bare or enveloped, lead from a digest to its commit and builder."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from graph_fleet import DATA

from patchgap.errors import BadInputError
from patchgap.graph.provenance import parse_provenance
from patchgap.graph.sbom.read import parse_sbom
from patchgap.graph.store import Graph
from patchgap.model.exposure import Artifact

COMMIT, OTHER = "f9676d83590d403ef37eb06a4497f8b9a611983a", "0" * 40
SHA = "c" * 64
NOW = datetime(2026, 11, 24, 7, 10, tzinfo=UTC)


def statement(predicate: dict[str, Any], kind: str = "https://slsa.dev/provenance/v1", **fields: Any) -> bytes:
    subject = [{"name": "registry.example.org/team/app", "digest": {"sha256": SHA}}]
    whole = {"_type": "https://in-toto.io/Statement/v1", "predicateType": kind, "subject": subject}
    return json.dumps({**whole, "predicate": predicate, **fields}).encode()


def v1(*sources: dict[str, Any]) -> dict[str, Any]:
    return {
        "buildDefinition": {"resolvedDependencies": list(sources)},
        "runDetails": {"builder": {"id": "https://builder.example.org"}},
    }


GIT = {"uri": "git+https://git.example.org/team/app@refs/heads/main", "digest": {"gitCommit": COMMIT}}
V02 = {"builder": {"id": "https://builder.example.org"}}
GIVEN: dict[str, tuple[bytes, str]] = {
    "v1": (statement(v1({"uri": "pkg:docker/base", "digest": {"sha256": SHA}}, GIT)), COMMIT),
    "v1, an address that does not say git": (
        statement(v1({"uri": "https://git.example.org/team/app", "digest": {"gitCommit": COMMIT}})),
        COMMIT,
    ),
    "v1 without sources": (statement(v1()), ""),
    "v0.2, the configuration's source first": (
        statement(
            {
                **V02,
                "invocation": {"configSource": {"uri": "git+https://a", "digest": {"sha1": COMMIT}}},
                "materials": [{"uri": "git+https://b", "digest": {"sha1": OTHER}}],
            },
            "https://slsa.dev/provenance/v0.2",
        ),
        COMMIT,
    ),
    "v0.2, materials alone": (
        statement(
            {**V02, "materials": [{"uri": "git+https://b", "digest": {"sha1": OTHER}}]},
            "https://slsa.dev/provenance/v0.2",
        ),
        OTHER,
    ),
    "a commit that is none": (statement(v1({"uri": "git+https://a", "digest": {"gitCommit": "main"}})), ""),
}


@pytest.mark.parametrize("name", GIVEN)
def test_a_digest_leads_to_its_commit_and_builder(name: str) -> None:
    """Each form names the image, the commit it was built from and who built it; an unknown commit stays empty."""
    content, commit = GIVEN[name]
    assert parse_provenance(content, "p.json") == (
        Artifact(f"sha256:{SHA}", "registry.example.org/team/app", commit, "https://builder.example.org"),
    )


def test_an_envelope_is_opened() -> None:
    """A DSSE envelope says what the statement in it says."""
    payload = base64.b64encode(statement(v1(GIT))).decode()
    envelope = json.dumps({"payloadType": "application/vnd.in-toto+json", "payload": payload, "signatures": []})
    assert parse_provenance(envelope.encode(), "p.json") == parse_provenance(statement(v1(GIT)), "p.json")


def test_real_provenance_names_every_subject() -> None:
    """A Kubernetes release's v0.2, whose commit is quoted twice, is read whole."""
    path = DATA / "provenance" / "kube-slsa-v1.25.1.json"
    found = parse_provenance(path.read_bytes(), path)
    assert len({one.digest for one in found}) == 3
    assert {one.commit for one in found} == {"9ea33a8d02b38a2ac996f4328e7b1449f2cbc888"}
    assert {one.repository for one in found} == {""}  # a file in a bucket is no image's repository


BAD: dict[str, tuple[bytes, str]] = {
    "no SLSA": (statement({}, "https://in-toto.io/attestation/vulns"), "is no SLSA provenance"),
    "no builder": (statement({}), "no subject or no builder"),
    "no subject": (statement(v1(GIT), subject=None), "no subject or no builder"),
    "no digest": (
        statement(v1(GIT), subject=[{"name": "a", "digest": {"sha512": "x"}}, 7]),
        "no subject has a SHA-256",
    ),
    "no base64": (b'{"payload": "***"}', "payload is no base64"),
    "an empty envelope": (b'{"payload": ""}', "payload: it is not a JSON object"),
    "half a surrogate pair": (b'{"payload": "\\ud800"}', "half a surrogate pair"),
    "a predicate of another type": (statement([]), "no subject or no builder"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", BAD)
def test_bad_provenance_is_refused_with_its_field(name: str) -> None:
    """One error that names the file and what is wrong."""
    content, problem = BAD[name]
    with pytest.raises(BadInputError, match=problem) as caught:
        parse_provenance(content, "p.json")
    assert str(caught.value).startswith("p.json: ")


def test_provenance_and_sbom_meet_in_either_order(graph: Graph) -> None:
    """What the one says of a digest is kept when the other comes; silence overwrites nothing."""
    root = {"type": "container", "name": "registry.example.org/team/app", "version": f"sha256:{SHA}"}
    bom = json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"component": root}}).encode()
    graph.add_artifacts(parse_provenance(statement(v1(GIT)), "p.json"))
    graph.add_sbom(parse_sbom(bom, "x.json"), NOW)
    found = graph.artifact(f"sha256:{SHA}")
    assert found is not None
    assert (found.commit, found.provenance) == (COMMIT, "https://builder.example.org")
    graph.add_artifacts(parse_provenance(statement(v1()), "p.json"))
    assert graph.artifact(f"sha256:{SHA}") == found
