"""One trial: the engine is killed once or more, run again, and held to what a run that nobody cut off leaves behind."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from kill_world import Json, Seen, Warm, World, inverses_of, steps_of

from patchgap.ports import Action

POINTS = ("before_intent", "after_intent", "after_effect", "after_receipt")
IN_EFFECT, IN_INVERSE = "in_effect", "in_inverse"  # after the nth request of either that is no read

POINTS_OF = {  # how many each action has in this world, so that none goes missing unseen
    "block_artifacts on aws": 8,
    "block_artifacts on kubernetes": 10,
    "capture_forensics on aws": 4,
    "capture_forensics on kubernetes": 4,
    "cordon_nodes on kubernetes": 8,
    "evict_workloads on kubernetes": 6,
    "freeze_deployments on aws": 6,
    "freeze_deployments on github": 10,
    "freeze_deployments on kubernetes": 10,
    "isolate_workloads on aws": 11,
    "isolate_workloads on kubernetes": 6,
    "notify on tickets": 5,
    "open_incident on tickets": 5,
    "open_ticket on tickets": 5,
    "promote_canary on kubernetes": 7,
    "queue_for_patch_window on patching": 6,
    "revoke_sessions on aws": 6,
    "rotate_credentials on aws": 11,
    "rotate_credentials on kubernetes": 12,
    "scale_to_zero on aws": 8,
    "scale_to_zero on kubernetes": 6,
    "start_patched_canary on kubernetes": 6,
}


@dataclass(frozen=True)
class Whole:
    """A run that nobody cut off: what the world held after containment and after the dismissal, and how many moments
    each of them had at which it could have been killed."""

    contained: Seen
    dismissed: Seen
    contain_ticks: int
    dismiss_ticks: int
    writes: int  # of the platform that is aimed at: requests after which it can be killed
    inverse_writes: int

    @classmethod
    def of(cls, world: World) -> Self:
        """Run once. Raises RuntimeError where even that does not work."""
        world.reset()
        contain = world.do("contain")
        if contain["left"] is None or contain["left"]["said"]:
            raise RuntimeError(f"a run that nobody cuts off fails: {contain['said'] or contain['left']['said']}")
        contained = world.seen()
        dismiss = world.do("dismiss")
        if dismiss["left"] is None:
            raise RuntimeError(f"a dismissal that nobody cuts off fails: {dismiss['said']}")
        one, other = contain["left"], dismiss["left"]
        met = one["met"].get(IN_EFFECT, 0), other["met"].get(IN_INVERSE, 0)
        return cls(contained, world.seen(), one["ticks"], other["ticks"], *met)


@dataclass(frozen=True)
class Trial:
    """What became of one: `problems` is empty where it was survived; `struck` counts the kills that met a live run."""

    what: str
    struck: int
    problems: tuple[str, ...]


def named(action: Action) -> str:
    """The action as POINTS_OF and the figures name it."""
    return f"{action.verb} on {action.platform}"


def world_of(warm: Warm, home: Path, action: Action, at: Callable[[str], str] = str) -> World:
    """An incident whose playbook has that verb alone (and what it needs before it); `at` is where the engine finds an
    address."""
    return World(warm, home, steps_of(action), inverses_of(action), action.platform, at)


def kills_of(whole: Whole) -> list[Json]:
    """The four points around the entries, and one after each write of the effect and of the inverse."""
    named: list[Json] = [{"at": point} for point in POINTS]
    named += [{"at": IN_EFFECT, "nth": n + 1} for n in range(whole.writes)]
    return named + [{"at": IN_INVERSE, "nth": n + 1} for n in range(whole.inverse_writes)]


def tried(world: World, whole: Whole, what: str, kills: Sequence[Json], *, thrice: bool = True) -> Trial:
    """Kills the run, each time the next one too, then lets one end; a dismissal follows. `thrice` runs the containment
    once more, which must write nothing. A kill with `in` "dismiss" waits for that."""
    world.reset()
    struck, problems = 0, []
    for kill in (k for k in kills if not _in_dismissal(k)):
        struck += world.do("contain", kill)["signal"] == signal.SIGKILL
    problems += settled(world, whole.contained, "contain")
    if thrice and not problems:
        before = world.do("contain")["left"]["head"]
        if world.do("contain")["left"]["head"] != before or world.seen().effects != whole.contained.effects:
            problems.append("a run after the last still writes")
    for kill in (k for k in kills if _in_dismissal(k)):
        struck += world.do("dismiss", kill)["signal"] == signal.SIGKILL
    if not problems:
        problems += settled(world, whole.dismissed, "dismiss")
    return Trial(what, struck, tuple(problems))


def _in_dismissal(kill: Json) -> bool:
    return kill.get("at") == IN_INVERSE or kill.get("in") == "dismiss"


def settled(world: World, wanted: Seen, what: str) -> list[str]:
    """How the world differs once a run was let to its end; that it did not come to one is a problem too."""
    ended = world.do(what)
    if ended["signal"] or ended["stuck"]:
        return [f"{what} is stuck"]
    left = ended["left"]
    if left is None:
        return [f"{what} fails when it is run again: {ended['said']}"]
    stands = [f"still open: {one}" for one in left["open"]]
    return [*left.get("said", ()), *stands, *world.seen().differs(wanted)]
