"""Syft's own JSON: its artifacts, which of them depends on which, and the image that was its source."""

from __future__ import annotations

from pathlib import Path

import msgspec

from patchgap.graph.documents import check_keys
from patchgap.graph.sbom.collector import Collector
from patchgap.graph.sbom.counted import Counted, decode_counted
from patchgap.graph.sbom.document import REVISION, SbomDocument, package
from patchgap.graph.sbom.image import digests_in
from patchgap.model.exposure import repository_of

_DEPENDENCY = "dependency-of"
_NO_EDGES = frozenset({"contains", "described-by", "evident-by", "ownership-by-file-overlap", "derived-from"})


class Found(Counted, gc=False):
    """One of Syft's artifacts: a package."""

    id: str | None = None
    name: str | None = None
    version: str | None = None
    purl: str | None = None


class Relationship(Counted, gc=False):
    parent: str | None = None
    child: str | None = None
    type: str | None = None


class Image(msgspec.Struct, rename={
    "input": "userInput", "config": "imageID", "manifest": "manifestDigest", "others": "repoDigests",
}):  # fmt: skip
    input: str | None = None
    config: str | None = None
    manifest: str | None = None
    others: list[str] | None = None
    labels: dict[str, str] | None = None


class SourceOfAll(msgspec.Struct):
    """What Syft looked into; `target` in its older schemas, `metadata` in those since 9."""

    type: str | None = None
    name: str | None = None
    version: str | None = None
    target: Image | str | None = None
    metadata: Image | None = None


class Named(msgspec.Struct):
    version: str | None = None


class Syft(msgspec.Struct, rename="camel"):
    artifacts: list[Found] | None = None
    artifact_relationships: list[Relationship] | None = None
    source: SourceOfAll | None = None
    schema: Named | None = None


_DECODER = msgspec.json.Decoder(Syft)


def read(content: bytes, where: str | Path, digest: str) -> SbomDocument:
    """The SBOM. Raises BadInputError."""
    syft, built = decode_counted(content, where, _DECODER)
    source = syft.source or SourceOfAll()
    image = source.metadata or (source.target if isinstance(source.target, Image) else None) or Image()
    collector = _collect(syft)
    purls = [one.purl for one in syft.artifacts or ()]
    read_keys = {"purl": len(purls) - purls.count(None)}
    dropped = built - len(purls) - len(syft.artifact_relationships or ())
    for sentence in check_keys(content, where, read_keys, dropped=dropped):
        collector.hide(sentence)
    name = source.name or image.input or ""
    return collector.document(
        digest,
        f"Syft {syft.schema.version if syft.schema and syft.schema.version else 'JSON'}",
        digest,
        f"{name}@{source.version}" if source.version else name,
        _digests(source, image),
        whole=source.type == "image",
        repository=_repository(image),
        commit=(image.labels or {}).get(REVISION, ""),
    )


def _collect(syft: Syft) -> Collector:
    collector = Collector()
    for one in syft.artifacts or ():
        collector.add(package(one.name or "", one.version or "", purl=one.purl or ""), one.id or "")
    joined: dict[str, list[str]] = {}
    for edge in syft.artifact_relationships or ():
        if edge.type == _DEPENDENCY:
            joined.setdefault(edge.child or "", []).append(edge.parent or "")
        elif edge.type not in _NO_EDGES:
            collector.odd_relationship(edge.type or "(none)")
    collector.link_all(joined.items())
    return collector


def _digests(source: SourceOfAll, image: Image) -> tuple[str, ...]:
    """Syft says of all of these that they are the one image's."""
    if source.type not in {None, "image"}:
        return ()
    texts = (image.manifest or "", *(image.others or ()), image.config or "", image.input or "", source.version or "")
    return tuple(dict.fromkeys(digests_in(texts)))


def _repository(image: Image) -> str:
    if image.others:
        return image.others[0].partition("@")[0]
    return repository_of(image.input or "")
