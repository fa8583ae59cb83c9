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
SLSA = "https://slsa.dev/provenance/"
_BUILDKIT = "https://mobyproject.org/buildkit@v1#metadata"
_GIT = re.compile(r"\.git(?:[#@]|$)")
_HEX = re.compile(r"[0-9a-f]{40,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def parse_provenance(content: bytes, where: str | Path) -> tuple[Artifact, ...]:
    """An artifact for each subject that has a SHA-256. Raises BadInputError naming `where` and the field."""
    statement: Any = parse_json(content, where)
    if "payload" in statement:
        statement = opened(statement, where)
    kind = statement.get("predicateType")
    if not str(statement.get("_type")).startswith(_STATEMENT) or not str(kind).startswith(SLSA):
        raise BadInputError(
            where,
            f"predicateType {kind!r} is no SLSA provenance",
            "Add a statement of SLSA provenance v0.2 or v1.",
        )
    predicate = _mapping(statement.get("predicate"))
    details = _mapping(predicate.get("runDetails"))
    definition = _mapping(predicate.get("buildDefinition"))
    # A builder on one's own machine has no address, and BuildKit writes "": the kind of build is what there is to tell.
    builder = _mapping(details.get("builder") or predicate.get("builder")).get("id")
    builder = builder or definition.get("buildType") or predicate.get("buildType")
    commit = next(_commits(predicate), "")
    subjects = statement.get("subject")
    if not isinstance(subjects, list) or not isinstance(builder, str) or not builder:
        raise BadInputError(where, "it names no subject or no builder", "Add the statement as the builder wrote it.")
    found = tuple(
        Artifact(
            digest=f"sha256:{sha}",
            repository=repository_of_subject(subject.get("name")),
            commit=commit,
            provenance=builder,
        )
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
    """The git commits that the build says it was made from: of where its configuration stands, of the checkout that it
    was started in (BuildKit), then of its materials (v0.2) and resolved dependencies (v1)."""
    definition = _mapping(predicate.get("buildDefinition"))
    sources: list[Any] = [
        _mapping(predicate.get("invocation")).get("configSource"),
        _mapping(definition.get("externalParameters")).get("configSource"),
    ]
    yield from filter(None, map(_commit, sources))
    run = _mapping(_mapping(predicate.get("runDetails")).get("metadata"))
    for metadata in (_mapping(predicate.get("metadata")).get(_BUILDKIT), run.get("buildkit_metadata")):
        revision = str(_mapping(_mapping(metadata).get("vcs")).get("revision") or "").removesuffix("-dirty")
        if _HEX.fullmatch(revision):
            yield revision
    for some in (predicate.get("materials"), definition.get("resolvedDependencies")):
        if isinstance(some, Sequence) and not isinstance(some, str):
            yield from filter(None, map(_commit, some))


def _commit(source: Any) -> str:
    """The commit that a resource is, where it is one of a git repository."""
    digests, uri = _mapping(_mapping(source).get("digest")), str(_mapping(source).get("uri"))
    if not (uri.startswith("git") or _GIT.search(uri) or "gitCommit" in digests):
        return ""
    commit = str(digests.get("gitCommit") or digests.get("sha1") or "").strip("'")  # Kubernetes' own are quoted twice
    return commit if _HEX.fullmatch(commit) else ""


def repository_of_subject(name: object) -> str:
    """A subject's name where it is an image's; a file's name and a purl are no repository."""
    told = isinstance(name, str) and "://" not in name and "/" in name and not name.startswith("pkg:")
    return str(name) if told else ""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
