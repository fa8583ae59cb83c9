"""One SBOM, written in every format by hand from each format's specification, for the readers' tests: CycloneDX's and
SPDX's objects, Syft's, JSON and tag-value. `sbom_as_xml` and `sbom_as_protobuf` write CycloneDX's object in its others."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from patchgap.graph.sbom.document import ROOT, SbomDocument

HEX = "c" * 64
DIGEST = f"sha256:{HEX}"
NAME = "registry.example.org/team/app"
PACKAGES = {  # by reference: name, version, purl
    "r-express": ("express", "4.19.2", "pkg:npm/express@4.19.2"),
    "r-requests": ("requests", "2.31.0", "pkg:pypi/requests@2.31.0"),
    "r-libssl": ("libssl3", "3.0.11-1", "pkg:deb/debian/libssl3@3.0.11-1?distro=debian-12"),
    "r-zoë": ("zoë & <sons>", "1.0", ""),
}
EDGES = {"root": ["r-express", "r-requests"], "r-express": ["r-libssl"], "r-requests": ["r-zoë", "r-libssl"]}


def said(document: SbomDocument) -> tuple[Any, ...]:
    """What an SBOM says, without the order in which it says it."""
    names = [one.purl or one.name for one in document.packages]
    packages = sorted((one.ecosystem, one.name, one.version, one.purl, one.distro) for one in document.packages)
    edges = {
        (document.root if start == ROOT else names[start]): {names[end] for end in ends}
        for start, ends in document.edges.items()
    }
    return packages, edges, document.digests, document.root, document.artifact.repository, document.whole, document.gaps


def everything(document: SbomDocument) -> tuple[Any, ...]:
    """The same with the packages in their order, the commit, and what hides packages."""
    return said(document), document.packages, document.artifact.commit, document.hides


def cyclonedx(version: str = "1.6", **fields: Any) -> dict[str, Any]:
    """The SBOM as CycloneDX JSON's object; fields take the place of its own."""
    root = {"type": "container", "name": NAME, "version": DIGEST, "bom-ref": "root"}
    components = [
        {"type": "library", "name": name, "version": version, "bom-ref": reference, **({"purl": purl} if purl else {})}
        for reference, (name, version, purl) in PACKAGES.items()
    ]
    edges = [{"ref": parent, "dependsOn": children} for parent, children in EDGES.items()]
    held = {"metadata": {"component": root}, "components": components, "dependencies": edges}
    return {"bomFormat": "CycloneDX", "specVersion": version, **held, **fields}


def as_json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document).encode()


def spdx(version: str = "2.3", **fields: Any) -> dict[str, Any]:
    """The SBOM as SPDX 2 JSON's object; fields take the place of its own."""
    packages: list[dict[str, Any]] = [{"SPDXID": "SPDXRef-root", "name": NAME, "versionInfo": DIGEST}]
    packages[0]["primaryPackagePurpose"] = "CONTAINER"
    for reference, (name, number, purl) in PACKAGES.items():
        packages.append({"SPDXID": spdx_id(reference), "name": name, "versionInfo": number, **references(purl)})
    edges = [("DOCUMENT", "DESCRIBES", "root")]
    edges += [(parent, "DEPENDS_ON", child) for parent, children in EDGES.items() for child in children]
    return {
        "spdxVersion": f"SPDX-{version}",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": NAME,
        "documentNamespace": "https://example.org/spdx/app",
        "packages": packages,
        "relationships": [relationship(*one) for one in edges],
        **fields,
    }


def spdx_id(reference: str) -> str:
    return f"SPDXRef-{reference}".replace("ë", "e")


def references(*purls: str) -> dict[str, Any]:
    found = [
        {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}
        for purl in purls
        if purl
    ]
    return {"externalRefs": found} if found else {}


def relationship(start: str, kind: str, end: str) -> dict[str, str]:
    return {"spdxElementId": spdx_id(start), "relationshipType": kind, "relatedSpdxElement": spdx_id(end)}


def as_tag_value(document: Mapping[str, Any], ending: str = "\n") -> bytes:
    """SPDX 2 JSON's object as tag-value."""
    lines = [
        f"SPDXVersion: {document['spdxVersion']}",
        "DataLicense: CC0-1.0",
        "SPDXID: SPDXRef-DOCUMENT",
        f"DocumentName: {document['name']}",
        f"DocumentNamespace: {document['documentNamespace']}",
    ]
    lines += [
        f"ExternalDocumentRef: {o['externalDocumentId']} {o['spdxDocument']}"
        for o in document.get("externalDocumentRefs", ())
    ]
    for one in document.get("packages", ()):
        lines += _package_lines(one)
    for one in document.get("files", ()):
        lines += ["", f"FileName: {one['fileName']}", f"SPDXID: {one['SPDXID']}"]
    lines += ["", "# the relationships"]
    lines += [
        f"Relationship: {r['spdxElementId']} {r['relationshipType']} {r['relatedSpdxElement']}"
        for r in document.get("relationships", ())
    ]
    return ending.join([*lines, ""]).encode()


