"""What a person is told of a cluster that does not answer: once, then seldom, and when it is back."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

from test_watch_parts import Clock, Silent

from integrations.kubernetes.watch.follower import Follower
from integrations.kubernetes.watch.session import Listener, Site
from patchgap.errors import UnreachableError
from patchgap.graph.store import Graph
from patchgap.settings import ClusterSettings, KubernetesSettings
from patchgap.storage import connect


class Stop(threading.Event):
    """Nobody waits: a pause moves the clock."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        self._clock.now += timedelta(seconds=timeout or 0)
        return self.is_set()


def test_a_dead_cluster_is_told_once_then_seldom_and_when_it_is_back(tmp_path: Path) -> None:
    """Its name once in each line; another reason is told at once; the graph is told at each of the many attempts."""
    engine = connect(f"sqlite:///{tmp_path / 'graph.db'}")
    graph, clock, attempts, told = Graph(engine), Clock(), [0], list[str]()
    begun, stop = clock.now, Stop(clock)

    def say(text: str) -> None:
        told.append(text)
        if "again" in text:
            stop.set()

    def reached() -> Silent:
        attempts[0] += 1
        lasted = clock.now - begun
        if lasted > timedelta(minutes=12):
            return Silent()
        reason = "Connection refused" if lasted < timedelta(minutes=11) else "timed out"
        raise UnreachableError(f"cluster c1 did not answer: {reason}", "Check it.")

    listener = Listener(say, say, lambda _event: None)
    site = Site(KubernetesSettings(), ClusterSettings(name="c1"), graph, clock, listener, stop, lambda: 1.0)
    Follower(site, reached).run()
    engine.dispose()
    assert attempts[0] > 25
    assert told == [
        "c1: did not answer: Connection refused; it is unknown until it answers",
        "c1: did not answer: Connection refused; for 5 minutes by now",
        "c1: did not answer: Connection refused; for 10 minutes by now",
        "c1: did not answer: timed out; it is unknown until it answers",
        "c1: watching 0 objects of 17 kinds; 0 workloads were not as the graph had them",
        "c1: followed again, after 12 minutes",
    ]
