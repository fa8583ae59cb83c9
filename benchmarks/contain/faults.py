"""Faults survived / injected: each kind of fault at each request of a containment and of its release.

429, 500, a request that is never answered, a connection reset after the write was done, an answer that drips, an answer
that breaks off in the middle: of the cluster where an action is Kubernetes' own, and of every other server that the engine
asks (AWS' on moto's, GitHub, people's sink, a team's rotator, the record of later runs). Survived means: the run that met
it ends in time, with an error of patchgap's own if with one, and after the next one the world is as after a run that met
none: no effect twice, none lost, nothing open. Judged by the world's own records. Exits 1 where one was not survived.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import kill_places
from fault_front import Front
from kill_trial import Trial, Whole, named, settled, world_of
from kill_world import PLATFORMS, Seen, Warm, World
from kills import actions, warmed

from integrations.rehearsal.faults import BY_NAME, Fault
from patchgap import registry
from patchgap.ports import Action

OURS = "patchgap"  # in the User-Agent of the engine's requests; a team's rotator makes others


@dataclass(frozen=True)
class Side:
    """Something whose answers can be spoilt: `plan(fault, nth, times)`, `left` to be spoilt yet, `asked` so far."""

    name: str
    plan: Callable[[Fault, int, int], object]
    left: Callable[[], int]
    asked: Callable[[], int]
    heal: Callable[[], None]


def sides(world: World, front: Front) -> Iterator[Side]:
    """The cluster itself where the action is one of Kubernetes', and what stands behind the front."""
    if world.platform == "kubernetes":
        held = world.cluster
        yield Side(
            "cluster",
            lambda fault, nth, times: held.fail(fault, agent=OURS, skip=nth, times=times),
            lambda: held.faults_left,
            lambda: sum(OURS in r.agent for r in held.requests),
            held.heal,
        )
    yield Side(
        "others",
        lambda fault, nth, times: front.faults.plan(fault, skip=nth, times=times),
        lambda: front.faults.left,
        lambda: len(front.asked),
        front.heal,
    )


def of_action(
    warm: Warm, folder: Path, action: Action, given: argparse.Namespace
) -> Iterator[tuple[str, Trial | None]]:
    """Every kind at every request that the action and its release make; None for one that is left out: each kind is tried
    at each so manyth request, no two kinds that follow each other at the same. Raises RuntimeError where a run that meets
    none fails."""
    known = named(action)
    with Front() as front, world_of(warm, folder / f"{action.verb}-{action.platform}", action, front.at) as world:
        whole = Whole.of(world)
        for side in (side for side in sides(world, front) if side.name in given.sides):
            for what, wanted in (("contain", whole.contained), ("dismiss", whole.dismissed)):
                for number in range(_requests(world, side, what)):
                    for turn, kind in enumerate(given.kinds):
                        where = f"{kind} x {given.times} at request {number} to {side.name} of {what} of {known}"
                        fault = BY_NAME[kind], number, given.times
                        left_out = (number + turn) % given.each
                        yield kind, None if left_out else _faulted(world, side, wanted, what, fault, where)


def _requests(world: World, side: Side, what: str) -> int:
    """How many requests that part makes of that side. Raises RuntimeError where it fails, since none would be tried then."""
    world.reset()
    if what == "dismiss":
        world.do("contain")
    before = side.asked()
    ended = world.do(what)
    if ended["left"] is None or ended["left"].get("said"):
        raise RuntimeError(f"{what} fails the second time: {ended['said'] or ended['left']['said']}")
    return side.asked() - before


def _faulted(world: World, side: Side, wanted: Seen, what: str, fault: tuple[Fault, int, int], where: str) -> Trial:
    world.reset()
    if what == "dismiss":
        world.do("contain")
    side.plan(*fault)
    met = world.do(what)
    struck = side.left() < fault[2]
    side.heal()
    if met["stuck"] or met["signal"]:
        return Trial(where, struck, ("the run that met it never ended",))
    surprise = [f"the run that met it broke: {met['said']}"] if met["unforeseen"] else []
    return Trial(where, struck, (*surprise, *settled(world, wanted, what)))


def main() -> int:
    """Prints each fault that was not survived, and the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--verbs", nargs="*", default=[], help="these alone; all without it")
    parser.add_argument("--platforms", nargs="*", default=PLATFORMS, help="these alone; all without it")
    parser.add_argument("--kinds", nargs="*", default=list(BY_NAME), choices=list(BY_NAME), help="these alone")
    parser.add_argument(
        "--sides", nargs="*", default=("cluster", "others"), help="whose answers are spoilt; all without it"
    )
    parser.add_argument(
        "--deadline", type=float, default=3, help="seconds of a request; more on a machine that is busy"
    )
    parser.add_argument("--each", type=int, default=1, help="at each so manyth request (default: each)")
    parser.add_argument("--times", type=int, default=1, help="requests in a row that are spoilt (default: 1)")
    given = parser.parse_args()
    known = registry.load()
    kill_places.deadline_seconds = given.deadline  # a fault that hangs is waited for
    chosen = [a for a in actions(known) if a.platform in given.platforms and (not given.verbs or a.verb in given.verbs)]
    injected, survived, untried, points = Counter[str](), Counter[str](), list[str](), 0
    with tempfile.TemporaryDirectory() as temporary, Warm() as warm:
        warmed(warm, Path(temporary), known, "kubernetes", *({"aws"} & {a.platform for a in chosen}))
        for action in chosen:
            try:
                for kind, trial in of_action(warm, Path(temporary), action, given):
                    points += 1
                    if trial is None:
                        continue
                    injected[kind] += trial.struck
                    survived[kind] += trial.struck and not trial.problems
                    for problem in trial.problems:
                        print(f"NOT SURVIVED  {trial.what}: {problem}", flush=True)
            except RuntimeError as error:
                untried.append(named(action))
                print(f"NOT TRIED     {untried[-1]}: {error}", flush=True)
            so_far = f"{survived.total()} / {injected.total()} survived by its end, of {points} that there are"
            print(f"{named(action)}: {so_far}", file=sys.stderr, flush=True)
    print(", ".join(f"{kind} {survived[kind]} / {injected[kind]}" for kind in given.kinds))
    print(f"faults survived / injected: {survived.total()} / {injected.total()} (of {points} that there are)")
    return 0 if survived == injected and not untried else 1


if __name__ == "__main__":
    sys.exit(main())
