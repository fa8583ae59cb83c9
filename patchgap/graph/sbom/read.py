"""Reads an SBOM of any known format, told by its content and not by its name."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from patchgap.errors import BadInputError
from patchgap.graph.collection import collection_at_rest
from patchgap.graph.documents import content_digest, read_bytes
from patchgap.graph.sbom import (
    cyclonedx_json,
    cyclonedx_protobuf,
    cyclonedx_xml,
    spdx3,
    spdx_json,
    spdx_tag_value,
    syft,
)
from patchgap.graph.sbom.document import SbomDocument
from patchgap.graph.sbom.image import digest_in_name
from patchgap.graph.sbom.kinds import READ, Kind, NotAnSbomError, kind_of

_REFERENCE = re.compile(r"(?P<repository>[^@\s]*)@?(?P<digest>sha256:[0-9a-f]{64})")
_READERS: dict[Kind, Callable[[bytes, str | Path, str], SbomDocument]] = {
    Kind.CYCLONEDX_JSON: cyclonedx_json.read,
    Kind.CYCLONEDX_XML: cyclonedx_xml.read,
    Kind.CYCLONEDX_PROTOBUF: cyclonedx_protobuf.read,
    Kind.SPDX_JSON: spdx_json.read,
    Kind.SPDX_TAG_VALUE: spdx_tag_value.read,
    Kind.SPDX_3: spdx3.read,
    Kind.SYFT: syft.read,
}


class NamelessError(BadInputError):
    """An SBOM that names no image, and nobody named one for it."""


def read_sbom(path: Path, artifact: str | None = None) -> SbomDocument:
    """The SBOM in that file (gzip and zstd allowed). `artifact` is `REF@sha256:…` where the SBOM does not say which
    image it describes. Raises BadInputError."""
    return parse_sbom(read_bytes(path), path, artifact)


def parse_sbom(
    content: bytes, where: str | Path, artifact: str | None = None, equals: frozenset[str] = frozenset()
) -> SbomDocument:
    """The SBOM in those bytes. `equals` are all digests of the artifact where they are known. Raises BadInputError naming `where`, NotAnSbomError where it is another document."""
    kind = kind_of(content, where)
    if kind not in _READERS:
        raise NotAnSbomError(where, f"it is {kind}, and no SBOM")
    digest = content_digest(content)
    try:
        with collection_at_rest():
            document = _READERS[kind](content, where, digest)
    except BadInputError:
        raise
    except ValueError as error:
        raise BadInputError(where, str(error), f"Export it as {READ}.") from error
    return _bind(document, artifact, where, equals)


def _bind(document: SbomDocument, artifact: str | None, where: str | Path, equals: frozenset[str]) -> SbomDocument:
    """The document with its image: of the flag, else its own words, else its file's name."""
    if artifact is not None:
        match = _REFERENCE.fullmatch(artifact)
        if match is None:
            raise BadInputError(
                "--artifact",
                f"{artifact!r} names no digest",
                "Write it as REPOSITORY@sha256:<64 hex digits>.",
            )
        return _bound(_apart(document, match["digest"], equals), match["digest"], match["repository"])
    named = digest_in_name(where, document.document)
    if document.artifact.digest:
        if named and named not in document.digests:
            gap = f"its file is named after another digest, {named}"
            return replace(document, gaps=(*document.gaps, gap))
        return document
    if named:
        return _bound(document, named, "")
    raise NamelessError(
        where,
        "it does not say which image it describes: it names no digest",
        f"Name the image: patchgap graph add {where} --artifact REPOSITORY@sha256:<digest>.",
    )


def _apart(document: SbomDocument, digest: str, equals: frozenset[str]) -> SbomDocument:
    """The document without the digests that it names and that are not known to be those of that image. One that names the
    image is believed of its other digests; of one that does not, the flag may be a slip, and one image would answer for
    another."""
    known = equals if equals or digest not in document.digests else frozenset(document.digests)
    others = [one for one in document.digests if one not in known and one != digest]
    if not others:
        return document
    gap = f"it names {', '.join(others)} too, which is not known to be this image"
    kept = tuple(one for one in document.digests if one not in others)
    return replace(document, digests=kept, gaps=(*document.gaps, gap))


def _bound(document: SbomDocument, digest: str, repository: str) -> SbomDocument:
    bound = replace(document.artifact, digest=digest, repository=repository or document.artifact.repository)
    return replace(document, artifact=bound, digests=tuple(dict.fromkeys((digest, *document.digests))))
