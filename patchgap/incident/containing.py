"""How far containment has come: its status, and when each tier was contained. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from patchgap.incident.events import Approved
from patchgap.incident.shape import IncidentState, Status, Times, second_person
from patchgap.model.plan import ActionId, Effect, Outcome, Plan, PlannedAction

_NOT_BROKEN = (Outcome.DONE, Outcome.WAITING)
_CHANGES = (Effect.REVERSIBLE, Effect.IRREVERSIBLE)


def binds(approved: Approved, plan: Plan) -> bool:
    """Whether it is a second person's yes to that plan."""
    return approved.plan_digest == plan.digest and second_person(approved.approver, approved.requester)


def containment(state: IncidentState) -> Status:
    """CONTAINED only where every planned action is done, or waits beside what is, and every workload covered."""
    planned = state.plan.actions if state.plan else ()
    settled = {r.action: r.outcome for r in state.receipts}
    waiting = [a for a in planned if a.id not in settled]
    if waiting:
        yes = state.plan is not None and any(binds(a, state.plan) for a in state.approvals)
        asked = all(a.needs_approval for a in waiting) and not yes
        return Status.AWAITING_APPROVAL if asked else Status.CONTAINING
    if all(settled[a.id] in _NOT_BROKEN for a in planned) and not _holds(planned, settled):
        return Status.CONTAINING
    whole = planned and _holds(planned, settled)
    return Status.CONTAINED if whole and state.plan and not state.plan.uncovered else Status.PARTIAL


def _holds(actions: Sequence[PlannedAction], settled: Mapping[ActionId, Outcome]) -> bool:
    """Whether these contain: each is done, or it waits while something else of them that changes the world is done."""
    outcomes = {settled.get(a.id) for a in actions}
    if Outcome.WAITING not in outcomes:
        return outcomes <= {Outcome.DONE}
    changed = any(a.effect in _CHANGES and settled.get(a.id) is Outcome.DONE for a in actions)
    return changed and outcomes <= {*_NOT_BROKEN}


def contained(state: IncidentState, at: datetime) -> Times:
    """The times with each tier that is contained as of `at`, where it was not before."""
    settled = {r.action: r.outcome for r in state.receipts}
    by_tier: dict[int, list[PlannedAction]] = {}
    for action in state.plan.actions if state.plan else ():
        by_tier.setdefault(action.tier, []).append(action)
    whole = {tier: at for tier, actions in by_tier.items() if _holds(actions, settled)}
    return replace(state.times, contained={**whole, **state.times.contained})  # the first time counts
