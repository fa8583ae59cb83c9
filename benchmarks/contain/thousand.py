"""From the approval to the last of many targets contained: seconds, the concurrency used, API calls a target.

A rehearsal cluster in its own process runs so many Deployments of an affected image; one incident isolates each of them
through the stages, ledger and SQLite as in production, so many at once as a step of the flow has in flight. Beside it
stand the parts of which a target cannot have less: its API calls against that server, and its two durable entries.

Seen on two cores that others used a little too, 8 at once, one write a target: 100 targets in 8.8 s with 10.2 API calls
each, 300 in 30 s with 10.9, 1,000 in 196 s with 11.1. The engine's CPU a target grows from 54 to 71 and 168 ms: what a
target reads of its namespace still grows with the targets in it.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from kill_cluster import BAD, CLUSTER, REPOSITORY
from kill_world import SIGNAL, playbook, sbom

from flows.stage import AT_ONCE
from integrations.kubernetes.clusters import Clusters
from integrations.kubernetes.resources import DEPLOYMENTS
from integrations.kubernetes.transport import OfficialTransport
from integrations.rehearsal import RehearsalCluster
from patchgap import settings
from patchgap.graph.sbom.read import read_sbom
from patchgap.incident.events import PersonCalled
from patchgap.model.finding import IncidentId
from patchgap.model.plan import Outcome, PlannedAction
from patchgap.stages import contain, detect, scope
from patchgap.stages.consent import Answer
from patchgap.stages.engine import Engine

STEPS: tuple[dict[str, Any], ...] = ({"isolate_workloads": {}},)
SILENCE = 600  # seconds that the cluster may take to start, or to answer
Say = Callable[[str], None]
ALONE = 50  # calls, one after the other, that tell what one takes with nothing else in flight


def served(count: int, kubeconfig: Path, asked: Connection) -> None:
    """The cluster, for as long as the other side asks: it is told each time how many writes the verb made, and the seconds
    of CPU that this process has used."""
    objects = _objects(count)
    with RehearsalCluster.start(name=CLUSTER, objects=objects, kubelet=False) as cluster, suppress(EOFError):
        cluster.write_kubeconfig(kubeconfig)
        while True:
            writes = sum(r.changes > 0 and "isolate_workloads" in r.agent for r in cluster.requests)
            asked.send((writes, time.process_time()))
            asked.recv()


class Served:
    """The cluster's process."""

    def __init__(self, count: int, kubeconfig: Path) -> None:
        self._asks, there = multiprocessing.Pipe()
        made = multiprocessing.get_context("spawn").Process(target=served, args=(count, kubeconfig, there), daemon=True)
        made.start()
        there.close()  # so that a cluster that ends early is heard
        self._told()

    def used(self) -> tuple[int, float]:
        """The writes that the verb made, and the process's seconds of CPU, both since it was started."""
        self._asks.send(True)
        return self._told()

    def _told(self) -> tuple[int, float]:
        if not self._asks.poll(SILENCE):
            raise RuntimeError(f"the cluster's process has said nothing for {SILENCE} s")
        told: tuple[int, float] = self._asks.recv()
        return told


def _objects(count: int) -> list[dict[str, Any]]:
    labels = {"patchgap.dev/environment": "production", "patchgap.dev/classification": "sensitive"}
    made: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n, "labels": labels}}
        for n in ("training", "patchgap")
    ]
    for number in range(count):
        name = f"trainer-{number:04}"
        template = {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "main", "image": f"{REPOSITORY}@{BAD}"}]},
        }
        made.append(
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": name, "namespace": "training"},
                "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template},
            }
        )
    return made


def now() -> datetime:
    """The clock."""
    return datetime.now(UTC)


