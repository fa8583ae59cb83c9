"""Whether a version is affected, as OSV evaluates it. What cannot be compared is Unknown, never unaffected.

Knows how each ecosystem orders its versions; knows nothing of names or of where a version runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from patchgap.model.signal import AffectedPackage, VersionRange
from patchgap.model.unknown import Unknown

Key = Callable[[str], Any]  # a value that orders; raises ValueError where the text is no version

_SEMVER = re.compile(
    r"[vV]?(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?",
    re.ASCII,
)
_START = "0"  # OSV: `introduced: "0"` is before every version
_TYPES = {
    "pypi": "pypi", "npm": "npm", "debian": "deb", "ubuntu": "deb", "alpine": "apk", "wolfi": "apk",
    "chainguard": "apk", "maven": "maven", "go": "golang", "crates.io": "cargo", "nuget": "nuget",
    "packagist": "composer", "rubygems": "gem", "red hat": "rpm", "rocky linux": "rpm", "almalinux": "rpm",
    "suse": "rpm", "opensuse": "rpm", "hex": "hex", "pub": "pub", "cran": "cran", "hackage": "hackage",
    "github actions": "githubactions", "swifturl": "swift", "conancenter": "conan", "bitnami": "bitnami",
}  # fmt: skip
_SEMVER_TYPES = frozenset({"npm", "golang", "cargo", "hex", "pub", "swift"})
_UNIVERS = {
    "deb": "DebianVersion", "apk": "AlpineLinuxVersion", "rpm": "RpmVersion", "maven": "MavenVersion",
    "gem": "RubygemsVersion", "composer": "ComposerVersion", "nuget": "NugetVersion",
}  # fmt: skip


def purl_type(ecosystem: str) -> str:
    """The purl type of an OSV ecosystem (its suffix left out); the ecosystem's own name where none is known."""
    name = ecosystem.partition(":")[0].lower()
    return _TYPES.get(name, name)


def is_known(ecosystem: str) -> bool:
    """Whether the OSV ecosystem is one whose packages an SBOM's purls can be told to be."""
    return ecosystem.partition(":")[0].lower() in _TYPES


def affects(package: AffectedPackage, version: str) -> bool | Unknown:
    """Whether that version is in the enumerated ones or in any range. GIT ranges order no versions: where nothing
    else tells, and where the version cannot be compared, the answer is Unknown with its reason."""
    what = f"{package.name}@{version}" if version else package.name
    if any(_is_every_version(one) for one in package.ranges):
        return True
    if not version:
        return Unknown(what, "its SBOM names no version")
    kind = purl_type(package.ecosystem)
    doubts: list[str] = []
    for spelling in (version, *_public(kind, package, version)):
        for verdict in _verdicts(kind, package, spelling):
            if verdict is True:
                return True
            if isinstance(verdict, Unknown):
                doubts.append(verdict.reason)
    return Unknown(what, doubts[0]) if doubts else False


def _public(kind: str, package: AffectedPackage, version: str) -> tuple[str, ...]:
    """`1.13.0` for the local build `1.13.0+cu117` of it, which is affected where the release is; except where the
    advisory itself tells local builds apart."""
    public, local, _ = version.partition("+")
    if kind != "pypi" or not local:
        return ()
    named = [*package.versions, *(event.version for one in package.ranges for event in one.events)]
    return () if any("+" in one for one in named) else (public,)


def _verdicts(kind: str, package: AffectedPackage, version: str) -> Iterator[bool | Unknown]:
    """What the enumerated versions and each range say of it."""
    ranges = [one for one in package.ranges if one.type != "GIT"]
    if package.versions:
        yield _among(kind, version, package.versions)
    for one in ranges:
        try:
            yield _in_range(one, version, order_of("npm" if one.type == "SEMVER" else kind))
        except (TypeError, ValueError) as error:  # univers raises the first where two versions do not compare
            yield Unknown(version, f"it cannot be compared: {error}")
    if ranges:
        return
    if package.ranges:
        yield Unknown(version, "the advisory names its commits, which order no versions")
    elif not package.versions:
        yield Unknown(version, "the advisory names no versions")


