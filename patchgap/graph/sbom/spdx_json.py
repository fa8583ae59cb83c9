"""SPDX JSON, 2.2 and 2.3: one typed pass that decodes only the fields that the graph stores."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from patchgap.graph.documents import check_keys, decode_json
from patchgap.graph.sbom.counted import decode_counted
from patchgap.graph.sbom.cyclonedx import check_version, other_list
from patchgap.graph.sbom.document import SbomDocument
from patchgap.graph.sbom.spdx import File, Relationship, Spdx, document

VERSIONS = ("SPDX-2.2", "SPDX-2.3")
_KIND = re.compile(rb'"relationshipType"\s*:\s*(?=")')  # as the first is written, most are
_NO_EDGES = (b'"CONTAINS"', b'"OTHER"')  # kinds that say nothing of what the graph stores, as tools write thousands


class Lazy(Spdx, rename="camel"):
    """The document with what is most of a real one, and most often says nothing, left as it is written."""

    relationships: msgspec.Raw = msgspec.Raw()  # type: ignore[assignment]
    files: msgspec.Raw = msgspec.Raw()  # type: ignore[assignment]
    components: msgspec.Raw = msgspec.Raw()  # of another format


_DECODER = msgspec.json.Decoder(Lazy)
_RELATIONSHIPS = msgspec.json.Decoder(list[Relationship] | None)
_FILES = msgspec.json.Decoder(list[File] | None)


def read(content: bytes, where: str | Path, digest: str) -> SbomDocument:
    """The SBOM. Raises BadInputError and ValueError."""
    spdx, built = decode_counted(content, where, _DECODER)
    check_version("spdxVersion", spdx.spdx_version, VERSIONS)
    amiss = check_keys(content, where, {"referenceLocator": _locators(spdx)}, dropped=built - len(spdx.packages or ()))
    told, files = bytes(spdx.relationships), bytes(spdx.files)
    spdx.relationships = decode_json(told, where, _RELATIONSHIPS) if _says_more(told) else []
    spdx.files = decode_json(files, where, _FILES) if files and spdx.relationships else []
    return document(spdx, digest, (*amiss, *other_list("components", spdx.components)))


def _says_more(relationships: bytes) -> bool:
    """Whether any is of a kind that counts. A comment may read like a kind."""
    first = _KIND.search(relationships)
    if first is None:
        return bool(relationships)
    count = sum([relationships.count(first[0] + kind) for kind in _NO_EDGES])
    return relationships.count(b'"relationshipType"') != count


def _locators(spdx: Spdx) -> int:
    """How many references to elsewhere were read."""
    return sum([len(one.references) for one in spdx.packages or () if one.references])
