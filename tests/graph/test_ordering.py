"""Orderings: each ecosystem's own cases, the laws of an order, and where univers says otherwise."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import univers.versions
from graph_fleet import DATA
from hypothesis import given
from hypothesis import strategies as st

from patchgap.graph.ordering import bound_of, has_order, order_of, semver_of
from tests.growth import grows_straight

FILES = sorted((DATA / "ordering").glob("*.txt"))
_CHAIN = re.compile(r" ([<=>]) ")


def lines(path: Path) -> Iterator[str]:
    return (line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#"))


def pairs(path: Path) -> Iterator[tuple[str, str, str]]:
    """`a < b = c` as (a, <, b) and (b, =, c)."""
    for line in lines(path):
        if not line.startswith("!"):
            parts = _CHAIN.split(line)
            yield from zip(parts[::2], parts[1::2], parts[2::2], strict=False)


def relation(key: Any, one: str, other: str) -> str:
    a, b = key(one), key(other)
    assert (a < b) + (b < a) + (a == b) == 1, (one, other)
    return "<" if a < b else "=" if a == b else ">"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_versions_are_ordered_as_the_ecosystems_specification_orders_them(path: Path) -> None:
    """Every pair of the ecosystem's own cases, and what equals hashes the same."""
    key = order_of(path.stem)
    found = list(pairs(path))
    assert len(found) >= 12
    for one, sign, other in found:
        assert relation(key, one, other) == sign, (one, sign, other)
        if sign == "=":
            assert hash(key(one)) == hash(key(other))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_text_that_is_no_version_there_is_refused(path: Path) -> None:
    """What the ecosystem does not take for a version has no place in its order: ValueError, and no other error."""
    refused = [text.strip() for line in lines(path) if line.startswith("!") for text in line[1:].split("|")]
    assert refused
    for text in refused:
        with pytest.raises(ValueError):  # noqa: PT011  (each family has its own words)
            order_of(path.stem)(text)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_all_cases_of_an_ecosystem_stand_in_one_order(path: Path) -> None:
    """Sorting all the versions of the cases puts every pair where the pair itself says: no order is a circle."""
    key = order_of(path.stem)
    found = list(pairs(path))
    ordered = sorted({text for one, _, other in found for text in (one, other)}, key=key)
    for lower, higher in pairwise(ordered):
        assert not key(higher) < key(lower)
    place = {text: n for n, text in enumerate(ordered)}
    for one, sign, other in found:
        if sign != "=":
            assert (place[one] < place[other]) is (sign == "<"), (one, sign, other)


def told_by_tools() -> dict[str, list[tuple[str, str, str]]]:
    """By kind, pairs of versions as the ecosystem's own tool ordered them."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for line in gzip.decompress((DATA / "orders.tsv.gz").read_bytes()).decode().splitlines():
        kind, one, sign, other = line.split("\t")
        found.setdefault(kind, []).append((one, sign, other))
    return found


def test_versions_are_ordered_as_the_ecosystems_own_tool_orders_them() -> None:
    """3,000 pairs made up of what versions are made of, as dpkg, rpm, RubyGems, Composer, Elixir, npm, Maven, Go, Cargo and
    NuGet put them. Left out is where Maven contradicts itself: to it 1.0 < 1.0-redhat < 1.0.RC.1 < 1.0; ours is the specification's."""
    found = told_by_tools()
    assert {kind: len(pairs) for kind, pairs in found.items()} == dict.fromkeys(
        ["deb", "rpm", "gem", "composer", "hex", "npm", "maven", "golang", "cargo", "nuget"], 300
    )
    for kind, told in found.items():
        key = order_of(kind)
        assert [(kind, *one) for one in told if relation(key, one[0], one[2]) != one[1]] == []


def test_a_maven_qualifier_after_a_dot_is_before_a_number_after_a_hyphen() -> None:
    """As Maven 3.9 and its specification have it. The cases of univers and of vers-spec are older, and say otherwise four times."""
    assert relation(order_of("maven"), "2.0.a", "2-1") == "<"


def test_where_maven_goes_in_a_circle_the_specification_does_not() -> None:
    """ComparableVersion 3.9 puts each of these before the next and the last before the first."""
    key = order_of("maven")
    assert key("1.0.RC.1") < key("1.0") < key("1.0-redhat")
    assert not key("1.0-redhat") < key("1.0.RC.1")


