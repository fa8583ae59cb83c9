"""What an incident is now: a pure fold over its ledger.

Owns the meaning of the entries together. It knows no storage, no clock and no control plane.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from operator import is_
from typing import Any

from patchgap.errors import BrokenLedgerError
from patchgap.incident import events
from patchgap.incident.containing import binds, contained, containment
from patchgap.incident.events import Approved, Opened, Waived
from patchgap.incident.joining import joined
from patchgap.incident.ledger import Entry
from patchgap.incident.shape import ENDED, IncidentState, RefusedClosing, Status, Times
from patchgap.model.finding import Finding, IncidentId
from patchgap.model.plan import ActionId, Control, Outcome, Plan

__all__ = ["ENDED", "IncidentState", "Status", "fold"]


@dataclass(frozen=True, slots=True)
class _Folded:
    """Entries, and the states after the last of them by how many they are of. The same objects lead to the same state, so
    that a fold of what has grown since, or had not grown so far yet, goes on from there."""

    entries: tuple[Entry, ...]
    states: Mapping[int, IncidentState]


_LATEST: dict[IncidentId, _Folded] = {}
_REMEMBERED = 16  # incidents
_STEPS = 32  # of one incident: threads that act for it at once stand so far apart at the most


def fold(entries: Sequence[Entry]) -> IncidentState:
    """The state after these entries. Raises BrokenLedgerError where they do not begin with the opening."""
    if not entries or not isinstance(entries[0].body, Opened):
        raise BrokenLedgerError("the ledger does not begin with an opening", "Run `patchgap ledger verify`.")
    held = _LATEST.get(entries[0].incident)
    shared = min(len(held.entries), len(entries)) if held else 0
    same = held is not None and all(map(is_, held.entries, entries))
    states = {n: s for n, s in held.states.items() if n <= shared} if held and same else {}
    known = max(states, default=1)
    state = states.get(known) or _opened(entries[0], entries[0].body)
    for number, entry in enumerate(entries[known:], known + 1):
        changed = _FOLDS[type(entry.body)](state, entry, entry.body)
        since = state.status_since if changed.status is state.status else entry.seq
        given: tuple[Approved | events.GlassBroken, ...] = (*changed.approvals, *changed.glass)
        lapsed = {one for one in given if one.expires_at <= entry.at}
        state = replace(changed, head=entry.hash, seq=entry.seq, status_since=since, lapsed=changed.lapsed | lapsed)
        states[number] = state
    if held is None or not same or len(entries) >= len(held.entries):  # a look back is not the latest
        while len(_LATEST) >= _REMEMBERED and entries[0].incident not in _LATEST:
            _LATEST.pop(next(iter(_LATEST)), None)
        last = {n: states[n] for n in sorted(states)[-_STEPS:]}
        _LATEST[entries[0].incident] = _Folded(tuple(entries), last)
    return state


def _opened(entry: Entry, body: Opened) -> IncidentState:
    return IncidentState(
        id=entry.incident,
        head=entry.hash,
        seq=entry.seq,
        status=Status.OPEN,
        finding=body.finding,
        playbook=body.playbook,
        version=body.version,
        digest=body.digest,
        text=body.text,
        times_scale=body.times_scale,
        times=Times(received=min(body.finding.signal.received_at, entry.at), opened=entry.at),
        signals=(body.finding.signal.id,),
        unknown=body.finding.unknown,
        touched=_places(body.finding),
    )


def _places(finding: Finding) -> frozenset[tuple[str, str]]:
    return frozenset((e.workload.ref.platform, e.workload.ref.cluster) for e in finding.exposures)


def _joined(state: IncidentState, _entry: Entry, body: events.SignalJoined) -> IncidentState:
    return replace(
        state,
        signals=(*state.signals, body.signal.id),
        joined=(*state.joined, body.signal),
        finding=joined(state.finding, body.signal),
    )


def _scoped(state: IncidentState, entry: Entry, body: events.Scoped) -> IncidentState:
    times = replace(state.times, scoped=state.times.scoped or entry.at)
    status = Status.SCOPED if state.status is Status.OPEN else state.status
    return replace(
        state,
        status=status,
        finding=reduce(joined, state.joined, body.finding),
        tiers=body.tiers,
        tiers_in_play=state.tiers_in_play | {given.tier for given in body.tiers.values()},
        asked=body.clusters,
        identities={**body.identities, **state.identities},
        touched=state.touched | _places(body.finding),
        unknown=body.unknown,
        times=times,
    )


def _planned(state: IncidentState, entry: Entry, body: events.Planned) -> IncidentState:
    times = replace(state.times, planned=state.times.planned or entry.at)
    status = Status.AWAITING_APPROVAL if body.plan.needs_approval else Status.PLANNED
    if body.plan.refusals:
        status = Status.SCOPED
    again = {a for a, r in state.released.items() if r.outcome is Outcome.DONE}  # what was released is to be done anew
    receipts = tuple(r for r in state.receipts if r.action not in again)
    return replace(
        state, status=status, plan=body.plan, plan_seq=entry.seq, times=times, declined=None, receipts=receipts
    )


def _plan_refused(state: IncidentState, entry: Entry, body: events.PlanRefused) -> IncidentState:
    return replace(state, status=Status.SCOPED, plan=body.plan or state.plan, plan_seq=entry.seq)


def _approved(state: IncidentState, _entry: Entry, body: Approved) -> IncidentState:
    yes = state.status is Status.AWAITING_APPROVAL and state.plan is not None and binds(body, state.plan)
    begun = Status.CONTAINING if state.intents else Status.PLANNED
    return replace(state, status=begun if yes else state.status, approvals=(*state.approvals, body))


def _said_yes(state: IncidentState, plan: Plan, at: datetime) -> bool:
    """Whether a person's yes to that plan held then: a broken glass is none."""
    return any(binds(a, plan) and a.expires_at > at and a not in state.lapsed for a in state.approvals)


