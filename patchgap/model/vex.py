"""VEX: what a supplier says of a vulnerability in a product. A claim, told by its author and time; it removes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from patchgap.model.unknown import Unknown


class VexStatus(StrEnum):
    """The four statuses that OpenVEX, CycloneDX and CSAF share."""

    NOT_AFFECTED = "not_affected"
    AFFECTED = "affected"
    FIXED = "fixed"
    UNDER_INVESTIGATION = "under_investigation"


@dataclass(frozen=True, slots=True)
class VexProduct:
    """What a statement is about. Any of its identifiers names it: `purls` (without a version: every version), `digests`
    (`sha256:…`), `refs` (BOM-Links to an SBOM or its root). `versions` narrows it to exact versions or `vers:` ranges, and `release` to an OSV
    ecosystem's (`Red Hat:enterprise_linux:9`). With `subcomponents`, only those within it are meant."""

    name: str
    purls: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    refs: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    release: str = ""
    subcomponents: tuple[VexProduct, ...] = ()


@dataclass(frozen=True, slots=True)
class VexStatement:
    """One statement. `vulnerabilities` are ids that name the same one; `justification` is the format's own label, and
    `impact` and `action` are its words for people; `document` is the SHA-256 of the document as read."""

    vulnerabilities: tuple[str, ...]
    products: tuple[VexProduct, ...]
    status: VexStatus
    justification: str = ""
    impact: str = ""
    action: str = ""
    author: str = ""
    timestamp: datetime | None = None
    document: str = ""


@dataclass(frozen=True, slots=True)
class VexDocument:
    """A document as read: `format` is openvex, cyclonedx or csaf. `unknown` lists what of it could not be taken, and
    products that nothing here can be told to be."""

    format: str
    digest: str
    statements: tuple[VexStatement, ...]
    unknown: tuple[Unknown, ...]
