"""How long a question to the exposure graph takes, beside a scan of the SBOMs, at 1,000 images and 500,000 occurrences.

Run: python benchmarks/graph/exposure.py [--images 1000] [--workloads 10000] [--packages 500] [--seed 7] [--database URL]
Deterministic by its seed. Prints p50 and p99 a kind of question, the ratio to the baseline of the same run, and the
command line's whole time. An answer's time grows with its exposures, which each line names beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path

from patchgap.graph.question import Question
from patchgap.graph.sbom.document import ROOT, Package, SbomDocument, package
from patchgap.graph.store import Graph
from patchgap.model.exposure import Artifact
from patchgap.model.signal import Advisory, AffectedPackage, RangeEvent, VersionRange
from patchgap.model.workload import (
    Classification,
    ClusterInventory,
    Container,
    ContainerRole,
    DataScope,
    Privileges,
    RunState,
    Workload,
    WorkloadRef,
)
from patchgap.storage import connect

NOW = datetime(2026, 11, 24, 7, 10, tzinfo=UTC)
BASES, BASE_PACKAGES, POOL, DIRECT = 12, 150, 20_000, 20
QUESTIONS, SCANS = 1_000, 20


def fleet(rng: random.Random, images: int, packages: int) -> list[SbomDocument]:
    """Images on a dozen bases (deb packages without edges), each with an application's packages (with edges) drawn so
    that a few are everywhere and most are rare."""
    bases = [
        [_package("deb", f"debian/base{n}", f"{base}.{rng.randrange(30)}-1") for n in range(BASE_PACKAGES)]
        for base in range(BASES)
    ]
    kinds = ["pypi" if n % 2 else "npm" for n in range(POOL)]
    weights = list(accumulate(1 / (n + 10) for n in range(POOL)))
    found = []
    for n in range(images):
        app = {}
        while len(app) < packages - BASE_PACKAGES:
            chosen = rng.choices(range(POOL), cum_weights=weights)[0]
            version = f"{rng.choices((1, 2, 3), (6, 3, 1))[0]}.{rng.randrange(4)}.{rng.randrange(3)}"
            app.setdefault(chosen, _package(kinds[chosen], f"pkg-{chosen}", version))
        found.append(_document(rng, n, list(app.values()), bases[rng.randrange(BASES)]))
    return found


def _package(kind: str, name: str, version: str) -> Package:
    return package(name, version, purl=f"pkg:{kind}/{name}@{version}")


def _document(rng: random.Random, n: int, app: Sequence[Package], base: Sequence[Package]) -> SbomDocument:
    digest = f"sha256:{n:064x}"
    edges: dict[int, list[int]] = {}
    for child in range(len(app)):  # a package hangs on one that came before it, or on the root
        for parent in {ROOT if child < DIRECT else rng.randrange(child) for _ in range(1 + rng.randrange(2))}:
            edges.setdefault(parent, []).append(child)
    return SbomDocument(
        document=f"sha256:{n + (1 << 200):064x}",
        format="CycloneDX 1.5",
        reference=f"urn:uuid:{n}",
        artifact=Artifact(digest, f"registry.example.org/app-{n}", f"{n:040x}"),
        digests=(digest,),
        root=f"pkg:oci/app-{n}@{digest}",
        packages=(*app, *base),
        edges={start: tuple(ends) for start, ends in edges.items()},
        whole=True,
    )


def clusters(rng: random.Random, workloads: int, images: int) -> list[ClusterInventory]:
    """Ten clusters; every workload runs one image, and every tenth an init container of another."""
    found: dict[str, list[Workload]] = {f"cluster-{n}": [] for n in range(10)}
    for n in range(workloads):
        cluster = f"cluster-{n % 10}"
        held = [_container("main", n % images, ContainerRole.MAIN)]
        if n % 10 == 0:
            held.append(_container("init", rng.randrange(images), ContainerRole.INIT))
        found[cluster].append(
            Workload(
                WorkloadRef("kubernetes", cluster, f"team-{n % 40}", "Deployment", f"app-{n}", f"uid-{n}"),
                tuple(held),
                "production", "eu-west-1", 3, 3, (f"node-{n % 50}", f"node-{n % 49}"),
                Privileges(f"sa-{n}", cluster_admin=False, reach=(f"get secrets in team-{n % 40}",)),
                DataScope(Classification.SENSITIVE, ("orders", "ledger")),
            )
        )  # fmt: skip
    return [ClusterInventory(name, "kubernetes", tuple(held)) for name, held in found.items()]


def _container(name: str, image: int, role: ContainerRole) -> Container:
    return Container(name, role, f"registry.example.org/app-{image}:1", f"sha256:{image:064x}", RunState.RUNNING, 3)


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

    def __init__(self, documents: Sequence[SbomDocument], inventories: Sequence[ClusterInventory]) -> None:
        self._texts = [
            (
                d.artifact.digest,
                json.dumps({"components": [{"purl": p.purl, "name": p.name} for p in d.packages]}),
            )
            for d in documents
        ]
        self._running: dict[object, list[Workload]] = {}
        for inventory in inventories:
            for workload in inventory.workloads:
                for container in workload.containers:
                    self._running.setdefault(container.digest, []).append(workload)

    def ask(self, purl: str) -> set[str]:
        return {
            str(workload.ref)
            for digest, text in self._texts
            if any(one["purl"] == purl for one in json.loads(text)["components"])
            for workload in self._running.get(digest, ())
        }


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


def command_line(database: Path, one: Package) -> None:
    """The whole command, interpreter and imports, with bytecode compiled."""
    ask = [
        sys.executable,
        "-c",
        "from patchgap.cli import main; main()",
        "--database",
        f"sqlite:///{database}",
    ]
    ask += ["exposure", f"{one.name}@{one.version}", "--json"]
    environ = {**os.environ, "PYTHONPYCACHEPREFIX": str(database.parent / "pycache")}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    run = lambda: subprocess.run(ask, check=True, capture_output=True, env=environ)  # noqa: E731, S603
    run()
    times = [timed(run) for _ in range(9)]
    print(f"command line, whole: median {percentile(times, 0.5):.0f} ms, worst of 9 {max(times):.0f} ms")


def main() -> None:
    options = argparse.ArgumentParser()
    for name, default in (("images", 1000), ("workloads", 10_000), ("packages", 500), ("seed", 7)):
        options.add_argument(f"--{name}", type=int, default=default)
    options.add_argument(
        "--database", help="an empty database's URL, PostgreSQL's; SQLite in a scratch folder without it"
    )
    args = options.parse_args()
    rng = random.Random(args.seed)
    documents = fleet(rng, args.images, args.packages)
    inventories = clusters(rng, args.workloads, args.images)
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "graph.db"
        graph = Graph(connect(args.database or f"sqlite:///{database}"))
        sboms = timed(lambda: [graph.add_sboms(documents, NOW)])
        recorded = timed(lambda: [graph.record(one, NOW) for one in inventories])
        occurrences = [one for document in documents for one in document.packages]
        distinct = list(dict.fromkeys(occurrences))
        print(
            f"{len(documents)} images, {args.workloads} workloads, {len(occurrences)} occurrences of {len(distinct)}"
            f" components; stored in {sboms / 1000:.1f} s and {recorded / 1000:.1f} s"
            + ("" if args.database else f", {database.stat().st_size >> 20} MiB")
        )
        unweighted = rng.choices(distinct, k=QUESTIONS)
        print(f"first answer, nothing warm: {timed(lambda: graph.exposure(KINDS['purl'](distinct[0]), NOW)):.1f} ms")
        medians = measure(graph, unweighted, "by component")
        measure(graph, rng.choices(occurrences, k=QUESTIONS), "by occurrence")
        scan = Scan(documents, inventories)
        for one in unweighted[:3]:  # both must say the same
            found = {str(e.workload.ref) for e in graph.exposure(KINDS["purl"](one), NOW).exposures}
            if found != scan.ask(one.purl):
                raise SystemExit(f"the graph and the scan disagree on {one.purl}")
        baseline = percentile([timed(lambda o=one: scan.ask(o.purl)) for one in unweighted[:SCANS]], 0.5)  # type: ignore[misc]
        print(
            f"baseline (json.loads of every SBOM): p50 {baseline:.0f} ms; the graph is {baseline / medians['purl']:.0f} times as fast"
        )
        if not args.database:
            command_line(database, distinct[0])


if __name__ == "__main__":
    main()