def _declined(state: IncidentState, entry: Entry, body: events.Declined) -> IncidentState:
    """A no takes back what was said before it: a yes to that plan, and a broken glass that opens it."""
    stands = state.plan is not None and state.plan.digest == body.plan_digest
    if not stands:
        return state
    others = tuple(a for a in state.approvals if a.plan_digest != body.plan_digest)
    glass = tuple(
        replace(g, expires_at=min(g.expires_at, entry.at)) if g.plan_digest in ("", body.plan_digest) else g
        for g in state.glass
    )
    return replace(state, declined=body, approvals=others, glass=glass, waited_under={})


def _glass_broken(state: IncidentState, _entry: Entry, body: events.GlassBroken) -> IncidentState:
    begun = Status.CONTAINING if state.intents else Status.PLANNED
    opens = body.plan_digest in ("", state.plan.digest if state.plan else "")
    waits = state.status is Status.AWAITING_APPROVAL and opens
    return replace(state, status=begun if waits else state.status, glass=(*state.glass, body))


def _intended(state: IncidentState, entry: Entry, body: events.IntentMade) -> IncidentState:
    action, target = body.intent.action.id, body.intent.action.target
    return replace(
        state,
        status=Status.CONTAINING,
        intents={**state.intents, action: body.intent},
        intended_at={**state.intended_at, action: entry.at},
        touched=state.touched | {(body.intent.action.platform, target.cluster)},
        receipts=tuple(r for r in state.receipts if r.action != action),  # the new try is not settled yet
        releasing={k: v for k, v in state.releasing.items() if k != action},
        released={k: v for k, v in state.released.items() if k != action},
    )


def _receipt(state: IncidentState, entry: Entry, body: events.ReceiptMade) -> IncidentState:
    receipt = body.receipt
    receipts = (*(r for r in state.receipts if r.action != receipt.action), receipt)
    undone = state.released.get(receipt.action)
    intent = None if undone and undone.outcome is Outcome.DONE else state.intents.get(receipt.action)
    controls, halves = state.controls, _without(state.halves, receipt.action)
    since = next((c.since for c in controls if c.intent.action.id == receipt.action), None)
    if intent is not None and receipt.outcome is Outcome.DONE:
        controls = (*_without(controls, receipt.action), Control(intent, receipt, since or entry.at))
    elif intent is not None and since is None and receipt.stands:
        halves = (*halves, Control(intent, receipt, entry.at))
    waited = state.waited_under
    if receipt.outcome is Outcome.WAITING and state.plan and _said_yes(state, state.plan, entry.at):
        waited = {**waited, receipt.action: state.plan.digest}
    controls = tuple(_over(c) if c.intent.action.id in (receipt.result.get("ended") or ()) else c for c in controls)
    given_up = {**(receipt.result.get("withdrawn") or {}), **state.given_up}
    grown = replace(state, receipts=receipts, controls=controls, halves=halves, waited_under=waited, given_up=given_up)
    return replace(grown, status=containment(grown), times=contained(grown, entry.at))


def _over(control: Control) -> Control:
    result = {**control.receipt.result, "stands": False}
    return replace(control, receipt=replace(control.receipt, result=result))


def _without(controls: tuple[Control, ...], action: ActionId) -> tuple[Control, ...]:
    return tuple(c for c in controls if c.intent.action.id != action)


def _release_intended(state: IncidentState, entry: Entry, body: events.ReleaseIntended) -> IncidentState:
    return replace(state, releasing={**state.releasing, body.action: entry.seq})


