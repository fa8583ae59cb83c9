"""Reads an SBOM of any known format, told by its content and not by its name."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import msgspec

from patchgap.errors import BadInputError
from patchgap.graph.documents import check_json, content_digest, read_bytes
from patchgap.graph.sbom import cyclonedx, spdx
from patchgap.graph.sbom.document import SbomDocument

_REFERENCE = re.compile(r"(?P<repository>[^@\s]*)@?(?P<digest>sha256:[0-9a-f]{64})")


class _Kind(msgspec.Struct, rename={"cyclonedx": "bomFormat", "spdx": "spdxVersion", "spec": "specVersion"}):
    cyclonedx: object = None
    spec: object = None
    spdx: object = None


def read_sbom(path: Path, artifact: str | None = None) -> SbomDocument:
    """The SBOM in that file (JSON, gzip allowed). `artifact` is `REF@sha256:…` where the SBOM does not say which image
    it describes, or the image goes by that digest too. Raises BadInputError."""
    return parse_sbom(read_bytes(path), path, artifact)


def parse_sbom(content: bytes, where: str | Path, artifact: str | None = None) -> SbomDocument:
    """The SBOM in those bytes. Raises BadInputError naming `where`."""
    check_json(content, where)
    try:
        kind = msgspec.json.decode(content, type=_Kind)
        if kind.cyclonedx == "CycloneDX":
            document = cyclonedx.read(content, content_digest(content))
        elif isinstance(kind.spdx, str):
            document = spdx.read(content, content_digest(content))
        else:
            raise BadInputError(
                where,
                'it has neither `"bomFormat": "CycloneDX"` nor `"spdxVersion"`',
                "Export the SBOM as CycloneDX JSON (1.2 to 1.7) or SPDX JSON (2.2, 2.3).",
            )
    except msgspec.ValidationError as error:
        raise BadInputError(where, _field(error), "Correct that field, or export the SBOM again.") from error
    except RecursionError:
        raise BadInputError(where, "it is nested too deeply", "Flatten it, or leave it out.") from None
    except ValueError as error:
        raise BadInputError(
            where, str(error), "Export it as CycloneDX JSON (1.2 to 1.7) or SPDX JSON (2.2, 2.3)."
        ) from error
    return _bind(document, artifact, where)


def _field(error: msgspec.ValidationError) -> str:
    problem, _, place = str(error).partition(" - at ")
    return f"{place.strip('`').removeprefix('$.') or 'the document'}: {problem}"


def _bind(document: SbomDocument, artifact: str | None, where: str | Path) -> SbomDocument:
    if artifact is not None:
        match = _REFERENCE.fullmatch(artifact)
        if match is None:
            raise BadInputError(
                "--artifact",
                f"{artifact!r} names no digest",
                "Write it as REPOSITORY@sha256:<64 hex digits>.",
            )
        digest = match["digest"]
        bound = replace(
            document.artifact, digest=digest, repository=match["repository"] or document.artifact.repository
        )
        return replace(document, artifact=bound, digests=tuple(dict.fromkeys((digest, *document.digests))))
    if not document.artifact.digest:
        raise BadInputError(
            where,
            "it does not say which image it describes: it names no digest",
            f"Name the image: patchgap graph add {where} --artifact REPOSITORY@sha256:<digest>.",
        )
    return document
