"""Exposure documents: what an image holds, where it runs and which data it touches, as a person or a pipeline wrote it.

YAML or JSON, read strictly: a key that is none is named with the nearest that is, at its file and line. What a document
says of where an image runs is a claim: it is never taken for what a cluster answered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from patchgap.errors import BadInputError
from patchgap.graph.documents import check_text, content_digest
from patchgap.graph.sbom.document import DIGEST, ROOT, SbomDocument, package
from patchgap.model.claimed import PLATFORM, SUFFIX
from patchgap.model.exposure import Artifact
from patchgap.model.workload import (
    Classification,
    Container,
    ContainerRole,
    DataScope,
    RunState,
    Workload,
    WorkloadRef,
)
from patchgap.playbook.problems import nearest
from patchgap.playbook.source import Path as Keys
from patchgap.playbook.source import Sort, Source, read

_SORT = Sort("exposure document", "`artifact:`", 256 * 1024, 20_000)
_SECTIONS = ("artifact", "dependencies", "runtime", "data_scope")
_SEEMS = re.compile(rb'^[ \t]*"?(artifact|dependencies|runtime|data_scope|image_digest)"?[ \t]*:', re.MULTILINE)
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_KEYS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LONGEST = 1024
_FORMAT = "exposure document"
_HIDES = "it is an exposure document, which lists what its author named"


@dataclass(frozen=True, slots=True)
class Claim:
    """What one document says. `sbom` is None where it names no dependencies."""

    artifact: Artifact
    sbom: SbomDocument | None
    workloads: tuple[Workload, ...]


def seems(content: bytes) -> bool:
    """Whether it was meant as an exposure document: it has two of its keys at least, the artifact's among them."""
    found = {match[1] for match in _SEEMS.finditer(content[: _SORT.bytes + 1])} | _outermost(content)
    return len(found) > 1 and not found.isdisjoint({b"artifact", b"image_digest"})


def _outermost(content: bytes) -> set[bytes]:
    """The keys of a JSON document, however it is laid out."""
    if len(content) > _SORT.bytes or content.lstrip()[:1] != b"{":
        return set()
    try:
        return {key.encode() for key in _KEYS.decode(content)}.intersection(one.encode() for one in _SECTIONS)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return set()


def parse_claim(content: bytes, where: str | Path) -> Claim:
    """The document. Raises BadInputError with the file, the line and the nearest valid key."""
    check_text(content, where)
    source = read(content.decode("utf-8"), str(where), _SORT)
    document = _Reading(source).claim(content) if not source.problems else None
    if source.problems:
        first = min(source.problems)
        others = f" (and {len(source.problems) - 1} more)" if len(source.problems) > 1 else ""
        fix = f"Did you mean {first.suggestion}?" if first.suggestion else "Correct it there."
        raise BadInputError(f"{where}:{first.line}", f"{first.what}{others}", fix)
    if document is None:
        raise BadInputError(where, "it is empty", "Write an exposure document.")
    return document


