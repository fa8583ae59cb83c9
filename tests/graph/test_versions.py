"""Versions: each ecosystem's order, and OSV's evaluation of ranges and enumerated versions."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from graph_fleet import DATA
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from patchgap.graph.advisory import read_advisory
from patchgap.graph.versions import affects, order_of, purl_type, same
from patchgap.model.signal import AffectedPackage, RangeEvent, VersionRange
from patchgap.model.unknown import Unknown


def spans(*events: str, kind: str = "ECOSYSTEM") -> VersionRange:
    """`introduced 0`, `fixed 1.6.0`."""
    return VersionRange(kind, tuple(RangeEvent(*event.split(" ")) for event in events))


def package(*ranges: VersionRange, ecosystem: str = "PyPI", versions: tuple[str, ...] = ()) -> AffectedPackage:
    return AffectedPackage(ecosystem, "a", ranges, versions)


LOG4J = package(
    spans("introduced 2.13.0", "fixed 2.15.0"),
    spans("introduced 2.4", "fixed 2.12.2"),
    ecosystem="Maven",
)
BRANCHES = package(spans("introduced 0", "fixed 2.12.4", "introduced 2.13.0", "fixed 2.17.1"))

RANGES: list[tuple[AffectedPackage, str, bool]] = [
    (package(spans("introduced 0", "fixed 1.6.0")), "1.5.10", True),
    (package(spans("introduced 0", "fixed 1.6.0")), "1.6.0", False),
    (package(spans("introduced 0", "fixed 1.6.0")), "1.6.0rc1", True),
    (package(spans("introduced 1.0", "last_affected 1.5")), "1.5.0", True),
    (package(spans("introduced 1.0", "last_affected 1.5")), "1.5.post1", False),
    (package(spans("introduced 1.0", "last_affected 1.5")), "1.0.dev1", False),
    (package(spans("introduced 0")), "999!1", True),
    (package(spans("introduced 2.0")), "1.9", False),
    (package(spans("introduced 1.0", "limit 2.0")), "1.9", True),
    (package(spans("introduced 1.0", "limit 2.0")), "2.0", False),
    (package(spans("introduced 1.0", "limit *")), "3.0", True),
    (BRANCHES, "2.12.3", True),
    (BRANCHES, "2.12.4", False),
    (BRANCHES, "2.12.9", False),
    (BRANCHES, "2.13.0", True),
    (BRANCHES, "2.17.0", True),
    (BRANCHES, "2.17.1", False),
    (LOG4J, "2.12.1", True),
    (LOG4J, "2.12.4", False),
    (LOG4J, "2.13.0", True),
    (LOG4J, "2.0-beta9", False),
    (package(spans("fixed 2.0", "introduced 1.0", "introduced 3.0", "fixed 4.0")), "3.5", True),  # out of order
    (package(spans("fixed 2.0", "introduced 1.0", "introduced 3.0", "fixed 4.0")), "2.5", False),
    (package(versions=("1.0", "1.1")), "1.0.0", True),
    (package(versions=("1.0", "1.1")), "1.2", False),
    (package(spans("introduced 5"), versions=("1.0",)), "1.0", True),
    (package(spans("introduced 0", "fixed 1.2.3", kind="SEMVER"), ecosystem="npm"), "1.2.3-rc.1", True),
    (package(spans("introduced 0", "fixed 1.2.3", kind="SEMVER"), ecosystem="npm"), "v1.2.3+build.5", False),
    (package(spans("introduced 1.10.0", kind="SEMVER"), ecosystem="npm"), "1.9.0", False),
    (package(spans("introduced 0", "fixed 1.1.1n-0+deb11u3"), ecosystem="Debian:11"), "1.1.1n-0+deb11u2", True),
    (package(spans("introduced 0", "fixed 1.1.1n-0+deb11u3"), ecosystem="Debian:11"), "1.1.1n-0+deb11u3", False),
    (package(spans("introduced 0", "fixed 1:2.0-1"), ecosystem="Debian:11"), "9.9-1", True),  # epoch 0
    (package(spans("introduced 0", "fixed 9.9-1"), ecosystem="Debian:11"), "1:2.0-1", False),
    (package(spans("introduced 0", "fixed 2.0-1"), ecosystem="Debian:11"), "2.0~rc1-1", True),
    (package(spans("introduced 0", "fixed 2.0-1"), ecosystem="Debian:11"), "2.0-1~bpo10+1", True),
    (package(spans("introduced 0", "last_affected 1.5", "fixed 2.0")), "1.5", True),  # what ends first ends it
    (package(spans("introduced 0", "last_affected 1.5", "fixed 2.0")), "1.7", False),
    (package(spans("introduced 0", "fixed 1.5", "last_affected 2.0")), "1.7", False),
    (package(spans("introduced 1.0", "introduced 2.0", "fixed 3.0")), "1.5", True),
    (package(spans("introduced 1.0", "fixed 1.0")), "1.0", True),
    (package(spans("introduced 0", "fixed 0.9", "introduced 0.5")), "0.7", True),
    (package(spans("introduced 0", "limit 2.0", "limit 1.0")), "1.5", True),  # any limit lets it in
    (package(spans("introduced 0", "fixed 9", "limit 2.0")), "2.5", False),
    (package(spans("introduced 0", "fixed 1"), spans("introduced 2", "fixed 3")), "2.5", True),
    (package(spans("introduced 0", "fixed 1", kind="GIT"), spans("introduced 2", "fixed 3")), "1.5", False),
    (package(spans("introduced 0", "fixed abc", kind="GIT"), versions=("1.0", "1.1")), "1.1.0", True),
    (package(spans("introduced 0", kind="GIT"), spans("introduced 0", "fixed 3"), versions=("1.0",)), "3.1", False),
    (package(spans("introduced 1.0", "fixed 2.0"), versions=("0.7.10p1", "0.8")), "0.7.10p1", True),  # PyPI's legacy
    # SEMVER over packages whose versions are others: in their own order where SemVer does not know the version
    (package(spans("introduced 1.0.0", "fixed 2.0.0", kind="SEMVER")), "1.0", True),
    (package(spans("introduced 1.0.0", "fixed 2.0.0", kind="SEMVER")), "2.0rc1", True),
    (package(spans("introduced 1.0.0", "fixed 2.0.0", kind="SEMVER")), "2.0", False),
    (package(spans("introduced 0", "fixed 1.0rc1", kind="SEMVER")), "1.0b1", True),
    (package(spans("introduced 0", "fixed 13.0.1", kind="SEMVER"), ecosystem="NuGet"), "13.0.0.5", True),
    (package(spans("introduced 0", "fixed 13.0.1", kind="SEMVER"), ecosystem="NuGet"), "13.0.1.0", False),
    (package(spans("introduced 0", "fixed 1.0.0", kind="SEMVER"), ecosystem="Maven"), "1.0.RELEASE", False),
    (package(spans("introduced 8.0.0", "fixed 9.5.11"), ecosystem="Packagist"), "9.4.x-dev", True),
    (package(spans("introduced 8.0.0", "fixed 9.5.11"), ecosystem="Packagist"), "9.6.x-dev", False),
    (package(spans("introduced 8.0.0", "fixed 9.5.11"), ecosystem="Packagist"), "7.x-dev", False),
    (package(spans("introduced 8.0.0", "fixed 9.5.11"), ecosystem="Packagist"), "9.5.12-dev", False),
    (package(ecosystem="Packagist", versions=("9.5.3",)), "9.4.x-dev", False),
    (package(spans("introduced 0", "fixed 1.0-2"), ecosystem="Alpine:v3.18", versions=("0.9_odd",)), "0.9_odd", True),
]


@pytest.mark.parametrize(("affected", "version", "expected"), RANGES)
def test_a_range_is_evaluated_as_osv_says(affected: AffectedPackage, version: str, expected: bool) -> None:
    """Introduced is in, fixed is out, last affected is in, a limit ends, and a branch's fix mends that branch alone."""
    assert affects(affected, version) is expected


