"""Writes that must not be: mutating calls during `--plan`, for every scenario and shipped playbook, and writes made by a
run that a limit refuses, for every limit. Counted in the rehearsal servers' own records. Exits 1 where one was made.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kill_world import PARAMETERS, playbook

from flows.drill import scenario as scenarios
from flows.drill.scenario import Scenario
from flows.drill.stage import leave_this_machines_own, sboms_of, settings_for
from flows.drill.world import PATCHGAP, World
from integrations.rehearsal import fleet
from patchgap.errors import RefusedError
from patchgap.graph.sbom.read import read_sbom
from patchgap.model.finding import IncidentId
from patchgap.settings import Ceilings
from patchgap.stages import contain, detect, scope
from patchgap.stages.engine import Engine
from patchgap.stages.situation import state_of

_REVIEWS = ("reviews",)  # questions that are asked by POST
VERBS = ("capture_forensics", "freeze_deployments", "isolate_workloads", "block_artifacts", "rotate_credentials")
LIMITS: Mapping[str, str] = {  # of a tier, each too small for three workloads in two namespaces and environments
    "workloads": "{workloads: 2}",
    "share": "{share: 1%}",
    "namespaces": "{namespaces: 1}",
    "environments": "{environments: 1}",
    "per_action": "{per_action: {rotate_credentials: 1}}",
    "per_incident": "{per_incident: 2}",
}
CEILINGS: Mapping[str, Ceilings] = {
    "settings per_action": Ceilings(per_action={"rotate_credentials": 1}),
    "settings per_incident": Ceilings(per_incident=2),
    "settings per_hour": Ceilings(per_hour=2),
}
ANOMALY = {  # the shipped playbook that no scenario plays
    "kind": "runtime",
    "runtime": {
        "cluster": fleet.CLUSTER,
        "namespace": "training",
        "kind": "Deployment",
        "name": "trainer-v2",
        "observed": "egress to an address that it never spoke to",
    },
}


def now() -> datetime:
    """The clock."""
    return datetime.now(UTC)


@contextmanager
def opened(
    scenario: Scenario, folder: Path, limits: Ceilings | None = None
) -> Iterator[tuple[World, Engine, IncidentId]]:
    """A scenario's incident, scoped, on a world of its own."""
    folder.mkdir(parents=True)
    leave_this_machines_own(folder)
    with World(folder, scenario, small=True) as world:
        for deed in (d for d in scenario.deeds if d.after == "before_signal"):
            world.do(deed.model_copy(update={"inject": ()}))  # how the server fails is another benchmark's
        settings = settings_for(scenario, folder, world)
        engine = Engine.open(settings.model_copy(update={"limits": limits} if limits else {}), now)
        for path in (*fleet.sboms(), *sboms_of(scenario, folder)):
            engine.graph.add_sbom(read_sbom(path, None), now())
        scope.refresh(engine, fleet.CLUSTER)
        found = detect.detect(engine, detect.receive(engine, scenario.envelope(), "benchmark"))
        if found.incident is None:
            raise RuntimeError(found.reason)
        scope.scope(engine, found.incident)
        yield world, engine, found.incident


def written(world: World, since: int) -> list[str]:
    """What patchgap asked of the servers since then that may have changed something."""
    calls = [r for r in world.cluster.requests[since:] if r.user == PATCHGAP and r.mutates]
    told = [f"{r.method} {r.path}" for r in calls if not r.path.rstrip("/").endswith(_REVIEWS)]
    return told + [f"ticket {t['key']}" for t in world.tickets.tickets]


def planned(scenario: Scenario, folder: Path) -> tuple[str, int, list[str]]:
    """The playbook, the targets of its dry run, and what that wrote."""
    with opened(scenario, folder) as (world, engine, incident):
        since, head = len(world.cluster.requests), state_of(engine, incident).head
        made = contain.plan(engine, incident, record=False)
        wrote = written(world, since)
        state = state_of(engine, incident)
        return state.playbook, len(made.actions), wrote + ([] if state.head == head else ["an entry in the ledger"])


def refused(text: str, ceilings: Ceilings | None, folder: Path) -> tuple[str, list[str]]:
    """Why a containment under that limit was refused ("" where it was not), and what it wrote."""
    scenario = scenarios.load("compromised-dependency").model_copy(update={"playbook": text})
    with opened(scenario, folder, ceilings) as (world, engine, incident):
        since, why = len(world.cluster.requests), ""
        try:
            contain.plan(engine, incident)
            for action in (a for step in contain.admitted(engine, incident) for a in step):
                contain.carry_out(engine, incident, action.id)
        except RefusedError as error:
            why = error.problem
        return why, written(world, since)


def limited(limit: str) -> str:
    """A playbook of one tier whose limit is that."""
    steps = tuple({verb: PARAMETERS.get(verb, {})} for verb in VERBS)
    return playbook(steps, ()).replace("verify:\n", f"    limits: {limit}\nverify:\n" if limit else "verify:\n", 1)


def main() -> int:
    """Prints a line each, and the two sums."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], help="these scenarios and limits; all without it")
    only = parser.parse_args().only
    calls, writes, through = 0, 0, 0
    played: dict[str, Any] = {name: scenarios.load(name) for name in scenarios.names()}
    runtime = played["compromised-dependency"].model_copy(update={"advisory": "", "signal": ANOMALY})
    with tempfile.TemporaryDirectory() as temporary:
        for name, scenario in {**played, "an anomaly": runtime}.items():
            if not only or name in only:
                book, targets, wrote = planned(scenario, Path(temporary) / name)
                calls += len(wrote)
                print(
                    f"--plan of {name} ({book}): {targets} targets, {len(wrote)} mutating calls {json.dumps(wrote[:3])}"
                )
        texts = {name: (limited(limit), None) for name, limit in LIMITS.items()}
        for name, (text, ceilings) in {**texts, **{n: (limited(""), c) for n, c in CEILINGS.items()}}.items():
            if not only or name in only:
                why, wrote = refused(text, ceilings, Path(temporary) / name)
                writes, through = writes + len(wrote), through + (not why)
                print(f"limit {name}: {len(wrote)} writes; {why or 'NOT REFUSED'}")
    print(f"mutating calls during --plan: {calls}")
    print(f"writes made by a run refused by a limit: {writes}" + (f"; {through} not refused" if through else ""))
    return 1 if calls or writes or through else 0


if __name__ == "__main__":
    sys.exit(main())
