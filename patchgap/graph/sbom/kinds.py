"""What a document is, told by its content and never by its file's name.

Looks at the first bytes, and at a JSON document's outermost keys where those do not decide. Decodes nothing else.
"""

from __future__ import annotations

import codecs
import re
from enum import StrEnum
from pathlib import Path

import msgspec

from patchgap.errors import BadInputError
from patchgap.graph.unpack import OTHERS, packing

HEAD = 4096
READ = "CycloneDX JSON, XML or protobuf, SPDX 2.2 and 2.3 JSON or tag-value, SPDX 3 JSON-LD, or Syft's JSON"
TAKEN = f"an SBOM ({READ}), VEX (OpenVEX, CycloneDX, CSAF 2.0), SLSA provenance, an attestation of these, or an exposure document in YAML or JSON"


class Kind(StrEnum):
    """The formats that are read."""

    CYCLONEDX_JSON = "CycloneDX JSON"
    CYCLONEDX_XML = "CycloneDX XML"
    CYCLONEDX_PROTOBUF = "CycloneDX protobuf"
    SPDX_JSON = "SPDX JSON"
    SPDX_TAG_VALUE = "SPDX tag-value"
    SPDX_3 = "SPDX 3 JSON-LD"
    SYFT = "Syft JSON"
    PROVENANCE = "provenance"
    VEX = "VEX"


_EMPTY, _BINARY, _TEXT = "it is empty", "it is a binary file", "it is neither JSON nor XML nor tag-value"


class NotAnSbomError(BadInputError):
    """A document of no kind that the graph takes: in a folder it is passed over, with the reason. It `is_other` where it
    does not even resemble one."""

    def __init__(self, where: str | Path, problem: str) -> None:
        self.reason = problem
        self.is_other = problem in (_EMPTY, _BINARY, _TEXT)
        super().__init__(where, problem, f"Name {TAKEN}.")


_FLAT = rb'^\{\s*(?:"[$\w]{1,40}"\s*:\s*(?:"[^"\\]{0,2000}"|\d{1,9})\s*,\s*){0,12}'
_EARLY = (  # a JSON document's keys, where tools write them first
    (re.compile(_FLAT + rb'"bomFormat"\s*:\s*"CycloneDX"'), Kind.CYCLONEDX_JSON),
    (re.compile(_FLAT + rb'"spdxVersion"\s*:\s*"SPDX-2'), Kind.SPDX_JSON),
)
_PROTOBUF = re.compile(rb"\n\x03(\d\.\d)(?=[\x10\x1a\x22\x2a\x32\x3a\x42\x4a\x52\x5a\x62]|$)")
_TAG_VALUE = re.compile(rb"(?:^|[\r\n])[ \t]*SPDXVersion[ \t]*:", re.IGNORECASE)
_COMMENTS = re.compile(rb"(?:[ \t]*(?:#[^\r\n]*)?[\r\n]+)*[ \t]*[A-Za-z]+[ \t]*:")
_ROOT = re.compile(r"<(?:([\w.-]+):)?bom[\s>/]")
_YAML_KEY = re.compile(rb"([a-z][\w-]*):(?=\s|$)")
_OSV_KEYS = frozenset({b"modified", b"affected", b"summary", b"details"})
_OSV = "it is an OSV record, which belongs in the mirror of advisories"
_OTHER_YAML = "it is YAML, but no exposure document, which has `artifact:` with its `image_digest:`"
_XML_NAMESPACE = "cyclonedx.org/schema/bom"
_MARKS = (b"bomFormat", b"spdxVersion", b"spdx.org/rdf/3", b"artifactRelationships", b"payloadType", b"in-toto.io/")


class _Outermost(msgspec.Struct, rename={
    "cyclonedx": "bomFormat", "spdx": "spdxVersion", "context": "@context", "graph": "@graph", "type": "_type",
    "payload_type": "payloadType", "bundle": "dsseEnvelope", "signed": "messageSignature", "related": "artifactRelationships",
}):  # fmt: skip
    cyclonedx: object = None
    spdx: object = None
    context: object = None
    graph: msgspec.Raw = msgspec.Raw()
    artifacts: msgspec.Raw = msgspec.Raw()
    related: msgspec.Raw = msgspec.Raw()
    descriptor: msgspec.Raw = msgspec.Raw()
    schema: msgspec.Raw = msgspec.Raw()
    type: object = None
    payload_type: object = None
    bundle: msgspec.Raw = msgspec.Raw()
    signed: msgspec.Raw = msgspec.Raw()
    document: msgspec.Raw = msgspec.Raw()
    modified: msgspec.Raw = msgspec.Raw()
    affected: msgspec.Raw = msgspec.Raw()


_OUTERMOST = msgspec.json.Decoder(_Outermost)


