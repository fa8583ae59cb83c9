"""Contain: the plan, then each step's targets at the same time, steps in order; a failed target holds up no other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from prefect import get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Failed

from flows import artifacts, parameters
from flows.forms import keep_asking
from flows.process import engine
from flows.stage import completed, settle, stage, unit
from patchgap.cli.output import many
from patchgap.errors import RefusedError
from patchgap.incident.heading import beside
from patchgap.model.finding import IncidentId
from patchgap.model.plan import ActionId, Outcome, Plan, PlannedAction, Receipt
from patchgap.stages import contain as stages
from patchgap.stages.contain import ContainSummary


@unit("plan {incident}, every target named")
def _plan(incident: str, *, record: bool) -> Plan:
    return stages.plan(engine(), IncidentId(incident), record=record)


@unit("{what}")
def _act(incident: str, action: str, what: str) -> State[Any]:
    receipt = stages.carry_out(engine(), IncidentId(incident), ActionId(action))
    said = "; ".join(receipt.detail) or receipt.outcome
    get_run_logger().info("%s: %s", what, said)
    if receipt.outcome is Outcome.WAITING:
        return completed(f"waits: {said}")
    if receipt.outcome is Outcome.DONE:
        return completed(said)
    engine().stop.may_write()  # what the kill switch refused on the way is not tried again
    return Failed(message=f"{what}: {said}")


@unit("sum up the containment of {incident}")
def _finish(incident: str) -> ContainSummary:
    return stages.finish(engine(), IncidentId(incident))


@stage("contain", "contain {incident}")
def contain(incident: parameters.Incident, plan_only: parameters.PlanOnly = False) -> State[Any]:
    """Carries out the playbook's containment: every target planned and named, intent before effect, a receipt each.

    With "plan only" it is a dry run that writes nothing in any control plane or incident."""
    made = _plan(incident, record=not plan_only)
    artifacts.plan(incident, made)
    if plan_only:
        return completed(f"dry run: {len(made.actions)} targets, {len(made.refusals)} refusals; nothing was written")
    broken = _carried_out(incident, lambda: stages.admitted(engine(), IncidentId(incident)))
    keep_asking(incident)
    return _summed_up(_finish(incident), broken, engine().stop.refusal())


def go_on(incident: str) -> list[str]:
    """Tries again what waited when it was last tried; the last words of what failed now."""
    steps = stages.to_go_on(engine(), IncidentId(incident))
    broken = _carried_out(incident, lambda: steps) if steps else []
    if steps:
        _finish(incident)
    return broken


def _carried_out(incident: str, due: Callable[[], tuple[tuple[PlannedAction, ...], ...]]) -> list[str]:
    """The steps in order; none begins once the kill switch stands."""
    broken: list[str] = []
    with engine().acting(IncidentId(incident)):  # another engine at the same incident waits for the whole of it
        for step in due():
            if engine().stop.raised():
                break
            broken += settle([_act.submit(incident, a.id, describe(a)) for a in step])
    return broken


def describe(action: PlannedAction) -> str:
    """`isolate_workloads training/Deployment/trainer-v2`: the verb and its target without the cluster."""
    target = action.target
    return f"{action.verb} {'/'.join(p for p in (target.namespace, target.kind, target.name) if p)}"


def _summed_up(summary: ContainSummary, broken: list[str], stopped: RefusedError | None) -> State[Any]:
    """`broken` are the last words of tasks that did not complete; some may have left no receipt. `stopped` is the kill
    switch's refusal, where it was raised on the way: it is said once, and not for each target that it kept."""
    counts = "; ".join(counted(summary))
    if stopped is not None:
        return Failed(message=f"PARTIAL: {counts}; {stopped}")
    ended = (*summary.failed, *summary.unknown)
    if ended or broken or summary.uncovered:
        told = list(_why(ended)) or ([f"{len(broken)} broke off", *broken] if broken else [])
        told += [f"{u.verb} {u.target}: {u.reason}" for u in summary.uncovered]
        return Failed(message=f"PARTIAL: {'; '.join((counts, *told))}")
    return completed(counts)


def _why(ended: Sequence[tuple[PlannedAction, Receipt]]) -> Iterator[str]:
    """The targets of each reason, once."""
    named: dict[str, list[str]] = {}
    for action, receipt in ended:
        named.setdefault(", ".join(beside(action, d) for d in receipt.detail), []).append(describe(action))
    yield from (f"{', '.join(targets)}: {why}" for why, targets in named.items())


def counted(summary: ContainSummary) -> Iterator[str]:
    """How many targets each outcome has, a sentence an outcome; of what is done, what contains is told from what only
    reads, tells people, or was not needed, and what is proved from what is not."""
    yield f"{many(len(summary.contained), 'target')} contained"
    if summary.unproved:
        yield f"{len(summary.unproved)} done but not proved to hold: {', '.join(map(describe, summary.unproved))}"
    if summary.besides:
        verbs = Counter(a.verb for a in summary.besides)
        yield f"besides: {', '.join(f'{n} {verb}' for verb, n in verbs.items())}"
    if summary.failed:
        yield f"{len(summary.failed)} failed"
    if summary.unknown:
        yield f"{len(summary.unknown)} unknown"
    if summary.left:
        yield f"{len(summary.left)} not begun"
    if summary.waiting:
        yield f"{many(len(summary.waiting), 'target')} wait{'' if len(summary.waiting) > 1 else 's'} for an approval"
    yield from (f"{describe(a)} waits: {', '.join(beside(a, d) for d in r.detail)}" for a, r in summary.awaiting)
    if summary.uncovered:
        yield f"{many(len(summary.uncovered), 'target')} not covered"
