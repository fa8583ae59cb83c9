"""Whether a stored component is what a question asks for.

Pure: takes a row and a question, gives a standing. Unknown is an answer of its own: a component without a purl whose
name matches, a component without a version, a version that cannot be compared.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from patchgap.graph.purl import loose_key, normal_name
from patchgap.graph.question import Question
from patchgap.graph.versions import affects, is_known, purl_type, same
from patchgap.model.exposure import Standing
from patchgap.model.signal import AffectedPackage
from patchgap.model.unknown import Unknown

_RELEASE = re.compile(r"\d+(?:\.\d+)*")
_CODENAMES = {
    "buster": "10", "bullseye": "11", "bookworm": "12", "trixie": "13", "forky": "14",
    "bionic": "18.04", "focal": "20.04", "jammy": "22.04", "noble": "24.04",
}  # fmt: skip
_VENDORS = {"debian", "ubuntu", "alpine", "wolfi", "chainguard"}
_RELEASED = {"debian", "ubuntu", "alpine", "rocky linux", "almalinux"}  # OSV ecosystems whose suffix is a release
_PACKAGED = frozenset({"apk", "deb", "rpm"})  # a distribution's version wraps the version of what it packages
_REPACKAGED = frozenset({"conda", "generic"})
_UPSTREAM = re.compile(r"^\d+:|-[^-]*$")  # an epoch before it, a revision after it


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
    if not row.ecosystem:
        return _nameless(row, question.name)
    if question.ecosystem and question.ecosystem != row.ecosystem:
        return None
    if question.vendor and row.vendor and question.vendor != row.vendor:
        return None
    if not _releases_agree(question.distro, row.distro):
        return None
    versions = _versions_held(question, row)
    if not versions:
        return None
    if not question.version:
        return Match(row, Standing.AFFECTED, f"{row.label} is in it")
    verdicts = [_is_that(row.ecosystem, one, question.version) for one in versions]
    if any(verdict is True for verdict in verdicts):
        return Match(row, Standing.AFFECTED, f"{row.label} is in it")
    doubt = next((verdict for verdict in verdicts if isinstance(verdict, Unknown)), None)
    return Match(row, Standing.UNKNOWN, f"{row.label}: {doubt.reason}") if doubt else None


def _versions_held(question: Question, row: Row) -> list[str]:
    """The versions at which the row is that package: its own, its source package's, or both; none where it is another.
    The name of a purl is exact. A bare name is a person's: case and underscores do not count, and `log4j-core` also
    finds `org.apache.logging.log4j:log4j-core`, as does the form with slashes."""
    exact = bool(question.ecosystem)
    spelt = (lambda text: text) if exact else _spelt
    name = spelt(normal_name(row.ecosystem, question.name))
    held = [row.source_version or row.version] if row.source and name == spelt(row.source) else []
    own = spelt(row.name)
    parts = (own, own.rpartition(":")[2]) if row.ecosystem == "maven" and not exact else (own,)
    if name in parts or (len(parts) > 1 and name.replace("/", ":") in parts):
        held.append(row.version)
    return held


def _spelt(name: str) -> str:
    return name.lower().replace("_", "-")


def _is_that(kind: str, held: str, asked: str) -> bool | Unknown:
    """A local build (`1.13.0+cu117`) and a distribution's package (`1:5.6.0-0.2`) are also asked for by the version of
    what they build (`1.13.0`, `5.6.0`)."""
    if not held:
        return Unknown("", "its SBOM names no version")
    verdict = same(kind, held, asked)
    if kind == "pypi" and "+" not in asked and same(kind, held.partition("+")[0], asked) is True:
        return True
    if kind in _PACKAGED and not any(mark in asked for mark in ":-") and _UPSTREAM.sub("", held) == asked:
        return True
    return verdict


def _by_advisory(package: AffectedPackage, row: Row) -> Match | None:
    kind = purl_type(package.ecosystem)
    if not row.ecosystem or not is_known(package.ecosystem):
        return _nameless(row, package.name)
    if row.ecosystem != kind:
        return _elsewhere(package, kind, row)
    distribution, _, suffix = package.ecosystem.lower().partition(":")
    if distribution in _VENDORS and row.vendor and row.vendor != distribution:
        return None
    if distribution in _RELEASED and not _releases_agree(suffix, row.distro):
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


def _elsewhere(package: AffectedPackage, kind: str, row: Row) -> Match | None:
    """Conda repackages what PyPI has under the same name and version, and a generic purl names no ecosystem at all:
    either may be the affected package."""
    if row.ecosystem not in _REPACKAGED or kind in _PACKAGED or loose_key(row.name) != loose_key(package.name):
        return None
    if affects(package, row.version) is False:
        return None
    reason = f"it may be {package.ecosystem}'s {package.name}, packaged by another"
    return Match(row, Standing.UNKNOWN, f"{row.label}: {reason}")


def _nameless(row: Row, wanted: str) -> Match | None:
    if loose_key(row.name) != loose_key(wanted):
        return None
    why = "may be of another ecosystem" if row.ecosystem else "has no purl"
    return Match(row, Standing.UNKNOWN, f"{row.label}: it {why}: it may be {wanted} or another package of that name")


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
