"""One SBOM, written in every format by hand from each format's specification, for the readers' tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from xml.etree import ElementTree as ET

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


def as_xml(bom: Mapping[str, Any], encoding: str = "utf-8") -> bytes:
    """CycloneDX JSON's object as XML."""
    root = ET.Element("bom", xmlns=f"http://cyclonedx.org/schema/bom/{bom['specVersion']}")
    root.set("version", str(bom.get("version", 1)))
    if "serialNumber" in bom:
        root.set("serialNumber", bom["serialNumber"])
    if "metadata" in bom:
        metadata = ET.SubElement(root, "metadata")
        _xml_texts(metadata, bom["metadata"], "timestamp")
        _xml_each(metadata, bom["metadata"], "authors", "author", _xml_name)
        if "component" in bom["metadata"]:
            _xml_component(metadata, bom["metadata"]["component"])
        for name in ("manufacture", "manufacturer", "supplier"):
            if name in bom["metadata"]:
                _xml_name(ET.SubElement(metadata, name), bom["metadata"][name])
        _xml_properties(metadata, bom["metadata"])
    _xml_components(root, bom)
    _xml_services(root, bom)
    _xml_edges(root, bom)
    _xml_compositions(root, bom)
    _xml_each(root, bom, "vulnerabilities", "vulnerability", _xml_vulnerability)
    return bytes(ET.tostring(root, encoding, xml_declaration=True))


def _xml_edges(root: ET.Element, bom: Mapping[str, Any]) -> None:
    if "dependencies" in bom:
        held = ET.SubElement(root, "dependencies")
        for one in bom["dependencies"]:
            parent = ET.SubElement(held, "dependency", ref=one["ref"])
            for child in one.get("dependsOn", ()):
                ET.SubElement(parent, "dependency", ref=child)


def _xml_compositions(root: ET.Element, bom: Mapping[str, Any]) -> None:
    held = ET.SubElement(root, "compositions")
    for one in bom.get("compositions", ()):
        composition = ET.SubElement(held, "composition")
        ET.SubElement(composition, "aggregate").text = one["aggregate"]
        for plural, single in (("assemblies", "assembly"), ("dependencies", "dependency")):
            if plural in one:
                listed = ET.SubElement(composition, plural)
                for reference in one[plural]:
                    ET.SubElement(listed, single, ref=reference)


def _xml_component(parent: ET.Element, one: Mapping[str, Any]) -> None:
    made = ET.SubElement(parent, "component", type=one.get("type", "library"))
    if "bom-ref" in one:
        made.set("bom-ref", one["bom-ref"])
    for field in ("group", "name", "version"):
        if field in one:
            ET.SubElement(made, field).text = one[field]
    if "hashes" in one:
        held = ET.SubElement(made, "hashes")
        for found in one["hashes"]:
            ET.SubElement(held, "hash", alg=found["alg"]).text = found["content"]
    if "purl" in one:
        ET.SubElement(made, "purl").text = one["purl"]
    if "externalReferences" in one:
        held = ET.SubElement(made, "externalReferences")
        for found in one["externalReferences"]:
            ET.SubElement(ET.SubElement(held, "reference", type=found["type"]), "url").text = found["url"]
    _xml_properties(made, one)
    _xml_components(made, one)


def _xml_components(parent: ET.Element, one: Mapping[str, Any]) -> None:
    if "components" in one:
        held = ET.SubElement(parent, "components")
        for found in one["components"]:
            _xml_component(held, found)


def _xml_services(parent: ET.Element, one: Mapping[str, Any]) -> None:
    if "services" in one:
        held = ET.SubElement(parent, "services")
        for found in one["services"]:
            made = ET.SubElement(held, "service", {"bom-ref": found["bom-ref"]})
            ET.SubElement(made, "name").text = found["name"]
            _xml_services(made, found)


def _xml_properties(parent: ET.Element, one: Mapping[str, Any]) -> None:
    if "properties" in one:
        held = ET.SubElement(parent, "properties")
        for found in one["properties"]:
            ET.SubElement(held, "property", name=found["name"]).text = found["value"]


def _xml_texts(parent: ET.Element, one: Mapping[str, Any], *names: str) -> None:
    for name in names:
        if name in one:
            ET.SubElement(parent, name).text = one[name]


def _xml_name(parent: ET.Element, one: Mapping[str, Any]) -> None:
    _xml_texts(parent, one, "name")


def _xml_each(
    parent: ET.Element, one: Mapping[str, Any], key: str, name: str, write: Callable[[ET.Element, Any], None]
) -> None:
    if key in one:
        held = ET.SubElement(parent, key)
        for found in one[key]:
            write(ET.SubElement(held, name), found)


def _xml_vulnerability(made: ET.Element, one: Mapping[str, Any]) -> None:
    _xml_texts(made, one, "id")
    _xml_each(made, one, "references", "reference", lambda held, found: _xml_texts(held, found, "id"))
    _xml_texts(made, one, "recommendation", "updated")
    if "analysis" in one:
        analysis = ET.SubElement(made, "analysis")
        _xml_texts(analysis, one["analysis"], "state", "justification")
        if "response" in one["analysis"]:
            held = ET.SubElement(analysis, "responses")
            for found in one["analysis"]["response"]:
                ET.SubElement(held, "response").text = found
        _xml_texts(analysis, one["analysis"], "detail", "firstIssued", "lastUpdated")
    _xml_each(made, one, "affects", "target", _xml_target)


