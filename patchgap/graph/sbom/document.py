"""What a reader takes out of an SBOM, and no more: packages, edges, which image it describes, and what it cannot tell.

Knows nothing of formats.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from patchgap.graph.purl import spelt
from patchgap.graph.sbom.packages import Package, Source, package
from patchgap.model.exposure import Artifact
from patchgap.model.vex import VexDocument

__all__ = ["DIGEST", "REVISION", "ROOT", "Package", "SbomDocument", "Source", "is_image", "package"]

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
REVISION = "org.opencontainers.image.revision"  # the label that holds the source commit
_IMAGE_PURLS = ("pkg:oci/", "pkg:docker/")
ROOT = -1  # the artifact itself, where edges start


@dataclass(frozen=True, slots=True)
class SbomDocument:
    """One SBOM. `edges` leads from a package's position (or ROOT) to positions; it is empty where the SBOM has none.

    `digests` are all that the SBOM says the image goes by, the artifact's own first. `root` names the artifact in
    chains: its purl, else its name. `reference` is the SBOM's own name (serial number, namespace), else its digest.
    `whole` where it says that it describes a container image, and not an application that an image holds.
    `gaps` says in sentences, with counts, what it leaves open of the packages that it lists (a version, a chain), and
    `hides` where packages may be that it does not list: of such an image nothing is told to be absent.
    `vex` is what it says of vulnerabilities itself."""

    document: str
    format: str
    reference: str
    artifact: Artifact
    digests: tuple[str, ...]
    root: str
    packages: tuple[Package, ...]
    edges: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    whole: bool = False
    gaps: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()
    vex: VexDocument | None = None


def is_image(purl: str) -> bool:
    """Whether the purl is an image's."""
    return spelt(purl).lower().startswith(_IMAGE_PURLS)
