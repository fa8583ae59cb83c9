"""CycloneDX JSON's object as protobuf, written by hand from the specification's schema, for the readers' tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

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