UNKNOWN: dict[str, tuple[AffectedPackage, str]] = {
    "no version": (package(spans("introduced 0", "fixed 1")), ""),
    "a version that is none": (package(spans("introduced 0", "fixed 1")), "1.0-weird-2"),
    "a version that is none, against enumerated ones": (package(versions=("1.0", "1.1")), "latest"),
    "a range of versions": (package(spans("introduced 0", "fixed 1.0.0"), ecosystem="npm"), "^1.2.3"),
    "commits alone": (package(spans("introduced 0", "fixed abc", kind="GIT")), "1.0"),
    "commits beside enumerated versions": (package(spans("introduced 0", kind="GIT"), versions=("1.0",)), "1.1"),
    "nothing": (package(), "1.0"),
    "a fix that is no version": (package(spans("introduced 0", "fixed soon")), "1.0"),
    "an ecosystem without order": (package(spans("introduced 1", "fixed 2"), ecosystem="Linux"), "1.5"),
    "SEMVER, and a version of neither": (package(spans("introduced 0", "fixed 1.0.0", kind="SEMVER")), "1.0-odd-2"),
    "a Debian version without a number": (
        package(spans("introduced 1", "fixed 2-1"), ecosystem="Debian:12"),
        "unknown",
    ),
    "an rpm version without a number": (
        package(spans("introduced 1", "fixed 2-1"), ecosystem="Rocky Linux:9"),
        "latest",
    ),
    "an rpm version without a number, enumerated ones": (
        package(ecosystem="Rocky Linux:9", versions=("1-1",)),
        "latest",
    ),
    "an apk version whose rest would decide": (
        package(spans("introduced 0", "fixed 1.2-r3"), ecosystem="Alpine:v3.18"),
        "1.2-git",
    ),
    "an apk version that goes on as none": (
        package(ecosystem="Alpine:v3.18", versions=("1.2-r3", "1.3_odd")),
        "1.2-git",
    ),
    "commits that end, and a version after all that are enumerated": (
        package(spans("introduced 0", "fixed abc", kind="GIT"), versions=("1.0", "1.1")),
        "2.0",
    ),
    "a legacy version of PyPI that is not enumerated": (
        package(spans("introduced 0", "fixed 1.6.0"), versions=("0.7.10p1", "0.8")),
        "0.7.11p2",
    ),
    "a legacy version of PyPI after the fix": (package(spans("introduced 0", "fixed 1.6.0")), "2.0-beta-2-x"),
    "a fix that is a legacy version of PyPI": (package(spans("introduced 0", "fixed 2019-09-12")), "0.1"),
    "a branch of Packagist on which the fix lies": (
        package(spans("introduced 8.0.0", "fixed 9.5.11"), ecosystem="Packagist"),
        "9.5.x-dev",
    ),
    "a branch of Packagist on which all of it lies": (
        package(spans("introduced 9.5.3", "fixed 9.5.7"), ecosystem="Packagist"),
        "9.x-dev",
    ),
    "a branch of Packagist on which an enumerated version lies": (
        package(ecosystem="Packagist", versions=("9.5.3",)),
        "9.5.x-dev",
    ),
    "a Debian version that is none": (package(spans("introduced 0", "fixed 2-1"), ecosystem="Debian:12"), "a:b"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_cannot_be_compared_is_unknown(name: str) -> None:
    """Never unaffected: unknown, with the reason."""
    verdict = affects(*UNKNOWN[name])
    assert isinstance(verdict, Unknown)
    assert verdict.reason


def test_one_range_that_cannot_be_compared_hides_no_other() -> None:
    """A version in the second range is affected though the first cannot be evaluated."""
    assert affects(package(spans("introduced 0", "fixed soon"), spans("introduced 1.0", "fixed 2.0")), "1.5") is True


def test_every_version_is_affected_where_the_range_never_ends() -> None:
    """A malicious package's `introduced: 0` needs no version to compare."""
    for version in ("", "nonsense", "0.0.1"):
        assert affects(package(spans("introduced 0", kind="SEMVER"), ecosystem="npm"), version) is True


LOCAL = [
    (package(spans("introduced 0", "last_affected 1.13.0")), "1.13.0+cu117", True),
    (package(spans("introduced 0", "fixed 1.13.0")), "1.13.0+cu117", False),
    (package(spans("introduced 0", "fixed 1.13.1")), "1.13.0+cu117", True),
    (package(versions=("1.13.0",)), "1.13.0+cu117", True),
    (package(spans("introduced 0", "fixed 1.13.0+mended")), "1.13.0+mended", False),
]


@pytest.mark.parametrize(("affected", "version", "expected"), LOCAL)
def test_a_local_build_is_affected_where_its_release_is(
    affected: AffectedPackage, version: str, expected: bool
) -> None:
    """`1.13.0+cu117` is a build of 1.13.0, except where the advisory itself tells local builds apart."""
    assert affects(affected, version) is expected


ORDERS = {
    "pypi": ["1.0.dev1", "1.0a1", "1.0rc1", "1.0", "1.0+local", "1.0.post1", "1.1", "1.10", "1!0.1"],
    "npm": [
        "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11",
        "1.0.0-rc.1", "1.0.0", "1.2.0", "1.10.0",
    ],
    "deb": ["1.0~~", "1.0~rc1-1", "1.0-1~bpo1", "1.0-1", "1.0-1+b1", "1.0-1.1", "1.0a-1", "1.0+dfsg-1", "1.9-1", "1.10-1", "1:0.1"],
    "apk": ["1.2.3_rc1-r0", "1.2.3-r0", "1.2.3-r1", "1.2.10-r0"],
    "maven": ["1.0-alpha-1", "1.0-SNAPSHOT", "1.0", "1.0.1", "1.10"],
}  # fmt: skip


@pytest.mark.parametrize("kind", ORDERS)
def test_versions_are_ordered_as_their_ecosystem_orders_them(kind: str) -> None:
    """Pre-releases, epochs, tildes and numbers stand where the ecosystem's own tools put them."""
    key = order_of(kind)
    for lower, higher in pairwise(ORDERS[kind]):
        assert key(lower) < key(higher), (lower, higher)


@pytest.mark.parametrize(
    ("kind", "held", "other", "expected"),
    [
        ("pypi", "1.6", "1.6.0", True),
        ("pypi", "1.6.0-RC1", "1.6rc1", True),
        ("npm", "v1.0.0", "1.0.0", True),
        ("deb", "0:1.0-1", "1.0-1", True),
        ("pypi", "1.6", "banana", False),
        ("generic", "1.0", "1.0.0", False),
        ("generic", "odd", "odd", True),
    ],
)
def test_one_version_has_several_spellings(kind: str, held: str, other: str, expected: bool) -> None:
    """Two spellings are compared as versions, not as text."""
    assert same(kind, held, other) is expected


@pytest.mark.parametrize(
    ("kind", "held", "other"), [("npm", "latest", "1.0.0"), ("rpm", "latest", "1-1"), ("apk", "1.2-git", "1.2")]
)
def test_a_held_version_that_is_none_is_not_called_another(kind: str, held: str, other: str) -> None:
    """An SBOM's `latest` may be any version."""
    assert isinstance(same(kind, held, other), Unknown)


@pytest.mark.parametrize(
    ("ecosystem", "kind"), [("PyPI", "pypi"), ("Debian:12", "deb"), ("Alpine:v3.16", "apk"), ("Other", "other")]
)
def test_an_osv_ecosystem_has_a_purl_type(ecosystem: str, kind: str) -> None:
    """The release that follows the colon is no part of it."""
    assert purl_type(ecosystem) == kind


def parsed(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def oracle(affected: AffectedPackage, version: Version) -> bool:
    """The same question to `packaging`, asked with specifiers and not with a walk over events."""
    if any(parsed(one) == version for one in affected.versions):
        return True
    for one in affected.ranges:
        events = sorted((Version(e.version), e.kind) for e in one.events) if one.type != "GIT" else []
        for n, (start, kind) in enumerate(events):
            if kind != "introduced":
                continue
            end = next(((v, k) for v, k in events[n + 1 :] if k != "introduced"), None)
            clauses = [] if start == Version("0") else [f">={start}"]
            if end:
                clauses.append(f"{'<=' if end[1] == 'last_affected' else '<'}{end[0]}")
            inside = SpecifierSet(",".join(clauses)).contains(version, prereleases=True)
            if inside or (end and end[1] == "fixed" and _pre_of(version, start, end[0])):
                return True
    return False


def _pre_of(version: Version, start: Version, fixed: Version) -> bool:
    """`<1.6` of a specifier leaves 1.6rc1 out; OSV's order does not."""
    return start <= version < fixed


@pytest.mark.parametrize("path", sorted((DATA / "advisories").iterdir()), ids=lambda path: path.name.partition(".")[0])
def test_real_advisories_say_what_packaging_says(path: Any) -> None:
    """Every enumerated version of a real advisory, and what lies just beside each, gets the oracle's answer."""
    for affected in read_advisory(path).affected:
        bounds = {e.version for one in affected.ranges if one.type != "GIT" for e in one.events}
        for text in {*affected.versions, *bounds}:
            for version in (text, f"{text}.post1", f"{text}rc1", f"{text}.0"):
                if known := parsed(version):
                    assert affects(affected, version) is oracle(affected, known), version
        assert all(affects(affected, version) is True for version in affected.versions)
