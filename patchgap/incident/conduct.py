"""Conducts one action on one target through the ledger: intent, effect, receipt; and the way back.

Owns the order that lets it be killed at any line and run again. Prefect-free; it reads the control planes and changes
them through the action alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from patchgap.attribution import doing
from patchgap.errors import ConflictError, PatchgapError, RefusedError, UnreachableError, WaitingError
from patchgap.incident.changed import ChangedError, must_be_as_planned
from patchgap.incident.events import Body, IntentMade, ReceiptMade, Released, ReleaseIntended
from patchgap.incident.ledger import Ledger
from patchgap.incident.state import IncidentState, fold
from patchgap.model.finding import IncidentId
from patchgap.model.plan import ActionId, Control, Intent, Outcome, Plan, PlannedAction, Receipt
from patchgap.playbook.planner import digest_of
from patchgap.ports import Action, Situation
from patchgap.redact import SecretError
from patchgap.registry import Registry

_Allowed = Callable[[IncidentState, PlannedAction, Situation], None]  # raises where the action may not run
_COUNTED: deque[tuple[Plan, str]] = deque(maxlen=16)  # plans and their digests; appending is atomic
_ATTEMPTS = 200  # to make an intent while others write the same ledger; each lost one means that another went on


@dataclass(frozen=True)
class _Desk:
    """One incident's ledger, as one run writes it."""

    ledger: Ledger
    incident: IncidentId
    owner: str

    def state(self) -> IncidentState:
        return fold(self.ledger.read(self.incident))

    def write(self, body: Body) -> None:
        self.ledger.append(self.incident, body, self.owner)


def contain_target(
    ledger: Ledger,
    incident: IncidentId,
    action: PlannedAction,
    registry: Registry,
    situation: Situation,
    may_write: Callable[[], None],
) -> Receipt:
    """The action's receipt: of before where it is done and still stands, else of now. Every error of the control plane
    or the kill switch becomes a FAILED receipt with its words; where nobody can tell, UNSETTLED.

    Raises RefusedError where the action is not in the planned, unrefused and, where asked for, approved plan.
    """
    desk = _Desk(ledger, incident, situation.owner)
    with doing(incident, action.verb):
        return _conduct(desk, action, registry, situation, may_write, _must_be_planned)


def renew_target(
    ledger: Ledger,
    incident: IncidentId,
    control: Control,
    registry: Registry,
    situation: Situation,
    may_write: Callable[[], None],
) -> Receipt:
    """Brings a standing control up to date with the situation's digests; its receipt as `contain_target` has it.

    It needs no plan and no approval again: what stands was approved, and a freeze must not lock out the mend because
    a plan has expired since. Raises RefusedError where the control does not stand, or is being released."""
    desk = _Desk(ledger, incident, situation.owner)
    with doing(incident, control.intent.action.verb):
        return _conduct(desk, control.intent.action, registry, situation, may_write, _must_stand)


def _conduct(
    desk: _Desk,
    action: PlannedAction,
    registry: Registry,
    situation: Situation,
    may_write: Callable[[], None],
    allowed: _Allowed,
) -> Receipt:
    state = desk.state()
    allowed(state, action, situation)
    verb = registry.action(action.verb, action.platform)
    receipt = state.receipt(action.id)
    try:
        intent = _intent_of(state, action.id)
        if intent and intent.action.target == action.target and (seen := _looked_at(state, verb, intent, situation)):
            known = receipt is not None and receipt.outcome is seen.outcome is Outcome.DONE
            return receipt if receipt is not None and known else _record(desk, action.id, seen)
        may_write()
        found = verb.find(action, situation)  # also where an intent was made: the target may be another by now
        if allowed is _must_be_planned:
            must_be_as_planned(state, action, verb, situation)
        intent = _intend(desk, action, found, known=intent, allowed=lambda now: allowed(now, action, situation))
    except _NotPlannedError:
        raise
    except PatchgapError as error:
        return _record(desk, action.id, _failed(action.id, error))
    return _record(desk, action.id, _apply(verb, intent, situation, may_write))


