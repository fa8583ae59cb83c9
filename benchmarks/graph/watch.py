"""How soon an event is in the graph: changes on a rehearsal cluster, followed by the watch and by a bare stream.

Run: python benchmarks/graph/watch.py [--changes 100]
Each change scales a Deployment by one patch. Ours is the time from sending the patch until the graph's write has returned;
the baseline is the time until a bare watch of the same server hands the same event's line over. Then one Deployment is
scaled to as many pods: prints how many events that was, and how many writes. Everything shares one process and its cores.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from integrations.kubernetes.clusters import Clusters
from integrations.kubernetes.resources import DEPLOYMENTS
from integrations.kubernetes.watch.follower import Follower
from integrations.kubernetes.watch.session import Applied, Listener, Site
from integrations.rehearsal import RehearsalCluster
from patchgap.graph.store import Graph
from patchgap.settings import ClusterSettings, KubernetesSettings, Settings
from patchgap.storage import connect

IMAGE = "registry.example.com/ml/app@sha256:" + "a" * 64


class Counting(Graph):
    """The graph, counting the writes of the watch."""

    writes = 0

    def record_changes(self, *told: Any) -> Any:
        """One more."""
        self.writes += 1
        return super().record_changes(*told)


def deployment(name: str) -> dict[str, Any]:
    """A Deployment at zero."""
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "main", "image": IMAGE}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": name}}, "template": template}
    meta = {"name": name, "namespace": "default"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


class Heard:
    """When each event of a Deployment came, by name."""

    def __init__(self) -> None:
        self.at: dict[str, float] = {}
        self._more = threading.Condition()

    def tell(self, name: str) -> None:
        """It came now."""
        with self._more:
            self.at.setdefault(name, time.perf_counter())
            self._more.notify_all()

    def wait(self, name: str) -> float:
        """When it came."""
        with self._more:
            self._more.wait_for(lambda: name in self.at, timeout=30)
            return self.at[name]


def told(name: str, seconds: list[float]) -> float:
    """Prints the median and the 99th percentile; the median."""
    middle, last = statistics.median(seconds), statistics.quantiles(seconds, n=100)[98]
    print(f"{name:10} median {middle * 1e3:6.1f} ms  p99 {last * 1e3:6.1f} ms")
    return middle


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=100)
    changes = parser.parse_args().changes
    with tempfile.TemporaryDirectory() as folder, RehearsalCluster.start(name="c") as rehearsal:
        home = Path(folder)
        configured = ClusterSettings(name="c", kubeconfig=rehearsal.write_kubeconfig(home / "kubeconfig"))
        kubernetes = KubernetesSettings(clusters=(configured,))
        clusters = Clusters.connect(Settings(home=home, database_url="sqlite://", kubernetes=kubernetes))
        graph = Counting(connect(f"sqlite:///{home / 'graph.db'}"))
        stop, ours, bare = threading.Event(), Heard(), Heard()
        applied: list[Applied] = []

        def take(event: Applied) -> None:
            applied.append(event)
            if event.kind == "Deployment" and event.event == "MODIFIED":
                ours.tell(event.name)

        def listen(version: str) -> None:
            for line in clusters.of("c").watch(DEPLOYMENTS, version, 600).lines():
                event = json.loads(line)
                if event["type"] == "MODIFIED" and event["object"]["spec"]["replicas"]:
                    bare.tell(event["object"]["metadata"]["name"])

        cluster = clusters.of("c")
        for n in range(changes):
            cluster.create(DEPLOYMENTS, "default", deployment(f"app-{n}"))
        ready = threading.Event()
        listener = Listener(lambda _text: ready.set(), print, take)
        site = Site(kubernetes, configured, graph, lambda: datetime.now(UTC), listener, stop, lambda: 0.5)
        threading.Thread(target=Follower(site, lambda: cluster).run, daemon=True).start()
        threading.Thread(target=listen, args=(cluster.listed(DEPLOYMENTS, lambda one: one)[1],), daemon=True).start()
        ready.wait(60)
        time.sleep(1)
        late: dict[str, list[float]] = {"bare": [], "graph": []}
        for n in range(changes):
            time.sleep(0.5)  # until what the last change brought is over
            begun = time.perf_counter()
            cluster.patch(DEPLOYMENTS, "default", f"app-{n}", {"spec": {"replicas": 1}})
            late["graph"].append(ours.wait(f"app-{n}") - begun)
            late["bare"].append(bare.wait(f"app-{n}") - begun)
        ratio = told("graph", late["graph"]) / told("bare watch", late["bare"])
        print(f"ratio {ratio:.1f} (graph / bare watch)")
        before, graph.writes = len(applied), 0
        cluster.patch(DEPLOYMENTS, "default", "app-0", {"spec": {"replicas": changes}})
        while next(w for w in graph.workloads() if w.ref.name == "app-0").running < changes:
            time.sleep(0.1)
        print(f"{len(applied) - before} events of {changes} pods in {graph.writes} writes")
        stop.set()


if __name__ == "__main__":
    main()
