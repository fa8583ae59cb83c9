"""How long a question takes at 5,000 images x 100,000 workloads x 5 million occurrences, and at a hundredth of it.

Run: python benchmarks/graph/scale.py [--images 5000] [--workloads 100000] [--packages 1000] [--questions 1000]
     [--keep FOLDER] [--postgres | --database URL --hundredth URL]

An answer's time grows with its exposures, and a large fleet has more of them. So the sizes are compared by questions that
have as many exposures at both (a tenth more or less), pair by pair, kind by kind; what a question costs as the fleet asks
it, heavy ones included, stands beside. Each time is the best of three, warm. The baseline reads every SBOM with
`json.loads`. With --keep a fleet is built once into that folder's SQLite files (or the named databases) and found there again.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import NamedTuple

from exposure import KINDS, Scan, command_times, percentile, timed
from fleet import NOW, Size, build

from patchgap.graph.members import unpack
from patchgap.graph.reading import Run, among_ids
from patchgap.graph.sbom.document import Package
from patchgap.graph.store import Graph
from patchgap.storage import connect

SHARE, SCANS, TIMES = 100, 3, 3
NEAR = 0.1
_PACKAGE = "ecosystem, vendor, name, version, purl, distro, source, source_version"


class Asked(NamedTuple):
    """A question's number of exposures and its time, ms."""

    exposures: int
    time: float


def chosen(graph: Graph, rng: random.Random, *, by_occurrence: bool, count: int) -> list[Package]:
    """Packages of the graph at random: each component as likely as any other, or as often as SBOMs list it."""

    def of(read: Run) -> list[Package]:
        if by_occurrence:
            sboms = read("SELECT max(id) FROM graph_sbom")[0][0]
            sets = {one: _members(read, one) for one in sorted({1 + rng.randrange(sboms) for _ in range(count)})}
            ids = [rng.choice(rng.choice([*sets.values()])) for _ in range(count)]
        else:
            ids = [1 + rng.randrange(read("SELECT max(id) FROM graph_component")[0][0]) for _ in range(count)]
        rows = read(f"SELECT id, {_PACKAGE} FROM graph_component WHERE {among_ids('id', set(ids))}")  # noqa: S608
        found = {row[0]: Package(*row[1:]) for row in rows}
        return [found[one] for one in ids]

    return graph.asked(of)


def _members(read: Run, sbom_id: int) -> list[int]:
    rows = read(
        f"SELECT s.members FROM graph_sbom_set p JOIN graph_set s ON s.id = p.set_id WHERE p.sbom_id = {sbom_id}"  # noqa: S608
    )
    return [one for row in rows for one in unpack(row[0])]


def asked(graph: Graph, kind: str, packages: Sequence[Package], most: float = inf) -> list[Asked]:
    """Each question's size, and the best of three times; those with more exposures are left out."""
    found = []
    for one in packages:
        question = KINDS[kind](one)
        size = len(graph.exposure(question, NOW).exposures)  # warms what the timed ones read
        if size <= most:
            found.append(Asked(size, min(timed(lambda: graph.exposure(question, NOW)) for _ in range(TIMES))))  # noqa: B023
    return found


def pairs(large: Sequence[Asked], small: Sequence[Asked]) -> Iterator[tuple[Asked, Asked]]:
    """Questions with as many exposures at both sizes, a tenth more or less; each is in one pair."""
    rest = sorted(small)
    for one in large:
        at = bisect_left(rest, Asked(one.exposures, 0.0))
        near = [n for n in (at - 1, at) if 0 <= n < len(rest)]
        best = min(near, key=lambda n: abs(rest[n].exposures - one.exposures), default=None)
        if best is not None and abs(rest[best].exposures - one.exposures) <= NEAR * one.exposures:
            yield one, rest.pop(best)


def compare(large: Graph, small: Graph, seed: int, count: int) -> dict[str, float]:
    """Prints the pairs of each kind; gives the large graph's median of each."""
    medians = {}
    print(f"{'the same number of exposures':40} {'pairs':>6} {'a hundredth':>19} {'whole':>19}  p50   p99")
    for kind in KINDS:
        whole, part = (chosen(graph, random.Random(seed), by_occurrence=False, count=count) for graph in (large, small))
        below = asked(small, kind, part)
        held = [*pairs(asked(large, kind, whole, most=max(below).exposures), below)]
        if not held:
            raise SystemExit(
                f"no two questions of kind {kind} have as many exposures: ask more, or take a larger fleet"
            )
        (p50, p99), (q50, q99) = ([percentile([pair[n].time for pair in held], q) for q in (0.5, 0.99)] for n in (0, 1))
        sizes = [pair[0].exposures for pair in held]
        words = f"{kind} (p50 {percentile(sizes, 0.5)}, p99 {percentile(sizes, 0.99)} exposures)"
        print(
            f"  {words:38} {len(held):6} {q50:7.2f} {q99:7.2f} ms  {p50:7.2f} {p99:7.2f} ms  {p50 / q50:.2f}  {p99 / q99:.2f}"
        )
        medians[kind] = p50
    return medians


