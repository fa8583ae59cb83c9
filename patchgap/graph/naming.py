"""Which image a person means: by digest, by the start of one, or by its repository where that has one image."""

from __future__ import annotations

import re
from typing import NamedTuple

from patchgap.errors import BadInputError, NotFoundError
from patchgap.graph.purl import parse
from patchgap.graph.reading import Run, among_ids
from patchgap.model.exposure import repository_of

_DIGEST = re.compile(r"(?:.*@)?(?:sha256:)?([0-9a-fA-F]{7,64})")
_SHOWN = 5
_FIX = "Name it by its digest, sha256:…, or by a repository that the graph knows."


class Named(NamedTuple):
    """An image of the graph: one of its digests, its repository ("" where nothing says so), its SBOMs."""

    id: int
    digest: str
    repository: str
    sboms: tuple[int, ...]


def image_named(read: Run, text: str) -> Named:
    """The image. Raises NotFoundError where the graph has none of that name, BadInputError where it has several."""
    text = text.strip()
    by_digest = _DIGEST.fullmatch(text)
    found = _by_digest(read, by_digest.group(1).lower()) if by_digest else {}
    if not found and "sha256:" not in text:
        found = _by_repository(read, text)
    if not found:
        raise NotFoundError(f"the graph has no image {text!r}", _FIX)
    if len(found) > 1:
        some = ", ".join(digest[:19] for digest in sorted(found.values())[:_SHOWN])
        raise BadInputError(
            text,
            f"the graph has {len(found)} images of that name",
            f"Name one of them: {some}{', …' if len(found) > _SHOWN else ''}.",
        )
    ((image_id, digest),) = found.items()
    repository = read("SELECT repository FROM graph_image WHERE id = :id", {"id": image_id})[0][0]
    sboms = read("SELECT id FROM graph_sbom WHERE image_id = :id ORDER BY id", {"id": image_id})
    return Named(image_id, digest, repository, tuple(row[0] for row in sboms))


def _by_digest(read: Run, start: str) -> dict[int, str]:
    rows = read(
        "SELECT image_id, min(digest) FROM graph_digest WHERE digest >= :start AND digest <= :end GROUP BY image_id",
        {"start": f"sha256:{start}", "end": f"sha256:{start}g"},
    )
    return {row[0]: row[1] for row in rows}


def _by_repository(read: Run, text: str) -> dict[int, str]:
    """The repository whole, or its last parts; with a tag, the images whose SBOM names that tag."""
    wanted = repository_of(text)
    tag = text.removeprefix(wanted).removeprefix(":")
    rows = read("SELECT id, repository FROM graph_image WHERE repository <> ''")
    ids = [id_ for id_, repository in rows if repository == wanted or repository.endswith(f"/{wanted}")]
    if tag:
        roots = read(f"SELECT image_id, root FROM graph_sbom WHERE {among_ids('image_id', ids)}")  # noqa: S608  (ids)
        ids = sorted({id_ for id_, root in roots if _tag_of(root) == tag})
    found = read(
        f"SELECT image_id, min(digest) FROM graph_digest WHERE {among_ids('image_id', ids)} GROUP BY image_id"  # noqa: S608
    )
    return {row[0]: row[1] for row in found}


def _tag_of(root: str) -> str:
    """The tag of an SBOM's root: a purl's qualifier, or an image reference's."""
    try:
        return parse(root).qualifiers.get("tag", "")
    except ValueError:
        reference = root.partition("@")[0]
        return reference.removeprefix(repository_of(root)).removeprefix(":")
