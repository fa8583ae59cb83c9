"""The gate fails closed: the table in gate_cases.yaml, one case a branch."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import START, seen
from ruamel.yaml import YAML

from patchgap.incident.events import Waived
from patchgap.incident.gate import judge
from patchgap.model.codec import evidence_digest
from patchgap.model.evidence import Evidence, Verdict

CASES = YAML(typ="safe").load((Path(__file__).parent / "gate_cases.yaml").read_text(encoding="utf-8"))
FRESH = timedelta(seconds=300)


def _evidence(case: dict[str, Any]) -> Evidence:
    at = START - timedelta(seconds=case.get("age", 60))
    reasons = (case["why"],) if case.get("why") else () if "why" in case else ("seen",)
    made = Evidence(
        case["check"],
        Verdict(case.get("verdict", "pass")),
        reasons,
        case.get("source", "eu"),
        at,
        case.get("value", {}),
    )
    if "word" in case:
        made = replace(made, verdict=cast("Verdict", case["word"]))
    try:
        made = replace(made, digest=evidence_digest(made))
    except TypeError:
        made = replace(made, digest="sha256:of-what-has-no-form")
    if case.get("naive"):
        made = replace(made, observed_at=at.replace(tzinfo=None))
    return replace(made, digest=case["digest"]) if "digest" in case else made


def _waiver(case: dict[str, Any]) -> Waived:
    expires = START + timedelta(seconds=case.get("expires_in", 3600))
    expires = expires.replace(tzinfo=None) if case.get("naive") else expires
    return Waived(case["check"], case.get("why", "being replaced"), case.get("who", "dana"), expires)


@pytest.mark.parametrize("case", CASES, ids=[c["name"] for c in CASES])
def test_the_table(case: dict[str, Any]) -> None:
    """Each case ends as the table says, with exactly the reasons that it names."""
    verdict = judge(
        required=case["required"],
        evidence=[_evidence(e) for e in case.get("evidence", ())],
        waivers=[_waiver(w) for w in case.get("waivers", ())],
        now=START.replace(tzinfo=None) if case.get("now_is_naive") else START,
        fresh_within=timedelta(seconds=case.get("fresh_within", 300)),
        sources=case.get("sources"),
    )
    expected = case.get("reasons", [])
    assert verdict.passed is case.get("passed", False)
    assert len(verdict.reasons) == len(expected), verdict.reasons
    assert all(part in reason for part, reason in zip(expected, verdict.reasons, strict=True)), verdict.reasons
    if "by_check" in case:
        assert dict(verdict.by_check) == case["by_check"]
    if "waived" in case:
        assert list(verdict.waived) == case["waived"]


@given(
    st.lists(
        st.builds(
            lambda check, verdict, age, source: seen(
                check, verdict, START - timedelta(seconds=age), "words", source=source
            ),
            st.sampled_from("abc"),
            st.sampled_from(Verdict),
            st.integers(-10, 400),
            st.sampled_from(["eu", "us"]),
        ),
        max_size=8,
    )
)
def test_it_passes_on_sound_fresh_passing_evidence_alone(evidence: list[Evidence]) -> None:
    """Whatever evidence there is, a pass means that each required check has some and all of it passes and is fresh."""
    verdict = judge(["a", "b"], evidence, [], START, FRESH)
    mine = [e for e in evidence if e.check in "ab"]
    sound = all(e.verdict is Verdict.PASS and timedelta(0) <= START - e.observed_at <= FRESH for e in mine)
    assert verdict.passed is (sound and {e.check for e in mine} == {"a", "b"})
    assert verdict.passed is not bool(verdict.reasons)