def as_asked(graph: Graph, seed: int, count: int) -> None:
    """Prints what questions cost as they come at the large size, and what the heaviest cost."""
    for by_occurrence in (False, True):
        word = "occurrence" if by_occurrence else "component"
        for kind in KINDS:
            packages = chosen(graph, random.Random(seed), by_occurrence=by_occurrence, count=count)
            found = asked(graph, kind, packages)
            times, sizes = [one.time for one in found], [one.exposures for one in found]
            heavy = max(found)
            print(
                f"  by {word:10} {kind:13} p50 {percentile(times, 0.5):6.2f}  p99 {percentile(times, 0.99):6.2f} ms"
                f"   exposures p50 {percentile(sizes, 0.5):5} p99 {percentile(sizes, 0.99):6}"
                f"   heaviest {heavy.exposures} in {heavy.time:.1f} ms"
            )


def cold(url: str, one: Package) -> None:
    """Prints what the first answer of a process costs, and the first after a write."""
    graph = Graph(connect(url))
    question = KINDS["name@version"](one)
    first = timed(lambda: graph.exposure(question, NOW))
    warm = min(timed(lambda: graph.exposure(question, NOW)) for _ in range(TIMES))
    after = []
    for _ in range(TIMES):
        graph.add_artifact(graph.artifact(f"sha256:{0:064x}"))  # type: ignore[arg-type]  # writes what it holds already
        after.append(timed(lambda: graph.exposure(question, NOW)))
    print(f"  first answer {first:.1f} ms; the first after a write {min(after):.1f} ms; warm {warm:.2f} ms")


def commands(urls: Sequence[str], large: Graph, small: Graph, seed: int) -> None:
    """Prints what whole commands cost at both sizes, each about a package with an ordinary number of exposures."""
    sides = []
    for url, graph in zip(urls, (large, small), strict=True):
        one = chosen(graph, random.Random(seed), by_occurrence=False, count=1)[0]
        images = [f"sha256:{n:064x}" for n in (1, 2)]
        asked_of = f"{one.name}@{one.version}"
        words: dict[str, Sequence[str]] = {
            "exposure": ("exposure", asked_of),
            "exposure --json": ("exposure", asked_of, "--json"),
            "exposure --at": ("exposure", asked_of, "--at", "2026-11-24T07:30Z"),
            "exposure, filtered": ("exposure", asked_of, "--cluster", "cluster-1", "--environment", "production"),
            "blast-radius": ("blast-radius", asked_of),
            "runs": ("runs", "--since", "2026-11-24T07:00Z", "--component", asked_of),
            "graph stats": ("graph", "stats"),
            "graph path": ("graph", "path", asked_of),
            "graph path --image": ("graph", "path", asked_of, "--image", images[0]),
            "graph diff": ("graph", "diff", *images),
        }
        sides.append(command_times(url, words))
    for name in sides[0]:
        print(f"  {name:20} {sides[1][name]:6.0f} ms at a hundredth, {sides[0][name]:6.0f} ms at the whole")


@contextmanager
def databases(args: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """The URLs of the large and the small graph's database."""
    if args.database:
        yield args.database, args.hundredth
    elif args.postgres:
        sys.path.insert(0, str(Path(__file__).parents[2]))
        from tests.postgres import server

        with server() as postgres, postgres.database() as large, postgres.database() as small:
            yield large, small
    else:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(args.keep or scratch)
            yield f"sqlite:///{folder / 'big.db'}", f"sqlite:///{folder / 'small.db'}"


def opened(url: str, size: Size, seed: int) -> Graph:
    """The graph, built where the database is empty."""
    graph = Graph(connect(url))
    if not graph.asked(lambda read: read("SELECT 1 FROM graph_state")):
        print(f"built {size} in {timed(lambda: build(graph, size, seed)) / 1000:.0f} s")
    return graph


def main() -> None:
    options = argparse.ArgumentParser()
    for name, default in (
        ("images", 5000),
        ("workloads", 100_000),
        ("packages", 1000),
        ("seed", 7),
        ("questions", 1000),
    ):
        options.add_argument(f"--{name}", type=int, default=default)
    options.add_argument("--keep", help="a folder for the SQLite files: what is there is not built again")
    options.add_argument("--postgres", action="store_true", help="on a PostgreSQL that is started for it")
    options.add_argument("--database", help="the large graph's database: built where it is empty")
    options.add_argument("--hundredth", help="the small graph's")
    args = options.parse_args()
    size = Size(args.images, args.workloads, args.packages)
    part = Size(args.images // SHARE, args.workloads // SHARE, args.packages)
    with databases(args) as urls:
        large, small = opened(urls[0], size, args.seed), opened(urls[1], part, args.seed)
        print(f"{size}, and {part}; {urls[0].partition(':')[0]}")
        one = chosen(large, random.Random(args.seed), by_occurrence=False, count=1)[0]
        cold(urls[0], one)
        medians = compare(large, small, args.seed, args.questions)
        as_asked(large, args.seed, args.questions // 5)
        scan = Scan(large)
        for package in chosen(large, random.Random(1), by_occurrence=False, count=SCANS):  # both must say the same
            found = {str(e.workload.ref) for e in large.exposure(KINDS["purl"](package), NOW).exposures}
            if found != scan.ask(package.purl):
                raise SystemExit(f"the graph and the scan disagree on {package.purl}")
        baseline = min(timed(lambda: scan.ask(one.purl)) for _ in range(SCANS))
        print(
            f"baseline (json.loads of every SBOM) {baseline:.0f} ms: {baseline / medians['purl']:.0f} times the graph's"
        )
        commands(urls, large, small, args.seed)


if __name__ == "__main__":
    main()