def release_target(
    ledger: Ledger,
    incident: IncidentId,
    control: Control,
    registry: Registry,
    situation: Situation,
    may_write: Callable[[], None],
) -> Receipt:
    """Releases what stands, wholly or by halves, as the ledger holds it. A release that fails leaves the control in place and says
    so in its receipt. Raises RefusedError for what never stood."""
    desk, action = _Desk(ledger, incident, situation.owner), control.intent.action
    state = desk.state()
    standing = next((c for c in state.to_release if c.intent.action.id == action.id), None)
    if standing is None:
        if (before := state.released.get(action.id)) is not None:
            return before
        raise RefusedError(f"{action.id} is no control of {incident}", "Only what patchgap made stands to be released.")
    verb = registry.action(action.verb, action.platform)
    try:
        may_write()
        if action.id not in state.releasing:
            desk.write(ReleaseIntended(action.id))
            may_write()
        with doing(incident, action.inverse):
            receipt = verb.release(standing, situation)
    except PatchgapError as error:
        receipt = _failed(action.id, error)
    try:
        desk.write(Released(action.id, receipt))
    except SecretError as error:
        receipt = Receipt(action.id, receipt.outcome, (f"its receipt was withheld: {error.problem}",))
        desk.write(Released(action.id, receipt))
    return receipt


def settle(
    ledger: Ledger, incident: IncidentId, registry: Registry, situation: Situation, made_before: datetime
) -> tuple[Receipt, ...]:
    """Observes the world for each intent of which nobody knows whether it took effect, and records what is seen.
    Writes nothing to a control plane. What still cannot be told stays UNSETTLED, recorded once. An intent younger than
    `made_before` is left alone: its own run may be at it."""
    desk = _Desk(ledger, incident, situation.owner)
    state = desk.state()
    left = [i for i in state.open_intents if state.intended_at[i.action.id] < made_before]
    return tuple(_settled(desk, state, i, registry, situation) for i in left)


def _settled(desk: _Desk, state: IncidentState, intent: Intent, registry: Registry, situation: Situation) -> Receipt:
    action = intent.action
    try:
        seen = registry.action(action.verb, action.platform).observe(intent, situation)
    except PatchgapError as error:
        unsettled = Receipt(action.id, Outcome.UNSETTLED, (f"whether it took effect could not be seen: {error}",))
        return state.receipt(action.id) or _record(desk, action.id, unsettled)
    not_there = Receipt(action.id, Outcome.FAILED, ("it was intended, and its effect is not in the world",))
    return _record(desk, action.id, seen or not_there)


def _intent_of(state: IncidentState, action: ActionId) -> Intent | None:
    """The intent that counts; one whose effect was released is history."""
    released = state.released.get(action)
    return None if released is not None and released.outcome is Outcome.DONE else state.intents.get(action)


def _standing(verb: Action, intent: Intent, situation: Situation) -> Receipt | None:
    seen = verb.observe(intent, situation)
    return seen if seen is not None and seen.outcome is Outcome.DONE else None


def _looked_at(state: IncidentState, verb: Action, intent: Intent, situation: Situation) -> Receipt | None:
    """As `_standing`; where what was done cannot be seen now, it is unknown, and no failure."""
    try:
        return _standing(verb, intent, situation)
    except UnreachableError as error:
        stood = next((c for c in state.controls if c.intent.action.id == intent.action.id), None)
        if stood is None:
            raise
        was = f"it was done at {stood.since:%Y-%m-%d %H:%M} UTC, and cannot be seen now: {error}"
        return Receipt(intent.action.id, Outcome.UNSETTLED, (was,), {"done_at": stood.since.isoformat()})


def _must_be_planned(state: IncidentState, action: PlannedAction, situation: Situation) -> None:
    reasons: list[str] = []
    plan = state.plan
    if plan is None or action not in plan.actions:
        reasons.append(f"{action} is not in the plan")
    elif not plan.digest or plan.digest != _digest_of(plan):
        reasons.append("the plan's digest is not that of its content")
    elif not state.consented(action, situation.clock()):
        reasons.append(f"the plan is not approved, or its approval has expired: {action.needs_approval}")
    reasons += plan.refusals if plan else ()
    if state.releasing.get(action.id, 0) > state.plan_seq:
        reasons.append(f"{action} is being released, or was")
    if reasons:
        raise _NotPlannedError(
            f"{action.id} of {state.id} may not run",
            f"Only planned targets are touched: see `patchgap incident plan {state.id}`.",
            tuple(reasons),
        )


