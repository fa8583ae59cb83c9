"""Verify: every check against the live control planes at the same time, then the gate."""

from __future__ import annotations

from typing import Any

from prefect import get_run_logger
from prefect.client.schemas.objects import State

from flows import artifacts, parameters
from flows.process import engine
from flows.stage import completed, settle, stage, unit
from patchgap.incident.gate import GateVerdict
from patchgap.model.evidence import Evidence
from patchgap.model.finding import IncidentId
from patchgap.stages import verify as stages


@unit("check {verb} on {platform}")
def _check(incident: str, verb: str, platform: str) -> tuple[Evidence, ...]:
    seen = stages.observe(engine(), IncidentId(incident), verb, platform)
    for piece in seen:
        get_run_logger().info("%s %s (%s): %s", piece.verdict, verb, piece.source, "; ".join(piece.reasons))
    return seen


@unit("judge the evidence of {incident}")
def _judge(incident: str) -> GateVerdict:
    return stages.judge(engine(), IncidentId(incident))


@stage("verify", "verify {incident}")
def verify(incident: parameters.Incident) -> State[Any]:
    """One round of every required check, read live, and the gate's verdict over it.

    Unknown keeps the incident open. The scheduled verify-open-incidents repeats this until the gate passes."""
    required = stages.checks(engine(), IncidentId(incident))
    futures = [_check.submit(incident, verb, platform) for verb, platform in required]
    for problem in settle(futures):
        get_run_logger().error("%s", problem)
    seen = [piece for f in futures if f.state.is_completed() for piece in f.result()]
    artifacts.evidence(incident, seen)
    verdict = _judge(incident)
    artifacts.gate(incident, verdict)
    if verdict.passed:
        return completed(f"the gate passes: {', '.join(verdict.by_check)}")
    return completed(f"open: awaiting {len(verdict.reasons)} proofs: {'; '.join(verdict.reasons)}")
