"""Kill points survived / tried: SIGKILL to a real run, the next run goes on, and the world's own records are the judge.

Every action of the registry is killed before the intent, after it, after each write of the effect, after the effect,
after the receipt and after each write of its inverse; then the shipped playbook's first tier is killed at random moments, up to three times in a row,
half of them from outside by the clock. Survived means: no request changed anything twice, none is missing, every object
stands as after a run that nobody cut off, nothing is open in the ledger, a further run writes nothing, and the
dismissal takes everything back. Exits 1 where one was not survived.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from kill_trial import POINTS_OF, Trial, Whole, kills_of, named, tried, world_of
from kill_world import PARAMETERS, PLATFORMS, Json, Warm, World

from patchgap import registry
from patchgap.playbook import loader
from patchgap.ports import Action
from patchgap.registry import Registry

MOST_IN_A_ROW = 3


def actions(known: Registry) -> list[Action]:
    """Every action that this world has a platform for, by name."""
    return [a for _, by in sorted(known.actions.items()) for p, a in sorted(by.items()) if p in PLATFORMS]


def elsewhere(known: Registry) -> list[str]:
    """The actions that are not tried, since nothing here plays their platform."""
    return [f"{v} on {p}" for v, by in sorted(known.actions.items()) for p in sorted(by) if p not in PLATFORMS]


def by_points(warm: Warm, folder: Path, action: Action) -> Iterator[Trial]:
    """An action at each of its points; one whose world or whole run fails is not survived, and hides no other."""
    known = named(action)
    try:
        with world_of(warm, folder / f"{action.verb}-{action.platform}", action) as world:
            whole = Whole.of(world)
            points = kills_of(whole)
            if len(points) != POINTS_OF.get(known):
                said = f"it has {len(points)} points here, and kill_trial.POINTS_OF says {POINTS_OF.get(known, 'none')}"
                yield Trial(known, 0, (said,))
            for kill in points:
                where = f"{kill['at']}{' ' + str(kill['nth']) if 'nth' in kill else ''}"
                trial = tried(world, whole, f"{known}: {where}", [kill])
                yield trial if trial.struck else replace(trial, problems=("the point was never reached",))
    except RuntimeError as error:
        yield Trial(f"{known}: uncut", 0, (str(error),))


def at_random(warm: Warm, folder: Path, known: Registry, count: int, seed: int) -> Iterator[Trial]:
    """The shipped playbook's first tier, killed at moments that nobody chose."""
    if not count:
        return
    rng = random.Random(seed)
    steps, inverses = _shipped(known)
    with World(warm, folder / "random", steps, inverses) as world:
        whole = Whole.of(world)
        for number in range(count):
            kills = [_anywhere(rng, whole) for _ in range(rng.randint(1, MOST_IN_A_ROW))]
            yield tried(world, whole, f"random {number} of seed {seed}: {kills}", kills, thrice=number % 10 == 0)


def _shipped(known: Registry) -> tuple[tuple[Json, ...], tuple[str, ...]]:
    playbook = loader.load(loader.shipped() / "compromised-dependency.yaml", known)
    verbs = [step.verb for step in playbook.tiers[0].contain]
    steps = tuple({verb: PARAMETERS.get(verb, {})} for verb in verbs)
    undone = {a.inverse for verb in verbs for a in known.actions[verb].values()}
    return steps, tuple(step.verb for step in playbook.recover if step.verb in undone)


def _anywhere(rng: random.Random, whole: Whole) -> Json:
    tick = rng.randint(1, whole.contain_ticks + whole.dismiss_ticks)
    where = {"in": "contain"} if tick <= whole.contain_ticks else {"in": "dismiss"}
    if rng.choice((True, False)):  # by the clock: a tick takes about four milliseconds
        return {**where, "after_ms": rng.uniform(0, 4 * whole.contain_ticks)}
    return {**where, "tick": tick if tick <= whole.contain_ticks else tick - whole.contain_ticks}


def warmed(warm: Warm, folder: Path, known: Registry, *platforms: str) -> None:
    """Lets the warm process carry a verb out itself on each kind of control plane, so that what it forks finds everything
    imported."""
    for platform in platforms:
        action = known.actions["scale_to_zero"][platform]
        with world_of(warm, folder / f"warm-{platform}", action) as world:
            world.do("contain", fork=False)
            world.do("dismiss", fork=False)


def main() -> int:
    """Prints each trial that was not survived, and the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--random", type=int, default=200, help="random kills (default: 200)")
    parser.add_argument("--seed", type=int, default=1, help="of the random ones")
    parser.add_argument("--verbs", nargs="*", default=[], help="these alone; all without it")
    parser.add_argument("--platforms", nargs="*", default=PLATFORMS, help="these alone; all without it")
    given = parser.parse_args()
    known = registry.load()
    chosen = [a for a in actions(known) if a.platform in given.platforms and (not given.verbs or a.verb in given.verbs)]
    survived = points = met = 0
    with tempfile.TemporaryDirectory() as temporary, Warm() as warm:
        folder = Path(temporary)
        warmed(warm, folder, known, "kubernetes", *({"aws"} & {a.platform for a in chosen}))
        for name, trials in (
            *((named(a), by_points(warm, folder, a)) for a in chosen),
            ("random", at_random(warm, folder, known, given.random, given.seed)),
        ):
            for trial in trials:
                if points and not points % 20:
                    print(f"{name}: {survived} / {points} survived so far", file=sys.stderr, flush=True)
                points, met = points + 1, met + trial.struck
                survived += not trial.problems
                for problem in trial.problems:
                    print(f"NOT SURVIVED  {trial.what}: {problem}", flush=True)
            print(f"{name}: {survived} / {points} survived by its end", file=sys.stderr, flush=True)
    for name in elsewhere(known):
        print(f"not tried     {name}: nothing here plays its platform")
    print(f"kill points survived / tried: {survived} / {points} ({len(chosen)} actions; {met} kills met a live run)")
    return 0 if survived == points else 1


if __name__ == "__main__":
    sys.exit(main())
