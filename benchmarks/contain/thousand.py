"""From the approval to the last of many targets contained: seconds, the concurrency used, API calls a target.

A rehearsal cluster in its own process runs so many Deployments of an affected image; one incident isolates each of them
through the stages, ledger and SQLite as in production, so many at once as a step of the flow has in flight. Beside it
stand the parts of which a target cannot have less: its API calls against that server, and its two durable entries.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from kill_cluster import BAD, CLUSTER, REPOSITORY
from kill_world import SIGNAL, playbook, sbom

from flows.stage import AT_ONCE
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


def served(count: int, kubeconfig: Path, ends: Connection) -> None:
    """The cluster, until the other side says that it is over; then how many of its requests wrote something."""
    with RehearsalCluster.start(name=CLUSTER, objects=_objects(count), kubelet=False) as cluster:
        cluster.write_kubeconfig(kubeconfig)
        ends.send(True)
        ends.recv()
        ends.send(sum(r.changes > 0 and "isolate_workloads" in r.agent for r in cluster.requests))


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


def contained(engine: Engine, incident: IncidentId, at_once: int) -> int:
    """Carries out every target; how many are done."""

    def act(action: PlannedAction) -> bool:
        return contain.carry_out(engine, incident, action.id).outcome is Outcome.DONE

    done = 0
    for step in contain.ready(engine, incident):
        with ThreadPoolExecutor(at_once) as pool:
            done += sum(pool.map(act, step))
    contain.finish(engine, incident)
    return done


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=AT_ONCE, help=f"in flight (default: the flow's, {AT_ONCE})")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        here, there = multiprocessing.Pipe()
        arguments = (given.targets, folder / "kubeconfig", there)
        cluster = multiprocessing.get_context("spawn").Process(target=served, args=arguments, daemon=True)
        cluster.start()
        there.close()  # so that a cluster that ends early is heard
        here.recv()
        engine, incident = prepared(folder / "home", folder / "kubeconfig")
        counting = Counting()
        plan = contain.plan(engine, incident)
        began, cpu = time.perf_counter(), time.process_time()
        (code,) = engine.consent.approvers.issue("dana", "on-call")
        engine.consent.by_code(Answer(incident, plan.digest, yes=True), code)
        done = contained(engine, incident, given.at_once)
        seconds, spent = time.perf_counter() - began, time.process_time() - cpu
        entry = _seconds_an_entry(engine, incident)
        here.send(True)
        writes = here.recv()
    calls = counting.calls / given.targets
    print(
        f"{done} of {given.targets} targets contained in {seconds:.1f} s, {given.at_once} at once ({spent:.1f} s of CPU)"
    )
    print(f"API calls a target: {calls:.1f}, of which {writes / given.targets:.1f} write")
    alone = counting.seconds / counting.calls
    print(f"a call takes {1000 * alone:.1f} ms here (with {given.at_once} in flight), an entry {1000 * entry:.1f} ms")
    limit = max(calls * alone / given.at_once, 2 * entry) * given.targets
    print(f"the calls and the two entries alone would take {limit:.1f} s: {seconds / limit:.1f} times that")


def _seconds_an_entry(engine: Engine, incident: IncidentId) -> float:
    """What one durable entry costs, one after the other."""
    began, times = time.perf_counter(), 20
    for number in range(times):
        engine.ledger.append(incident, PersonCalled(why=f"measured {number}"), "benchmark")
    return (time.perf_counter() - began) / times


if __name__ == "__main__":
    main()