def _digest_of(plan: Plan) -> str:
    """Its digest, counted once for the same object: the ledger gives the plan that it has read and verified before, and
    counting it for each action would cost the square of the targets."""
    known = next((made for held, made in tuple(_COUNTED) if held is plan), None)
    if known is None:
        known = digest_of(plan)
        _COUNTED.append((plan, known))
    return known


def _must_stand(state: IncidentState, action: PlannedAction, situation: Situation) -> None:  # noqa: ARG001
    if action.id in state.releasing or all(c.intent.action.id != action.id for c in state.controls):
        raise _NotPlannedError(f"{action} does not stand", f"See `patchgap incident show {state.id}`.")


class _NotPlannedError(RefusedError):
    """The action may not run at all, so that nothing of it is recorded."""


def _intend(
    desk: _Desk,
    action: PlannedAction,
    found: Mapping[str, Any],
    known: Intent | None,
    allowed: Callable[[IncidentState], None],
) -> Intent:
    """The durable intent. One that was made before keeps the state that it found: what is found after a half-done
    effect is patchgap's own work. One whose target serves other workloads by now is made anew. Two runs at once make
    one intent: one that this run did not know is the other's. The plan, its approval and a release that has begun
    meanwhile are those of the entry that the intent follows."""
    fresh = Intent(action, found, desk.owner)
    for _ in range(_ATTEMPTS):
        with desk.ledger.turn():
            state = desk.state()
            allowed(state)
            held = _intent_of(state, action.id)
            held = held if held is not None and held.action.target == action.target else None
            settled = state.receipt(action.id)
            if held is not None and (known is None or settled is None or settled.outcome is Outcome.WAITING):
                return held
            intent = held or fresh  # settled once: the ledger says that it is tried again
            if desk.ledger.append_if(desk.incident, state.head, IntentMade(intent), desk.owner) is not None:
                return intent
    raise ConflictError(f"the ledger of {desk.incident} is too busy", "Run this again; it does only what is left.")


def _apply(verb: Action, intent: Intent, situation: Situation, may_write: Callable[[], None]) -> Receipt:
    try:
        may_write()
    except PatchgapError as error:
        return _failed(intent.action.id, error)
    try:
        return verb.apply(intent, situation)
    except WaitingError as error:
        return _failed(intent.action.id, error)
    except PatchgapError as error:
        return _observed(verb, intent, situation, error)


def _observed(verb: Action, intent: Intent, situation: Situation, error: PatchgapError) -> Receipt:
    """After an error the world alone knows whether the effect took."""
    try:
        seen = _standing(verb, intent, situation)
    except PatchgapError as blind:
        detail = (str(error), f"whether it took effect could not be seen: {blind}")
        return Receipt(intent.action.id, Outcome.UNSETTLED, detail)
    return seen if seen is not None else _failed(intent.action.id, error)


def _failed(action: ActionId, error: PatchgapError) -> Receipt:
    if isinstance(error, WaitingError):
        return Receipt(action, Outcome.WAITING, (str(error),))
    if isinstance(error, ChangedError):
        return Receipt(action, Outcome.FAILED, (str(error),), {"changed": error.changes})
    return Receipt(action, Outcome.FAILED, (str(error),))


def _record(desk: _Desk, action: ActionId, receipt: Receipt) -> Receipt:
    """The receipt as it was recorded. One that the ledger refuses for a secret leaves an honest, empty one; one that
    still waits for the same, or is unknown for the same reason, is not recorded again."""
    receipt = replace(receipt, action=action)
    if receipt.outcome in (Outcome.WAITING, Outcome.UNSETTLED) and receipt == desk.state().receipt(action):
        return receipt
    try:
        desk.write(ReceiptMade(receipt))
    except SecretError as error:
        receipt = Receipt(action, Outcome.UNSETTLED, (f"its receipt was withheld: {error.problem}",))
        desk.write(ReceiptMade(receipt))
    return receipt
