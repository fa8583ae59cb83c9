"""SBOMs and attestations as tools write them, about images of the stub."""

from __future__ import annotations

import base64
import json
from typing import Any

COMMIT = "f9676d83590d403ef37eb06a4497f8b9a611983a"
BUILDER = "https://builder.example.org"


def cyclonedx(purl: str, digest: str = "", *also: str) -> bytes:
    """A whole image's SBOM; with a digest it names its image, and with others what it goes by besides."""
    component: dict[str, Any] = {"type": "container", "name": "app", "bom-ref": "root"}
    if digest:
        component["version"] = digest
        component["properties"] = [{"name": "aquasecurity:trivy:RepoDigest", "value": f"app@{one}"} for one in also]
    document = {
        "bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"component": component},
        "components": [{"type": "library", "name": purl.rsplit("/", maxsplit=1)[-1].partition("@")[0], "purl": purl}],
    }  # fmt: skip
    return json.dumps(document).encode()


def spdx(purl: str) -> dict[str, Any]:
    package = {
        "SPDXID": "SPDXRef-1", "name": purl.rsplit("/", maxsplit=1)[-1].partition("@")[0], "versionInfo": purl.rpartition("@")[2],
        "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}],
    }  # fmt: skip
    return {
        "spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "app", "documentNamespace": f"urn:{purl}",
        "packages": [package], "relationships": [],
    }  # fmt: skip


def statement(predicate_type: str, predicate: Any, *digests: str, name: str = "registry.example.org/team/app") -> bytes:
    subject = [{"name": name, "digest": {"sha256": digest.removeprefix("sha256:")}} for digest in digests]
    whole = {
        "_type": "https://in-toto.io/Statement/v0.1", "predicateType": predicate_type, "subject": subject,
        "predicate": predicate,
    }  # fmt: skip
    return json.dumps(whole).encode()


def dsse(content: bytes) -> bytes:
    envelope = {
        "payloadType": "application/vnd.in-toto+json", "payload": base64.b64encode(content).decode(),
        "signatures": [{"sig": "MEUCIQ=="}],
    }  # fmt: skip
    return json.dumps(envelope).encode()


def bundle(content: bytes) -> bytes:
    return json.dumps(
        {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {"certificate": {"rawBytes": "MIIB"}, "tlogEntries": []},
            "dsseEnvelope": json.loads(dsse(content)),
        }
    ).encode()


def slsa(*digests: str, commit: str = COMMIT) -> bytes:
    """Provenance v1 as GitHub's builders write it."""
    source = {"uri": "git+https://git.example.org/team/app@refs/heads/main", "digest": {"gitCommit": commit}}
    predicate = {
        "buildDefinition": {"buildType": "https://actions.example.org/v1", "resolvedDependencies": [source]},
        "runDetails": {"builder": {"id": BUILDER}},
    }  # fmt: skip
    return statement("https://slsa.dev/provenance/v1", predicate, *digests)