def kind_of(content: bytes, where: str | Path) -> Kind:
    """The document's kind. Raises NotAnSbomError for what is none of them; what is malformed is told from what it seems
    to be, so that its reader says in its own words what is wrong."""
    head = content[:HEAD]
    early = kind_of_head(head, where)
    if early is not None:
        return early
    try:
        outermost = _OUTERMOST.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _seeming(content, where)
    return _kind_of_keys(outermost, where)


def kind_of_head(head: bytes, where: str | Path) -> Kind | None:
    """The kind that a document which starts so has; None where only the whole of it tells. Raises NotAnSbomError."""
    if (binary := _PROTOBUF.match(head)) is not None and binary[1] >= b"1.3":
        return Kind.CYCLONEDX_PROTOBUF
    text = head.lstrip()
    if not text and len(head) >= HEAD:
        return None
    for magic, name in OTHERS.items():
        if head.startswith(magic):
            raise NotAnSbomError(where, f"it is {name}, which is not unpacked")
    if text[:1] == b"{":
        return names_itself(text)
    if (markup := _markup(head)) is not None:
        if _ROOT.search(markup) and _XML_NAMESPACE in markup:
            return Kind.CYCLONEDX_XML
        raise NotAnSbomError(where, "it is XML, but no CycloneDX")
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) or (b"{" in head[:4] and b"\0" in head[:4]):
        return None
    if _TAG_VALUE.search(head) and _COMMENTS.match(head):
        return Kind.SPDX_TAG_VALUE
    raise NotAnSbomError(where, _what_else(head))


def names_itself(head: bytes) -> Kind | None:
    """The kind that a JSON document's first keys name; None where they name none."""
    text = head.lstrip()
    return next((kind for pattern, kind in _EARLY if pattern.match(text)), None)


def _markup(head: bytes) -> str | None:
    """The start of an XML document as text, in whatever encoding that can be told without parsing."""
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        text = head.decode("utf-16", errors="replace").lstrip()
    elif head[:4] in (b"\0<\0?", b"<\0?\0"):
        text = head.decode("utf-16-be" if head[:1] == b"\0" else "utf-16-le", errors="replace")
    else:
        text = head.lstrip().decode("latin-1")
    return text if text[:1] == "<" else None


def _kind_of_keys(keys: _Outermost, where: str | Path) -> Kind:
    if keys.cyclonedx == "CycloneDX":
        return Kind.CYCLONEDX_JSON
    if isinstance(keys.spdx, str):
        return Kind.SPDX_JSON
    if "spdx.org/rdf/3" in str(keys.context)[:HEAD]:
        return Kind.SPDX_3
    if keys.artifacts and (keys.related or b"syft" in bytes(keys.schema) or b"syft" in bytes(keys.descriptor)):
        return Kind.SYFT
    if "openvex" in str(keys.context)[:HEAD] or b'"csaf_version"' in bytes(keys.document):
        return Kind.VEX
    if keys.type is not None or keys.payload_type is not None or keys.bundle or keys.signed:
        return Kind.PROVENANCE
    if keys.modified and keys.affected:
        raise NotAnSbomError(where, _OSV)
    raise NotAnSbomError(
        where,
        'it has neither `"bomFormat": "CycloneDX"` nor `"spdxVersion"`, nor the keys of SPDX 3, Syft, VEX or provenance',
    )


def _seeming(content: bytes, where: str | Path) -> Kind:
    """Of malformed JSON: what it was meant to be. Statements in JSON lines are told by the first of them."""
    try:
        first = _OUTERMOST.decode(content.partition(b"\n")[0])
        if first.type is not None or first.payload_type is not None or first.bundle:
            return Kind.PROVENANCE
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass  # no JSON lines either: the marks below tell, or nothing does, which is raised
    found = next((mark for mark in _MARKS if mark in content), None)
    if found is None:
        if b"\0" in content[:4]:
            return Kind.CYCLONEDX_JSON  # its reader says that UTF-16 is not read
        raise NotAnSbomError(where, "it is malformed JSON, and holds no key of an SBOM")
    kinds = {b"spdxVersion": Kind.SPDX_JSON, b"spdx.org/rdf/3": Kind.SPDX_3, b"artifactRelationships": Kind.SYFT}
    if found in {b"payloadType", b"in-toto.io/"}:
        return Kind.PROVENANCE
    return kinds.get(found, Kind.CYCLONEDX_JSON)


def _what_else(head: bytes) -> str:
    if not head.strip():
        return _EMPTY
    if packing(head):
        return "it is packed twice"
    if b"\0" in head:
        return _BINARY
    if head.lstrip()[:1] == b"[":
        return "it is a JSON list, and an SBOM is an object"
    lines = [line for line in head.splitlines() if line.strip() and not line.startswith((b"#", b"---", b"%"))]
    if lines and _YAML_KEY.match(lines[0]):
        keys = {found[1] for line in lines if (found := _YAML_KEY.match(line))}
        return _OSV if b"id" in keys and keys & _OSV_KEYS else _OTHER_YAML
    return _TEXT
