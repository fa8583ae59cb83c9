"""Whether a stored component is what a question asks for.

Pure: takes a row and a question, gives a standing. Unknown is an answer of its own: a component without a purl whose
name matches, a component without a version, a version that cannot be compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from patchgap.graph import modules
from patchgap.graph.distribution import releases_agree, speaks_of
from patchgap.graph.ecosystems import is_known, purl_type, tells
from patchgap.graph.purl import STANDARD, loose_key, normal_name
from patchgap.graph.question import Question
from patchgap.graph.versions import Block, is_another_everywhere, prepared, same
from patchgap.model.exposure import Component, Standing
from patchgap.model.signal import AffectedPackage
from patchgap.model.unknown import Unknown

_PACKAGED = frozenset({"apk", "deb", "rpm"})  # a distribution's version wraps the version of what it packages
REPACKAGED = frozenset({"conda", "generic"})  # what holds packages of other ecosystems
_KINDS = {"githubactions": ("githubactions", "github")}  # purl types that an ecosystem's packages may have
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

    @property
    def component(self) -> Component:
        """As an answer shows it; a source package of the same name says nothing."""
        return Component(self.purl, self.name, self.version, self.source if self.source != self.name else "")


class Match(NamedTuple):
    """A component that the question touches. `reason` says why its standing is unknown, else what was found."""

    row: Row
    standing: Standing
    reason: str


def keys(question: Question) -> frozenset[str]:
    """What to look components up by; a superset of what matches."""
    if question.advisory is None:
        return frozenset({loose_key(question.name)})
    return frozenset(key for package in question.advisory.affected for key in _loose_keys(package))


def _loose_keys(package: AffectedPackage) -> Iterator[str]:
    yield loose_key(package.name)
    yield loose_key(normal_name(purl_type(package.ecosystem), package.name))
    if purl_type(package.ecosystem) == "golang":
        yield loose_key(modules.root_of(package.name) or package.name)
        yield from (standard for standard, name in STANDARD.items() if name == package.name)
        yield from (f"v{major}" for major in _majors(package))


def judge(question: Question, row: Row) -> Match | None:
    """The component's standing towards the question; None where it is something else or not affected."""
    match = _judged(question, row)
    return match if match is None or not question.within or is_within(question.within, match) else None


def is_within(ecosystems: frozenset[str], match: Match) -> bool:
    """What names no ecosystem may be of those that are asked about, and so may what another ecosystem repackages."""
    kind = match.row.ecosystem
    if kind in ecosystems or kind in {"", "generic"}:
        return True
    return match.standing is Standing.UNKNOWN and (kind in REPACKAGED or not tells(kind))


def _judged(question: Question, row: Row) -> Match | None:
    if question.advisory is None:
        return _by_name(question, row)
    found: Match | None = None
    for package in question.advisory.affected:
        match = judge_block(package, row)
        if match is not None and match.standing is Standing.AFFECTED:
            return match
        found = found or match
    return found


def _by_name(question: Question, row: Row) -> Match | None:
    if not row.ecosystem:
        return _nameless(row, question.name, question.version)
    if question.ecosystem and question.ecosystem != row.ecosystem:
        return None if tells(row.ecosystem) else _nameless(row, question.name, question.version)
    if question.vendor and row.vendor and question.vendor != row.vendor:
        return None
    if not releases_agree(question.distro, row.distro):
        return None
    versions = _versions_held(question, row)
    built = f", built from {row.source}" if row.component.source else ""
    found = Match(row, Standing.AFFECTED, f"{row.label} is in it{built}")
    if not versions and row.ecosystem == "maven" and _is_groupless(row.name, question.name):
        versions, found = [row.version], Match(row, Standing.UNKNOWN, f"{row.label}: {_groupless(question.name)}")
    if not versions:
        return None
    if not question.version:
        return found
    verdicts = [_is_that(row.ecosystem, one, question.version) for one in versions]
    if any(verdict is True for verdict in verdicts):
        return found
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
    if kind == "pypi" and "+" in held and "+" not in asked and same(kind, held.partition("+")[0], asked) is True:
        return True
    if kind in _PACKAGED and not any(mark in asked for mark in ":-") and _UPSTREAM.sub("", held) == asked:
        return True
    return verdict


