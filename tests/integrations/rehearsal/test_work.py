"""The controllers' work: what it says of a sync that is refused."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Hashable, Iterable

import pytest

from integrations.rehearsal.call import World
from integrations.rehearsal.controllers.work import Work
from integrations.rehearsal.machine import Machine
from integrations.rehearsal.status import ApiError
from integrations.rehearsal.storage import Change


class Refused:
    """A controller whose syncs are refused with these words, one after the other, and then not."""

    def __init__(self, *words: str) -> None:
        self.left, self.over = list(words), threading.Event()

    def keys(self, _change: Change) -> Iterable[Hashable]:
        return ()

    def sync(self, _key: Hashable) -> None:
        if not self.left:
            self.over.set()
            return
        raise ApiError(403, "Forbidden", self.left.pop(0), {})


def test_a_refusal_is_said_once_a_change(caplog: pytest.LogCaptureFixture) -> None:
    """However often it is tried again; other words are said."""
    controller = Refused("by a policy", "by a policy", "by a policy", "by a quota")
    work = Work(Machine(World(time.time, random.Random(1))), time.monotonic)  # noqa: S311
    work.start([controller])
    work.add((controller, ("training", "trainer")))
    assert controller.over.wait(20)
    work.stop()
    assert ["policy" in one.getMessage() for one in caplog.records] == [True, False]
