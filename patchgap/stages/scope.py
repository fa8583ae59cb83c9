"""Scope: the graph refreshed from the live control planes, every affected workload named, each with its tier."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from patchgap.errors import ConflictError, NotFoundError, PatchgapError
from patchgap.graph.snapshots import Changes, Mark
from patchgap.incident import events
from patchgap.model.exposure import Exposure
from patchgap.model.finding import IncidentId
from patchgap.model.unknown import Unknown
from patchgap.model.workload import ClusterInventory
from patchgap.playbook.tiers import TierChoice, assign
from patchgap.ports import InventorySource
from patchgap.stages.engine import Engine
from patchgap.stages.finding import exposures, finding_of
from patchgap.stages.situation import playbook_of, state_of

ACTOR = "patchgap scope"
_ATTEMPTS = 5  # to record what the graph says now


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What one cluster answered: how many workloads, what it would not tell, and what was not as the graph had it."""

    cluster: str
    workloads: int
    unknown: tuple[Unknown, ...]
    changes: Changes


@dataclass(frozen=True, slots=True)
class Reading:
    """What one cluster held after `begun`, or why it could not be read; `mark` is how the graph had it then."""

    cluster: str
    platform: str
    begun: datetime
    mark: Mark
    found: ClusterInventory | str


@dataclass(frozen=True, slots=True)
class Scoped:
    """The incident's scope. `tiers` is keyed by `str(WorkloadRef)`; `seconds` run from the incident's opening."""

    exposures: tuple[Exposure, ...]
    tiers: dict[str, TierChoice]
    unknown: tuple[Unknown, ...]
    seconds: float


def clusters(engine: Engine) -> tuple[str, ...]:
    """Every configured cluster, by name, in the order of the settings."""
    return tuple(name for names in clusters_by_platform(engine).values() for name in names)


def clusters_by_platform(engine: Engine) -> dict[str, tuple[str, ...]]:
    """Every configured cluster, by the platform that it is read as."""
    return {s.platform: tuple(s.clusters(engine.connections)) for s in engine.registry.inventories}


def fleets(engine: Engine) -> tuple[str, ...]:
    """What deployment events alone tell of: clusters of platforms that nothing here reads."""
    read_here = clusters_by_platform(engine).keys()
    told = engine.graph.asked(lambda run: run("SELECT cluster, platform FROM graph_cluster ORDER BY cluster"))
    return tuple(cluster for cluster, platform in told if platform not in read_here)


def read(engine: Engine, cluster: str) -> Reading:
    """Reads one cluster whole; records nothing. Raises NotFoundError for a cluster that is not configured."""
    source, begun, mark = _source(engine, cluster), engine.clock(), engine.graph.mark(cluster)
    try:
        found: ClusterInventory | str = source.read(cluster, engine.connections)
    except PatchgapError as error:
        found = error.problem
    return Reading(cluster, source.platform, begun, mark, found)


def record(engine: Engine, reading: Reading) -> Refreshed:
    """Records a reading; what a watch wrote since it began is newer, and stays. A cluster that did not answer is recorded
    as unknown, never as clean; its last snapshot stays, marked; so is one whose kubeconfig is no good, and one whose name
    is a fleet's."""
    cluster, found = reading.cluster, reading.found
    if isinstance(found, str):
        engine.graph.record_unreachable(cluster, reading.platform, found, engine.clock())
        return Refreshed(cluster, 0, (Unknown(f"cluster {cluster}", found),), Changes())
    try:
        changes = engine.graph.reconcile(found, reading.mark, engine.clock())
    except ConflictError as error:
        return record(engine, replace(reading, found=error.problem))
    return Refreshed(cluster, len(found.workloads), found.unknown, changes)


def refresh(engine: Engine, cluster: str) -> Refreshed:
    """Reads one cluster whole and records it. Raises NotFoundError for a cluster that is not configured."""
    return record(engine, read(engine, cluster))


def is_watched(engine: Engine, cluster: str, begun: datetime) -> bool:
    """Whether a watch has been telling of the cluster, without a gap, since before a reading had `begun`."""
    since = engine.graph.watches.live(engine.clock()).get(cluster)
    return since is not None and since < begun


def scope(engine: Engine, incident: IncidentId) -> Scoped:
    """Asks the refreshed graph again and gives each affected workload its tier; recorded in the ledger.

    Raises ConflictError where others write to the ledger for as long as it is tried: what the graph said before is no scope.
    """
    for _ in range(_ATTEMPTS):
        state = state_of(engine, incident)
        answer = exposures(engine, state.finding.signal)
        finding = finding_of(state.finding.signal, answer)
        chosen = {str(ref): choice for ref, choice in assign(playbook_of(engine, state), finding).items()}
        seconds = (engine.clock() - state.times.opened).total_seconds()
        body = events.Scoped(
            finding=finding,
            tiers={
                n: events.TierGiven(tier=c.tier, because=(c.because,)) for n, c in chosen.items() if c.tier is not None
            },
            unknown=answer.unknown,
            seconds=seconds,
            clusters=clusters_by_platform(engine),
            identities=engine.graph.identities(),
        )
        if engine.ledger.append_if(incident, state.head, body, ACTOR) is not None:
            return Scoped(answer.exposures, chosen, answer.unknown, seconds)
    raise ConflictError(f"the ledger of {incident} is too busy", "Scope again.")


def _source(engine: Engine, cluster: str) -> InventorySource:
    for source in engine.registry.inventories:
        if cluster in source.clusters(engine.connections):
            return source
    known = ", ".join(clusters(engine)) or "none"
    raise NotFoundError(
        f"no cluster {cluster} is configured",
        f"Configured are: {known}; see [[kubernetes.clusters]] and [[aws.accounts]].",
    )