def judge_block(package: AffectedPackage, row: Row, block: Block | None = None) -> Match | None:
    """The component's standing towards one `affected` block (`block` is the same, where it is prepared already)."""
    kind = purl_type(package.ecosystem)
    if not row.ecosystem or not is_known(package.ecosystem):
        return _nameless(row, package.name)
    if row.ecosystem not in _KINDS.get(kind, (kind,)):
        return _elsewhere(package, row, block or prepared(package))
    about = speaks_of(package.ecosystem, row.vendor, row.distro)
    if about is False:
        return None
    named = _named(package, kind, row)
    if named is None or not _is_stream(package, row):
        return None
    version, doubt = named
    verdict = (block or prepared(package)).affects(version)
    if verdict is False:
        return None
    if isinstance(verdict, Unknown):
        return Match(row, Standing.UNKNOWN, f"{row.label}: {verdict.reason}")
    if about is None:
        return Match(row, Standing.UNKNOWN, f"{row.label}: {row.vendor} may rebuild what {package.ecosystem} ships")
    if doubt:
        return Match(row, Standing.UNKNOWN, f"{row.label}: {doubt}")
    return Match(row, Standing.AFFECTED, f"{row.label} is affected")


def _named(package: AffectedPackage, kind: str, row: Row) -> tuple[str, str] | None:
    """The version at which the row is the package that the block names, and why that is not sure ("" where it is); None
    where it is another. Distributions' advisories name source packages."""
    name = normal_name(kind, package.name)
    if row.source and name == normal_name(kind, row.source):
        return row.source_version or row.version, ""
    own = normal_name(kind, row.name)
    if name == own:
        return row.version, ""
    if kind == "maven" and _is_groupless(own, name):
        return row.version, _groupless(package.name)
    if kind != "golang":
        return None
    if name in modules.module_paths(own, row.version):
        return row.version, ""
    if name == modules.root_of(own) and modules.major_of(own) in _majors(package):
        return row.version, f"the advisory names {package.name} at that major version"
    return None


def _is_groupless(held: str, wanted: str) -> bool:
    """Whether a Maven artifact is held without the group that is asked for: where a JAR does not tell its group, a tool
    leaves it out of the purl, or writes the artifact's own name there, as Syft does."""
    group, _, artifact = held.rpartition(":")
    return group in {"", artifact} and artifact == wanted.replace("/", ":").rpartition(":")[2]


def _groupless(wanted: str) -> str:
    return f"its purl tells no group: it may be {wanted}"


@lru_cache(maxsize=1024)
def _majors(package: AffectedPackage) -> frozenset[int]:
    return modules.majors_meant(event.version for one in package.ranges for event in one.events)


def _is_stream(package: AffectedPackage, row: Row) -> bool:
    """Ubuntu's FIPS packages are versioned apart: what is fixed in them says nothing of the ordinary ones."""
    if ":fips" not in package.ecosystem.lower():
        return True
    return any("fips" in text.lower() for text in (row.name, row.source, row.version, row.source_version))


def _elsewhere(package: AffectedPackage, row: Row, block: Block) -> Match | None:
    """Conda repackages what PyPI has under the same name and version, a generic purl names no ecosystem at all, and a
    type that is nobody's tells none: each may be the affected package."""
    if loose_key(row.name) != loose_key(package.name):
        return None
    if tells(row.ecosystem) and (row.ecosystem not in REPACKAGED or block.kind in _PACKAGED):
        return None
    if block.affects(row.version) is False:
        return None
    how = "packaged by another" if tells(row.ecosystem) else f"for no ecosystem's packages are of type {row.ecosystem}"
    reason = f"it may be {package.ecosystem}'s {package.name}, {how}"
    return Match(row, Standing.UNKNOWN, f"{row.label}: {reason}")


def _nameless(row: Row, wanted: str, version: str = "") -> Match | None:
    """`version` is the one that is asked for, "" for any; an advisory's ranges order versions as their ecosystem does, and
    clear nothing of another."""
    if loose_key(row.name) != loose_key(wanted):
        return None
    if is_another_everywhere(row.version, version):
        return None
    why = "may be of another ecosystem" if row.ecosystem else "has no purl"
    return Match(row, Standing.UNKNOWN, f"{row.label}: it {why}: it may be {wanted} or another package of that name")
