"""SBOMs from where they live: of each cluster's own reports, then of the registries of running images that have none.

What cannot be had is told and is no failure: an image without an SBOM is a blind spot of every answer already.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b

from patchgap.errors import BadInputError, PatchgapError
from patchgap.graph.sources import take
from patchgap.model.workload import RunState
from patchgap.ports import DocumentSource
from patchgap.stages.engine import Engine

_RAN = frozenset({RunState.ENDED, RunState.ROLLBACK})


@dataclass
class Gathered:
    """What was asked for and what came. `left` were not asked for want of time; the next refresh asks them."""

    asked: int = 0
    sboms: int = 0
    left: int = 0
    failed: list[str] = field(default_factory=list)


def gather(engine: Engine) -> Gathered:
    """Reads what is new. Takes no longer than the settings allow, and one question's time."""
    begun, gathered = engine.clock(), Gathered()
    until = begun + timedelta(seconds=engine.settings.registries.refresh_seconds)
    for inventory in engine.registry.inventories:
        reports = engine.registry.sources.get(inventory.platform)
        if reports is None:
            continue
        for cluster in inventory.clusters(engine.connections):
            _ask(engine, reports, f"{inventory.platform}://{cluster}", gathered)
    for source, address in _wanted(engine, begun):
        if engine.clock() >= until:
            gathered.left += 1
        else:
            _ask(engine, source, address, gathered)
    return gathered


def _ask(engine: Engine, source: DocumentSource, address: str, gathered: Gathered) -> None:
    gathered.asked += 1
    try:
        taken = take(engine.graph, source.fetch(address, engine.connections), engine.clock())
    except PatchgapError as error:
        gathered.failed.append(f"{address}: {error.problem}")
        return
    gathered.sboms += taken.sboms
    gathered.failed += [f"{where}: {error.problem}" for where, error in taken.failed]


def _wanted(engine: Engine, at: datetime) -> Iterator[tuple[DocumentSource, str]]:
    """The images that run, or would, and have no SBOM, where a source is set to be asked for them: in another order each
    hour, so that some that never have one keep no other from being asked for."""
    running = {
        container.digest: container.image
        for workload in engine.graph.workloads()
        for container in workload.containers
        if isinstance(container.digest, str) and container.state not in _RAN
    }
    known = engine.graph.knows(tuple(running))
    hour = at.strftime("%Y%m%d%H")
    for digest in sorted(running.keys() - known, key=lambda one: blake2b(f"{hour} {one}".encode()).digest()):
        for source in engine.registry.sources.values():
            try:
                address = source.address_of(running[digest], digest, engine.settings)
            except BadInputError:
                continue  # what runs by that name is in no registry
            if address:
                yield source, address
                break
