"""Which VEX format a document is, told by its content, and its statements. In-toto statements (bare or in a DSSE envelope) that hold
one are opened; their subjects are its products where it names none. Signatures are not checked here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from patchgap.errors import BadInputError
from patchgap.graph.documents import content_digest, parse_json, read_bytes
from patchgap.graph.provenance import opened
from patchgap.graph.sbom.kinds import HEAD, Kind, kind_of_head
from patchgap.graph.vex import csaf, cyclonedx, cyclonedx_protobuf, cyclonedx_xml, openvex
from patchgap.graph.vex.fields import Gathering, digest, mapping, mappings, product, text
from patchgap.model.vex import VexDocument, VexProduct, VexStatement, VexStatus

MAX_BYTES = 64 * 1024 * 1024
_STATEMENT = "https://in-toto.io/Statement/"
_LISTS = {"openvex": "statements", "cyclonedx": "vulnerabilities", "csaf": "vulnerabilities"}
_JUSTIFICATIONS = frozenset({
    # OpenVEX's, which are CSAF's flags too
    "component_not_present", "vulnerable_code_not_present", "vulnerable_code_not_in_execute_path",
    "vulnerable_code_cannot_be_controlled_by_adversary", "inline_mitigations_already_exist",
    # CycloneDX's, and its state that says why itself
    "code_not_present", "code_not_reachable", "requires_configuration", "requires_dependency", "requires_environment",
    "protected_by_compiler", "protected_at_runtime", "protected_at_perimeter", "protected_by_mitigating_control",
    "false_positive",
})  # fmt: skip


def read_vex(path: Path) -> VexDocument:
    """The document in that file. Raises BadInputError."""
    return parse_vex(read_bytes(path, MAX_BYTES), path)


def parse_vex(content: bytes, where: str | Path) -> VexDocument:
    """The document. Raises BadInputError where it is no VEX; what of it cannot be taken is in `unknown`."""
    if len(content) > MAX_BYTES:
        raise BadInputError(where, f"it is larger than {MAX_BYTES // 1024 // 1024} MiB", "Split it.")
    record = _record(content, where)
    if "payload" in record and "payloadType" in record:
        record = opened(record, where)
    subjects: tuple[VexProduct, ...] = ()
    if text(record.get("_type")).startswith(_STATEMENT):
        subjects = tuple(_subjects(record))
        record = mapping(record.get("predicate"))
    document, missed = content_digest(content), Gathering()
    if "openvex" in text(record.get("@context")):
        kind, found = "openvex", openvex.statements(record, document, subjects, missed)
    elif text(record.get("bomFormat")) == "CycloneDX":
        kind, found = "cyclonedx", cyclonedx.statements(record, document, missed)
    elif text(mapping(record.get("document")).get("csaf_version")).startswith("2."):
        kind, found = "csaf", csaf.statements(record, document, missed)
    else:
        raise BadInputError(where, "it is no VEX", "Name an OpenVEX or CSAF 2.0 document in JSON, or a CycloneDX one.")
    _check_list(record, _LISTS[kind], where, missed)
    statements = tuple(_justified(one, missed) for one in found)
    if missed.broken and not statements and kind != "cyclonedx":  # which may be an SBOM too
        first = missed.broken[0]
        raise BadInputError(where, f"{first.what}: {first.reason}", "Correct that field, or export it again.")
    return VexDocument(kind, document, statements, missed.unknown)


def _justified(one: VexStatement, missed: Gathering) -> VexStatement:
    """The statement; its justification only where a format has it, and told where a `not_affected` has none or no words
    in its place: weighed, that is no more than `under_investigation`."""
    if one.status is not VexStatus.NOT_AFFECTED:
        return one
    what = ", ".join(one.vulnerabilities)
    if one.justification and one.justification not in _JUSTIFICATIONS:
        missed.miss(what, f"its justification {one.justification!r} is none")
        one = replace(one, justification="")
    if not (one.justification or one.impact):
        missed.miss(what, "not_affected without a justification: it clears nothing")
    return one


def _check_list(record: Mapping[str, Any], key: str, where: str | Path, missed: Gathering) -> None:
    """Refuses what is no list of statements; tells which of a list are none. A BOM need not have any."""
    held = record.get(key, [] if key == "vulnerabilities" else None)
    if not isinstance(held, list):
        raise BadInputError(where, f"{key}: it is no list", "Correct that field, or export it again.")
    for n, one in enumerate(held):
        if not isinstance(one, dict):
            missed.refuse(f"{key}[{n}]", "it is no object")


def _record(content: bytes, where: str | Path) -> Mapping[str, Any]:
    """The document, of whatever form, as the object that it is in JSON."""
    kind = None if content.lstrip()[:1] == b"{" else kind_of_head(content[:HEAD], where)
    if kind is Kind.CYCLONEDX_XML:
        return cyclonedx_xml.record(content, where)
    if kind is Kind.CYCLONEDX_PROTOBUF:
        return cyclonedx_protobuf.record(content, where)
    return parse_json(content, where)


def _subjects(record: Mapping[str, Any]) -> list[VexProduct]:
    found = []
    for one in mappings(record.get("subject")):
        hashes = (digest(*pair) for pair in mapping(one.get("digest")).items())
        subject = product(text(one.get("name")), (), hashes)
        found += [subject] if subject.digests else []
    return found
