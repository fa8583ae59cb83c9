"""The hourly refresh beside a watch: what the watch had not told is drift, and what it told meanwhile stays. No server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import flows.refresh_inventory as refreshing
from flows import artifacts
from patchgap.errors import PatchgapError, UnreachableError
from patchgap.graph.deployments import parse_deployment
from patchgap.graph.snapshots import Changes
from patchgap.graph.store import Graph
from patchgap.model.unknown import Unknown
from patchgap.model.workload import ClusterInventory, Container, ContainerRole, RunState, Workload, WorkloadRef
from patchgap.settings import NO_CLUSTER
from patchgap.storage import connect

NOW = datetime(2026, 11, 24, 7, 10, tzinfo=UTC)


def workload(name: str, replicas: int = 1) -> Workload:
    return Workload(WorkloadRef("kubernetes", "c1", "ns", "Deployment", name, f"uid-{name}"), (), replicas=replicas)


class Desk:
    """A graph, one cluster that answers with `found`, and time that only a wait or a reading moves."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.now = NOW
        self.configured: tuple[str, ...] = ("c1",)
        self.found = ClusterInventory("c1", "kubernetes", ())
        self.meanwhile: Any = lambda: None  # what happens while the reading's drift settles
        self.registry = SimpleNamespace(inventories=(self,))
        self.connections = None
        self.platform = "kubernetes"
        self.waited = 0.0
        self.error: PatchgapError | None = None

    def clusters(self, _connections: Any) -> tuple[str, ...]:
        return self.configured

    def read(self, _cluster: str, _connections: Any) -> ClusterInventory:
        self.now += timedelta(seconds=2)
        if self.error:
            raise self.error
        return self.found

    def clock(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.waited += seconds
        self.meanwhile()

    def has(self, *workloads: Workload) -> None:
        self.found = replace(self.found, workloads=workloads)

    def watched(self) -> None:
        self.graph.watches.whole("c1", NOW - timedelta(hours=1), self.now)

    def refresh(self, *, compare: bool = True) -> Changes | None:
        return refreshing._refresh_cluster.fn("c1", compare=compare)

    @property
    def names(self) -> dict[str, int]:
        return {one.ref.name: one.replicas for one in self.graph.workloads()}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    engine = connect(f"sqlite:///{tmp_path / 'graph.db'}")
    made = Desk(Graph(engine))
    silent = SimpleNamespace(info=lambda *_: None, warning=lambda *_: None)
    monkeypatch.setattr(refreshing, "engine", lambda: made)
    monkeypatch.setattr(refreshing, "sleep", made.sleep)
    monkeypatch.setattr(refreshing, "get_run_logger", lambda: silent)
    yield made
    engine.dispose()


def test_what_a_watch_missed_is_drift_and_is_mended(desk: Desk) -> None:
    """Workloads that began, ended and changed without the watch telling it, by name and as a number."""
    desk.graph.record(replace(desk.found, workloads=(workload("ended"), workload("changed"), workload("same"))), NOW)
    desk.watched()
    desk.has(workload("began"), workload("changed", 2), workload("same"))
    assert desk.refresh() == Changes(("c1/ns/Deployment/began",), ("c1/ns/Deployment/ended",),
                                     ("c1/ns/Deployment/changed",), 4)  # fmt: skip
    assert desk.names == {"began": 1, "changed": 2, "same": 1}
    assert desk.refresh() == Changes()


def test_what_the_watch_tells_a_moment_later_is_no_drift(desk: Desk) -> None:
    """A change that the reading saw first is given a few seconds, and what the watch wrote since is newer and stays."""
    desk.graph.record(replace(desk.found, workloads=(workload("a"), workload("b"))), NOW)
    desk.watched()
    desk.has(workload("a", 2), workload("b"))

    def told() -> None:
        desk.graph.record_changes("c1", [workload("a", 3)], [workload("b").ref], desk.now)

    desk.meanwhile = told
    assert desk.refresh() == Changes()
    assert desk.waited >= 2
    assert desk.names == {"a": 3}


@pytest.mark.parametrize("skew", [-timedelta(minutes=1), timedelta(minutes=1)], ids=["behind", "ahead"])
def test_what_is_newer_is_told_by_no_clock(desk: Desk, skew: timedelta) -> None:
    """The watch may run on a machine whose clock is another: what it told before the reading is older than it, and what
    it told meanwhile is newer. It would not tell that again, and until the next hour no answer would have it."""
    desk.graph.record(replace(desk.found, workloads=(workload("a"), workload("b"))), NOW - timedelta(hours=1))
    desk.graph.record_changes("c1", [workload("before")], (), NOW + skew)
    desk.watched()
    desk.has(workload("a"), workload("b"))

    def told() -> None:
        desk.graph.record_changes("c1", [workload("meanwhile")], [workload("b").ref], desk.now + skew)

    desk.meanwhile = told
    assert desk.refresh() == Changes((), ("c1/ns/Deployment/before",), (), 1)
    assert desk.names == {"a": 1, "meanwhile": 1}


def test_without_a_watch_there_is_no_drift_and_no_wait(desk: Desk) -> None:
    """What changed since the last reading is then what an hour brings; the same where nobody compares."""
    desk.has(workload("a"))
    assert desk.refresh() is None
    desk.watched()
    desk.has(workload("b"))
    assert desk.refresh(compare=False) is None
    assert desk.waited == 0
    assert desk.names == {"b": 1}


@pytest.mark.parametrize("age", [timedelta(minutes=2), -timedelta(seconds=1)], ids=["silent", "begun since"])
def test_a_watch_that_is_silent_or_began_since_counts_as_none(desk: Desk, age: timedelta) -> None:
    """It cannot have told what came before it, and one that was not heard of is dead."""
    heard = NOW - age if age > timedelta() else NOW + timedelta(seconds=2)
    desk.graph.watches.whole("c1", NOW - age, heard)
    desk.has(workload("a"))
    assert desk.refresh() is None
    assert desk.names == {"a": 1}


def test_a_cluster_that_cannot_be_read_is_unknown_beside_its_watch(desk: Desk) -> None:
    """The reading that failed is told, and what the watch had stays."""
    desk.graph.record(replace(desk.found, workloads=(workload("a"),)), NOW)
    desk.error = UnreachableError("cluster c1 did not answer", "Try again.")
    with pytest.raises(UnreachableError, match="cluster c1 could not be read"):
        desk.refresh()
    assert isinstance(desk.graph.refreshed_at()["c1"], Unknown)
    assert desk.names == {"a": 1}


def test_a_cluster_that_takes_a_fleets_name_is_unknown_and_hides_nothing(desk: Desk) -> None:
    """The fleet's workloads stay in every answer, which says why the cluster's are not there, until they are removed."""
    told = {
        "source": "d",
        "platform": "vm-fleet",
        "cluster": "c1",
        "workloads": [{"kind": "Service", "name": "scorer"}],
    }
    deployed = {**told, "state": "deployed", "image": f"app@sha256:{'a' * 64}"}
    desk.graph.record_deployment("d1", "one", parse_deployment(deployed), NOW)
    desk.has(workload("a"))
    with pytest.raises(UnreachableError, match="the name c1 is that of a fleet of platform vm-fleet"):
        desk.refresh()
    assert desk.names == {"scorer": 1}
    assert isinstance(desk.graph.refreshed_at()["c1"], Unknown)
    desk.graph.record_deployment("d2", "two", parse_deployment({**told, "state": "removed"}), NOW)
    desk.refresh()
    assert desk.names == {"a": 1}


def test_a_refresh_says_how_much_it_read(desk: Desk) -> None:
    """Workloads and images of each cluster, and how much of it was not told; what ended counts no more."""
    digests = (f"sha256:{'a' * 64}", f"sha256:{'b' * 64}")
    mine = tuple(Container("main", ContainerRole.MAIN, f"app@{d}", d, RunState.RUNNING) for d in digests)
    one, other = replace(workload("a"), containers=mine), replace(workload("b"), containers=mine[:1])
    desk.has(one, other, workload("ended"))
    desk.refresh()
    desk.has(one, other)
    desk.found = replace(desk.found, unknown=(Unknown("namespace x", "forbidden"),))
    desk.refresh()
    told = "c1 (2 workloads, 2 images, 1 unknown (see the log)), c2 (0 workloads, 0 images)"
    assert refreshing._held(("c1", "c2")) == told


def test_an_hourly_run_without_any_cluster_is_no_quiet_success(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails with the fix, also where a cluster was read once; what only tells of itself lacks nothing. The rest of
    the refresh is done all the same."""
    monkeypatch.setattr(refreshing, "_gather_sboms", lambda: "; 2 new SBOMs")
    monkeypatch.setattr(refreshing, "_match_advisories", lambda: "")
    desk.refresh()
    desk.configured = ()
    state = refreshing._without_clusters()
    assert state.is_failed()
    assert state.message == f"{'. '.join(NO_CLUSTER)}; 2 new SBOMs"
    told = {
        "source": "d",
        "platform": "vm-fleet",
        "cluster": "vms",
        "state": "deployed",
        "image": f"a@sha256:{'a' * 64}",
    }
    event = {**told, "workloads": [{"kind": "Service", "name": "scorer"}]}
    desk.graph.record_deployment("d1", "one", parse_deployment(event), NOW)
    state = refreshing._without_clusters()
    assert state.is_completed()
    assert state.message == "no cluster is configured; told of by deployment events: vms; 2 new SBOMs"


def test_drift_is_shown_as_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each workload with what the watch did not tell, under a key that Prefect takes."""
    shown: dict[str, str] = {}
    monkeypatch.setattr(
        artifacts, "create_markdown_artifact", lambda text, *, key, description: shown.update({key: text})
    )
    artifacts.drift("Prod_ML.eu", Changes(began=("Prod_ML.eu/ns/Pod/x",)))
    [(key, text)] = shown.items()
    assert key == "cluster-prod-ml-eu-drift"
    assert "1 workload was not as the watch had told" in text
    assert "| Prod\\_ML.eu/ns/Pod/x | began |" in text
