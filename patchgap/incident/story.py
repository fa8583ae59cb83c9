"""The ledger told to a person: one entry, one or a few short lines. Knows words only; colours are the terminal's.

`lines` tells one entry alone; a `Teller` tells an incident from its beginning, and so can name what an entry refers to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from patchgap.incident import events
from patchgap.incident.heading import beside
from patchgap.incident.ledger import Entry
from patchgap.model.evidence import Evidence, Verdict
from patchgap.model.exposure import Exposure
from patchgap.model.plan import ActionId, Outcome, Plan, PlannedAction, Receipt

_DIGEST = re.compile(r"(sha256:[0-9a-f]{8})[0-9a-f]{56}")
_MANY = 2

_ENDED = {Outcome.DONE: "✓", Outcome.WAITING: "…", Outcome.UNSETTLED: "?"}  # else ✗
MARK = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.UNKNOWN: "?"}


def lines(entry: Entry) -> tuple[str, ...]:
    """What an entry says, in short sentences of its own; never empty. The ledger and the report hold them whole."""
    teller: Callable[[Any], Iterator[str]] = _TELLERS[type(entry.body)]
    return tuple(_brief(line) for line in teller(entry.body))


class Teller:
    """Tells one incident's entries in their order: a receipt and a release name their verb and target.

    `brief`, for who follows along, says nothing twice: an intent is told with its receipt, a missing proof with the
    verdict that misses it, and what is as it was told before is told as such. The ledger holds all of it. `missing`
    False names no missing proof at all: for who gets them as the result."""

    def __init__(self, *, brief: bool = False, missing: bool = True) -> None:
        self._brief = brief
        self._names_missing = missing
        self._actions: dict[ActionId, PlannedAction] = {}
        self._seen: dict[tuple[str, str], Evidence] = {}
        self._missing: tuple[str, ...] = ()  # what the last verdict missed
        self._named = False  # whether those were named since the last closing was refused

    def lines(self, entry: Entry) -> tuple[str, ...]:
        """What the entry says; empty only where `brief` tells it elsewhere."""
        if isinstance(entry.body, events.Planned):
            self._actions |= {a.id: a for a in entry.body.plan.actions}  # what waits has no intent yet
        return tuple(_brief(line) for line in self._tell(entry.body))

    def _tell(self, body: Any) -> Iterator[str]:
        match body:
            case events.IntentMade(intent):
                self._actions[intent.action.id] = intent.action
                if not self._brief:
                    yield from _intent(body)
            case events.ReceiptMade(receipt):
                yield from self._receipt("", receipt)
            case events.ReleaseIntended(action):
                if not self._brief:
                    yield f"intent  release {self._named_action(action)}"
            case events.Released(_action, receipt):
                yield from self._receipt("release ", receipt)
            case events.EvidenceTaken() if self._brief:
                yield from self._evidence(body)
            case events.GateJudged() if self._brief:
                yield from self._verdict(body)
            case events.CloseRefused() if self._brief:
                yield from self._refusal(body)
            case _:
                yield from _TELLERS[type(body)](body)

    def _receipt(self, what: str, receipt: Receipt) -> Iterator[str]:
        mark = _ENDED.get(receipt.outcome, "✗")
        known = self._actions.get(receipt.action)
        said = "; ".join(beside(known, d) if known else d for d in receipt.detail) or receipt.outcome
        yield f"{mark} {what}{self._named_action(receipt.action)}: {said}"

    def _named_action(self, action: ActionId) -> str:
        known = self._actions.get(action)
        return f"{known.verb} {known.target}" if known else action

    def _evidence(self, body: events.EvidenceTaken) -> Iterator[str]:
        for piece in body.evidence:
            before = self._seen.get((piece.check, piece.source))
            self._seen[piece.check, piece.source] = piece
            if piece.verdict is not Verdict.PASS:
                continue
            same = before is not None and (before.verdict, before.reasons) == (piece.verdict, piece.reasons)
            yield f"✓ {piece.check}: as before" if same else _piece(piece)

    def _verdict(self, body: events.GateJudged) -> Iterator[str]:
        same, self._missing = self._missing == body.verdict.reasons, body.verdict.reasons
        yield from _judged(body)
        self._named = not same
        for reason in () if same or not self._names_missing else self._missing:
            yield f"missing  {reason}"

    def _refusal(self, body: events.CloseRefused) -> Iterator[str]:
        if not self._names_missing:
            yield f"✗ closing refused: {len(body.reasons)} proofs are missing"
        elif self._named and self._missing == body.reasons:
            yield f"✗ closing refused: these {len(body.reasons)} proofs are missing"
        else:
            yield from _close_refused(body)
        self._named = False


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
        because = "; ".join(why.removeprefix(f"tier {given.tier}: ") for why in given.because)
        yield f"tier {given.tier}  {name}: {because}"
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


def _declined(body: events.Declined) -> Iterator[str]:
    yield f"{body.who} said NO to plan {body.plan_digest[:19]}…: {body.why}"


def _glass_broken(body: events.GlassBroken) -> Iterator[str]:
    until = f"{body.expires_at:%Y-%m-%d %H:%M} UTC"
    of = f" for plan {body.plan_digest[:19]}… alone" if body.plan_digest else ""
    yield f"GLASS BROKEN by {body.who} until {until}{of}, no second person asked: {body.why}"


def _intent(body: events.IntentMade) -> Iterator[str]:
    inverse = f" (undone by {body.intent.action.inverse})" if body.intent.action.inverse else ""
    yield f"intent  {body.intent.action.verb} {body.intent.action.target}{inverse}"


def _receipt(body: events.ReceiptMade) -> Iterator[str]:
    mark = _ENDED.get(body.receipt.outcome, "✗")
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
        yield _piece(piece)


def _piece(piece: Evidence) -> str:
    return f"{MARK[piece.verdict]} {piece.check} ({piece.source}): {'; '.join(piece.reasons)}"


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


def _extended(body: events.TimeExtended) -> Iterator[str]:
    until = f"{body.until:%Y-%m-%d %H:%M} UTC"
    yield f"{body.who} lets {len(body.actions)} controls stand until a person is called at {until}: {body.why}"


def _told(body: events.PersonTold) -> Iterator[str]:
    what = f"{body.id} {body.url}".strip()
    yield f"told {body.sink}{f': {what} is open' if what else ''}"


def _recovered(body: events.Recovered) -> Iterator[str]:
    yield f"recovered; controls that stay: {len(body.remaining)}"
    for left in body.remaining:
        called = f": a person is called at {left.expires_at:%Y-%m-%d %H:%M} UTC" if left.expires_at else ""
        yield f"stays  {left.why}{called}"


def _closed(body: events.Closed) -> Iterator[str]:
    yield f"✓ closed on {len(body.evidence)} pieces of evidence"


def _close_refused(body: events.CloseRefused) -> Iterator[str]:
    yield f"✗ closing refused: {len(body.reasons)} proofs are missing"
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
    events.Declined: _declined,
    events.GlassBroken: _glass_broken,
    events.IntentMade: _intent,
    events.ReceiptMade: _receipt,
    events.ReleaseIntended: _release_intended,
    events.Released: _released,
    events.PatchNamed: _patch,
    events.EvidenceTaken: _evidence,
    events.GateJudged: _judged,
    events.StageFailed: _stage_failed,
    events.PersonCalled: _called,
    events.TimeExtended: _extended,
    events.PersonTold: _told,
    events.Recovered: _recovered,
    events.Closed: _closed,
    events.CloseRefused: _close_refused,
    events.Dismissed: _dismissed,
    events.Waived: _waived,
}