KINDS = sorted({path.stem for path in FILES} | {"generic"})
LONG = 100_000
LONG_TEXTS = {
    "digits": "9" * 10_000, "more digits": "9" * LONG, "parts": "1." * (LONG // 2) + "1", "zeros": "1" + ".0" * (LONG // 2),
    "hyphens": "1" + "-" * LONG, "words": "1.0-" + "a1" * (LONG // 2), "tildes": "1" + "~" * LONG, "an epoch": "9" * LONG + ":1",
    "identifiers": "1.0.0-" + "0a." * (LONG // 3) + "!", "build": "1.0.0+" + "a." * (LONG // 2) + "a", "spaces": " " * LONG + "1",
    "suffixes": "1" + "_rc1" * (LONG // 4) + "!", "dates": "2010" + "-01" * (LONG // 3) + "x", "wild": "1" + ".x" * (LONG // 2),
    "posts": "1.0" + ".post1" * (LONG // 6), "platforms": "1.0-x86_64-" + "linux-" * (LONG // 6) + "!", "vs": "v" * LONG,
    "counts": "1.0-a" + ".1" * (LONG // 2) + "!", "revisions": "1.0.0-" + "1-" * (LONG // 2) + "!", "letters": "1.0" + "-1a" * (LONG // 3),
}  # fmt: skip


def shortened(text: str, size: int) -> str:
    """Its beginning and its end, which say what it looks like."""
    return text[: size // 2] + text[len(text) - size + size // 2 :]


@pytest.mark.parametrize("kind", KINDS)
def test_no_text_is_slow_or_another_error(kind: str) -> None:
    """100 kB of whatever might be tried again and again, and numbers without end: a key or ValueError, in a time that
    grows with the text and no faster."""

    def compared(text: str) -> None:
        with suppress(ValueError):
            one, other = bound_of(kind)(text), bound_of(kind)(text + "1")
            assert (one < other) + (other < one) + (one == other) == 1

    for name, text in LONG_TEXTS.items():
        assert grows_straight(lambda size, text=text: compared(shortened(text, size)), len(text)), name  # type: ignore[misc]


@pytest.mark.parametrize("kind", KINDS)
@given(one=st.text(max_size=12), other=st.text(alphabet="01.-+~^:_ av\u0661\u00df\ud800\0", max_size=12))
def test_any_text_is_a_version_or_a_value_error(kind: str, one: str, other: str) -> None:
    """No other error, whatever an SBOM calls a version."""
    for text in (one, other, "1" + other, f"1.2.3{one}"):
        with suppress(ValueError):
            a, b = bound_of(kind)(text), order_of(kind)("1.2.3")
            assert (a < b) + (b < a) + (a == b) == 1


def parts(kind: str) -> list[str]:
    """What the ecosystem's cases are made of, so that what is generated looks like its versions."""
    text = " ".join(line for line in lines(DATA / "ordering" / f"{kind}.txt") if not line.startswith("!"))
    words = set(re.findall(r"[A-Za-z]+|\d{1,3}|[^\sA-Za-z\d<=>]", text))
    return sorted(words)


@pytest.mark.parametrize("kind", [path.stem for path in FILES])
def test_any_three_versions_are_in_one_order(kind: str) -> None:
    """Antisymmetry and transitivity over generated versions, equality included."""
    key = order_of(kind)
    known = sorted({text for one, _, other in pairs(DATA / "ordering" / f"{kind}.txt") for text in (one, other)})
    made = st.lists(st.sampled_from(parts(kind)), min_size=1, max_size=6).map("".join)
    mended = st.tuples(st.sampled_from(known), st.lists(st.sampled_from(parts(kind)), max_size=3).map("".join))
    texts = st.one_of(st.sampled_from(known), made, mended.map("".join))

    @given(st.lists(texts, min_size=3, max_size=3))
    def holds(three: list[str]) -> None:
        with suppress(ValueError):  # what is no version, or decides by what is none
            a, b, c = map(key, three)
            assert (a < b) + (b < a) + (a == b) == 1
            if not b < a and not c < b:
                assert not c < a, three
            if a == b and b == c:
                assert a == c

    holds()


APK_RESTS = [
    "1.2.0A",
    "1.2_foo1",
    "1.2bc",
    "1.2-",
    "1.2-1",
    "1.2-r",
    "1.2.0..2",
    "1.2_",
    "1.2-r1-r2",
    "1.2-foo",
    "1.2~XYZ",
    "1.2_gitx",
]


@pytest.mark.parametrize("text", APK_RESTS)
def test_what_goes_on_as_no_version_of_apk_is_ordered_as_far_as_it_is_one(text: str) -> None:
    """Its version decides; where its rest would, no order is told, nor is it taken for another."""
    key = order_of("apk")
    assert key("1.1") < key(text) < key("1.3")
    assert key("23_foo") > key("4_beta")  # these two are apk's own
    assert key("1.0") < key("1.0bc")
    beside = [one for one in ("1.2", "1.2.0", "1.2b", "1.2-r1", "1.2_git") if text.startswith(one)][-1]
    longer = beside + "-r1" if "-r" not in beside else beside
    with pytest.raises(ValueError, match="is no version of apk"):
        assert key(text) < key(longer)
    with pytest.raises(ValueError, match="is no version of apk"):
        hash(key(text))


UNIVERS_REFUSES = [
    ("apk", "AlpineLinuxVersion", "1.2.3~0a1b2c-r0"),  # a commit's hash is part of the specification
    ("apk", "AlpineLinuxVersion", "1.2.4_git20230717-r4"),  # as are suffixes of later than the release: musl's own
    ("apk", "AlpineLinuxVersion", "013-r0"),  # and a first number may start with zeros
    ("apk", "AlpineLinuxVersion", "1.9.5p2-r0"),  # sudo's own
]
UNIVERS_ERRS = [
    ("apk", "AlpineLinuxVersion", "1.0-r0", "1.0", ">"),  # as apk version -t says
    ("apk", "AlpineLinuxVersion", "1_rc0", "1_rc", ">"),  # a suffix with a number is after one without
    ("maven", "MavenVersion", "1.0.RELEASE", "1.0", "="),  # an alias of the release itself
    ("maven", "MavenVersion", "5.3.0.RELEASE", "5.3.0-sp1", "<"),
    ("maven", "MavenVersion", "1.0.a", "1.0-x", "<"),  # a qualifier after a dot is what it is after a hyphen
    ("composer", "ComposerVersion", "1.0.0-p1", "1.0.0", ">"),  # a patch is after its release
    ("nuget", "NugetVersion", "1.0.0-preview.10000000000", "1.0.0-preview.4294967296", "<"),  # no int: words
    ("nuget", "NugetVersion", "1.0.0--", "1.0.0-9999999999999", "<"),
]


@pytest.mark.parametrize(("kind", "name", "version"), UNIVERS_REFUSES)
def test_a_valid_version_that_univers_refuses_is_taken(kind: str, name: str, version: str) -> None:
    """Named for upstream; where univers learns the case, this test says that the reason for ours is gone."""
    assert order_of(kind)(version)
    with pytest.raises(univers.versions.InvalidVersion):
        getattr(univers.versions, name)(version)


def test_a_debian_revision_that_univers_puts_nowhere_is_the_same() -> None:
    """`1.0-00` is `1.0-0`: to univers neither before, after nor the same, so that no set and no sort finds it."""
    assert relation(order_of("deb"), "1.0-00", "1.0-0") == "="
    one, other = univers.versions.DebianVersion("1.0-00"), univers.versions.DebianVersion("1.0-0")
    assert not any((one < other, other < one, one == other))


@pytest.mark.parametrize(("kind", "name", "one", "other", "sign"), UNIVERS_ERRS)
def test_versions_that_univers_puts_elsewhere_stand_right(
    kind: str, name: str, one: str, other: str, sign: str
) -> None:
    """Named for upstream, as above."""
    assert relation(order_of(kind), one, other) == sign
    assert relation(getattr(univers.versions, name), one, other) != sign


@pytest.mark.parametrize(
    ("kind", "name"),
    [("deb", "DebianVersion"), ("rpm", "RpmVersion"), ("gem", "RubygemsVersion"), ("nuget", "NugetVersion")],
)
def test_versions_that_univers_orders_right_are_ordered_alike(kind: str, name: str) -> None:
    """Where univers follows the specification, the two agree over every pair of the cases, of which one is before."""
    oracle = getattr(univers.versions, name)
    agreed = 0
    for one, sign, other in pairs(DATA / "ordering" / f"{kind}.txt"):
        if sign == "=" or (kind, name, one, other, sign) in UNIVERS_ERRS:
            continue
        try:
            found = relation(oracle, one, other)
        except univers.versions.InvalidVersion:
            continue
        agreed += 1
        assert found == sign, (one, sign, other)
    assert agreed >= 20


def test_what_has_no_order_says_so() -> None:
    """An ecosystem without an order refuses every version."""
    assert not has_order("generic")
    with pytest.raises(ValueError, match="cannot be ordered"):
        order_of("generic")("1.0")


@pytest.mark.parametrize("kind", ["npm", "cargo", "hex", "pub", "golang", "githubactions", "swift"])
def test_an_advisorys_bounds_may_leave_parts_out(kind: str) -> None:
    """OSV completes `1.2` to 1.2.0 in an advisory; what an SBOM holds is taken at its word."""
    assert bound_of(kind)("1.2") == order_of(kind)("1.2.0")
    assert bound_of(kind)("01.2.3") == order_of(kind)("1.2.3")
    with pytest.raises(ValueError, match=r"1\.2\.3\.4"):
        bound_of(kind)("1.2.3.4")


def test_a_semver_range_is_ordered_by_semver() -> None:
    """Pub counts build metadata and SemVer does not: OSV's SEMVER means SemVer."""
    assert order_of("pub")("1.0.0") < order_of("pub")("1.0.0+1")
    assert semver_of("pub")("1.0.0") == semver_of("pub")("1.0.0+1")
