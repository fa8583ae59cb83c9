"""Exposures: component -> chains -> artifact -> workload, and the answer to "which running workloads include it?"."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from urllib.parse import unquote

from patchgap.model.unknown import Unknown
from patchgap.model.workload import Container, Workload

_BARE = re.compile(r"sha256:[0-9a-f]{64}")


class Standing(StrEnum):
    """What is known of an exposure: UNKNOWN (a version that cannot be compared, a nameless component) counts as
    exposed wherever something is decided."""

    AFFECTED = "affected"
    NOT_AFFECTED = "not_affected"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Component:
    """A package at a version. `purl` is canonical; for a component that its SBOM names without a purl it is empty.
    `source` is the source package that it was built from, where its SBOM tells one of another name; two SBOMs that
    differ in that alone name one component."""

    purl: str
    name: str
    version: str
    source: str = field(default="", compare=False)

    @property
    def label(self) -> str:
        """How a sentence or a table's cell names it."""
        return self.purl or (f"{self.name}@{self.version}" if self.version else self.name)


@dataclass(frozen=True, slots=True)
class Artifact:
    """An image by digest. Empty strings mean that nothing says so."""

    digest: str
    repository: str = ""
    commit: str = ""
    provenance: str = ""
    sbom_ref: str = ""
    gaps: tuple[str, ...] = ()  # what its SBOM leaves open of the packages that it lists


def repository_of(image: str) -> str:
    """The repository of an image reference, without tag and digest; a registry's port is no tag. "" where the reference
    is a digest alone."""
    if _BARE.fullmatch(image):
        return ""
    head, slash, last = image.partition("@")[0].rpartition("/")
    return head + slash + last.partition(":")[0]


def named(image: str, digest: str) -> str:
    """What a person calls the image: its reference with that digest, or the digest where nothing names a repository."""
    head = image.partition("@")[0]
    return f"{head}@{digest}" if repository_of(head) else digest


def short(purl: str) -> str:
    """A purl as a person reads it: `pytorch-lightning 1.5.2`, an image without its digest. What is no purl stays so."""
    if not purl.startswith("pkg:"):
        return purl
    named = purl.removeprefix("pkg:").partition("?")[0].partition("#")[0].partition("/")[2]
    name, _, version = named.rpartition("@")
    if not name:  # there is no version, or the @ is an npm scope's
        return unquote(named)
    version = unquote(version)
    return unquote(name) if not version or version.startswith("sha256:") else f"{unquote(name)} {version}"


@dataclass(slots=True, unsafe_hash=True)
class Exposure:
    """One component in one workload. `chains` run from the artifact's root to the component, as purls;
    `direct` is None and `chains` empty where the SBOM has no edges.

    A value like the others here, and never changed. It alone is not frozen: making a frozen one costs six times as
    much, and an answer may hold ten thousand."""

    component: Component
    direct: bool | None
    chains: tuple[tuple[str, ...], ...]
    artifact: Artifact
    workload: Workload
    container: Container
    standing: Standing = Standing.AFFECTED
    more_chains: int | None = 0  # shortest chains beyond those; None where they were not counted
    vex: str = ""  # what VEX says of it, in a sentence: then `standing` is by VEX


@dataclass(frozen=True, slots=True)
class ExposureAnswer:
    """The answer, with what could not be told. An empty `exposures` with a non-empty `unknown` is not "clean"."""

    query: str
    asked_at: datetime
    exposures: tuple[Exposure, ...]
    unknown: tuple[Unknown, ...]
