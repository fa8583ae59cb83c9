"""The watch's own parts: pauses, what a change touches, bursts, a compacted history, and the command as a process."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from integrations.kubernetes.answers import ExpiredError
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.clusters import Clusters
from integrations.kubernetes.inventory.snapshot import EVERYTHING
from integrations.kubernetes.resources import PODS
from integrations.kubernetes.watch.objects import AWAITED, Objects
from integrations.kubernetes.watch.session import Applied, Listener, Session, Site
from integrations.kubernetes.watch.stream import Following, Lost, Message, Pause, Relisted, Told
from integrations.rehearsal import RehearsalCluster
from patchgap.graph.store import Graph
from patchgap.settings import ClusterSettings, KubernetesSettings, Settings
from patchgap.storage import connect

IMAGE = "registry.example.com/ml/trainer@sha256:" + "a" * 64


def manifest(kind: str, name: str, *, owner: tuple[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    """An object as a watch tells of it, its uid being `<kind>-<name>`."""
    meta: dict[str, Any] = {"name": name, "namespace": "training", "uid": f"{kind}-{name}"}
    if owner:
        reference = {"kind": owner[0], "name": owner[1], "uid": "-".join(owner), "controller": True}
        meta["ownerReferences"] = [reference]
    return {"kind": kind, "metadata": meta, **fields}


def pod(name: str, owner: tuple[str, str] | None = ("ReplicaSet", "web-1"), phase: str = "Running") -> dict[str, Any]:
    spec = {"containers": [{"name": "main", "image": IMAGE}]}
    return manifest("Pod", name, owner=owner, spec=spec, status={"phase": phase})


def names(found: Any) -> tuple[set[str], set[str]]:
    """What was seen and what is gone, as kind/name."""
    return {f"{w.ref.kind}/{w.ref.name}" for w in found.seen}, {f"{r.kind}/{r.name}" for r in found.gone}


@pytest.fixture
def objects() -> Objects:
    """A Deployment with its ReplicaSet and a pod, and one that stands alone."""
    made = Objects("c1", KubernetesSettings(), ClusterSettings(name="c1"))
    made.put(manifest("Deployment", "web", spec={"replicas": 1}))
    made.put(manifest("ReplicaSet", "web-1", owner=("Deployment", "web"), spec={"replicas": 1}))
    made.put(pod("web-1-a"))
    made.put(manifest("Deployment", "other", spec={"replicas": 0}))
    assert {w.ref.name for w in made.inventory().workloads} == {"web", "other"}
    return made


def test_a_pod_touches_its_workload_alone(objects: Objects) -> None:
    """The Deployment that it belongs to is derived anew, the other is not; the same again is no news."""
    assert objects.put(pod("web-1-b"))
    assert names(objects.difference(0)) == ({"Deployment/web"}, set())
    assert not objects.put(pod("web-1-b"))
    assert names(objects.difference(0)) == (set(), set())


def test_a_new_pod_waits_for_its_owner_and_no_longer_than_that(objects: Objects) -> None:
    """It is no workload of its own while its ReplicaSet may be on the way; one that never comes leaves it alone."""
    objects.put(pod("api-1-a", ("ReplicaSet", "api-1")))
    assert names(objects.difference(10)) == (set(), set())
    assert objects.waits()
    objects.put(manifest("ReplicaSet", "api-1", spec={"replicas": 1}))
    assert names(objects.difference(10.1)) == ({"ReplicaSet/api-1"}, set())
    objects.put(pod("lost", ("ReplicaSet", "gone")))
    objects.difference(20)
    assert names(objects.difference(20 + AWAITED)) == ({"Pod/lost"}, set())
    assert not objects.waits()


def test_what_ran_is_told_at_once_when_its_owner_goes(objects: Objects) -> None:
    """A Deployment that is deleted leaves what still runs below it; that does not wait, since it was known."""
    objects.drop("Deployment", "Deployment-web")
    assert names(objects.difference(0)) == ({"ReplicaSet/web-1"}, {"Deployment/web"})
    objects.drop("ReplicaSet", "ReplicaSet-web-1")
    assert names(objects.difference(0)) == ({"Pod/web-1-a"}, {"ReplicaSet/web-1"})
    objects.drop("Pod", "Pod-web-1-a")
    assert names(objects.difference(0)) == (set(), {"Pod/web-1-a"})


def test_an_owner_that_comes_late_takes_what_is_below_it(objects: Objects) -> None:
    """Pods that were workloads of their own are that no more."""
    objects.put(pod("lost", ("ReplicaSet", "late-1")))
    objects.difference(0)
    objects.difference(AWAITED)
    objects.put(manifest("ReplicaSet", "late-1", owner=("Deployment", "other"), spec={"replicas": 1}))
    assert names(objects.difference(2)) == ({"Deployment/other"}, {"Pod/lost"})


def test_owners_in_a_circle_end(objects: Objects) -> None:
    """Owner references are user input: two that own each other are told of, and nothing hangs."""
    objects.put(manifest("Job", "a", owner=("Job", "b")))
    objects.put(manifest("Job", "b", owner=("Job", "a")))
    seen, _ = names(objects.difference(0))
    assert {"Job/a", "Job/b"} <= seen


def test_pauses_grow_to_a_bound_and_differ() -> None:
    """Each is between a half and the whole of what doubles; a success begins anew."""
    pause = Pause(lambda: 0.0, shortest=1, longest=8)
    assert [pause.next() for _ in range(5)] == [0.5, 1, 2, 4, 4]
    pause.reset()
    assert pause.next() == 0.5
    assert Pause(lambda: 1.0, shortest=1).next() == 1


class Silent(Cluster):
    """A cluster that has nothing and tells nothing: what it would tell, the test puts in."""

    def __init__(self) -> None:
        super().__init__("c1", None)  # type: ignore[arg-type]

    def listed(self, resource: Any, keep: Any) -> tuple[list[Any], str]:
        return [], "1"

    def watch(self, resource: Any, version: str, seconds: int) -> Any:
        return Nothing()


class Nothing:
    """A stream without a line."""

    code = 200

    def __init__(self) -> None:
        self._closed = threading.Event()

    def lines(self) -> Iterator[bytes]:
        self._closed.wait()
        return iter(())

    def close(self) -> None:
        self._closed.set()

    def release(self) -> None: ...


class Expiring(Silent):
    """A cluster to which the version that it has just told is too old, whenever it is watched."""

    listed_times = 0

    def listed(self, resource: Any, keep: Any) -> tuple[list[Any], str]:
        self.listed_times += 1
        return super().listed(resource, keep)

    def watch(self, resource: Any, version: str, seconds: int) -> Any:
        raise ExpiredError("c1: the list changed while it was read", "Try again.")


class Counting(Graph):
    """A graph that counts what it is told."""

    writes = 0

    def record_changes(self, *told: Any) -> Any:
        self.writes += 1
        return super().record_changes(*told)


class Clock:
    """Time that a test moves."""

    now = datetime(2026, 11, 24, 7, 10, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[Session, Counting, list[Applied], Clock]]:
    """A session of a silent cluster that has begun."""
    engine = connect(f"sqlite:///{tmp_path / 'graph.db'}")
    graph, applied, clock = Counting(engine), list[Applied](), Clock()
    listener = Listener(lambda _text: None, lambda _text: None, applied.append)
    configured = ClusterSettings(name="c1")
    session = Session(
        Site(KubernetesSettings(), configured, graph, clock, listener, threading.Event(), lambda: 0.0), Silent()
    )
    session.begin()
    yield session, graph, applied, clock
    session.end()
    engine.dispose()


def test_a_thousand_pods_that_come_at_once_are_few_writes(held: Any) -> None:
    """Every event is told as applied, and the graph was written to a handful of times."""
    session, graph, applied, _ = held
    session._messages.put(Told("ADDED", manifest("ReplicaSet", "web-1", spec={"replicas": 1000})))
    for number in range(1000):
        session._messages.put(Told("ADDED", pod(f"web-1-{number}")))
    while len(applied) < 1001:
        session.step()
    assert graph.writes <= 20
    [found] = graph.workloads()
    assert (found.ref.name, found.running) == ("web-1", 1000)


def test_a_watch_that_is_whole_says_so_and_overrules_a_reading_that_failed(held: Any) -> None:
    """It is heard of every few seconds without voiding an answer; a cluster that another reading could not reach is
    known again."""
    session, graph, _, clock = held
    graph.record_unreachable("c1", "kubernetes", "timed out", clock.now)
    clock.now += timedelta(seconds=20)
    session.step()
    assert graph.refreshed_at() == {"c1": clock.now}
    assert "c1" in graph.watches.live(clock.now + timedelta(seconds=50))
    assert "c1" not in graph.watches.live(clock.now + timedelta(seconds=70))


def test_a_history_that_was_compacted_away_is_listed_again(tmp_path: Path) -> None:
    """A server that has forgotten the resource version says so, and the kind is listed whole and followed from there."""
    with RehearsalCluster.start(name="c1") as rehearsal:
        file = rehearsal.write_kubeconfig(tmp_path / "kubeconfig")
        kubernetes = KubernetesSettings(clusters=(ClusterSettings(name="c1", kubeconfig=file),))
        cluster = Clusters.connect(Settings(home=tmp_path, database_url="sqlite://", kubernetes=kubernetes)).of("c1")
        resource = next(r for r in EVERYTHING if r.kind == "Namespace")
        heard: list[Message] = []
        rehearsal.compact()
        following = Following(cluster, resource, "1", lambda one: one, heard.append, lambda: 0.0)
        following.start()
        try:
            _until(lambda: any(isinstance(one, Relisted) for one in heard))
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "new"}}
            cluster.create(resource, "", body)
            _until(lambda: any(isinstance(one, Told) and one.manifest["metadata"]["name"] == "new" for one in heard))
        finally:
            following.end()
            following.join(10)
        assert not following._thread.is_alive()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_tells_each_event_in_a_line_and_ends_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    """JSON lines on stdout, the story on stderr, and exit code 0 with no traceback when it is told to end."""
    with RehearsalCluster.start(name="c1") as rehearsal:
        file = rehearsal.write_kubeconfig(tmp_path / "kubeconfig")
        told = tmp_path / "told"
        arguments = ["-c", "from patchgap.cli import main; main()", "--home", str(tmp_path)]
        with told.open("w") as out, (tmp_path / "story").open("w") as story:
            running = subprocess.Popen(  # noqa: S603  (this interpreter)
                [sys.executable, *arguments, "watch", "--kubeconfig", str(file), "--json"],
                stdout=out,
                stderr=story,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
            try:
                _until(lambda: "watching" in (tmp_path / "story").read_text(), 60)
                _make_a_deployment(tmp_path, file)
                _until(lambda: any(one["kind"] == "Deployment" for one in _lines(told)), 60)
                running.send_signal(number)
                assert running.wait(30) == 0
            finally:
                running.kill()
                running.wait()
    [first, *_] = [one for one in _lines(told) if one["kind"] == "Deployment"]
    assert (first["event"], first["name"], first["workload"]) == ("ADDED", "idle", "c1/default/Deployment/idle")
    assert "Traceback" not in (tmp_path / "story").read_text()


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def _make_a_deployment(folder: Path, kubeconfig: Path) -> None:
    kubernetes = KubernetesSettings(clusters=(ClusterSettings(name="c1", kubeconfig=kubeconfig),))
    settings = Settings(home=folder, database_url="sqlite://", kubernetes=kubernetes)
    template = {"metadata": {"labels": {"app": "idle"}}, "spec": {"containers": [{"name": "main", "image": IMAGE}]}}
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "idle"},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "idle"}}, "template": template},
    }
    resource = next(r for r in EVERYTHING if r.kind == "Deployment")
    Clusters.connect(settings).of("c1").create(resource, "default", body)


def _until(condition: Any, seconds: float = 30) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not come true in time"
        time.sleep(0.02)


def test_a_kind_that_is_too_old_again_and_again_is_lost() -> None:
    """It is followed by nothing: the cluster is unknown then, and is not asked for whole lists without a pause."""
    told: queue.SimpleQueue[Message] = queue.SimpleQueue()
    cluster = Expiring()
    following = Following(cluster, PODS, "1", lambda one: one, told.put, lambda: 0.0)
    following.start()
    following.join(5)
    following.end()
    messages = [told.get_nowait() for _ in range(told.qsize())]
    assert [type(one) for one in messages[-1:]] == [Lost]
    assert cluster.listed_times == 2