def prepared(home: Path, kubeconfig: Path) -> tuple[Engine, IncidentId]:
    """An engine, and its incident with a plan that waits for a yes."""
    (home / "playbooks").mkdir(parents=True)
    quoted = json.dumps
    (home / "patchgap.toml").write_text(
        f"playbooks = [{quoted(str(home / 'playbooks'))}]\n[[kubernetes.clusters]]\nname = {quoted(CLUSTER)}\n"
        f"kubeconfig = {quoted(str(kubeconfig))}\n"
    )
    text = playbook(STEPS, ()).replace("verify:\n", "    approval: {from: security, within: 1h}\nverify:\n")
    (home / "playbooks" / "compromised-dependency.yaml").write_text(text)
    engine = Engine.open(settings.load({"PATCHGAP_HOME": str(home)}, file=home / "patchgap.toml"), now)
    engine.graph.add_sbom(read_sbom(Path(sbom(home, BAD, "1.5.2")), None), now())
    scope.refresh(engine, CLUSTER)
    found = detect.detect(engine, detect.receive(engine, SIGNAL, "benchmark"))
    if found.incident is None:
        raise RuntimeError(found.reason)
    scope.scope(engine, found.incident)
    contain.plan(engine, found.incident)
    return engine, found.incident


class Counting:
    """Counts the requests of this process, and the seconds that they took."""

    def __init__(self) -> None:
        self.calls, self.seconds, real = 0, 0.0, OfficialTransport.send

        def send(held: Any, *given: Any) -> Any:
            began = time.perf_counter()
            try:
                return real(held, *given)
            finally:
                self.calls += 1
                self.seconds += time.perf_counter() - began

        OfficialTransport.send = send  # type: ignore[method-assign, assignment]


def contained(engine: Engine, incident: IncidentId, at_once: int, say: Say) -> int:
    """Carries out every target, under the incident's lease as the flow does; how many are done."""

    def act(action: PlannedAction) -> bool:
        return contain.carry_out(engine, incident, action.id).outcome is Outcome.DONE

    done = tried = 0
    with engine.acting(incident), ThreadPoolExecutor(at_once) as pool:
        for step in contain.ready(engine, incident):
            for fine in pool.map(act, step):
                done, tried = done + fine, tried + 1
                if tried % max(1, len(step) // 10) == 0:
                    say(f"{tried} of {len(step)} targets")
    contain.finish(engine, incident)
    return done


def alone(engine: Engine) -> float:
    """Seconds that one call takes with nothing else in flight."""
    cluster, began = engine.connections.of(Clusters).of(CLUSTER), time.perf_counter()
    for _ in range(ALONE):
        cluster.get(DEPLOYMENTS, "training", "trainer-0000")
    return (time.perf_counter() - began) / ALONE


def measured(targets: int, at_once: int, folder: Path, say: Say) -> None:
    """One containment, and what a target of it cannot have less of."""
    cluster = Served(targets, folder / "kubeconfig")
    say(f"{targets} workloads run")
    engine, incident = prepared(folder / "home", folder / "kubeconfig")
    plan = contain.plan(engine, incident)
    say("planned")
    single, entry, (_, served_before) = alone(engine), _seconds_an_entry(engine, incident), cluster.used()
    counting = Counting()
    began, cpu = time.perf_counter(), time.process_time()
    (code,) = engine.consent.approvers.issue("dana", "on-call")
    engine.consent.by_code(Answer(incident, plan.digest, yes=True), code)
    done = contained(engine, incident, at_once, say)
    seconds, spent = time.perf_counter() - began, time.process_time() - cpu
    writes, served_after = cluster.used()
    print(f"{done} of {targets} targets contained in {seconds:.1f} s, {at_once} at once")
    print(f"seconds of CPU: the engine's {spent:.1f}, the rehearsal cluster's {served_after - served_before:.1f}")
    calls = counting.calls / targets
    print(f"API calls a target: {calls:.1f}, of which {writes / targets:.1f} write")
    print(f"a call takes {1000 * single:.1f} ms alone, {1000 * counting.seconds / counting.calls:.1f} ms here")
    waits = targets * calls * single / at_once
    print(f"the calls alone take {waits:.1f} s so many at once, the entries {targets * 2 * entry:.1f} s one by one")


def main() -> None:
    """Prints the figures; how far it is goes to stderr."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=AT_ONCE, help=f"in flight (default: the flow's, {AT_ONCE})")
    given, began = parser.parse_args(), time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s: {what}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory() as temporary:
        measured(given.targets, given.at_once, Path(temporary), say)


def _seconds_an_entry(engine: Engine, incident: IncidentId) -> float:
    """What one durable entry costs, one after the other."""
    began, times = time.perf_counter(), 20
    for number in range(times):
        engine.ledger.append(incident, PersonCalled(why=f"measured {number}"), "benchmark")
    return (time.perf_counter() - began) / times


if __name__ == "__main__":
    main()
