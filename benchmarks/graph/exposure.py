"""How long a question to the exposure graph takes, beside a scan of the SBOMs, at 1,000 images and 500,000 occurrences.

Run: python benchmarks/graph/exposure.py [--images 1000] [--workloads 10000] [--packages 500] [--seed 7] [--questions 1000]
[--times 10] [--database URL]
Deterministic by its seed. `--times` is how often a whole command runs, 0 for none. Prints p50 and p99 a kind of question, the ratio to the baseline of the same run, and the
command line's whole time. An answer's time grows with its exposures, which each line names beside it. `scale.py` compares
two sizes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fleet import NOW, Size, clusters, documents

from patchgap.graph.members import unpack
from patchgap.graph.question import Question
from patchgap.graph.reading import Run
from patchgap.graph.sbom.document import Package
from patchgap.graph.store import Graph
from patchgap.model.signal import Advisory, AffectedPackage, RangeEvent, VersionRange
from patchgap.model.workload import Workload
from patchgap.storage import connect

SCANS = 20


def advisory(one: Package) -> Advisory:
    """Everything of that package up to and with that version."""
    ecosystem = {"pypi": "PyPI", "npm": "npm", "deb": "Debian"}[one.ecosystem]
    events = (RangeEvent("introduced", "0"), RangeEvent("last_affected", one.version))
    affected = AffectedPackage(ecosystem, one.name, (VersionRange("ECOSYSTEM", events),))
    return Advisory(id=f"BENCH-{one.name}", digest="", affected=(affected,))


KINDS: dict[str, Callable[[Package], Question]] = {
    "name@version": lambda one: Question.parse(f"{one.name}@{one.version}"),
    "name": lambda one: Question.parse(one.name),
    "purl": lambda one: Question.parse(one.purl),
    "advisory": lambda one: Question.of_advisory(advisory(one)),
}


class Scan:
    """The baseline: what a script over a folder of SBOMs does. Each question reads every SBOM with `json.loads` and
    looks its packages through; digests lead to workloads by a dictionary, which it keeps."""

    def __init__(self, graph: Graph) -> None:
        self._texts = graph.asked(_texts)
        self._running: dict[object, list[Workload]] = {}
        for workload in graph.workloads():
            for container in workload.containers:
                self._running.setdefault(container.digest, []).append(workload)

    def ask(self, purl: str) -> set[str]:
        return {
            str(workload.ref)
            for digest, text in self._texts
            if any(one["purl"] == purl for one in json.loads(text)["components"])
            for workload in self._running.get(digest, ())
        }


def _texts(read: Run) -> list[tuple[str, str]]:
    """Each image's digest, and what its SBOM lists as JSON."""
    packages = {row[0]: {"purl": row[1], "name": row[2]} for row in read("SELECT id, purl, name FROM graph_component")}
    sets = {row[0]: unpack(row[1]) for row in read("SELECT id, members FROM graph_set")}
    held: dict[str, list[Mapping[str, str]]] = {}
    for digest, set_id in read(
        "SELECT d.digest, p.set_id FROM graph_digest d JOIN graph_sbom s ON s.image_id = d.image_id"
        " JOIN graph_sbom_set p ON p.sbom_id = s.id"
    ):
        held.setdefault(digest, []).extend(packages[one] for one in sets[set_id])
    return [(digest, json.dumps({"components": components})) for digest, components in held.items()]


def timed(ask: Callable[[], object]) -> float:
    """Milliseconds."""
    start = time.perf_counter()
    ask()
    return (time.perf_counter() - start) * 1000


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def measure(graph: Graph, chosen: Sequence[Package], label: str) -> dict[str, float]:
    """Prints a line a kind of question; gives the medians."""
    medians = {}
    for kind, of in KINDS.items():
        questions = [of(one) for one in chosen]
        sizes = [len(graph.exposure(one, NOW).exposures) for one in questions]  # warms what the timed ones read
        times = [timed(lambda q=one: graph.exposure(q, NOW)) for one in questions]  # type: ignore[misc]
        medians[kind] = percentile(times, 0.5)
        print(
            f"{label:12} {kind:13} p50 {percentile(times, 0.5):7.2f} ms   p99 {percentile(times, 0.99):7.2f} ms"
            f"   exposures p50 {percentile(sizes, 0.5):5.0f} p99 {percentile(sizes, 0.99):5.0f}"
        )
    return medians


