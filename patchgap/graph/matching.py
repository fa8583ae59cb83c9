"""Whether a stored component is what a question asks for.

Pure: takes a row and a question, gives a standing. Unknown is an answer of its own: a component without a purl whose
name matches, a component without a version, a version that cannot be compared.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from patchgap.graph.purl import loose_key, normal_name
from patchgap.graph.question import Question
from patchgap.graph.versions import affects, purl_type, same
from patchgap.model.exposure import Standing
from patchgap.model.signal import AffectedPackage
from patchgap.model.unknown import Unknown

_RELEASE = re.compile(r"\d+(?:\.\d+)*")
_CODENAMES = {
    "buster": "10", "bullseye": "11", "bookworm": "12", "trixie": "13", "forky": "14",
    "bionic": "18.04", "focal": "20.04", "jammy": "22.04", "noble": "24.04",
}  # fmt: skip
_VENDORS = {"debian", "ubuntu", "alpine", "wolfi", "chainguard"}


class Row(NamedTuple):
    """A component as stored."""

    id: int
    ecosystem: str
    vendor: str
    name: str
    version: str
    purl: str
    distro: str
    source: str
    source_version: str

    @property
    def label(self) -> str:
        """How a chain or a sentence names it."""
        return self.purl or (f"{self.name}@{self.version}" if self.version else self.name)


class Match(NamedTuple):
    """A component that the question touches. `reason` says why its standing is unknown, else what was found."""

    row: Row
    standing: Standing
    reason: str


def keys(question: Question) -> frozenset[str]:
    """What to look components up by; a superset of what matches."""
    if question.advisory is None:
        return frozenset({loose_key(question.name)})
    return frozenset(loose_key(package.name) for package in question.advisory.affected)


def judge(question: Question, row: Row) -> Match | None:
    """The component's standing towards the question; None where it is something else or not affected."""
    if question.advisory is None:
        return _by_name(question, row)
    found: Match | None = None
    for package in question.advisory.affected:
        match = _by_advisory(package, row)
        if match is not None and match.standing is Standing.AFFECTED:
            return match
        found = found or match
    return found


def _by_name(question: Question, row: Row) -> Match | None:
    wanted = question.name
    if not row.ecosystem:
        return _nameless(row, wanted)
    if question.ecosystem and (question.ecosystem != row.ecosystem or question.vendor not in ("", row.vendor)):
        return None
    if not _releases_agree(question.distro, row.distro):
        return None
    name = normal_name(row.ecosystem, wanted)
    is_source = bool(row.source) and name == row.source
    if not is_source and not _names_it(name, row, exact=bool(question.ecosystem)):
        return None
    if not question.version:
        return Match(row, Standing.AFFECTED, f"{row.label} is in it")
    version = row.source_version or row.version if is_source else row.version
    if not version:
        return Match(row, Standing.UNKNOWN, f"{row.label}: its SBOM names no version")
    if same(row.ecosystem, version, question.version):
        return Match(row, Standing.AFFECTED, f"{row.label} is in it")
    return None


def _names_it(name: str, row: Row, *, exact: bool) -> bool:
    """A bare `log4j-core` also finds `org.apache.logging.log4j:log4j-core`; so does the form with slashes."""
    if name == row.name:
        return True
    return row.ecosystem == "maven" and not exact and name.replace("/", ":") in (row.name, row.name.rpartition(":")[2])


def _by_advisory(package: AffectedPackage, row: Row) -> Match | None:
    if not row.ecosystem:
        return _nameless(row, package.name)
    kind = purl_type(package.ecosystem)
    if row.ecosystem != kind:
        return None
    distribution, _, suffix = package.ecosystem.lower().partition(":")
    if distribution in _VENDORS and row.vendor and row.vendor != distribution:
        return None
    if not _releases_agree(suffix, row.distro):
        return None
    name = normal_name(kind, package.name)
    if row.source and name == row.source:  # distributions' advisories name source packages
        version = row.source_version or row.version
    elif name == row.name:
        version = row.version
    else:
        return None
    verdict = affects(package, version)
    if isinstance(verdict, Unknown):
        return Match(row, Standing.UNKNOWN, f"{row.label}: {verdict.reason}")
    return Match(row, Standing.AFFECTED, f"{row.label} is affected") if verdict else None


def _nameless(row: Row, wanted: str) -> Match | None:
    if loose_key(row.name) != loose_key(wanted):
        return None
    return Match(row, Standing.UNKNOWN, f"{row.label} has no purl: it may be {wanted} or another package of that name")


def _releases_agree(suffix: str, distro: str) -> bool:
    """Whether `12` or `v3.16` of an advisory can be the `debian-12.4` or `alpine-3.16.2` of a purl. Where either says
    nothing, they can."""
    wanted, held = _release(suffix), _release(distro)
    if not wanted or not held:
        return True
    parts, others = wanted.split("."), held.split(".")
    least = min(len(parts), len(others))
    return parts[:least] == others[:least]


def _release(text: str) -> str:
    match = _RELEASE.search(text)
    if match:
        return match.group()
    return next((number for name, number in _CODENAMES.items() if name in text.lower()), "")
