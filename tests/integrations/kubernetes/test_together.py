"""Reads that targets share: nobody is given what began to be read before the asking, unless that was said to be enough."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Event

import pytest

from integrations.kubernetes.together import Together
from patchgap.errors import UnreachableError


class World:
    """What is looked at: each look tells its number, and waits for `go` where it is held."""

    def __init__(self) -> None:
        self.looks = count(1)
        self.begun, self.go = Event(), Event()

    def look(self) -> int:
        """The number of this look."""
        return next(self.looks)

    def held(self) -> int:
        """The number of this look, once it may end."""
        number = next(self.looks)
        self.begun.set()
        assert self.go.wait(10)
        return number


def ticking() -> Callable[[], float]:
    """A clock that goes on by a second each time that it is asked."""
    ticks = count(1)
    return lambda: float(next(ticks))


def test_what_was_read_before_the_asking_is_read_again() -> None:
    """One after the other, each has a look of its own; one that says how old it may be, is given the last."""
    world, together = World(), Together(ticking())
    assert [together.read("a", world.look) for _ in range(3)] == [1, 2, 3]
    assert together.read("a", world.look, oldest=60) == 3
    assert together.read("b", world.look, oldest=60) == 4


def test_within_a_round_one_look_is_enough() -> None:
    """What began before the round is not; and after it each has its own again."""
    world, together = World(), Together(ticking())
    together.read("a", world.look)
    with together.round():
        assert [together.read("a", world.look) for _ in range(3)] == [2, 2, 2]
    assert together.read("a", world.look) == 3


def test_all_who_ask_while_one_looks_share_the_next_look() -> None:
    """The one that runs began too early for them; they are given one that none of them began too early for."""
    world, asked, together = World(), count(), Together()
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(together.read, "a", world.held)
        assert world.begun.wait(10)
        ready = Event()

        def ask() -> int:
            if next(asked) == 7:
                ready.set()
            return together.read("a", world.look)

        others = [pool.submit(ask) for _ in range(8)]
        assert ready.wait(10)
        world.go.set()
        assert first.result() == 1
        seen = {one.result() for one in others}
    assert 1 not in seen
    assert len(seen) <= 2  # the last of them may have asked just after that look began


def test_one_that_may_be_old_joins_the_look_that_runs() -> None:
    """It waits for its end, and makes none of its own."""
    world, together = World(), Together()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(together.read, "a", world.held)
        assert world.begun.wait(10)
        second = pool.submit(together.read, "a", world.look, 60.0)
        world.go.set()
        assert (first.result(), second.result()) == (1, 1)


@pytest.mark.parametrize("error", [UnreachableError("it is down", "Wait."), KeyError("ours")])
def test_an_error_is_not_kept(error: Exception) -> None:
    """Who asks after it looks anew, however old the answer may be."""

    def fail() -> int:
        raise error

    together = Together()
    with pytest.raises(type(error)):
        together.read("a", fail)
    assert together.read("a", lambda: 7, oldest=60) == 7


def test_a_cluster_that_does_not_answer_one_answers_none_who_wait_for_it() -> None:
    """They share the refusal; what broke in one thread alone is no answer for another."""
    world, together = World(), Together()

    def shared(error: Exception) -> tuple[BaseException | None, object]:
        world.begun.clear()
        world.go.clear()

        def fail() -> int:
            world.held()
            raise error

        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(together.read, "a", fail)
            assert world.begun.wait(10)
            second = pool.submit(together.read, "a", lambda: 7, 60.0)
            while not second.running():
                pass
            world.go.set()
            assert first.exception() is error
            return second.exception(), None if second.exception() else second.result()

    assert shared(KeyError("ours")) == (None, 7)
    down = UnreachableError("it is down", "Wait.")
    assert shared(down) in ((down, None), (None, 7))  # it may have asked just after that
