"""What a hundredfold fleet costs: time to take it in, disk, and memory.

Run: python benchmarks/graph/growth.py [--images 20] [--workloads 200] [--packages 500] [--times 100]
Each fleet is built by a process of its own in a new SQLite file: its SBOMs, one after another, and a snapshot of each of
its clusters. Times are of its processor, without making up the fleet; memory is the most that the process held. Another
process asks of each fleet for a hundred packages of an image.
The last column is how many times as much the large fleet takes: 100 or less is what is held.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fleet import NOW, Size, clusters, documents

from patchgap.graph.question import Question
from patchgap.graph.store import Graph
from patchgap.storage import connect

SEED, QUESTIONS = 7, 100


def peak() -> int:
    """The most that this process has held, in bytes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def built(database: Path, size: Size) -> dict[str, float]:
    """Takes the fleet in."""
    graph = Graph(connect(f"sqlite:///{database}"))
    start = time.process_time()
    for _ in documents(random.Random(SEED), size):
        pass
    made = time.process_time()
    rng = random.Random(SEED)
    graph.add_sboms(documents(rng, size), NOW)
    added = time.process_time()
    fleet = clusters(rng, size)
    ready = time.process_time()
    for one in fleet:
        graph.record(one, NOW)
    return {
        "SBOMs in, s": added - made - (made - start),
        "snapshots in, s": time.process_time() - ready,
        "disk, MB": database.stat().st_size / 1e6,
        "memory of taking in, MB": peak() / 1e6,
    }


def asked(database: Path, size: Size) -> dict[str, float]:
    """Asks of it."""
    graph = Graph(connect(f"sqlite:///{database}"))
    start = time.process_time()
    for one in next(documents(random.Random(SEED), size)).packages[:QUESTIONS]:
        graph.exposure(Question.parse(f"{one.name}@{one.version}"), NOW)
    return {"questions, s": time.process_time() - start, "memory of questions, MB": peak() / 1e6}


def apart(step: str, database: Path, size: Size) -> dict[str, float]:
    """The step's figures, in a process of its own."""
    command = [sys.executable, __file__, "--step", step, str(database)]
    told = [f"--{name}={count}" for name, count in zip(size._fields, size, strict=True)]
    found: dict[str, float] = json.loads(subprocess.run([*command, *told], check=True, capture_output=True).stdout)  # noqa: S603
    return found


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--workloads", type=int, default=200)
    parser.add_argument("--packages", type=int, default=500)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--step", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    small = Size(given.images, given.workloads, given.packages)
    if given.step:
        step, database = given.step
        print(json.dumps({"in": built, "ask": asked}[step](Path(database), small)))
        return
    large = Size(given.images * given.times, given.workloads * given.times, given.packages)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for n, size in enumerate((small, large)):
            database = Path(folder) / f"{n}.db"
            rows.append(apart("in", database, size) | apart("ask", database, size))
            print(size)
    print(f"\n{'':24}{'small':>10}{'large':>10}{'times':>8}")
    for name, one in rows[0].items():
        print(f"{name:24}{one:10.2f}{rows[1][name]:10.2f}{rows[1][name] / one:8.1f}")


if __name__ == "__main__":
    main()
