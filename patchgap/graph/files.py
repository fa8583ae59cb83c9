"""What a path holds: a folder is walked, and a file is an SBOM or provenance by its content, not by its name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from patchgap.errors import BadInputError
from patchgap.graph.documents import read_bytes
from patchgap.graph.provenance import parse_provenance
from patchgap.graph.sbom.document import SbomDocument
from patchgap.graph.sbom.read import parse_sbom
from patchgap.model.exposure import Artifact

_NAMES = (".json", ".json.gz", ".cdx", ".spdx", ".intoto", ".intoto.jsonl")


class _Kind(msgspec.Struct, rename={"kind": "_type", "payload_type": "payloadType"}):
    kind: object = None
    payload_type: object = None


Content = SbomDocument | tuple[Artifact, ...]


def walk(path: Path) -> Iterator[Path]:
    """The file itself; of a folder every JSON document below it, in order. Raises BadInputError for an empty folder."""
    if not path.is_dir():
        yield path
        return
    found = sorted(one for one in path.rglob("*") if one.name.lower().endswith(_NAMES) and one.is_file())
    if not found:
        raise BadInputError(path, "it holds no JSON document", f"Name a folder with files ending in {_NAMES[0]}.")
    yield from found


def read_file(path: Path, artifact: str | None = None) -> Content:
    """The SBOM, or the artifacts whose provenance it is. Raises BadInputError."""
    content = read_bytes(path)
    try:
        kind = msgspec.json.decode(content, type=_Kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        kind = _Kind()  # the SBOM reader says in its own words what is wrong
    if kind.kind is not None or kind.payload_type is not None:
        return parse_provenance(content, path)
    return parse_sbom(content, path, artifact)
