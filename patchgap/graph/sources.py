"""What a source of documents hands to the graph: bytes with the image they are about, indexes, and what failed.

Knows values and how they go in; it knows no network. Sources live in integrations and are found by their scheme.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from patchgap.errors import BadInputError, PatchgapError
from patchgap.graph.claims import Claim
from patchgap.graph.files import One, Several, read_content
from patchgap.graph.platforms import Platform
from patchgap.graph.sbom.document import SbomDocument
from patchgap.model.exposure import Artifact
from patchgap.model.vex import VexDocument

if TYPE_CHECKING:
    from patchgap.graph.store import Graph


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document as it came. `artifact` is `REPOSITORY@sha256:…` where the source tells which image it is about, and
    `equals` are the digests that this image and its platforms go by: what the document names besides is not believed. Without
    them the document itself says what it is about."""

    where: str
    content: bytes
    artifact: str = ""
    equals: frozenset[str] = frozenset()
    parts: tuple[str, ...] = ()  # of an index: its platforms, for which holds what is said of its commit


@dataclass(frozen=True, slots=True)
class Index:
    """An image, by its digest and its platforms' digests. Of an image without an index, `digest` is its manifest's."""

    repository: str
    digest: str
    platforms: tuple[Platform, ...]
    commits: Mapping[str, str] = field(default_factory=dict)  # by digest


@dataclass(frozen=True, slots=True)
class Failed:
    """What could not be had; the rest goes on."""

    where: str
    error: PatchgapError


Found = Fetched | Index | Failed


def opened(found: Iterable[Found]) -> Iterator[tuple[str, One | Index | PatchgapError]]:
    """Each thing that was found and what it holds, or why it cannot be taken."""
    for one in found:
        if isinstance(one, Failed):
            yield one.where, one.error
        elif isinstance(one, Index):
            yield f"{one.repository}@{one.digest}", one
        else:
            yield from _read(one)


def _read(one: Fetched) -> Iterator[tuple[str, One | PatchgapError]]:
    try:
        content = read_content(one.content, one.where, one.artifact or None, one.equals)
        several = content if isinstance(content, Several) else Several((content,), ())
        for held in several.contents:
            yield one.where, _bound(held, one)
        for error in several.failed:
            yield one.where, error
    except BadInputError as error:
        yield one.where, error


def _bound(held: One, fetched: Fetched) -> One:
    if not fetched.equals:
        return held
    if not isinstance(held, tuple):
        return held
    repository, _, subject = fetched.artifact.partition("@")
    told = {one.digest: replace(one, repository=repository) for one in held}
    of_index = told.get(subject)
    if of_index is not None:
        told = {digest: replace(of_index, digest=digest) for digest in fetched.parts} | told
    return tuple(told.values())


@dataclass(frozen=True, slots=True)
class Taken:
    """What went into the graph, and what could not be had or taken."""

    images: int
    sboms: int  # that were not stored before
    failed: tuple[tuple[str, PatchgapError], ...]


def take(graph: Graph, found: Iterable[Found], at: datetime) -> Taken:
    """Stores what was found, as it comes."""
    failed: list[tuple[str, PatchgapError]] = []
    images = 0

    def sboms() -> Iterator[SbomDocument]:
        nonlocal images
        for where, one in opened(found):
            if isinstance(one, PatchgapError):
                failed.append((where, one))
            elif isinstance(one, SbomDocument):
                yield one
            else:
                images += isinstance(one, Index)
                put(graph, one, at)

    stored = graph.add_sboms(sboms(), at)
    return Taken(images, stored, tuple(failed))


def put(graph: Graph, one: Index | tuple[Artifact, ...] | VexDocument | Claim, at: datetime) -> tuple[str, ...]:
    """Stores what is no SBOM; the clusters of which a claim was not recorded, since they told themselves."""
    if isinstance(one, Claim):
        if one.sbom is not None:
            graph.add_sbom(one.sbom, at)
        graph.add_artifact(one.artifact)
        return graph.claim(one.artifact.digest, one.workloads, at)
    if isinstance(one, Index):
        graph.add_index(one.digest, one.platforms)
        digests = dict.fromkeys((one.digest, *(platform.digests[0] for platform in one.platforms)))
        graph.add_artifacts([Artifact(digest, one.repository, one.commits.get(digest, "")) for digest in digests])
    elif isinstance(one, VexDocument):
        graph.add_vex(one, at)
    else:
        graph.add_artifacts(one)
    return ()
