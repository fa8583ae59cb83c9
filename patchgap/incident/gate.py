"""The gate: the pure function over evidence that alone lets an incident close. It fails closed.

Owns what counts as proof. It knows nothing of ledgers, checks' workings or time but what it is given.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from patchgap.model.codec import evidence_digest
from patchgap.model.evidence import Evidence, Verdict


class Waiver(Protocol):
    """A named, expiring decision to close without one check's evidence (`patchgap.incident.events.Waived`)."""

    @property
    def check(self) -> str: ...
    @property
    def why(self) -> str: ...
    @property
    def who(self) -> str: ...
    @property
    def expires_at(self) -> datetime: ...


LONGEST_WAIVER = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """`reasons` are all the missing proofs, a sentence each, and empty exactly where `passed`. `by_check` is what the
    evidence alone says of each required check; `waived` are the checks that a waiver stood in for: unknown, never failed; `evidence` the
    digests of the evidence that was accepted as proof."""

    passed: bool
    reasons: tuple[str, ...]
    by_check: Mapping[str, Verdict] = field(default_factory=dict)
    waived: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Judged:
    check: str
    verdict: Verdict
    reasons: tuple[str, ...]
    proofs: tuple[str, ...]


def judge(
    required: Sequence[str],
    evidence: Sequence[Evidence],
    waivers: Sequence[Waiver],
    now: datetime,
    fresh_within: timedelta,
    sources: Mapping[str, Sequence[str]] | None = None,
    failed: Collection[str] = (),
) -> GateVerdict:
    """Whether every required check is proved by evidence, all of it passing.

    `sources` names, by check, the control planes that must each have answered; evidence of `prod: list pods` answers
    for `prod`. Give the latest evidence a check and source: an old failing or stale one that is given counts. `failed` are
    the checks that were seen to fail before that and not to pass since. A waiver stands in for what could not be seen,
    never for what was last seen to fail.
    """
    if wrong := tuple(_misuse(required, now, fresh_within)):
        return GateVerdict(passed=False, reasons=wrong, by_check=dict.fromkeys(required, Verdict.UNKNOWN))
    wanted = sources or {}
    judged = [
        _judge_check(check, [e for e in evidence if e.check == check], now, fresh_within, wanted.get(check, ()))
        for check in dict.fromkeys(required)
    ]
    reasons: list[str] = []
    waived: list[str] = []
    for one in judged:
        if one.verdict is Verdict.PASS:
            continue
        seen = any(e.check == one.check and e.verdict is Verdict.FAIL for e in evidence)  # stale or not: it was seen
        refusals = tuple(_waiver_refusals(one.check, waivers, now, failed=seen or one.check in failed))
        if any(w.check == one.check for w in waivers) and not refusals:
            waived.append(one.check)
            continue
        reasons += [*one.reasons, *refusals]
    if waived and len(waived) == len(judged):
        reasons.append("every required check is waived: an incident closes on at least one proof")
    return GateVerdict(
        passed=not reasons,
        reasons=tuple(reasons),
        by_check={one.check: one.verdict for one in judged},
        waived=tuple(waived),
        evidence=tuple(p for one in judged for p in one.proofs),
    )


def _misuse(required: Sequence[str], now: datetime, fresh_within: timedelta) -> Iterator[str]:
    if isinstance(required, str) or not required:
        yield "no check is required: a closing that asks for no proof is refused"
    elif any(not check for check in required):
        yield "a required check has no name"
    if now.tzinfo is None:
        yield "the time of judging has no zone, so that no evidence can be called fresh"
    if not isinstance(fresh_within, timedelta) or fresh_within <= timedelta(0):
        yield "the time within which evidence is fresh is not above zero"


def _judge_check(
    check: str, found: Sequence[Evidence], now: datetime, fresh_within: timedelta, sources: Sequence[str]
) -> _Judged:
    if not found:
        return _Judged(check, Verdict.UNKNOWN, (f"{check}: no evidence was taken",), ())
    verdicts: list[Verdict] = []
    reasons: list[str] = []
    proofs: list[str] = []
    for one in found:
        flaw = _flaw(one, now, fresh_within) or _conflict(one, found)
        if flaw:
            verdicts.append(Verdict.UNKNOWN)
            reasons.append(f"{check} ({one.source or 'no source'}): {flaw}")
        elif one.verdict is not Verdict.PASS:
            verdicts.append(one.verdict)
            why = "; ".join(one.reasons) or "no reason was given"
            reasons.append(f"{check} ({one.source}): {one.verdict.value}: {why}")
        else:
            verdicts.append(Verdict.PASS)
            proofs.append(one.digest)
    for source in sources:
        if not any(_answers(one, source) for one in found):
            verdicts.append(Verdict.UNKNOWN)
            reasons.append(f"{check} ({source}): no evidence was taken there")
    return _Judged(check, _worst(verdicts), tuple(reasons), tuple(proofs))


def _worst(verdicts: Sequence[Verdict]) -> Verdict:
    return next((v for v in (Verdict.FAIL, Verdict.UNKNOWN) if v in verdicts), Verdict.PASS)


def _answers(evidence: Evidence, source: str) -> bool:
    return evidence.source == source or evidence.source.startswith(f"{source}:")


def _flaw(one: Evidence, now: datetime, fresh_within: timedelta) -> str:
    """Why this is no evidence at all, whatever it says; "" where it is sound."""
    if not isinstance(one.verdict, Verdict):
        return "its verdict is none of pass, fail and unknown"
    if not one.source:
        return "it names no control plane"
    if not one.reasons and not one.value:
        return "it is empty: neither a reason nor a value says what was seen"
    if one.observed_at.tzinfo is None:
        return "its time has no zone"
    if one.observed_at > now:
        return "it is dated in the future"
    if not now - one.observed_at <= fresh_within:
        age, limit = (int(t.total_seconds()) for t in (now - one.observed_at, fresh_within))
        return f"it is stale: {age} s old, fresh within {limit} s"
    try:
        sealed = evidence_digest(one)
    except (TypeError, ValueError) as error:
        return f"it has no canonical form: {error}"
    return "" if one.digest == sealed else "its digest does not match its content"


def _conflict(one: Evidence, found: Sequence[Evidence]) -> str:
    twins = (e for e in found if e.source == one.source and e.observed_at == one.observed_at)
    return "two observations of that moment disagree" if any(t.verdict != one.verdict for t in twins) else ""


def _waiver_refusals(check: str, waivers: Sequence[Waiver], now: datetime, *, failed: bool) -> Iterator[str]:
    mine = [w for w in waivers if w.check == check]
    flaws = [_waiver_flaw(w, now) or ("does not stand for what was seen to fail" if failed else "") for w in mine]
    if mine and all(flaws):
        yield from (f"{check}: the waiver by {w.who or 'nobody'} {f}" for w, f in zip(mine, flaws, strict=True))


def _waiver_flaw(waiver: Waiver, now: datetime) -> str:
    if not waiver.who.strip() or not waiver.why.strip():
        return "does not say who decided it and why"
    if waiver.expires_at.tzinfo is None:
        return "expires at a time without a zone"
    return "" if waiver.expires_at > now else "has expired"
