"""A missing proof is named once: as the result of the command, one thing a line, and not in its story too."""

from __future__ import annotations

from flows.cli.standing import missing
from patchgap.incident import events
from patchgap.incident.gate import GateVerdict
from patchgap.incident.ledger import Entry
from patchgap.incident.story import Teller
from patchgap.model.evidence import Verdict
from patchgap.model.finding import IncidentId
from tests.incident.made import START

ID = IncidentId("inc-20261124-aaaa")
REASONS = (
    f"package_absent (prod: pods): fail: a runs sha256:{'b' * 64}; b runs it",
    "signals_at_baseline (prometheus): unknown: prometheus.url is not set",
)
VERDICT = GateVerdict(
    passed=False,
    reasons=REASONS,
    by_check={"package_absent": Verdict.FAIL, "signals_at_baseline": Verdict.UNKNOWN, "digests_retired": Verdict.PASS},
)


def told(teller: Teller, body: events.Body) -> tuple[str, ...]:
    return teller.lines(Entry(ID, 2, "", "", START, "patchgap verify", body))


def test_each_missing_proof_has_its_line() -> None:
    """With what it saw under it, digests by their first letters; the whole is in the ledger."""
    assert list(missing(ID, (*REASONS, "quiet: no evidence was taken"))) == [
        f"{ID} stays open, for want of 3 proofs:",
        "  package_absent (prod: pods): fail",
        "    a runs sha256:bbbbbbbb…",
        "    b runs it",
        "  signals_at_baseline (prometheus): unknown",
        "    prometheus.url is not set",
        "  quiet: no evidence was taken",
    ]


def test_a_story_whose_result_names_them_does_not() -> None:
    """The verdict and the refusal are told by their numbers; the story that has no result names each."""
    refused = events.CloseRefused(reasons=REASONS)
    quiet, whole = Teller(brief=True, missing=False), Teller(brief=True)
    judged = "the gate holds: 2 of 3 proofs missing (package_absent, signals_at_baseline)"
    assert told(quiet, events.GateJudged(verdict=VERDICT)) == (judged,)
    assert told(quiet, refused) == ("✗ closing refused: 2 proofs are missing",)
    assert len(told(whole, events.GateJudged(verdict=VERDICT))) == 3
    assert told(whole, refused) == ("✗ closing refused: these 2 proofs are missing",)
