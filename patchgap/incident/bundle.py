"""The evidence bundle: an incident's whole ledger, its evidence and its measures in one signed file.

A DSSE envelope around an in-toto statement, signed with Ed25519, so that anyone with the public key can check it
without patchgap's database. Owns that format and the key's file; it decides nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import ValidationError

from patchgap.errors import BadInputError
from patchgap.incident.chain import Link, problems
from patchgap.incident.events import decode
from patchgap.incident.ledger import Entry
from patchgap.incident.metrics import measures
from patchgap.incident.state import IncidentState, fold
from patchgap.model.codec import canonical, plain

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://patchgap.dev/incident-evidence/v1"
_READABLE_BY_OTHERS = 0o077


def signing_key(home: Path) -> Ed25519PrivateKey:
    """The key at `keys/evidence.ed25519` of the data folder, made (readable by its owner alone) on first use, with
    the public key beside it as `.pub`. Raises BadInputError for a key that others can read or that is none."""
    path = home / "keys" / "evidence.ed25519"
    if not path.exists():
        _make_key(path)
    if path.stat().st_mode & _READABLE_BY_OTHERS:
        raise BadInputError(path, "others can read the signing key", f"Run chmod 600 {path}.")
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadInputError(
            path, "it holds no PEM private key", "Restore it, or move it away for a new one."
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise BadInputError(path, "it is no Ed25519 key", "Move it away; a new one is made.")
    return key


def _make_key(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = Ed25519PrivateKey.generate()
    pem, raw = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key.private_bytes(pem, raw, serialization.NoEncryption()))
    try:
        os.link(draft, path)  # whole or not at all, and never over another's
    except FileExistsError:
        return  # another process made it first: that one counts
    finally:
        draft.unlink()
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    path.with_suffix(".ed25519.pub").write_bytes(public)


def public_key(path: Path) -> Ed25519PublicKey:
    """The public key in a PEM file. Raises BadInputError."""
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise BadInputError(path, "it holds no PEM public key", "Name the signer's `.pub` file with --key.") from error
    if not isinstance(key, Ed25519PublicKey):
        raise BadInputError(path, "it is no Ed25519 key", "Name the signer's `.pub` file with --key.")
    return key


def key_id(key: Ed25519PublicKey) -> str:
    """SHA-256 of the raw public key, in hex."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()


def export(entries: Sequence[Entry], key: Ed25519PrivateKey) -> str:
    """The envelope as JSON text. The same entries and key give the same text."""
    payload = canonical(_statement(entries))
    signature = key.sign(_pre_authentication(PAYLOAD_TYPE, payload))
    envelope = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": key_id(key.public_key()), "sig": base64.b64encode(signature).decode()}],
    }
    return json.dumps(envelope, indent=2) + "\n"


def _statement(entries: Sequence[Entry]) -> dict[str, Any]:
    state = fold(entries)
    return {
        "_type": STATEMENT,
        "subject": _subjects(state),
        "predicateType": PREDICATE,
        "predicate": {
            "incident": state.id,
            "status": state.status.value,
            "playbook": {"name": state.playbook, "version": state.version, "digest": state.digest},
            "head": state.head,
            "ledger": [plain(e) for e in entries],
            "evidence": [plain(e) for e in state.evidence],
            "verdict": plain(state.verdict),
            "measures": plain(measures([state])),
        },
    }


def _subjects(state: IncidentState) -> list[dict[str, Any]]:
    """What the statement is about: the ledger by its head, then the affected and the patched images."""
    affected = {e.artifact.digest: e.artifact.repository for e in state.finding.exposures}
    images = {**affected, **dict.fromkeys(state.patched, "patched image")}
    named = [(f"ledger of {state.id}", state.head), *((name or "image", d) for d, name in sorted(images.items()))]
    return [{"name": name, "digest": {"sha256": d.removeprefix("sha256:")}} for name, d in named if _is_sha256(d)]


def _is_sha256(text: str) -> bool:
    return text.startswith("sha256:")


def _pre_authentication(kind: str, payload: bytes) -> bytes:
    """DSSE's PAE: what is signed."""
    return b"DSSEv1 %d %s %d %s" % (len(kind.encode()), kind.encode(), len(payload), payload)


def verify(text: str, key: Ed25519PublicKey) -> tuple[str, ...]:
    """Every problem of a bundle; empty where it is whole: signed by that key, its chain holds, and what it says of
    evidence, status and end is what its ledger says."""
    try:
        envelope = json.loads(text)
        payload = base64.b64decode(envelope["payload"], validate=True)
        kind, signatures = str(envelope["payloadType"]), list(envelope["signatures"])
        statement = json.loads(payload)
        predicate = dict(statement["predicate"])
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error) as error:
        return (f"it is no DSSE envelope around an in-toto statement: {type(error).__name__}: {error}",)
    found = list(_signature_problems(kind, payload, signatures, key))
    if (kind, statement.get("_type"), statement.get("predicateType")) != (PAYLOAD_TYPE, STATEMENT, PREDICATE):
        found.append("its types are not those of an incident's evidence")
    try:
        found += _content_problems(statement, predicate)
    except (ValidationError, ValueError, KeyError, TypeError, AttributeError) as error:
        found.append(f"its ledger cannot be read: {type(error).__name__}")
    return tuple(found)


def _signature_problems(kind: str, payload: bytes, signatures: Sequence[Any], key: Ed25519PublicKey) -> Iterator[str]:
    signed = _pre_authentication(kind, payload)
    mine = [s for s in signatures if isinstance(s, Mapping) and s.get("keyid") == key_id(key)]
    if not mine:
        yield f"no signature is by the key {key_id(key)[:16]}…"
    for one in mine:
        try:
            key.verify(base64.b64decode(str(one.get("sig")), validate=True), signed)
        except (InvalidSignature, binascii.Error, ValueError):
            yield "the signature does not fit the content: it was changed after signing"


def _content_problems(statement: Mapping[str, Any], predicate: Mapping[str, Any]) -> Iterator[str]:
    ledger, incident = predicate["ledger"], predicate["incident"]
    links = [Link(**{**entry, "body": canonical(entry["body"]).decode()}) for entry in ledger]
    broken = [str(problem) for problem in problems(incident, links)]
    yield from broken
    if broken or not links:
        yield from () if links else ("its ledger is empty",)
        return
    entries = [
        Entry(**{**entry, "at": datetime.fromisoformat(entry["at"]), "body": decode(entry["body"])}) for entry in ledger
    ]
    state = fold(entries)
    said = {name: predicate.get(name) for name in ("status", "head", "evidence", "verdict")}
    truth = {
        "status": state.status.value,
        "head": links[-1].hash,
        "evidence": [plain(e) for e in state.evidence],
        "verdict": plain(state.verdict),
    }
    yield from (f"its {name} is not what its ledger says" for name in said if said[name] != truth[name])
    if statement["subject"] != _subjects(state):
        yield "its subjects are not those of its ledger"
