"""How long a question takes at 5,000 images x 100,000 workloads x 5 million occurrences, and at a hundredth of it.

Run: python benchmarks/graph/scale.py [--images 5000] [--workloads 100000] [--packages 1000] [--questions 1000]
     [--times 10] [--keep FOLDER] [--postgres | --database URL --hundredth URL]

Questions whose answers are as long at both sizes stand beside each other (`sizes.py` says how); what they cost as they
come, heavy ones included, stands beside. The baseline reads every SBOM with `json.loads`. What memory and disk it takes is
printed, and what each command takes as a whole process: `--times` is how often each runs, 0 for none. With --keep a fleet
is built once into that folder's SQLite files (or the named databases) and found there again.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from exposure import KINDS, Scan, command_times, timed
from fleet import NOW, Size, build
from sizes import Meter, as_asked, chosen, compare

from patchgap.graph.sbom.document import Package
from patchgap.graph.store import Graph
from patchgap.storage import connect

SHARE, SCANS, TIMES = 100, 3, 3


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


def commands(urls: Sequence[str], large: Graph, small: Graph, seed: int, times: int) -> None:
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
        sides.append(command_times(url, words, times))
    print(f"whole processes, best of {times}, ms     a hundredth               the whole")
    for name, whole in sides[0].items():
        part = sides[1][name]
        print(
            f"  {name:20} {part.clock:8.0f} ({part.processor:.0f} of the processor) {whole.clock:8.0f} ({whole.processor:.0f})"
        )


def sizes_held(url: str, graph: Graph) -> None:
    """Prints the database's size, and this process's memory after all that was asked of both graphs."""
    sqlite = not url.startswith("postgresql")
    size = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
    disk = graph.asked(lambda read: read(size if sqlite else "SELECT pg_database_size(current_database())"))[0][0]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"disk {disk >> 20} MiB; this process's memory at its most {memory >> 10} MiB")


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
        ("times", 10),
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
        of_large, of_small = (Meter(one, postgres=urls[0].startswith("postgresql")) for one in (large, small))
        drawn = [chosen(g, random.Random(args.seed), by_occurrence=False, count=args.questions) for g in (large, small)]
        medians = compare(of_large, of_small, (drawn[0], drawn[1]))
        few = args.questions // 5
        as_asked(of_small, drawn[1][:few], "a hundredth, by component")
        as_asked(of_large, drawn[0][:few], "the whole, by component")
        by_occurrence = chosen(large, random.Random(args.seed), by_occurrence=True, count=few)
        as_asked(of_large, by_occurrence, "the whole, by occurrence")
        sizes_held(urls[0], large)
        scan = Scan(large)
        for package in chosen(large, random.Random(1), by_occurrence=False, count=SCANS):  # both must say the same
            found = {str(e.workload.ref) for e in large.exposure(KINDS["purl"](package), NOW).exposures}
            if found != scan.ask(package.purl):
                raise SystemExit(f"the graph and the scan disagree on {package.purl}")
        baseline = min(timed(lambda: scan.ask(one.purl)) for _ in range(SCANS))
        print(
            f"baseline (json.loads of every SBOM) {baseline:.0f} ms: {baseline / medians['purl']:.0f} times the graph's"
        )
        if args.times:
            commands(urls, large, small, args.seed, args.times)


if __name__ == "__main__":
    main()
