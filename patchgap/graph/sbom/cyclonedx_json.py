"""CycloneDX JSON, 1.2 to 1.7: one typed pass that decodes only the fields that the graph stores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from patchgap.graph.documents import check_keys
from patchgap.graph.sbom.counted import decode_counted
from patchgap.graph.sbom.cyclonedx import Bom, Component, check_version, document, other_list, walk
from patchgap.graph.sbom.document import SbomDocument

VERSIONS = ("1.2", "1.3", "1.4", "1.5", "1.6", "1.7")
_DECODER = msgspec.json.Decoder(Bom)
_LINK = b'"urn:cdx:'


def read(content: bytes, where: str | Path, digest: str) -> SbomDocument:
    """The SBOM. Raises BadInputError and ValueError."""
    bom, built = decode_counted(content, where, _DECODER)
    check_version("specVersion", bom.spec_version, VERSIONS)
    root = bom.metadata.component if bom.metadata else None
    every: list[Component] = list(walk([*(bom.components or ()), *([root] if root else ())]))
    amiss = check_keys(content, where, _read_keys(bom, every), dropped=built - len(every) - len(bom.dependencies or ()))
    return document(bom, digest, content.count(_LINK), (*amiss, *other_list("packages", bom.packages)))


def _read_keys(bom: Bom, every: Sequence[Component]) -> dict[str, int]:
    """How often the key that decides was read, or stands in parts that are no part of the image."""
    raws = [bytes(one) for one in (bom.formulation, bom.declarations) if one]
    raws += [bytes(bom.metadata.tools)] if bom.metadata and bom.metadata.tools else []
    raws += [bytes(one.pedigree) for one in every if one.pedigree]
    return {"purl": sum([one.purl is not None for one in every]) + sum(raw.count(b'"purl":') for raw in raws)}
