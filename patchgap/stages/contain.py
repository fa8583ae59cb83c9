"""Contain: the plan with every target named, its approval, and each target's action through the ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from patchgap.errors import ConflictError, NotFoundError, RefusedError
from patchgap.incident import conduct
from patchgap.incident.events import (
    GateJudged,
    PatchNamed,
    PersonCalled,
    Planned,
    PlanRefused,
    ReceiptMade,
    Scoped,
    SignalJoined,
)
from patchgap.incident.ledger import Entry
from patchgap.incident.state import IncidentState, fold
from patchgap.model.evidence import Verdict
from patchgap.model.exposure import Exposure
from patchgap.model.finding import IncidentId
from patchgap.model.plan import ActionId, Outcome, Plan, PlannedAction, Receipt, Uncovered
from patchgap.model.workload import WorkloadRef
from patchgap.playbook import planner
from patchgap.stages import consent
from patchgap.stages.engine import Engine
from patchgap.stages.situation import open_state_of, playbook_of, situation_of, state_of

ACTOR = "patchgap contain"
_ATTEMPTS = 5  # to record a plan of what the ledger says now


@dataclass(frozen=True, slots=True)
class ContainSummary:
    """How containment stands. What is done: `contained` is changed, and seen to hold where its action can see that;
    `unproved` is changed, and not; `besides` changes nothing: it reads, tells people, or was not needed. Then what waits for a yes, what
    waits for something else to be there, what failed, and what is unknown: begun or done, and not to be seen now (each
    with its sentences). `left` was not tried and waits for nobody; `uncovered` is what nothing covers."""

    contained: tuple[PlannedAction, ...]
    unproved: tuple[PlannedAction, ...]
    besides: tuple[PlannedAction, ...]
    waiting: tuple[PlannedAction, ...]
    awaiting: tuple[tuple[PlannedAction, Receipt], ...]
    failed: tuple[tuple[PlannedAction, Receipt], ...]
    unknown: tuple[tuple[PlannedAction, Receipt], ...]
    left: tuple[PlannedAction, ...]
    uncovered: tuple[Uncovered, ...]


def plan(engine: Engine, incident: IncidentId, *, record: bool = True) -> Plan:
    """The plan for the incident's scope. While the recorded one covers the scope, and was not answered by a no (a wait in vain is one),
    it stays: what was approved stays approved, and what was done is not done again; but what was released and then proved
    too early needs it again. With `record` False nothing is written anywhere: this is the dry run.

    Raises ConflictError where others write to the ledger for as long as it is tried: a plan of what was is none of what is.
    """
    open_state_of(engine, incident)
    for _ in range(_ATTEMPTS):
        entries = engine.ledger.read(incident)
        state = fold(entries)
        held = state.plan
        answered_no = state.declined is not None or consent.late(state, entries, engine.clock())
        again = answered_no or _released_too_early(entries, state)
        other = again or _target_changed(entries, state)
        if held is not None and not held.refusals and not other and _covers(entries, state):
            return held
        made = _made(engine, state)
        if not record or not (again or held is None or held.digest != made.digest):
            return made
        if _record(engine, state, made):
            _tell_of_glass(engine, state, made)
            return made
    raise ConflictError(f"the ledger of {incident} is too busy", "Plan again.")


def _made(engine: Engine, state: IncidentState) -> Plan:
    return planner.plan(
        playbook=playbook_of(engine, state),
        finding=state.finding,
        registry=engine.registry,
        situation_for=lambda exposures: situation_of(engine, state, exposures),
        estate=engine.graph.workloads(),
        protection=engine.settings.protect,
        patchgap_namespace=engine.settings.kubernetes.namespace,
        now=engine.clock(),
        ceilings=engine.settings.limits,
        before=frozenset(name for intent in state.intents.values() for name in intent.action.reached),
        over_hour=lambda names: engine.ledger.over_hour(state.id, names),
        lasting=lambda asked: (asked or engine.settings.containment.stands_for) * state.times_scale,
    )


def _tell_of_glass(engine: Engine, state: IncidentState, made: Plan) -> None:
    """A broken glass that opens a plan made since calls a person: nobody saw that plan when it was broken."""
    if made.needs_approval and not made.refusals and state.glass_is_broken(made.digest, engine.clock()):
        why = (
            f"the broken glass of {state.id} opens a plan that was made since, {made.digest}: no second person sees it"
        )
        engine.ledger.append(state.id, PersonCalled(why=why), ACTOR)


def _released_too_early(entries: tuple[Entry, ...], state: IncidentState) -> bool:
    """Whether something of the plan was released, and it was judged since then that the danger is there: what stood
    before must stand again. What merely could not be seen is no such judgement, and takes none back."""
    planned = {a.id for a in state.plan.actions} if state.plan else set()
    gone = [state.releasing.get(a, 0) for a, r in state.released.items() if a in planned and r.outcome is Outcome.DONE]
    judged = ((e.seq, e.body.verdict) for e in reversed(entries) if gone and isinstance(e.body, GateJudged))
    told = ((seq, v.passed) for seq, v in judged if v.passed or Verdict.FAIL in v.by_check.values())
    seq, passed = next(told, (0, True))
    return not passed and any(state.plan_seq < at < seq for at in gone)


def _record(engine: Engine, state: IncidentState, made: Plan) -> bool:
    """Records it, unless something was recorded since that state. A refused plan contains nothing, so it calls a person."""
    body = PlanRefused(reasons=made.refusals, plan=made) if made.refusals else Planned(plan=made)
    if engine.ledger.append_if(state.id, state.head, body, ACTOR) is None:
        return False
    if made.refusals:
        why = f"the plan of {state.id} is refused and nothing was contained: {'; '.join(made.refusals)}"
        engine.ledger.append(state.id, PersonCalled(why=why), ACTOR)
    return True


def _target_changed(entries: tuple[Entry, ...], state: IncidentState) -> bool:
    """Whether a target of the plan was found in another state than it was planned for, when it was last tried."""
    receipts = (e.body.receipt for e in entries[state.plan_seq :] if isinstance(e.body, ReceiptMade))
    return any("changed" in last.result for last in {r.action: r for r in receipts}.values())


def _covers(entries: tuple[Entry, ...], state: IncidentState) -> bool:
    """Whether the plan was made for every workload, by identity and tier, that is exposed now. What containment itself
    changed (a service account's identity) makes no new plan."""
    then = fold(entries[: state.plan_seq])
    return _tiered(state) <= _tiered(then)


def _tiered(state: IncidentState) -> set[tuple[WorkloadRef, int | None]]:
    return {(e.workload.ref, state.tier_of(e.workload.ref)) for e in state.finding.exposures}


def ready(engine: Engine, incident: IncidentId) -> tuple[tuple[PlannedAction, ...], ...]:
    """The plan's steps in order, each with all its targets; without those that wait for an approval.

    Raises RefusedError with every reason where the plan is refused, NotFoundError where there is none.
    """
    state = state_of(engine, incident)
    held = _plan_of(state)
    if held.refusals:
        raise RefusedError(
            f"the plan of {incident} is refused",
            "Nothing was changed. Narrow the scope, raise the limit in the playbook, or act by hand.",
            held.refusals,
        )
    return _steps(a for a in held.actions if state.consented(a, engine.clock()))


def _steps(actions: Iterable[PlannedAction]) -> tuple[tuple[PlannedAction, ...], ...]:
    steps: dict[tuple[int, int], list[PlannedAction]] = defaultdict(list)
    for action in actions:
        steps[action.tier, action.step].append(action)
    return tuple(tuple(steps[key]) for key in sorted(steps))


def to_go_on(engine: Engine, incident: IncidentId) -> tuple[tuple[PlannedAction, ...], ...]:
    """Of the steps that are `ready`, what waited when it was last tried, and what failed before a newer mend was named:
    each round tries them again. Empty where the plan is refused, there is none, or the kill switch stands."""
    entries = engine.ledger.read(incident)
    state = fold(entries)
    if state.plan is None or state.plan.refusals or engine.stop.raised():
        return ()
    settled = {e.body.receipt.action: (e.seq, e.body.receipt) for e in entries if isinstance(e.body, ReceiptMade)}
    named = max((e.seq for e in entries if isinstance(e.body, PatchNamed)), default=0)

    def goes_on(action: PlannedAction) -> bool:
        seq, receipt = settled.get(action.id, (0, None))
        if receipt is None or action.id in state.releasing or not state.consented(action, engine.clock()):
            return False
        return receipt.outcome is Outcome.WAITING or (receipt.outcome is Outcome.FAILED and named > seq)

    return _steps(a for a in state.plan.actions if goes_on(a))


def admitted(engine: Engine, incident: IncidentId) -> tuple[tuple[PlannedAction, ...], ...]:
    """The steps that are ready, counted toward the hour's limit before the first of them. Raises RefusedError as `ready`
    does, and where the kill switch stands or the hour has no room for all of them: then a person is called, once for the
    same, and nothing of them runs."""
    steps = ready(engine, incident)
    try:
        engine.stop.may_write()
        engine.ledger.admit(incident, {name for step in steps for a in step for name in a.reached})
    except RefusedError as error:
        why = f"nothing more of {incident} is contained: {error.problem}"
        if why not in state_of(engine, incident).persons_called:
            engine.ledger.append(incident, PersonCalled(why=why), ACTOR)
        raise
    return steps


def _plan_of(state: IncidentState) -> Plan:
    if state.plan is None:
        raise NotFoundError(f"{state.id} has no plan yet", f"Make one with `patchgap incident plan {state.id}`.")
    return state.plan


def left_undone(engine: Engine, incident: IncidentId, quiet_for: timedelta) -> bool:
    """Whether a run was cut off, or a signal joined since the last scope: there is no plan yet, or an action that may
    run was never settled, and nobody has written to the ledger for that long (a run of its own may just be at it). What
    was released too early is to stand again at once, however busy the ledger is with looking."""
    entries = engine.ledger.read(incident)
    state = fold(entries)
    if _released_too_early(entries, state):
        return True
    if engine.clock() - entries[-1].at < quiet_for:
        return False
    if state.plan is None or _joined_since_scope(entries):
        return True
    if state.plan.refusals or engine.stop.raised():  # what the switch holds up goes on when it is lowered
        return False
    settled = {r.action for r in state.receipts if r.outcome is not Outcome.UNSETTLED or r.unseen}
    return _target_changed(entries, state) or any(a.id not in settled for step in ready(engine, incident) for a in step)


def _joined_since_scope(entries: tuple[Entry, ...]) -> bool:
    last = next((e.body for e in reversed(entries) if isinstance(e.body, (SignalJoined, Scoped))), None)
    return isinstance(last, SignalJoined)


def carry_out(engine: Engine, incident: IncidentId, action: ActionId) -> Receipt:
    """One verb on one target: intent, effect, receipt. Run again, it observes and does only what is left. Raises
    RefusedError, and nothing is recorded, where the kill switch stands before it begins."""
    engine.stop.may_write()
    with engine.acting(incident) as acting:
        state = fold(acting.ledger.read(incident))
        planned = next((a for a in _plan_of(state).actions if a.id == action), None)
        if planned is None:
            raise RefusedError(
                f"{action} is not in the plan of {incident}", "Only planned targets are touched: plan again."
            )
        situation = situation_of(engine, state, _exposures_of(state, planned), acting.may_write)
        return conduct.contain_target(acting.ledger, incident, planned, engine.registry, situation, acting.may_write)


def _exposures_of(state: IncidentState, planned: PlannedAction) -> tuple[Exposure, ...]:
    """The exposures that the action was planned for: those of its target's workloads, else its tier's."""
    served = frozenset(planned.target.workloads)
    if served:
        return tuple(e for e in state.finding.exposures if str(e.workload.ref) in served)
    return tuple(e for e in state.finding.exposures if state.tier_of(e.workload.ref) == planned.tier)


def finish(engine: Engine, incident: IncidentId) -> ContainSummary:
    """What containment came to. A failed, unseen or uncovered target calls a person, once for the same list."""
    state = state_of(engine, incident)
    held = _plan_of(state)
    by_id = {r.action: r for r in state.receipts}
    settled = [(a, by_id[a.id]) for a in held.actions if a.id in by_id]
    ended: dict[Outcome, list[tuple[PlannedAction, Receipt]]] = {o: [] for o in Outcome}
    for action, receipt in settled:
        ended[receipt.outcome].append((action, receipt))
    changed = [(a, r) for a, r in ended[Outcome.DONE] if a.reached and r.stands]
    yes = {a.id for a in held.actions if state.consented(a, engine.clock())}
    tried = {a.id for a, r in settled if r.outcome is not Outcome.WAITING}
    failed, unknown = tuple(ended[Outcome.FAILED]), tuple(ended[Outcome.UNSETTLED])
    problems = [f"{a.verb} {a.target}: {'; '.join(r.detail)}" for a, r in (*failed, *unknown)]
    problems += [f"{u.verb} {u.target} is not covered: {u.reason}" for u in held.uncovered]
    why = f"containment of {incident} is PARTIAL: " + "; ".join(problems)
    if problems and why not in state.persons_called:
        engine.ledger.append(incident, PersonCalled(why=why), ACTOR)
    return ContainSummary(
        contained=tuple(a for a, r in changed if r.proved),
        unproved=tuple(a for a, r in changed if not r.proved),
        besides=tuple(a for a, r in ended[Outcome.DONE] if not (a.reached and r.stands)),
        waiting=tuple(a for a in held.actions if a.id not in yes and a.id not in tried),
        awaiting=tuple((a, r) for a, r in ended[Outcome.WAITING] if a.id in yes),
        failed=failed,
        unknown=unknown,
        left=tuple(a for a in held.actions if a.id in yes and a.id not in by_id),
        uncovered=held.uncovered,
    )
