"""Advisories: what of an OSV record is kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from graph_fleet import ADVISORY, DATA

from patchgap.errors import BadInputError
from patchgap.graph.advisory import parse_advisory, read_advisory
from patchgap.model.signal import Severity

PACKAGE = {"package": {"name": "a", "ecosystem": "PyPI"}, "versions": ["1.0"]}


def record(**fields: Any) -> dict[str, Any]:
    return {"id": "X-1", "affected": [PACKAGE], **fields}


def test_a_real_advisory_is_read_whole() -> None:
    """Names, aliases, times, ranges and versions of PYSEC-2021-874, whose severity nobody states."""
    found = read_advisory(ADVISORY)
    assert (found.id, found.aliases) == ("PYSEC-2021-874", ("CVE-2021-4118", "GHSA-2vj5-px25-gjrp"))
    assert found.published == datetime(2021, 12, 23, 18, 15, tzinfo=UTC)
    (affected,) = found.affected
    assert [one.type for one in affected.ranges] == ["GIT", "ECOSYSTEM"]
    assert [(e.kind, e.version) for e in affected.ranges[1].events] == [("introduced", "0"), ("fixed", "1.6.0")]
    assert len(affected.versions) > 100
    assert (found.severity, found.malicious, found.withdrawn) == (Severity.UNKNOWN, False, None)


def test_yaml_and_json_say_the_same(tmp_path: Path) -> None:
    """The form and the file's name decide nothing."""
    path = tmp_path / "advisory.yaml"
    path.write_text(json.dumps(record(summary="s", modified="2023-05-25T05:07:00.123456789Z")))
    text = "id: X-1\nsummary: s\nmodified: '2023-05-25T05:07:00.123456789Z'\naffected:\n- package: {name: a, ecosystem: PyPI}\n  versions: ['1.0']\n"
    found, other = read_advisory(path), parse_advisory(text, "x")
    assert found.affected == other.affected
    assert (found.summary, found.modified) == (other.summary, other.modified)


@pytest.mark.parametrize(
    ("fields", "severity"),
    [
        ({"severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]}, "critical"),
        ({"severity": [{"type": "Ubuntu", "score": "medium"}]}, "medium"),
        ({"database_specific": {"severity": "MODERATE"}}, "medium"),
        ({"affected": [{**PACKAGE, "ecosystem_specific": {"severity": "Important"}}]}, "high"),
        (
            {
                "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"}],
                "affected": [{**PACKAGE, "severity": [{"type": "CVSS_V2", "score": "AV:N/AC:L/Au:N/C:C/I:C/A:C"}]}],
            },
            "high",
        ),
        ({"severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/broken"}]}, "unknown"),
        ({"severity": [{"type": "CVSS_V4", "score": "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:?/VI:H/VA:H/SC:N/SI:N/SA:N"}]}, "unknown"),
        ({"database_specific": {"severity": 7}}, "unknown"),
        ({}, "unknown"),
    ],
)  # fmt: skip
def test_the_severity_is_the_worst_that_is_stated(fields: dict[str, Any], severity: str) -> None:
    """Vectors and labels, of the record and of its packages; nothing stated or nothing readable is unknown."""
    assert parse_advisory(record(**fields), "x").severity.value == severity


def test_an_alias_that_is_no_identifier_is_none() -> None:
    """Two advisories with an empty alias are not about the same; one of two lines is no line of a list. Malicious is said all
    the same."""
    found = parse_advisory({"id": "X-1", "aliases": ["", "CVE-1\ninc-1", "\x1b[2J", "CVE-2", "MAL-3,"]}, "the message")
    assert (found.aliases, found.malicious) == (("CVE-2",), True)


def test_a_malicious_package_is_known_by_its_id_or_alias() -> None:
    """A MAL- name means malicious."""
    assert parse_advisory(record(id="MAL-2024-1"), "x").malicious
    assert parse_advisory(record(aliases=["MAL-2024-1"]), "x").malicious
    assert not parse_advisory(record(aliases=["CVE-2024-1"]), "x").malicious


def test_a_withdrawn_advisory_says_when() -> None:
    """The time of withdrawal is kept, in UTC."""
    found = parse_advisory(record(withdrawn="2024-01-02T05:00:00+02:00"), "x")
    assert found.withdrawn == datetime(2024, 1, 2, 3, 0, tzinfo=UTC)


def test_a_block_without_a_package_names_nothing() -> None:
    """A repository alone is no package that an SBOM lists; the other blocks stay."""
    ranges = [{"type": "GIT", "repo": "https://x", "events": [{"introduced": "0"}]}]
    found = parse_advisory(record(affected=[{"ranges": ranges}, PACKAGE]), "x")
    assert [one.name for one in found.affected] == ["a"]


BAD = {
    "a time out of all bounds": ("id: X\npublished: '0001-01-01T00:00:00+23:59'\n", "published is not a time"),
    "a day that is none": ("id: X\npublished: 2021-13-45\n", "neither JSON nor YAML"),
    "a tag of Python's": ("id: X\nx: !!python/object:os.system {}\n", "neither JSON nor YAML"),
    "a boolean that is none": ("id: X\nx: !!bool x\n", "neither JSON nor YAML"),
    "two documents": ("id: X\n---\nid: Y\n", "neither JSON nor YAML"),
    "half a surrogate pair": ('{"id": "\\ud800"}', "half a surrogate pair"),
    "a package that is text": ("id: X\naffected: [{package: a}]\n", r"affected\[0\].package is str, not an object"),
    "an event of two kinds": (
        (
            '{"id": "X", "affected": [{"package": {"name": "a", "ecosystem": "npm"},'
            ' "ranges": [{"type": "SEMVER", "events": [{"introduced": "0", "fixed": "1"}]}]}]}'
        ),
        r"events\[0\] is not one of",
    ),
    "nothing": ("", "it is not a mapping"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_record_is_one_clear_error(name: str) -> None:
    """Whatever is wrong, one error names the file and the fix."""
    content, problem = BAD[name]
    with pytest.raises(BadInputError, match=problem) as caught:
        parse_advisory(content, "advisory.yaml")
    assert str(caught.value).startswith("advisory.yaml: ")


def test_a_record_that_is_too_large_or_too_deep_is_refused() -> None:
    """A webhook's mapping is bounded as a file is."""
    with pytest.raises(BadInputError, match="larger than 4 MiB"):
        parse_advisory(b" " * (5 << 20), "x")
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"x": deep}
    with pytest.raises(BadInputError, match="nested too deeply"):
        parse_advisory({"id": "X", "x": deep}, "x")


def test_every_carried_advisory_is_read() -> None:
    """The real ones of the test data all parse and all name a package."""
    paths = sorted((DATA / "advisories").iterdir())
    assert len(paths) == 20
    assert all(read_advisory(path).affected for path in paths)