def _among(kind: str, version: str, versions: Sequence[str]) -> bool | Unknown:
    if version in versions:
        return True
    found = [same(kind, version, one) for one in versions]
    return next((one for one in found if one is not False), False)


def _is_every_version(one: VersionRange) -> bool:
    """Whether the range starts before every version and never ends, as most malicious packages' does."""
    return one.type != "GIT" and all(e.kind == "introduced" for e in one.events) and _START in {
        e.version for e in one.events
    }  # fmt: skip


def _in_range(one: VersionRange, version: str, key: Key) -> bool:
    at = key(version)
    limits = [event.version for event in one.events if event.kind == "limit"]
    if limits and "*" not in limits and all(at >= key(limit) for limit in limits):
        return False
    inside = False
    for event in _sorted(one, key):
        if event.kind == "introduced":
            inside = inside or event.version == _START or at >= key(event.version)
        elif event.kind == "fixed":
            inside = inside and at < key(event.version)
        elif event.kind == "last_affected":
            inside = inside and at <= key(event.version)
    return inside


def _sorted(one: VersionRange, key: Key) -> Sequence[Any]:
    """In order of version; at the same version a fix comes before what is introduced, and a last affected after."""
    rank = {"fixed": 0, "introduced": 1, "last_affected": 2}
    starts = [e for e in one.events if e.kind == "introduced" and e.version == _START]
    others = [e for e in one.events if e.kind != "limit" and e not in starts]
    return [*starts, *sorted(others, key=lambda event: (key(event.version), rank[event.kind]))]


def same(kind: str, held: str, other: str) -> bool | Unknown:
    """Whether two spellings are one version of that purl type (`1.6` and `1.6.0` on PyPI). Unknown where `held`, which
    comes from an SBOM, is no version there; where versions have no order, or `other` is none, equal texts alone are."""
    if held == other:
        return True
    if not _has_order(kind):
        return False
    try:
        key = order_of(kind)(held)
    except (TypeError, ValueError) as error:
        return Unknown(held, f"it cannot be compared: {error}")
    try:
        return bool(key == order_of(kind)(other))
    except (TypeError, ValueError):
        return False


def _has_order(kind: str) -> bool:
    return kind == "pypi" or kind in _SEMVER_TYPES or kind in _UNIVERS


def order_of(kind: str) -> Key:
    """How versions of that purl type are ordered. The key raises ValueError."""
    if kind == "pypi":
        return _pypi
    if kind in _SEMVER_TYPES:
        return semver
    if kind in _UNIVERS:
        return _univers(_UNIVERS[kind])
    return _no_order(kind)


@lru_cache(maxsize=65536)
def _pypi(text: str) -> Any:
    from packaging.version import Version  # imported late: a question without versions needs none of it

    return Version(text)  # its InvalidVersion is a ValueError


@lru_cache(maxsize=65536)
def semver(text: str) -> tuple[Any, ...]:
    """SemVer 2.0 precedence; a leading `v` is let pass, build metadata does not count."""
    match = _SEMVER.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no semantic version")
    major, minor, patch, pre = match.groups()
    numbers = (int(major), int(minor), int(patch))
    if pre is None:
        return (*numbers, 1)
    parts = ((0, int(p), "") if p.isdigit() else (1, 0, p) for p in pre.split("."))
    return (*numbers, 0, *chain.from_iterable(parts))


@lru_cache
def _univers(name: str) -> Key:
    from univers import versions as univers  # imported late: it is slow to import, and few questions need it

    cls = getattr(univers, name)

    @lru_cache(maxsize=65536)
    def key(text: str) -> Any:
        try:
            return cls(text)
        except univers.InvalidVersion as error:
            raise ValueError(f"{text!r} is no version there") from error

    return key


def _no_order(kind: str) -> Key:
    def key(text: str) -> Any:
        raise ValueError(f"versions of {kind} cannot be ordered ({text!r})")

    return key