class _Reading:
    """One document's values, with their places. Every problem is noted in the source."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def claim(self, content: bytes) -> Claim:
        document = self._mapping(self._source.document, (), _SECTIONS, ("artifact",))
        known = self._artifact(document.get("artifact", {}))
        scope = self._scope(document["data_scope"]) if "data_scope" in document else DataScope()
        workloads = self._workloads(document["runtime"], known, scope) if "runtime" in document else ()
        sbom = self._sbom(document["dependencies"], known, content) if "dependencies" in document else None
        return Claim(known, sbom, workloads)

    def _artifact(self, value: Any) -> Artifact:
        at: Keys = ("artifact",)
        held = self._mapping(value, at, ("image_digest", "commit_sha", "sbom_ref"), ("image_digest",))
        digest, commit = self._text(held, at, "image_digest"), self._text(held, at, "commit_sha")
        repository, _, bare = digest.rpartition("@")
        if "image_digest" in held and not DIGEST.fullmatch(bare):
            self._refuse((*at, "image_digest"), "`image_digest` is no digest; write sha256:<64 hex digits>")
        if commit and not _COMMIT.fullmatch(commit):
            self._refuse((*at, "commit_sha"), "`commit_sha` is no commit; write its hex digits")
        return Artifact(bare, repository, commit, "", self._text(held, at, "sbom_ref"))

    def _sbom(self, value: Any, known: Artifact, content: bytes) -> SbomDocument | None:
        found, direct = [], []
        for n, one in enumerate(self._list(value, ("dependencies",))):
            at: Keys = ("dependencies", n)
            held = self._mapping(one, at, ("name", "version", "transitive"), ("name", "version"))
            found.append(package(self._text(held, at, "name"), self._text(held, at, "version")))
            transitive = held.get("transitive")
            if transitive is not None and not isinstance(transitive, bool):
                self._refuse((*at, "transitive"), "`transitive` is neither true nor false")
            direct += [n] if transitive is False else []
        if not found:
            return None
        digest = content_digest(content)
        root = f"{known.repository or 'image'}@{known.digest}"
        edges: Mapping[int, tuple[int, ...]] = {ROOT: tuple(direct)} if direct else {}
        return SbomDocument(
            digest,
            _FORMAT,
            known.sbom_ref or digest,
            known,
            (known.digest,),
            root,
            tuple(found),
            edges,
            hides=(_HIDES,),
        )

    def _workloads(self, value: Any, known: Artifact, scope: DataScope) -> tuple[Workload, ...]:
        held = self._mapping(value, ("runtime",), ("clusters",), ("clusters",))
        listed = self._list(held.get("clusters", []), ("runtime", "clusters"))
        return tuple(self._workload(one, ("runtime", "clusters", n), known, scope) for n, one in enumerate(listed))

    def _workload(self, value: Any, at: Keys, known: Artifact, scope: DataScope) -> Workload:
        required = ("name", "namespace", "deployment")
        held = self._mapping(value, at, (*required, "replicas"), required)
        cluster, namespace, name = (self._text(held, at, key) for key in required)
        replicas = held.get("replicas", 1)
        if isinstance(replicas, bool) or not isinstance(replicas, int) or not 0 <= replicas <= 1_000_000:  # noqa: PLR2004
            self._refuse((*at, "replicas"), "`replicas` is no number of pods")
            replicas = 1
        state = RunState.RUNNING if replicas else RunState.SCALED_TO_ZERO
        image = f"{known.repository}@{known.digest}" if known.repository else known.digest
        container = Container("claimed", ContainerRole.MAIN, image, known.digest, state, replicas)
        ref = WorkloadRef(PLATFORM, f"{cluster}{SUFFIX}", namespace, "Deployment", name, "")
        return Workload(ref, (container,), replicas=replicas, running=replicas, data_scope=scope)

    def _scope(self, value: Any) -> DataScope:
        at: Keys = ("data_scope",)
        held = self._mapping(value, at, ("classification", "writes_to"), ())
        named = self._text(held, at, "classification") or Classification.UNKNOWN.value
        values = [one.value for one in Classification]
        if named not in values:
            self._refuse(
                (*at, "classification"), f"`{named}` is no classification: {', '.join(values)}", nearest(named, values)
            )
            named = Classification.UNKNOWN.value
        stores = self._list(held.get("writes_to", []), (*at, "writes_to"))
        for n, one in enumerate(stores):
            if not isinstance(one, str) or not one:
                self._refuse((*at, "writes_to", n), "a store has no name")
        return DataScope(Classification(named), tuple(str(one) for one in stores))

    def _mapping(self, value: Any, at: Keys, keys: Sequence[str], required: Sequence[str]) -> dict[str, Any]:
        what = f"`{at[-1]}`" if at and isinstance(at[-1], str) else "an entry" if at else "the document"
        if not isinstance(value, dict):
            self._refuse(at, f"{what} holds no keys; it takes {', '.join(keys)}")
            return {}
        meant = set()
        for key in value:
            if key not in keys:
                span, likely = self._source.keys[(*at, key)], nearest(key, keys)
                meant.add(likely)
                self._source.refuse(span, f"`{key[:80]}` is no key of {what.strip('`')}", likely)
        for key in required:
            if key not in value and key not in meant:
                self._refuse(at, f"{what} has no `{key}`")
        return {key: one for key, one in value.items() if key in keys}

    def _list(self, value: Any, at: Keys) -> list[Any]:
        if isinstance(value, list):
            return value
        self._refuse(at, f"`{at[-1]}` is no list")
        return []

    def _text(self, held: Mapping[str, Any], at: Keys, key: str) -> str:
        """The text; "" where there is none. A version that YAML reads as a number is refused: 1.10 is not 1.1."""
        value = held.get(key, "")
        if (
            isinstance(value, str)
            and len(value) <= _LONGEST
            and (key not in held or value.strip())
            and value.isprintable()
        ):
            return value
        what = "is a number: put it in quotes" if isinstance(value, int | float) else "is no line of text"
        self._refuse((*at, key), f"`{key}` {what}")
        return ""

    def _refuse(self, at: Keys, what: str, suggestion: str = "") -> None:
        self._source.refuse(self._source.span(at), what, suggestion)