def _package_lines(one: Mapping[str, Any]) -> list[str]:
    fields = {
        "PackageName": "name", "SPDXID": "SPDXID", "PackageVersion": "versionInfo",
        "PackageDownloadLocation": "downloadLocation", "PrimaryPackagePurpose": "primaryPackagePurpose",
    }  # fmt: skip
    lines = ["", f"##### {one['SPDXID']}", ""]
    lines += [f"{tag}: {one[field]}" for tag, field in fields.items() if field in one]
    lines += [f"PackageChecksum: {c['algorithm']}: {c['checksumValue']}" for c in one.get("checksums", ())]
    if "sourceInfo" in one:
        lines.append(f"PackageSourceInfo: <text>{one['sourceInfo']}</text>")
    lines += [f"PackageAttributionText: <text>{text}</text>" for text in one.get("attributionTexts", ())]
    lines += [
        f"ExternalRef: {r['referenceCategory']} {r['referenceType']} {r['referenceLocator']}"
        for r in one.get("externalRefs", ())
    ]
    return lines


def spdx3(*extra: Mapping[str, Any], version: str = "3.0.1") -> dict[str, Any]:
    """The SBOM as SPDX 3 JSON-LD; extra elements follow its own."""
    graph: list[dict[str, Any]] = [
        {"type": "CreationInfo", "@id": "_:made", "specVersion": version, "created": "2026-11-24T07:10:00Z"},
        {"type": "Tool", "spdxId": iri("tool"), "creationInfo": "_:made", "name": "a tool"},
        {"type": "SpdxDocument", "spdxId": iri("document"), "name": NAME, "rootElement": [iri("sbom")]},
        {"type": "software_Sbom", "spdxId": iri("sbom"), "rootElement": [iri("root")]},
        {"type": "software_Package", "spdxId": iri("root"), "name": NAME, "software_packageVersion": DIGEST,
         "software_primaryPurpose": "container"},
    ]  # fmt: skip
    for reference, (name, number, purl) in PACKAGES.items():
        one = {"type": "software_Package", "spdxId": iri(reference), "name": name, "software_packageVersion": number}
        graph.append({**one, **({"software_packageUrl": purl} if purl else {})})
    for parent, children in EDGES.items():
        graph.append(relation(parent, "dependsOn", children))
    return {"@context": f"https://spdx.org/rdf/{version}/spdx-context.jsonld", "@graph": [*graph, *extra]}


def iri(reference: str) -> str:
    return f"https://example.org/spdx/app#{reference}"


def relation(start: str, kind: str, ends: Sequence[str], **fields: Any) -> dict[str, Any]:
    return {
        "type": "Relationship", "spdxId": iri(f"{kind}-{start}"), "from": iri(start), "relationshipType": kind,
        "to": [iri(end) for end in ends], **fields,
    }  # fmt: skip


def syft(schema: str = "16.0.0", **fields: Any) -> dict[str, Any]:
    """The SBOM as Syft's own JSON. Its image has no place in its relationships, so that no chain starts there."""
    artifacts = [
        {"id": reference, "name": name, "version": version, "type": "library", "locations": [], "purl": purl}
        for reference, (name, version, purl) in PACKAGES.items()
    ]
    edges = [
        {"parent": child, "child": parent, "type": "dependency-of"}
        for parent, children in EDGES.items()
        if parent != "root"
        for child in children
    ]
    image = {
        "userInput": f"{NAME}:1",
        "imageID": "sha256:" + "1" * 64,
        "manifestDigest": DIGEST,
        "repoDigests": [f"{NAME}@{DIGEST}"],
        "layers": [{"digest": "sha256:" + "2" * 64}],
    }
    return {
        "artifacts": artifacts,
        "artifactRelationships": edges,
        "source": {"id": "s", "name": NAME, "version": DIGEST, "type": "image", "metadata": image},
        "descriptor": {"name": "syft", "version": "1.9.0"},
        "schema": {"version": schema, "url": f"https://example.org/syft/json/schema-{schema}.json"},
        **fields,
    }