class Time(NamedTuple):
    """Milliseconds on the clock, and of processors: a program's own and, where it is told, its database server's."""

    clock: float
    processor: float


def command_times(url: str, commands: Mapping[str, Sequence[str]], times: int) -> dict[str, Time]:
    """The best whole time of each command: interpreter and imports, with bytecode compiled; user and system time of the
    process alone."""
    start = [sys.executable, "-c", "from patchgap.cli import main; main()", "--database", url]
    with tempfile.TemporaryDirectory() as folder:
        environ = {**os.environ, "PYTHONPYCACHEPREFIX": folder, "PATCHGAP_HOME": folder}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)

        def run(words: Sequence[str]) -> Time:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            clock = timed(
                lambda: subprocess.run([*start, *words], check=True, capture_output=True, env=environ)  # noqa: S603
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            return Time(clock, (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000)

        found = {}
        for name, words in commands.items():
            run(words)
            all_ = [run(words) for _ in range(times)]
            found[name] = Time(min(one.clock for one in all_), min(one.processor for one in all_))
        return found


def main() -> None:
    options = argparse.ArgumentParser()
    for name, default in (
        ("images", 1000),
        ("workloads", 10_000),
        ("packages", 500),
        ("seed", 7),
        ("questions", 1000),
        ("times", 10),
    ):
        options.add_argument(f"--{name}", type=int, default=default)
    options.add_argument(
        "--database", help="an empty database's URL, PostgreSQL's; SQLite in a scratch folder without it"
    )
    args = options.parse_args()
    size = Size(args.images, args.workloads, args.packages)
    rng = random.Random(args.seed)
    held = list(documents(rng, size))
    inventories = clusters(rng, size)
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "graph.db"
        url = args.database or f"sqlite:///{database}"
        graph = Graph(connect(url))
        sboms = timed(lambda: [graph.add_sboms(held, NOW)])
        recorded = timed(lambda: [graph.record(one, NOW) for one in inventories])
        occurrences = [one for document in held for one in document.packages]
        distinct = list(dict.fromkeys(occurrences))
        print(
            f"{size} of {len(distinct)} components; stored in {sboms / 1000:.1f} s and {recorded / 1000:.1f} s"
            + ("" if args.database else f", {database.stat().st_size >> 20} MiB")
        )
        unweighted = rng.choices(distinct, k=args.questions)
        print(f"first answer, nothing warm: {timed(lambda: graph.exposure(KINDS['purl'](distinct[0]), NOW)):.1f} ms")
        medians = measure(graph, unweighted, "by component")
        measure(graph, rng.choices(occurrences, k=args.questions), "by occurrence")
        scan = Scan(graph)
        for one in unweighted[:3]:  # both must say the same
            found = {str(e.workload.ref) for e in graph.exposure(KINDS["purl"](one), NOW).exposures}
            if found != scan.ask(one.purl):
                raise SystemExit(f"the graph and the scan disagree on {one.purl}")
        baseline = percentile([timed(lambda o=one: scan.ask(o.purl)) for one in unweighted[:SCANS]], 0.5)  # type: ignore[misc]
        print(
            f"baseline (json.loads of every SBOM): p50 {baseline:.0f} ms; the graph is {baseline / medians['purl']:.0f} times as fast"
        )
        one = distinct[0]
        if args.times:
            asked = {"exposure": ("exposure", f"{one.name}@{one.version}", "--json")}
            whole = command_times(url, asked, args.times)["exposure"]
            print(f"command line, whole: {whole.clock:.0f} ms, of them {whole.processor:.0f} of the processor")


if __name__ == "__main__":
    main()
