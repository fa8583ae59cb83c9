"""What a reader takes out of an SBOM, and no more: packages, edges, and which image it describes.

Knows nothing of formats; the readers hand it names and purls as they found them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from patchgap.graph import purl as purls
from patchgap.model.exposure import Artifact

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
REVISION = "org.opencontainers.image.revision"
ROOT = -1  # the artifact itself, where edges start
_NO_PACKAGE = frozenset({"none", "oci", "docker"})
IMAGE_PURLS = ("pkg:oci/", "pkg:docker/")
_SOURCE_RPM = re.compile(r"(?P<name>.+)-[^-]+-[^-]+\.(?:no)?src\.rpm")


class Package(NamedTuple):
    """A package as it is stored. `ecosystem` and `purl` are empty for one that its SBOM names without a usable purl."""

    ecosystem: str
    vendor: str
    name: str
    version: str
    purl: str
    distro: str = ""
    source: str = ""
    source_version: str = ""

    @property
    def identity(self) -> str:
        """What no other package has: tools also write a source package beside the purl, and a name without purl may
        hold anything, a purl's text too."""
        if not self.purl:
            return f"{len(self.name)}:{self.name}@{self.version}"
        return f"{self.purl} {self.source}@{self.source_version}" if self.source else self.purl


@dataclass(frozen=True, slots=True)
class SbomDocument:
    """One SBOM. `edges` leads from a package's position (or ROOT) to positions; it is empty where the SBOM has none.

    `digests` are all that the SBOM says the image goes by, the artifact's own first. `root` names the artifact in
    chains: its purl, else its name. `reference` is the SBOM's own name (serial number, namespace), else its digest.
    `whole` where it says that it describes a container image, and not an application that an image holds. `gaps` are
    sentences of what it cannot tell."""

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


class Source(NamedTuple):
    """The source package that a distribution's package was built from, where the SBOM says it beside the purl."""

    name: str = ""
    version: str = ""


_NO_SOURCE = Source()


def package(name: str, version: str, group: str = "", purl: str = "", source: Source = _NO_SOURCE) -> Package:
    """The package that an SBOM's entry stands for. A purl that cannot be read leaves a nameless package, not none."""
    if purl:
        try:
            found = purls.parse(purl)
        except ValueError:
            found = None
        if found is not None and found.type not in _NO_PACKAGE:
            return _from_purl(found, version, source)
    return Package("", "", f"{group}/{name}" if group else name, version, "")


def _from_purl(found: purls.Purl, version: str, source: Source) -> Package:
    if not found.version and version:
        found = purls.with_version(found, version)
    found = purls.with_epoch(found)
    ecosystem = found.ecosystem
    if upstream := found.qualifiers.get("upstream"):
        built = _SOURCE_RPM.fullmatch(upstream)
        name, _, source_version = upstream.partition("@")
        source = Source(built["name"]) if built else Source(name, source_version)  # the former's file lacks the epoch
    return Package(
        ecosystem,
        found.namespace.lower(),
        found.full_name,
        found.version,
        found.text,
        found.qualifiers.get("distro", ""),
        purls.normal_name(ecosystem, source.name),
        source.version,
    )


class Collector:
    """Gathers packages, each once however often the SBOM lists it, and the edges between their references."""

    def __init__(self) -> None:
        self._positions: dict[Package, int] = {}
        self._references: dict[str, int] = {}
        self._edges: dict[int, dict[int, None]] = {}

    def root(self, reference: str) -> None:
        """The reference by which edges name the artifact itself."""
        if reference:
            self._references[reference] = ROOT

    def add(self, found: Package, *references: str) -> None:
        """A package and what edges call it. The first owner of a reference keeps it."""
        position = self._positions.setdefault(found, len(self._positions))
        for reference in references:
            if reference:
                self._references.setdefault(reference, position)

    def link(self, parent: str, child: str) -> None:
        """An edge, where both ends are known; a dangling reference leads nowhere."""
        start, end = self._references.get(parent), self._references.get(child)
        if start is not None and end is not None and end not in (start, ROOT):
            self._edges.setdefault(start, {})[end] = None

    @property
    def packages(self) -> tuple[Package, ...]:
        return tuple(self._positions)

    @property
    def edges(self) -> dict[int, tuple[int, ...]]:
        return {start: tuple(ends) for start, ends in self._edges.items()}
