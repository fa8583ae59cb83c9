"""One image as its registry holds it: its platforms, and what is kept beside it.

Owns the walk from an index to its platforms, and where tools keep SBOMs: as referrers, under cosign's tags, and as
BuildKit's attestation manifests. It reads no SBOM.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from integrations.registry_oci.manifests import CONFIGS, INDEXES, MANIFESTS, Descriptor, Manifest, Repository
from patchgap.errors import BadInputError, PatchgapError
from patchgap.graph.platforms import Platform
from patchgap.graph.sbom.document import REVISION
from patchgap.graph.sources import Failed, Fetched, Found, Index

_DOCUMENT = re.compile(r"spdx|cyclonedx|syft|sbom|in-?toto|dsse|sigstore\.bundle|openvex|csaf", re.IGNORECASE)
_SIGNATURE = re.compile(r"simplesigning|cosign\.artifact\.sig|notary\.signature", re.IGNORECASE)
_ATTESTATION = ("vnd.docker.reference.type", "attestation-manifest")
_ATTESTED = "vnd.docker.reference.digest"
_MOST = 200  # manifests of an index, documents beside an image
_DEEPEST = 3  # indexes in indexes


@dataclass
class _Walk:
    """What an index leads to."""

    images: list[Descriptor] = field(default_factory=list)
    attestations: list[Descriptor] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)


class _Subject(NamedTuple):
    """What a document may be about: an image, the digests that it may be called by, and an index's platforms."""

    digest: str
    equals: frozenset[str]
    parts: tuple[str, ...] = ()


def read(repository: Repository, digest: str) -> Iterator[Found]:
    """The image with that digest: first what it is made of, then each document about it or one of its platforms. What
    cannot be had is told and the rest goes on; raises where the image itself cannot be read."""
    top = repository.manifest(digest)
    walk = _Walk()
    if top.is_index:
        _descend(repository, top, walk, 1)
    else:
        walk.images = [Descriptor(top.media_type, digest, 0, "", {}, "")]
    if not walk.images:
        raise BadInputError(f"oci://{repository.name}@{digest}", "it leads to no image", "Name an image.")
    manifests: dict[str, Manifest] = {digest: top}
    for one in walk.images:
        if one.digest not in manifests:
            try:
                manifests[one.digest] = repository.manifest(one.digest, one.size)
            except PatchgapError as error:  # its digest is known all the same
                yield Failed(f"oci://{repository.name}@{one.digest}", error)
    platforms = tuple(_platforms(walk.images, manifests))
    yield Index(repository.name, digest, platforms, _commits(digest, manifests))
    about = {one.digests[0]: _Subject(one.digests[0], frozenset({digest, *one.digests})) for one in platforms}
    whole = frozenset({digest, *(one for platform in platforms for one in platform.digests)})
    about[digest] = _Subject(digest, whole, tuple(one.digests[0] for one in platforms))
    for subject in about.values():
        yield from _beside(repository, subject)
    for one in walk.attestations:
        attested = about.get(one.annotations.get(_ATTESTED, ""))
        if attested is not None:
            yield from _documents(repository, one, attested)


def _descend(repository: Repository, index: Manifest, walk: _Walk, depth: int) -> None:
    for one in index.parts:
        if one.digest in walk.seen:
            continue
        walk.seen.add(one.digest)
        if len(walk.seen) > _MOST or depth > _DEEPEST:
            problem = f"it leads to more than {_MOST} manifests, or {_DEEPEST} indexes deep"
            raise BadInputError(f"oci://{repository.name}@{index.digest}", problem, "Name one of its images.")
        if one.annotations.get(_ATTESTATION[0]) == _ATTESTATION[1]:
            walk.attestations.append(one)
        elif one.media_type in INDEXES:
            _descend(repository, repository.manifest(one.digest, one.size), walk, depth + 1)
        elif one.media_type in MANIFESTS and not one.platform.startswith("unknown"):
            walk.images.append(one)


def _platforms(images: Iterable[Descriptor], manifests: dict[str, Manifest]) -> Iterator[Platform]:
    """Each with its config's digest, where that is a config of an image and of no other platform."""
    listed = list(images)
    configs = [m.config.digest for one in listed if (m := manifests.get(one.digest)) and m.config]
    for one in listed:
        held = manifests.get(one.digest)
        config = held.config if held else None
        own = config is not None and config.media_type in CONFIGS and configs.count(config.digest) == 1
        yield Platform(one.platform or "its only one", (one.digest, config.digest) if own and config else (one.digest,))


def _commits(digest: str, manifests: dict[str, Manifest]) -> dict[str, str]:
    """What annotations tell of each manifest's commit; an index's is that of each of its platforms."""
    shared = manifests[digest].annotations.get(REVISION, "")
    return {one: told for one, m in manifests.items() if (told := m.annotations.get(REVISION) or shared)}


def _beside(repository: Repository, subject: _Subject) -> Iterator[Found]:
    """The referrers of a manifest, and what cosign keeps under tags made of its digest."""
    where = f"oci://{repository.name}@{subject.digest}"
    try:
        for n, one in enumerate(repository.referrers(subject.digest)):
            if n >= _MOST:
                raise BadInputError(where, f"more than {_MOST} manifests refer to it", "Remove some.")
            if one.media_type in MANIFESTS and not _SIGNATURE.search(one.artifact_type):
                yield from _documents(repository, one, subject, refers=True)
    except PatchgapError as error:
        yield Failed(f"{where} (referrers)", error)
    for ending in (".sbom", ".att"):
        tag = subject.digest.replace(":", "-") + ending
        try:
            held = repository.tagged(tag)
        except PatchgapError as error:
            yield Failed(f"{where} ({tag})", error)
            continue
        if held is not None and not held.is_index:
            yield from _layers(repository, held, subject)


def _documents(repository: Repository, one: Descriptor, subject: _Subject, *, refers: bool = False) -> Iterator[Found]:
    """The documents of a manifest that stands beside the subject."""
    where = f"oci://{repository.name}@{one.digest}"
    try:
        manifest = repository.manifest(one.digest, one.size)
        if refers and manifest.subject != subject.digest:
            raise BadInputError(
                where, f"it refers to {manifest.subject or 'nothing'}, and not to {subject.digest}", "Push it anew."
            )
    except PatchgapError as error:
        yield Failed(where, error)
        return
    yield from _layers(repository, manifest, subject)


def _layers(repository: Repository, manifest: Manifest, subject: _Subject) -> Iterator[Found]:
    documented = bool(_DOCUMENT.search(manifest.artifact_type))
    for layer in manifest.parts[:_MOST]:
        generic = layer.media_type in {"application/json", "application/octet-stream", "text/plain"}
        if not (_DOCUMENT.search(layer.media_type) or (documented and generic)):
            continue
        where = f"oci://{repository.name}@{layer.digest}"
        try:
            yield Fetched(
                where, repository.blob(layer), f"{repository.name}@{subject.digest}", subject.equals, subject.parts
            )
        except PatchgapError as error:
            yield Failed(where, error)
