"""SPDX JSON, 2.2 and 2.3: one typed pass that decodes only the fields that the graph stores."""

from __future__ import annotations

from pathlib import Path

import msgspec

from patchgap.graph.documents import check_keys, decode_json
from patchgap.graph.sbom.cyclonedx import check_version
from patchgap.graph.sbom.document import SbomDocument
from patchgap.graph.sbom.spdx import Spdx, document

VERSIONS = ("SPDX-2.2", "SPDX-2.3")
_DECODER = msgspec.json.Decoder(Spdx)


def read(content: bytes, where: str | Path, digest: str) -> SbomDocument:
    """The SBOM. Raises BadInputError and ValueError."""
    spdx = decode_json(content, where, _DECODER)
    check_version("spdxVersion", spdx.spdx_version, VERSIONS)
    locators = [one.reference_locator for found in spdx.packages or () for one in found.references or ()]
    keys = {"referenceLocator": len(locators) - locators.count(None), "packages": int(spdx.packages is not None)}
    return document(spdx, digest, check_keys(content, where, keys))