def _xml_target(made: ET.Element, one: Mapping[str, Any]) -> None:
    _xml_texts(made, one, "ref")
    _xml_each(made, one, "versions", "version", lambda held, v: _xml_texts(held, v, "version", "range", "status"))


# The numbers of the specification's bom-1.6.proto, which those of 1.3 to 1.7 share.
_CLASSIFICATION = ["", "application", "framework", "library", "operating-system", "device", "file", "container"]
_HASHES = ["", "MD5", "SHA-1", "SHA-256"]
_REFERENCES = ["other", "vcs"]
_AGGREGATES = ["not_specified", "complete", "incomplete", "incomplete_first_party_only"]
_STATES = ["", "resolved", "resolved_with_pedigree", "exploitable", "in_triage", "false_positive", "not_affected"]
_JUSTIFICATIONS = ["", "code_not_present", "code_not_reachable"]
_RESPONSES = ["", "can_not_fix", "will_not_fix", "update", "rollback", "workaround_available"]
_STATUSES = ["unknown", "affected", "unaffected"]


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def wire(number: int, value: str | bytes | int | None) -> bytes:
    """A field on the wire; none for None."""
    if value is None:
        return b""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def each(number: int, values: Iterable[str | bytes]) -> bytes:
    return b"".join(wire(number, value) for value in values)


def as_protobuf(bom: Mapping[str, Any]) -> bytes:
    """CycloneDX JSON's object as protobuf."""
    metadata = bom.get("metadata", {})
    root = wire(4, _wire_component(metadata["component"])) if "component" in metadata else b""
    compositions = [
        wire(1, _AGGREGATES.index(one["aggregate"]))
        + each(2, one.get("assemblies", ()))
        + each(3, one.get("dependencies", ()))
        for one in bom.get("compositions", ())
    ]
    return b"".join((
        wire(1, bom["specVersion"]),
        wire(2, bom.get("version", 1)),
        wire(3, bom.get("serialNumber")),
        wire(4, _wire_time(1, metadata) + each(3, map(_wire_name, metadata.get("authors", ()))) + root
             + b"".join(wire(number, _wire_name(metadata[name])) for number, name in
                        ((5, "manufacture"), (6, "supplier"), (10, "manufacturer")) if name in metadata)
             + _wire_properties(8, metadata)),
        each(5, map(_wire_component, bom.get("components", ()))),
        each(6, map(_wire_service, bom.get("services", ()))),
        each(8, (wire(1, one["ref"]) + each(2, (wire(1, child) for child in one.get("dependsOn", ())))
                 for one in bom.get("dependencies", ()))),
        each(9, compositions),
        each(10, map(_wire_vulnerability, bom.get("vulnerabilities", ()))),
    ))  # fmt: skip


def _wire_name(one: Mapping[str, Any]) -> bytes:
    return wire(1, one.get("name"))


def _wire_time(number: int, one: Mapping[str, Any], key: str = "timestamp") -> bytes:
    return wire(number, wire(1, int(datetime.fromisoformat(one[key]).timestamp()))) if key in one else b""


def _wire_vulnerability(one: Mapping[str, Any]) -> bytes:
    said = one.get("analysis", {})
    analysis = b"".join((
        wire(1, _STATES.index(said.get("state", ""))),
        wire(2, _JUSTIFICATIONS.index(said.get("justification", ""))),
        wire(3, bytes(map(_RESPONSES.index, said["response"]))) if "response" in said else b"",  # packed
        wire(4, said.get("detail")),
        _wire_time(5, said, "firstIssued"),
        _wire_time(6, said, "lastUpdated"),
    ))  # fmt: skip
    return b"".join((
        wire(2, one.get("id")),
        each(4, (wire(1, found["id"]) for found in one.get("references", ()))),
        wire(9, one.get("recommendation")),
        _wire_time(13, one, "updated"),
        wire(16, analysis) if "analysis" in one else b"",
        each(17, map(_wire_target, one.get("affects", ()))),
    ))  # fmt: skip


def _wire_target(one: Mapping[str, Any]) -> bytes:
    versions = (
        wire(1, v.get("version")) + wire(2, v.get("range"))
        + (wire(3, _STATUSES.index(v["status"])) if "status" in v else b"")
        for v in one.get("versions", ())
    )  # fmt: skip
    return wire(1, one["ref"]) + each(2, versions)


def _wire_component(one: Mapping[str, Any]) -> bytes:
    hashes = [wire(1, _HASHES.index(h["alg"])) + wire(2, h["content"]) for h in one.get("hashes", ())]
    links = [wire(1, _REFERENCES.index(r["type"])) + wire(2, r["url"]) for r in one.get("externalReferences", ())]
    return b"".join((
        wire(1, _CLASSIFICATION.index(one.get("type", "library"))),
        wire(3, one.get("bom-ref")),
        wire(7, one.get("group")),
        wire(8, one.get("name")),
        wire(9, one.get("version")),
        each(12, hashes),
        wire(16, one.get("purl")),
        wire(18, 0),
        each(20, links),
        each(21, map(_wire_component, one.get("components", ()))),
        _wire_properties(22, one),
    ))  # fmt: skip


def _wire_service(one: Mapping[str, Any]) -> bytes:
    return wire(1, one["bom-ref"]) + wire(4, one["name"]) + each(13, map(_wire_service, one.get("services", ())))


def _wire_properties(number: int, one: Mapping[str, Any]) -> bytes:
    return each(number, (wire(1, p["name"]) + wire(2, p["value"]) for p in one.get("properties", ())))


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
