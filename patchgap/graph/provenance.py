"""SLSA provenance (v0.2 and v1), bare in-toto statements or in a DSSE envelope: which commit and builder made a digest.

Reads what the statement claims. Signatures are not checked here: whoever adds a file vouches for it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from patchgap.errors import BadInputError
from patchgap.graph.documents import parse_json
from patchgap.model.exposure import Artifact

_STATEMENT = "https://in-toto.io/Statement/"
_SLSA = "https://slsa.dev/provenance/"
_HEX = re.compile(r"[0-9a-f]{40,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def parse_provenance(content: bytes, where: str | Path) -> tuple[Artifact, ...]:
    """An artifact for each subject that has a SHA-256. Raises BadInputError naming `where` and the field."""
    statement: Any = parse_json(content, where)
    if "payload" in statement:
        statement = opened(statement, where)
    kind = statement.get("predicateType")
    if not str(statement.get("_type")).startswith(_STATEMENT) or not str(kind).startswith(_SLSA):
        raise BadInputError(
            where,
            f"predicateType {kind!r} is no SLSA provenance",
            "Add a statement of SLSA provenance v0.2 or v1.",
        )
    predicate = _mapping(statement.get("predicate"))
    details = _mapping(predicate.get("runDetails"))
    builder = _mapping(details.get("builder") or predicate.get("builder")).get("id")
    commit = next(_commits(predicate), "")
    subjects = statement.get("subject")
    if not isinstance(subjects, list) or not isinstance(builder, str) or not builder:
        raise BadInputError(where, "it names no subject or no builder", "Add the statement as the builder wrote it.")
    found = tuple(
        Artifact(digest=f"sha256:{sha}", repository=_repository(subject), commit=commit, provenance=builder)
        for subject in map(_mapping, subjects)
        if _SHA256.fullmatch(sha := str(_mapping(subject.get("digest")).get("sha256")))
    )
    if not found:
        raise BadInputError(where, "no subject has a SHA-256 digest", "Add the statement as the builder wrote it.")
    return found


def opened(envelope: Mapping[str, Any], where: str | Path) -> Mapping[str, Any]:
    try:
        payload = base64.b64decode(str(envelope["payload"]), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadInputError(where, "payload is no base64", "Add the DSSE envelope as it was written.") from error
    return parse_json(payload, f"{where}: payload")


def _commits(predicate: Mapping[str, Any]) -> Iterator[str]:
    """Of v0.2's config source and materials, and v1's resolved dependencies, those that are git commits."""
    definition = _mapping(predicate.get("buildDefinition"))
    invocation = _mapping(predicate.get("invocation"))
    sources: list[Any] = [_mapping(invocation.get("configSource"))]
    for some in (predicate.get("materials"), definition.get("resolvedDependencies")):
        sources += some if isinstance(some, Sequence) and not isinstance(some, str) else []
    for source in map(_mapping, sources):
        digests = _mapping(source.get("digest"))
        if not str(source.get("uri")).startswith("git") and "gitCommit" not in digests:
            continue
        commit = str(digests.get("gitCommit") or digests.get("sha1") or "").strip(
            "'"
        )  # Kubernetes' own are quoted twice
        if _HEX.fullmatch(commit):
            yield commit


def _repository(subject: Mapping[str, Any]) -> str:
    """The subject's name where it is an image's; a file's name is no repository."""
    name = subject.get("name")
    return name if isinstance(name, str) and "://" not in name and "/" in name else ""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
