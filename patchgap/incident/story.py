"""The ledger told to a person: one entry, one or a few short lines. Knows words only; colours are the terminal's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from patchgap.incident import events
from patchgap.incident.ledger import Entry
from patchgap.model.evidence import Verdict
from patchgap.model.exposure import Exposure
from patchgap.model.plan import Outcome, Plan

_DIGEST = re.compile(r"(sha256:[0-9a-f]{8})[0-9a-f]{56}")
_MANY = 2

_MARK = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.UNKNOWN: "?"}


def lines(entry: Entry) -> tuple[str, ...]:
    """What an entry says, in short sentences of its own; never empty. The ledger and the report hold them whole."""
    teller: Callable[[Any], Iterator[str]] = _TELLERS[type(entry.body)]
    return tuple(_brief(line) for line in teller(entry.body))


def _brief(line: str) -> str:
    """Digests by their first letters, and of many things the first ones and how many more."""
    parts = shortened(line).split("; ")
    return "; ".join(parts if len(parts) <= _MANY + 1 else [*parts[:_MANY], f"and {len(parts) - _MANY} more"])


def shortened(text: str) -> str:
    """The text with every digest by its first letters."""
    return _DIGEST.sub(r"\1…", text)


def _opened(body: events.Opened) -> Iterator[str]:
    finding = body.finding
    about = finding.signal.advisory.id if finding.signal.advisory else finding.key
    yield f"{about}: {finding.severity}, {len({e.workload.ref for e in finding.exposures})} workloads exposed"
    yield f"playbook {body.playbook}@{body.version}, pinned by {body.digest[:19]}…"


def _joined(body: events.SignalJoined) -> Iterator[str]:
    yield f"another signal about the same thing joined: {body.signal.source}"


def _scoped(body: events.Scoped) -> Iterator[str]:
    for name, given in sorted(body.tiers.items(), key=lambda item: (item[1].tier, item[0])):
        yield f"tier {given.tier}  {name}: {'; '.join(given.because)}"
    for exposure in body.finding.exposures:
        yield f"includes  {exposure.workload.ref}: {_chain(exposure)}"
    for unknown in body.unknown:
        yield f"unknown  {unknown.what}: {unknown.reason}"
    yield f"scoped in {body.seconds:.1f} s"


def _chain(exposure: Exposure) -> str:
    """The first chain of dependencies, by the names that people use; what the SBOM does not tell is said."""
    if not exposure.chains:
        return (
            f"{exposure.component.name} {exposure.component.version} (the SBOM has no edges: direct or not is unknown)"
        )
    names = [purl.split("/", 1)[-1].partition("?")[0].partition("@sha256")[0] for purl in exposure.chains[0]]
    return f"{' -> '.join(names)} ({'direct' if exposure.direct else 'transitive'})"


def _planned(body: events.Planned) -> Iterator[str]:
    yield from _plan(body.plan)


def _plan(plan: Plan) -> Iterator[str]:
    yield f"plan {plan.digest[:19]}…: {len(plan.actions)} targets, each named"
    for action in plan.actions:
        yield f"tier {action.tier}  {action.verb} {action.target}"
    for left in plan.uncovered:
        yield f"not covered  {left.verb} {left.target}: {left.reason}"
    for why in plan.needs_approval:
        yield f"needs approval: {why}"


def _refused(body: events.PlanRefused) -> Iterator[str]:
    for reason in body.reasons:
        yield f"✗ plan refused, nothing was changed: {reason}"


def _approved(body: events.Approved) -> Iterator[str]:
    yield f"{body.approver} approved plan {body.plan_digest[:19]}…, asked for by {body.requester}"


def _intent(body: events.IntentMade) -> Iterator[str]:
    inverse = f" (undone by {body.intent.action.inverse})" if body.intent.action.inverse else ""
    yield f"intent  {body.intent.action.verb} {body.intent.action.target}{inverse}"


def _receipt(body: events.ReceiptMade) -> Iterator[str]:
    mark = "✓" if body.receipt.outcome is Outcome.DONE else "✗"
    yield f"{mark} {'; '.join(body.receipt.detail) or body.receipt.outcome}"


def _release_intended(body: events.ReleaseIntended) -> Iterator[str]:
    yield f"intent  release {body.action}"


def _released(body: events.Released) -> Iterator[str]:
    mark = "✓" if body.receipt.outcome is Outcome.DONE else "✗"
    yield f"{mark} {'; '.join(body.receipt.detail) or body.receipt.outcome}"


def _patch(body: events.PatchNamed) -> Iterator[str]:
    yield f"the mend is {body.reference}; its SBOM holds no affected version"


def _evidence(body: events.EvidenceTaken) -> Iterator[str]:
    for piece in body.evidence:
        yield f"{_MARK[piece.verdict]} {piece.check} ({piece.source}): {'; '.join(piece.reasons)}"


def _judged(body: events.GateJudged) -> Iterator[str]:
    if body.verdict.passed:
        yield f"✓ the gate passes: {', '.join(body.verdict.by_check)}"
    else:
        missing = [check for check, verdict in body.verdict.by_check.items() if verdict is not Verdict.PASS]
        yield f"the gate holds: {len(missing)} of {len(body.verdict.by_check)} proofs missing ({', '.join(missing)})"


def _stage_failed(body: events.StageFailed) -> Iterator[str]:
    for problem in body.problems:
        yield f"✗ {body.stage}: {problem}"


def _called(body: events.PersonCalled) -> Iterator[str]:
    yield f"! a person is called: {body.why}"


def _recovered(body: events.Recovered) -> Iterator[str]:
    yield f"recovered; {len(body.remaining)} controls stay"
    for left in body.remaining:
        until = f" until {left.expires_at:%Y-%m-%d %H:%M} UTC" if left.expires_at else ""
        yield f"stays  {left.why}{until}"


def _closed(body: events.Closed) -> Iterator[str]:
    yield f"✓ closed on {len(body.evidence)} pieces of evidence"


def _close_refused(body: events.CloseRefused) -> Iterator[str]:
    yield f"✗ closing refused; missing: {len(body.reasons)}"
    for reason in body.reasons:
        yield f"missing  {reason}"


def _dismissed(body: events.Dismissed) -> Iterator[str]:
    yield f"{body.who} dismissed it: {body.why}"


def _waived(body: events.Waived) -> Iterator[str]:
    yield f"! {body.who} waived {body.check} until {body.expires_at:%Y-%m-%d %H:%M} UTC: {body.why}"


_TELLERS: dict[type[Any], Callable[[Any], Iterator[str]]] = {
    events.Opened: _opened,
    events.SignalJoined: _joined,
    events.Scoped: _scoped,
    events.Planned: _planned,
    events.PlanRefused: _refused,
    events.Approved: _approved,
    events.IntentMade: _intent,
    events.ReceiptMade: _receipt,
    events.ReleaseIntended: _release_intended,
    events.Released: _released,
    events.PatchNamed: _patch,
    events.EvidenceTaken: _evidence,
    events.GateJudged: _judged,
    events.StageFailed: _stage_failed,
    events.PersonCalled: _called,
    events.Recovered: _recovered,
    events.Closed: _closed,
    events.CloseRefused: _close_refused,
    events.Dismissed: _dismissed,
    events.Waived: _waived,
}
