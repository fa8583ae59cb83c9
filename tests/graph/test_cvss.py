"""CVSS: each version's base score and its band."""

from __future__ import annotations

import pytest

from patchgap.graph import cvss, cvss4
from patchgap.model.signal import Severity


def metrics(vector: str) -> dict[str, str]:
    return dict(part.split(":", 1) for part in vector.split("/"))


@pytest.mark.parametrize(
    ("vector", "score"),
    [
        ("AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0),  # CVE-2021-44228
        ("AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8),  # CVE-2019-0708
        ("AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", 7.5),  # CVE-2014-0160
        ("AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N", 6.4),  # CVE-2013-1937, the specification's example
        ("AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", 7.8),
        ("AV:P/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N", 1.6),
        ("AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0),
    ],
)
def test_v3_scores_are_the_published_ones(vector: str, score: float) -> None:
    """The base score of v3.x is what its authority publishes."""
    assert cvss.score_v3(metrics(vector)) == score


@pytest.mark.parametrize(
    ("vector", "score"),
    [
        ("AV:N/AC:L/Au:N/C:N/I:N/A:C", 7.8),  # CVE-2002-0392, the specification's examples
        ("AV:N/AC:L/Au:N/C:C/I:C/A:C", 10.0),  # CVE-2003-0818
        ("AV:L/AC:H/Au:N/C:C/I:C/A:C", 6.2),  # CVE-2003-0062
        ("AV:N/AC:L/Au:N/C:N/I:N/A:N", 0.0),
    ],
)
def test_v2_scores_are_the_published_ones(vector: str, score: float) -> None:
    """The base score of v2 is what its specification works out."""
    assert cvss.score_v2(metrics(vector)) == score


V4 = [
    ("AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H", 10.0, "critical"),
    ("AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 9.3, "critical"),
    ("AV:L/AC:L/AT:P/PR:L/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 7.3, "high"),
    ("AV:N/AC:L/AT:N/PR:N/UI:P/VC:L/VI:L/VA:N/SC:L/SI:L/SA:N", 5.3, "medium"),
    ("AV:P/AC:H/AT:P/PR:H/UI:A/VC:L/VI:N/VA:N/SC:N/SI:N/SA:N", 1.0, "low"),
    ("AV:A/AC:H/AT:N/PR:N/UI:N/VC:N/VI:H/VA:L/SC:H/SI:N/SA:N", 7.0, "high"),
    ("AV:N/AC:L/AT:N/PR:H/UI:A/VC:N/VI:L/VA:H/SC:N/SI:L/SA:H", 8.2, "high"),
    ("AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:N/SI:N/SA:N", 0.0, "none"),
]


@pytest.mark.parametrize(("vector", "score", "band"), V4)
def test_v4_scores_are_the_reference_calculators(vector: str, score: float, band: str) -> None:
    """The base score of v4.0 is what the reference calculator gives."""
    assert cvss4.score(metrics(vector)) == score
    assert cvss.severity(f"CVSS:4.0/{vector}").value == band.replace("none", "low")


@pytest.mark.parametrize(
    ("vector", "severity"),
    [
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H/E:U", Severity.CRITICAL),
        ("CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", Severity.HIGH),
        ("(AV:N/AC:L/Au:N/C:C/I:C/A:C)", Severity.HIGH),  # v2 has no band above
        ("CVSS:3.1/AV:N/AC:L/PR:N", Severity.UNKNOWN),
        ("CVSS:3.1/AV:Q/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", Severity.UNKNOWN),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:Q/VI:H/VA:H/SC:N/SI:N/SA:N", Severity.UNKNOWN),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:HL/VI:H/VA:H/SC:N/SI:N/SA:N", Severity.UNKNOWN),
        ("CVSS:4.0/AV:N", Severity.UNKNOWN),
        ("very bad", Severity.UNKNOWN),
        ("", Severity.UNKNOWN),
    ],
)
def test_a_vector_has_its_band_and_a_broken_one_is_unknown(vector: str, severity: Severity) -> None:
    """What does not parse is unknown, never low."""
    assert cvss.severity(vector) is severity
