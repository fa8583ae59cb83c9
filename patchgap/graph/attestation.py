"""In-toto attestations: bare statements, DSSE envelopes, Sigstore bundles, and JSON lines of any of these.

Takes the statements out; it knows nothing of what a predicate means. Signatures are not checked here: whoever adds a file,
or may push to the repository that it was found in, vouches for it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from patchgap.errors import BadInputError
from patchgap.graph.documents import MAX_BYTES, check_json, decode_json
from patchgap.graph.sbom.document import DIGEST

STATEMENT = "https://in-toto.io/Statement/"
_STRICT = 8 * 1024 * 1024
_MOST = 1000  # statements of one file


class Statement(NamedTuple):
    """One statement. `subjects` are names and SHA-256 digests; `predicate` and `whole` are JSON as it was written."""

    predicate_type: str
    subjects: tuple[tuple[str, str], ...]
    predicate: bytes
    whole: bytes


class _Outer(msgspec.Struct, rename={
    "type": "_type", "payload_type": "payloadType", "envelope": "dsseEnvelope", "signed": "messageSignature",
    "predicate_type": "predicateType",
}):  # fmt: skip
    type: str | None = None
    payload: str | None = None
    payload_type: str | None = None
    envelope: msgspec.Raw = msgspec.Raw()
    signed: msgspec.Raw = msgspec.Raw()
    predicate_type: str | None = None
    subject: list[dict[str, Any]] | None = None
    predicate: msgspec.Raw = msgspec.Raw()


class _Custom(msgspec.Struct):
    data: msgspec.Raw = msgspec.field(name="Data", default=msgspec.Raw())


_OUTER = msgspec.json.Decoder(_Outer)
_CUSTOM = msgspec.json.Decoder(_Custom)
_TEXT = msgspec.json.Decoder(str)


def statements(content: bytes, where: str | Path) -> Iterator[Statement | BadInputError]:
    """Each statement, or why it cannot be read. Raises BadInputError where there are too many."""
    lines = _lines(content)
    for n, line in enumerate(lines, 1):
        if n > _MOST:
            raise BadInputError(where, f"it holds more than {_MOST} statements", "Split it.")
        at = where if len(lines) == 1 else f"{where}:{n}"
        try:
            yield _opened(line, at)
        except BadInputError as error:
            yield error


def unwrapped(predicate: bytes) -> bytes:
    """The document that a predicate is: cosign has put it under `Data`, as an object or as text."""
    try:
        data = bytes(_CUSTOM.decode(predicate).data)
        if data[:1] == b'"':
            return _TEXT.decode(data).encode()
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return predicate
    return data or predicate


def _lines(content: bytes) -> list[bytes]:
    """The documents of JSON lines; a document that is written over several lines is one."""
    lines = [line for line in content.splitlines() if line.strip()]
    whole = len(lines) > 1 and all(line.lstrip()[:1] == b"{" and line.rstrip()[-1:] == b"}" for line in lines)
    return lines if whole else [content]


def _opened(content: bytes, where: str | Path) -> Statement:
    outer = _decoded(content, where)
    if outer.envelope:
        outer = _decoded(bytes(outer.envelope), f"{where}: dsseEnvelope")
    elif outer.signed:
        raise BadInputError(where, "the bundle signs a file, and holds no statement", "Add an attestation's bundle.")
    if outer.payload is not None:
        content = _payload(outer, where)
        outer = _decoded(content, f"{where}: payload")
    if not (outer.type or "").startswith(STATEMENT) or not outer.predicate_type:
        raise BadInputError(where, f"_type {outer.type!r} is no in-toto statement", "Add an in-toto attestation.")
    subjects = tuple(
        (one["name"] if isinstance(one.get("name"), str) else "", digest)
        for one in outer.subject or ()
        if isinstance(one.get("digest"), dict) and DIGEST.fullmatch(digest := f"sha256:{one['digest'].get('sha256')}")
    )
    return Statement(outer.predicate_type, subjects, bytes(outer.predicate), content)


def _decoded(content: bytes, where: str | Path) -> _Outer:
    if len(content) <= _STRICT:
        check_json(content, where)
    return decode_json(content, where, _OUTER)


def _payload(outer: _Outer, where: str | Path) -> bytes:
    text = (outer.payload or "").translate(str.maketrans("-_", "+/"))
    if len(text) > MAX_BYTES * 4 // 3 + 4:
        raise BadInputError(where, f"its payload is larger than {MAX_BYTES >> 20} MiB", "Leave it out.")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadInputError(where, "payload is no base64", "Add the DSSE envelope as it was written.") from error
