"""Scope: the inventory read again, then every affected workload with its tier."""

from __future__ import annotations

from typing import Any

from prefect import get_run_logger
from prefect.client.schemas.objects import State

from flows import artifacts, parameters
from flows.process import engine
from flows.refresh_inventory import refresh_all
from flows.stage import completed, stage, unit
from patchgap.model.finding import IncidentId
from patchgap.stages import scope as stages
from patchgap.stages.scope import Scoped
from patchgap.stages.situation import open_state_of


@unit("name what {incident} exposes")
def _ask(incident: str) -> Scoped:
    return stages.scope(engine(), IncidentId(incident))


@stage("scope", "scope {incident}")
def scope(incident: parameters.Incident) -> State[Any]:
    """Reads every cluster again and names each affected workload, its dependency chain and its tier.

    A cluster that does not answer is named as unknown, never as clean."""
    open_state_of(engine(), IncidentId(incident))
    unread = refresh_all()
    scoped = _ask(incident)
    artifacts.exposures(incident, scoped)
    for problem in unread:
        get_run_logger().warning("%s", problem)
    workloads = len({e.workload.ref for e in scoped.exposures})
    unknown = f"; {len(scoped.unknown)} unknown" if scoped.unknown else ""
    return completed(f"{workloads} workloads exposed, scoped in {scoped.seconds:.1f} s{unknown}")
