"""Contain: the plan, then each step's targets at the same time, steps in order; a failed target holds up no other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prefect import get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Failed

from flows import artifacts, parameters
from flows.forms import keep_asking
from flows.process import engine
from flows.stage import completed, settle, stage, unit
from patchgap.model.finding import IncidentId
from patchgap.model.plan import ActionId, Outcome, Plan, PlannedAction
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
    return completed(said) if receipt.outcome is Outcome.DONE else Failed(message=f"{what}: {said}")


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
    return _summed_up(_finish(incident), broken)


def go_on(incident: str) -> list[str]:
    """Tries again what waited when it was last tried; the last words of what failed now."""
    steps = stages.to_go_on(engine(), IncidentId(incident))
    broken = _carried_out(incident, lambda: steps) if steps else []
    if steps:
        _finish(incident)
    return broken


def _carried_out(incident: str, due: Callable[[], tuple[tuple[PlannedAction, ...], ...]]) -> list[str]:
    broken: list[str] = []
    with engine().acting(IncidentId(incident)):  # another engine at the same incident waits for the whole of it
        for step in due():
            broken += settle([_act.submit(incident, a.id, describe(a)) for a in step])
    return broken


def describe(action: PlannedAction) -> str:
    """`isolate_workloads training/Deployment/trainer-v2`: the verb and its target without the cluster."""
    target = action.target
    return f"{action.verb} {'/'.join(p for p in (target.namespace, target.kind, target.name) if p)}"


def _summed_up(summary: ContainSummary, broken: list[str]) -> State[Any]:
    """`broken` are the last words of tasks that did not complete; some may have left no receipt."""
    if not summary.failed and broken:
        return Failed(
            message=f"PARTIAL: {summary.done} targets contained, {len(broken)} broke off: {'; '.join(broken)}"
        )
    if not summary.failed:
        waits = f"; {len(summary.waiting)} targets wait for an approval" if summary.waiting else ""
        waits += "".join(f"; {describe(a)} waits: {', '.join(r.detail)}" for a, r in summary.awaiting)
        left = f"; {len(summary.uncovered)} targets not covered" if summary.uncovered else ""
        return completed(f"{summary.done} targets contained{waits}{left}")
    failed = "; ".join(f"{describe(a)}: {', '.join(r.detail)}" for a, r in summary.failed)
    return Failed(message=f"PARTIAL: {summary.done} targets contained, {len(summary.failed)} failed: {failed}")
