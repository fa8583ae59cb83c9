"""Signals and advisories: what arrives, before anyone knows whether it matters here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

SignalId = NewType("SignalId", str)  # "sig-" and 16 hex digits of the SHA-256 of the signal's canonical content


class Severity(StrEnum):
    """In the order of CVSS; UNKNOWN wakes a person and is treated as the worst where a tier is chosen."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


_WORST_FIRST = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)


def worst(stated: Iterable[Severity]) -> Severity:
    """The worst that is stated; UNKNOWN where none is."""
    said = set(stated)
    return next((s for s in _WORST_FIRST if s in said), Severity.UNKNOWN)


class SignalKind(StrEnum):
    """The four kinds of the design."""

    ADVISORY = "advisory"
    RUNTIME = "runtime"
    INTEGRITY = "integrity"
    CONTROL_SURFACE = "control_surface"


@dataclass(frozen=True, slots=True)
class RangeEvent:
    """One OSV event: `kind` is introduced, fixed, last_affected or limit; `version` is the ecosystem's own."""

    kind: str
    version: str


@dataclass(frozen=True, slots=True)
class VersionRange:
    """An OSV range: `type` is SEMVER, ECOSYSTEM or GIT."""

    type: str
    events: tuple[RangeEvent, ...]


@dataclass(frozen=True, slots=True)
class AffectedPackage:
    """One `affected` block: an OSV ecosystem with its suffix (`Debian:12`), the name, ranges and versions."""

    ecosystem: str
    name: str
    ranges: tuple[VersionRange, ...] = ()
    versions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Advisory:
    """An OSV record. `severity` is the worst its CVSS vectors or database label state, else UNKNOWN.
    `digest` is the SHA-256 of the document as read."""

    id: str
    digest: str
    affected: tuple[AffectedPackage, ...]
    aliases: tuple[str, ...] = ()
    summary: str = ""
    details: str = ""
    published: datetime | None = None
    modified: datetime | None = None
    withdrawn: datetime | None = None
    severity: Severity = Severity.UNKNOWN
    malicious: bool = False
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Claims:
    """What the sender of a signal says about it; a claim, never an instruction."""

    severity: Severity = Severity.UNKNOWN
    malicious: bool = False
    known_exploited: bool = False
    epss: float | None = None


@dataclass(frozen=True, slots=True)
class RuntimeSignal:
    """Something seen at run time, an image that is not the one that was meant, or a change of the control surface:
    where it was seen (a workload, or a ServiceAccount), and what."""

    cluster: str
    namespace: str
    kind: str
    name: str
    observed: str
    component: str | None = None  # a purl or name@version, where the sender names one
    expected: str = ""  # of an integrity signal: the digest that was deployed or attested
    found: str = ""  # of an integrity signal: the digest that runs in its place


@dataclass(frozen=True, slots=True)
class Signal:
    """What arrived. Exactly one of `advisory` and `runtime` is set: an advisory, or whatever was seen somewhere."""

    id: SignalId
    kind: SignalKind
    source: str
    received_at: datetime
    claims: Claims = Claims()
    advisory: Advisory | None = None
    runtime: RuntimeSignal | None = None
