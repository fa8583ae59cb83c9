"""A run that is killed is finished by the next: SIGKILL to a real process, judged by the world's own records.

Here every action is killed at each point, one after the other. Each point by itself, and 200 random moments, are
benchmarks/contain/kills.py.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from patchgap import registry

CONTAIN = Path(__file__).parents[2] / "benchmarks" / "contain"
sys.path.append(str(CONTAIN))

import kill_world  # noqa: E402  (found by the path above)
import kills  # noqa: E402
from kill_trial import (  # noqa: E402
    IN_EFFECT,
    IN_INVERSE,
    POINTS,
    POINTS_OF,
    Whole,
    kills_of,
    named,
    tried,
    world_of,
)

KNOWN = registry.load()
ACTIONS = kills.actions(KNOWN)
PLATFORMS = {"kubernetes", "aws", "github", "tickets", "patching"}
NO_WAY_BACK = {"promote_canary on kubernetes"}  # undone, it leaves the patched image: its inverse writes nothing


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The process that forks those to be killed, with everything imported."""
    with kill_world.Warm() as made:
        kills.warmed(made, tmp_path_factory.mktemp("warm"), KNOWN, "kubernetes", "aws")
        yield made


@pytest.mark.parametrize("action", ACTIONS, ids=lambda a: f"{a.verb}-{a.platform}")
def test_an_action_survives_a_kill_at_each_of_its_points(warm: Any, tmp_path: Path, action: Any) -> None:
    """Killed before the intent, after it, in the middle of the effect, after it and after the receipt, one run after
    the other, then in the middle of its inverse: no effect twice, none lost, none stuck."""
    with world_of(warm, tmp_path / "home", action) as world:
        whole = Whole.of(world)
        middle = [{"at": IN_INVERSE}] if whole.inverse_writes else []
        row = [{"at": point} for point in POINTS] + middle
        if whole.writes > 1:
            row.insert(2, {"at": IN_EFFECT})
        trial = tried(world, whole, action.verb, row, thrice=False)
    assert not trial.problems
    assert len(kills_of(whole)) == POINTS_OF[named(action)], "the benchmark counts on as many"
    assert trial.struck == len(row), "each of the kills met a live run"
    has_a_way_back = bool(action.inverse) and named(action) not in NO_WAY_BACK
    assert bool(middle) is has_a_way_back, "an action with an inverse is killed in it too"


def test_a_whole_containment_survives_kills_at_any_moment(warm: Any, tmp_path: Path) -> None:
    """The shipped playbook's first tier, killed up to three times where nobody chose."""
    seed = time.time_ns()  # told where it fails
    [trial] = kills.at_random(warm, tmp_path, KNOWN, 1, seed)
    assert not trial.problems, trial.what


def test_every_platform_of_an_action_is_played() -> None:
    """An action on a platform that the kill tests have no world for would be a promise that nothing holds."""
    assert kills.elsewhere(KNOWN) == []
    assert {a.platform for a in kills.actions(KNOWN)} == PLATFORMS


def test_every_action_is_killed_by_the_benchmark() -> None:
    """A new action has no place to be killed at until kills.py was run with it and its points were counted; one that has an
    inverse is killed in it too."""
    assert {named(a) for a in kills.actions(KNOWN)} == POINTS_OF.keys()
    assert all(POINTS_OF[named(a)] >= len(POINTS) + bool(a.inverse) for a in kills.actions(KNOWN))
