"""Matching where no ecosystem is known: two plain versions that differ are never one, and all else stays unknown."""

from __future__ import annotations

import pytest

from patchgap.graph.matching import Row, judge
from patchgap.graph.question import Question
from patchgap.graph.sbom.document import Package, package
from patchgap.model.signal import Advisory, AffectedPackage, RangeEvent, VersionRange

MAY = "unknown"


def row(found: Package) -> Row:
    return Row(1, *(getattr(found, name) for name in Row._fields[1:]))


def standing(question: Question, one: Row) -> str | None:
    match = judge(question, one)
    return match.standing.value if match else None


@pytest.mark.parametrize(
    ("asked", "held", "expected"),
    [
        ("1.6.4", "1.5.2", None),
        ("v1.6.4", "1.6.3", None),
        ("1.6.4", "1.6.4.1", None),
        ("1.10", "1.9", None),
        ("1.6", "v1.6.0.0", MAY),
        ("1.6.0", "1.06", MAY),
        ("1.6.4", "1.5.2-1", MAY),
        ("1.6.4", "1.5.2+cpu", MAY),
        ("1.6.4rc1", "1.5.2", MAY),
        ("1.6.4", "2:1.5.2", MAY),
        ("1.6.4", "1.x", MAY),
        ("1.6.4", "", MAY),
        ("1.2.3", "1.002003", MAY),  # as Perl reads a decimal
        ("1.5", "1.50", MAY),
        ("", "1.5.2", MAY),
    ],
)
def test_plain_numbers_that_differ_are_no_version_of_any_ecosystem(asked: str, held: str, expected: str | None) -> None:
    """Of a component without a purl, and of one whose type is nobody's; whatever else stays unknown."""
    question = Question.parse(f"pytorch-lightning@{asked}" if asked else "pytorch-lightning")
    assert standing(question, row(package("pytorch-lightning", held))) == expected
    typed = Question.parse(f"pkg:pypi/pytorch-lightning{f'@{asked}' if asked else ''}")
    assert standing(typed, row(package("n", "", purl="pkg:acme/pytorch-lightning")._replace(version=held))) == expected


def test_an_advisory_clears_no_component_without_a_purl() -> None:
    """Its ranges order versions as its own ecosystem does; another's may be the package under other numbers."""
    events = (RangeEvent("introduced", "0"), RangeEvent("fixed", "1.6.0"))
    affected = AffectedPackage("PyPI", "pytorch-lightning", (VersionRange("ECOSYSTEM", events),), ("1.5.2",))
    asked = Question.of_advisory(Advisory(id="X-1", digest="", affected=(affected,)))
    assert standing(asked, row(package("pytorch-lightning", "2.0.0"))) == MAY
