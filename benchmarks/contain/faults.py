"""Faults survived / injected: each kind of fault at each request of a containment and of its release.

429, 500, a request that is never answered, a connection reset after the write was done, an answer that drips, an answer
that breaks off in the middle. Survived means: the run that met it ends in time and says what it could not do, and after
the next one the world is as after a run that met none: no effect twice, none lost, nothing open. Judged by the cluster's
own records. Exits 1 where one was not survived.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import kill_places
from kill_trial import Trial, Whole, settled, world_of
from kill_world import Seen, Warm, World
from kills import actions, warmed

from integrations.rehearsal.faults import BY_NAME
from patchgap import registry
from patchgap.ports import Action


def of_action(warm: Warm, folder: Path, action: Action, each: int) -> Iterator[tuple[str, Trial]]:
    """Every kind at every request that the action and its release make (or at each so manyth)."""
    with world_of(warm, folder / f"{action.verb}-{action.platform}", action) as world:
        whole = Whole.of(world)
        for what, wanted in (("contain", whole.contained), ("dismiss", whole.dismissed)):
            for number in range(0, _requests(world, what), each):
                for name in BY_NAME:
                    yield name, _faulted(world, wanted, what, name, number, action.verb)


def _requests(world: World, what: str) -> int:
    """How many requests that part makes of the cluster."""
    world.reset()
    if what == "dismiss":
        world.do("contain")
    before = len(world.cluster.requests)
    world.do(what)
    return len(world.cluster.requests) - before


def _faulted(world: World, wanted: Seen, what: str, name: str, number: int, verb: str) -> Trial:
    world.reset()
    if what == "dismiss":
        world.do("contain")
    world.cluster.fail(BY_NAME[name], skip=number)
    met = world.do(what)
    struck = world.cluster.faults_left == 0
    world.cluster.heal()
    where = f"{name} at request {number} of {verb}'s {what}"
    if met["stuck"] or met["signal"]:
        return Trial(where, struck, ("the run that met it never ended",))
    return Trial(where, struck, tuple(settled(world, wanted, what)))


def main() -> int:
    """Prints each fault that was not survived, and the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--verbs", nargs="*", default=[], help="these alone; all without it")
    parser.add_argument("--each", type=int, default=1, help="at each so manyth request (default: each)")
    given = parser.parse_args()
    known = registry.load()
    kill_places.deadline_seconds = 3.0  # a fault that hangs is waited for
    chosen = [a for a in actions(known) if a.platform == "kubernetes" and (not given.verbs or a.verb in given.verbs)]
    injected, survived = Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory() as temporary, Warm() as warm:
        warmed(warm, Path(temporary), known, "kubernetes")
        for action in chosen:
            for name, trial in of_action(warm, Path(temporary), action, given.each):
                injected[name] += trial.struck
                survived[name] += trial.struck and not trial.problems
                for problem in trial.problems:
                    print(f"NOT SURVIVED  {trial.what}: {problem}")
            print(f"{action.verb}: {survived.total()} / {injected.total()} so far", file=sys.stderr)
    print(", ".join(f"{name} {survived[name]} / {injected[name]}" for name in BY_NAME))
    print(f"faults survived / injected: {survived.total()} / {injected.total()}")
    return 0 if survived == injected else 1


if __name__ == "__main__":
    sys.exit(main())