def _released(state: IncidentState, _entry: Entry, body: events.Released) -> IncidentState:
    if body.receipt.outcome is not Outcome.DONE:
        left = {k: v for k, v in state.releasing.items() if k != body.action}
        return replace(state, releasing=left, released={**state.released, body.action: body.receipt})
    return replace(
        state,
        controls=_without(state.controls, body.action),
        halves=_without(state.halves, body.action),
        released={**state.released, body.action: body.receipt},
        extended={k: v for k, v in state.extended.items() if k != body.action},
        overran={k: v for k, v in state.overran.items() if k != body.action},
    )


def _patched(state: IncidentState, _entry: Entry, body: events.PatchNamed) -> IncidentState:
    return replace(
        state,
        patched=tuple(dict.fromkeys((*state.patched, body.digest))),
        mends=(*(m for m in state.mends if m != body.reference), body.reference),
    )


def _evidence(state: IncidentState, _entry: Entry, body: events.EvidenceTaken) -> IncidentState:
    return replace(_looking(state), rounds={**state.rounds, (body.check, body.platform): body.evidence})


def _looking(state: IncidentState) -> IncidentState:
    """Verification of what is contained, wholly or partly; while containment runs it changes no status."""
    begun = state.status in (Status.CONTAINED, Status.PARTIAL)
    return replace(state, status=Status.VERIFYING) if begun else state


def _judged(state: IncidentState, entry: Entry, body: events.GateJudged) -> IncidentState:
    converged = (state.times.converged or entry.at) if body.verdict.passed else None
    times = replace(state.times, judged=entry.at, converged=converged)
    return replace(_looking(state), verdict=body.verdict, times=times)


def _stage_failed(state: IncidentState, _entry: Entry, body: events.StageFailed) -> IncidentState:
    status = Status.PARTIAL if body.stage == "contain" else state.status
    return replace(state, status=status, failures=(*state.failures, body))


def _person(state: IncidentState, entry: Entry, body: events.PersonCalled) -> IncidentState:
    overran = {**state.overran, **dict.fromkeys(body.about, entry.at)}
    return replace(state, persons_called=(*state.persons_called, body.why), overran=overran)


def _extended(state: IncidentState, _entry: Entry, body: events.TimeExtended) -> IncidentState:
    return replace(state, extended={**state.extended, **dict.fromkeys(body.actions, body)})


def _told(state: IncidentState, _entry: Entry, body: events.PersonTold) -> IncidentState:
    return replace(state, told=(*state.told, body))


def _recovered(state: IncidentState, entry: Entry, body: events.Recovered) -> IncidentState:
    times = replace(state.times, recovered=entry.at)
    return replace(state, status=Status.RECOVERED, remaining=body.remaining, times=times)


def _closed(state: IncidentState, entry: Entry, body: events.Closed) -> IncidentState:
    return replace(state, status=Status.CLOSED, ending=body, times=replace(state.times, ended=entry.at))


def _dismissed(state: IncidentState, entry: Entry, body: events.Dismissed) -> IncidentState:
    return replace(state, status=Status.DISMISSED, ending=body, times=replace(state.times, ended=entry.at))


def _close_refused(state: IncidentState, entry: Entry, body: events.CloseRefused) -> IncidentState:
    return replace(state, refused_closings=(*state.refused_closings, RefusedClosing(entry.at, body.reasons)))


def _waived(state: IncidentState, _entry: Entry, body: Waived) -> IncidentState:
    return replace(state, waivers=(*state.waivers, body))


def _opened_again(state: IncidentState, _entry: Entry, _body: Opened) -> IncidentState:
    raise BrokenLedgerError(f"{state.id} was opened twice", "Run `patchgap ledger verify`.")


_FOLDS: Mapping[type[Any], Callable[[IncidentState, Entry, Any], IncidentState]] = {
    Opened: _opened_again,
    events.SignalJoined: _joined,
    events.Scoped: _scoped,
    events.Planned: _planned,
    events.PlanRefused: _plan_refused,
    Approved: _approved,
    events.Declined: _declined,
    events.GlassBroken: _glass_broken,
    events.IntentMade: _intended,
    events.ReceiptMade: _receipt,
    events.ReleaseIntended: _release_intended,
    events.Released: _released,
    events.PatchNamed: _patched,
    events.EvidenceTaken: _evidence,
    events.GateJudged: _judged,
    events.StageFailed: _stage_failed,
    events.PersonCalled: _person,
    events.TimeExtended: _extended,
    events.PersonTold: _told,
    events.Recovered: _recovered,
    events.Closed: _closed,
    events.CloseRefused: _close_refused,
    events.Dismissed: _dismissed,
    Waived: _waived,
}
