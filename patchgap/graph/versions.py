"""Whether a version is affected, as OSV evaluates it. What cannot be compared is Unknown, never unaffected.

Knows how each ecosystem orders its versions; knows nothing of names or of where a version runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
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


def affects(package: AffectedPackage, version: str) -> bool | Unknown:
    """Whether that version is in the enumerated ones or in any range. GIT ranges order no versions: where nothing
    else tells, and where the version cannot be compared, the answer is Unknown with its reason."""
    what = f"{package.name}@{version}" if version else package.name
    if any(_is_every_version(one) for one in package.ranges):
        return True
    if not version:
        return Unknown(what, "its SBOM names no version")
    if version in package.versions:
        return True
    kind = purl_type(package.ecosystem)
    ranges = [one for one in package.ranges if one.type != "GIT"]
    if not ranges and not package.versions:
        reason = "the advisory names commits alone" if package.ranges else "the advisory names no versions"
        return Unknown(what, reason)
    unknown: Unknown | None = None
    try:
        if any(same(kind, version, one) for one in package.versions):
            return True
        for one in ranges:
            if _in_range(one, version, order_of("npm" if one.type == "SEMVER" else kind)):
                return True
    except (TypeError, ValueError) as error:  # univers raises the first where two versions do not compare
        unknown = Unknown(what, f"it cannot be compared: {error}")
    return unknown if unknown is not None else False


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


def same(kind: str, one: str, other: str) -> bool:
    """Whether two spellings are one version of that purl type (`1.6` and `1.6.0` on PyPI). Texts that are no versions
    are the same only where they are equal."""
    if one == other:
        return True
    try:
        return bool(order_of(kind)(one) == order_of(kind)(other))
    except (TypeError, ValueError):
        return False


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
