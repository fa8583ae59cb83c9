"""How long all advisories of a mirror take against the whole graph, and one new SBOM against all advisories.

Run: python benchmarks/graph/advisories.py MIRROR [--images 400] [--packages 1000] [--workloads 8000] [--seed 7]
[--database URL]. MIRROR is a folder of OSV records, or a zip. The graph is made up, by its seed; 400 images have 180,000
distinct components, which is what counts. At every fourth place of the pool its PyPI packages have the names of those that
the mirror's advisories name, the most named first. Prints the whole first run, and later ones beside two baselines of the
same run: reading the mirror anew into an index (what there is without the store), and a loop over every pair, of which a
sample is run and the rest is told from it.
"""

from __future__ import annotations

import argparse
import gc
import random
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import fleet
from fleet import NOW, Size

from patchgap.graph.index import judge_all
from patchgap.graph.matching import Row, judge
from patchgap.graph.memory import ROW
from patchgap.graph.mirror import Mirror
from patchgap.graph.question import Question
from patchgap.graph.sbom.document import Package, SbomDocument, package
from patchgap.graph.store import Graph
from patchgap.graph.touched import touched
from patchgap.model.exposure import Artifact
from patchgap.model.signal import Advisory
from patchgap.storage import connect

SAMPLE = 20  # advisories that the loop over every pair is timed with


def named(mirror: Path) -> tuple[list[str], list[Advisory]]:
    """PyPI's names by how many advisories name them, and the advisories; let go of before anything is timed."""
    held = Mirror(mirror)
    advisories = held.refresh().put
    names = Counter(p.name for one in advisories for p in one.affected if p.ecosystem == "PyPI")
    return [name for name, _ in names.most_common()], list(advisories[:: max(1, len(advisories) // SAMPLE)])


def documents(rng: random.Random, size: Size, names: Sequence[str]) -> Iterator[SbomDocument]:
    """The fleet's SBOMs without their edges, one after another."""
    renamed: dict[Package, Package] = {}
    for one in fleet.documents(rng, size):
        yield replace(one, packages=tuple(rename(package_, names, renamed) for package_ in one.packages), edges={})


def rename(one: Package, names: Sequence[str], renamed: dict[Package, Package]) -> Package:
    """The package, under a name that advisories name where its place in the pool is for that."""
    if one not in renamed:
        place, rest = divmod(int(one.name.rpartition("-")[2]) // 2, 4) if one.ecosystem == "pypi" else (0, 1)
        found = rest == 0 and place < len(names)
        renamed[one] = (
            package(names[place], one.version, purl=f"pkg:pypi/{names[place]}@{one.version}") if found else one
        )
    return renamed[one]


def newer(one: SbomDocument) -> SbomDocument:
    """Another image with the same packages, each at a version that the graph has not seen."""
    digest = f"sha256:{1 << 220:064x}"
    new = tuple(package(p.name, f"{p.version}.1", purl=f"{p.purl}.1") for p in one.packages)
    return replace(one, document=digest, artifact=Artifact(digest, "new"), digests=(digest,), packages=new)


def timed(what: str, run: Callable[[], Any]) -> tuple[float, Any]:
    """Prints the wall clock's time and the processor's; gives the first, and what the run gave."""
    gc.collect()
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    result = run()
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{what:58} {wall:8.3f} s   processor {used:8.3f} s", flush=True)
    return wall, result


def rows_of(graph: Graph, above: int = 0) -> list[Row]:
    statement = f"SELECT {ROW} FROM graph_component WHERE id > :above ORDER BY id"  # noqa: S608  (our own columns)
    return [Row(*columns) for columns in graph.asked(lambda read: read(statement, {"above": above}))]


def kept_above(graph: Graph, above: int) -> set[tuple[str, int, str]]:
    statement = (
        "SELECT a.ident, m.component_id, m.standing FROM graph_advisory_match m JOIN graph_advisory a"
        " ON a.id = m.advisory_id WHERE m.component_id > :above"
    )
    return set(graph.asked(lambda read: read(statement, {"above": above})))


def measure(graph: Graph, mirror: Path, sample: Sequence[Advisory], last: SbomDocument) -> None:
    kept = graph.advisories(mirror)
    rows = rows_of(graph)
    print(f"{len(rows)} components")
    first, done = timed("first run: all read, all judged", lambda: kept.refresh(NOW))
    _, found = timed("the answer: what touches what runs", lambda: graph.asked(lambda read: touched(read, mirror)))
    print(f"{done.changed} records; {len(found.touches)} touch what runs; memory at most {peak()} MB")
    timed("nothing new", lambda: kept.refresh(NOW))
    top = rows[-1].id
    graph.add_sbom(newer(last), NOW)
    new = rows_of(graph, top)
    incremental, done = timed(f"one new SBOM, {len(new)} new components", lambda: kept.refresh(NOW))
    if done.components != len(new):
        raise SystemExit(f"{done.components} of {len(new)} new components were judged")

    def anew() -> set[tuple[str, int, str]]:
        held = Mirror(mirror)
        held.refresh()
        hits = judge_all(held.index, new)
        return {(hit.advisory.id, hit.match.row.id, hit.match.standing.value) for hit in hits}

    index, expected = timed("baseline for it: the mirror read into an index, then judged", anew)
    if kept_above(graph, top) != expected:
        raise SystemExit("the store and the index disagree on the new SBOM")
    questions = [Question.of_advisory(one) for one in sample]
    pairs, _ = timed(
        f"baseline for all: every pair, {len(sample)} advisories of them",
        lambda: sum(judge(question, row) is not None for question in questions for row in rows),
    )
    whole = pairs / len(sample) * found.records
    print(f"one new SBOM: {index / incremental:.0f} times as fast as reading the mirror into an index")
    print(f"first run: {whole / first:.0f} times as fast as judging every pair ({whole:.0f} s, told from the sample)")


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("mirror", type=Path)
    for name, default in (("images", 400), ("workloads", 8000), ("packages", 1000), ("seed", 7)):
        options.add_argument(f"--{name}", type=int, default=default)
    options.add_argument("--database", help="an empty database's URL; SQLite in a scratch folder without it")
    args = options.parse_args()
    size = Size(args.images, args.workloads, args.packages)
    rng = random.Random(args.seed)
    names, sample = named(args.mirror)
    last: list[SbomDocument] = []

    def told() -> Iterator[SbomDocument]:
        for one in documents(rng, size, names):
            last[:] = [one]
            yield one

    with tempfile.TemporaryDirectory() as folder:
        graph = Graph(connect(args.database or f"sqlite:///{Path(folder) / 'graph.db'}"))
        timed(f"{args.images} images of {args.packages} packages made and stored", lambda: graph.add_sboms(told(), NOW))
        for one in fleet.clusters(rng, size):
            graph.record(one, NOW)
        measure(graph, args.mirror, sample, last[0])


if __name__ == "__main__":
    main()
