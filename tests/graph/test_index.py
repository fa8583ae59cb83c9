"""The index of advisories: it finds what judging each pair finds, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchgap.graph.index import Index, judge_all
from patchgap.graph.matching import Row, judge
from patchgap.graph.question import Question
from patchgap.graph.sbom.document import package
from patchgap.model.signal import Advisory, AffectedPackage, RangeEvent, VersionRange

NAMES = [
    "torch", "Py_Torch", "@scope/torch", "example.org/m", "example.org/m/v2", "org.x:torch", "openssl", "libssl3",
    "serde_json", "serde-json",
]  # fmt: skip
ECOSYSTEMS = [
    "PyPI", "npm", "Go", "Maven", "crates.io", "Debian:12", "Debian:11", "Ubuntu:22.04:LTS", "Alpine:v3.18",
    "Red Hat:enterprise_linux:9::appstream", "Photon OS:5", "GitHub Actions", "Bitnami",
]  # fmt: skip
PURLS = [
    "pkg:pypi/torch@1.5.0", "pkg:pypi/py-torch@1.0.0%2Bcu117", "pkg:npm/%40scope/torch@1.2.0", "pkg:npm/torch@latest",
    "pkg:golang/example.org/m@v2.0.0", "pkg:golang/example.org/m/v2@v2.1.0", "pkg:golang/example.org/m@1.0.0",
    "pkg:maven/org.x/torch@1.5.0", "pkg:cargo/serde_json@1.0.0", "pkg:conda/torch@1.5.0", "pkg:generic/openssl@1.0.0",
    "pkg:deb/debian/libssl3@1.0.0-1?distro=debian-12&upstream=openssl", "pkg:deb/ubuntu/openssl@1.0-1?distro=jammy",
    "pkg:apk/alpine/openssl@1.0.0-r1?distro=alpine-3.18.2", "pkg:rpm/redhat/openssl@1.0.0-1.el9?distro=rhel-9.1",
    "pkg:rpm/centos/openssl@1.0.0-1.el9?distro=centos-9", "pkg:rpm/photon/openssl@1.0.0", "pkg:github/scope/torch@v1",
    "pkg:bitnami/openssl@1.0.0-1", "pkg:ubuntu/openssl@1.0-1", "pkg:gomod/example.org/m@v2.0.0", "pkg:acme/torch@1.5.0", "",
]  # fmt: skip


def row(purl: str, name: str = "Torch") -> Row:
    found = package(name, "1.0.0", purl=purl)
    return Row(1, *(getattr(found, field) for field in Row._fields[1:]))


def event(kind: str, version: str) -> RangeEvent:
    return RangeEvent(kind, version)


BLOCK = st.builds(
    lambda ecosystem, name, start, end, versions: AffectedPackage(
        ecosystem,
        name,
        (VersionRange("ECOSYSTEM", (event("introduced", start), *([event("fixed", end)] if end else []))),),
        versions,
    ),
    st.sampled_from(ECOSYSTEMS),
    st.sampled_from(NAMES),
    st.sampled_from(["0", "1.0.0", "2.0.0"]),
    st.sampled_from(["", "1.4.0", "2.0.5", "soon"]),
    st.sampled_from([(), ("1.0.0",), ("1.5",)]),
)
RECORDS = st.lists(st.lists(BLOCK, max_size=3), max_size=6)


def record(n: int, blocks: list[AffectedPackage], withdrawn: datetime | None = None, *aliases: str) -> Advisory:
    return Advisory(id=f"X-{n}", digest="", affected=tuple(blocks), withdrawn=withdrawn, aliases=aliases)


@given(RECORDS, st.lists(st.sampled_from(PURLS), max_size=6), st.sets(st.integers(0, 5)))
def test_the_index_says_what_judging_every_pair_says(
    records: list[list[AffectedPackage]], purls: list[str], dropped: set[int]
) -> None:
    """Any advisories against any components, after any of them were replaced or taken out again."""
    index = Index()
    for n, blocks in enumerate(records):
        index.put(f"f{n}", record(n, [AffectedPackage("PyPI", "torch", versions=("1.5.0",))]))
        index.put(f"f{n}", record(n, blocks))
    for n in dropped:
        index.drop(f"f{n}")
    kept = [record(n, blocks) for n, blocks in enumerate(records) if n not in dropped]
    rows = [row(purl) for purl in purls]
    expected = {
        (one.purl, advisory.id, match.standing, match.reason)
        for one in rows
        for advisory in kept
        if (match := judge(Question.of_advisory(advisory), one))
    }
    found = [
        (hit.match.row.purl, hit.advisory.id, hit.match.standing, hit.match.reason) for hit in judge_all(index, rows)
    ]
    assert set(found) == expected
    assert len(index) == len(kept)


def test_a_withdrawn_record_matches_nothing() -> None:
    """OSV: it is as though it had not been made; its aliases are still known."""
    bad = AffectedPackage("PyPI", "torch", versions=("1.5.0",))
    index = Index()
    index.put("a", record(1, [bad], datetime(2026, 1, 1, tzinfo=UTC), "CVE-1"))
    assert index.judge(row(PURLS[0])) == []
    assert index.aliases("X-1") == {"X-1", "CVE-1"}
    index.put("a", record(1, [bad]))
    assert [hit.advisory.id for hit in index.judge(row(PURLS[0]))] == ["X-1"]
    assert index.aliases("X-1") == {"X-1"}


@pytest.mark.parametrize("asked", ["GHSA-1", "CVE-1", "PYSEC-1", "CVE-2"])
def test_aliases_are_the_same_at_any_number_of_steps(asked: str) -> None:
    """GHSA-1 says CVE-1, PYSEC-1 says CVE-1 and CVE-2: all four are one; taking one record out parts them again."""
    index = Index()
    index.put("a", Advisory("GHSA-1", "", (), ("CVE-1",)))
    index.put("b", Advisory("PYSEC-1", "", (), ("CVE-1", "CVE-2", "PYSEC-1")))
    index.put("c", Advisory("GHSA-2", "", (), ("CVE-3",)))
    assert index.aliases(asked) == {"GHSA-1", "PYSEC-1", "CVE-1", "CVE-2"}
    index.drop("b")
    assert index.aliases("GHSA-1") == {"GHSA-1", "CVE-1"}
    assert index.aliases("CVE-2") == {"CVE-2"}
