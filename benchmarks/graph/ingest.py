"""How fast a folder of SBOMs goes into the graph, beside the naive loader on the same files.

Run: python benchmarks/graph/ingest.py FOLDER [--times 1] [--rounds 3]
The naive loader is one process: json.loads of each file, and one INSERT an occurrence in one transaction of an in-memory
SQLite; it keeps no index, no edges and no list of files. Ours is what `patchgap graph add FOLDER` does on a database that
stands: two reading processes, a durable SQLite file, edges, chains and indexes. `--times N` takes each file N times, each time as another
image would hold it: every fifth package in a version of its own, as of 519,398 occurrences in 3,149 real files every fifth
was a new package. Of each the best of its rounds, with the seconds of processor beside those of the clock (of ours, all
processes together: half of it is what two cores of its own would take), and the memory of all our processes at most.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import resource
import sqlite3
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from patchgap.graph import files
from patchgap.graph.loading import load
from patchgap.graph.sbom.document import SbomDocument
from patchgap.graph.store import Graph
from patchgap.storage import connect

NOW = datetime(2026, 11, 24, 7, 10, tzinfo=UTC)
_PURL_VERSION = re.compile(rb'"(pkg:[^"@]+(?:%40|@)[^"?#]*)')


def naive(paths: list[Path]) -> int:
    """Occurrences of purls that the naive loader stores."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE occurrence (document TEXT, purl TEXT)")
    count = 0
    for path in paths:
        content = path.read_bytes()
        document = json.loads(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content)
        for purl in _purls(document):
            connection.execute("INSERT INTO occurrence VALUES (?, ?)", (str(path), purl))
            count += 1
    connection.commit()
    connection.close()
    return count


def _purls(document: object) -> Iterator[str]:
    if not isinstance(document, dict):
        return
    for component in _components(document):
        if component.get("purl"):
            yield component["purl"]
    for package in document.get("packages") or ():
        for reference in package.get("externalRefs") or ():
            if reference.get("referenceType") == "purl":
                yield reference["referenceLocator"]


def _components(holder: dict[str, list[dict[str, str]]]) -> Iterator[dict[str, str]]:
    for component in holder.get("components") or ():
        yield component
        if "components" in component:
            yield from _components(component)  # type: ignore[arg-type]


def ours(paths: list[Path], graph: Graph) -> tuple[int, int]:
    """SBOMs and occurrences stored."""
    occurrences = 0

    def documents() -> Iterator[SbomDocument]:
        nonlocal occurrences
        for one in load(paths, "registry.example.org/x@sha256:" + "0" * 64):
            if isinstance(one.content, SbomDocument):
                occurrences += len(one.content.packages)
                yield one.content

    return graph.add_sboms(documents(), NOW), occurrences


TICK = 1 / os.sysconf("SC_CLK_TCK")


class Took(NamedTuple):
    """Seconds of the clock and of the processors, those of processes that ended among them; a tick at least, which the
    system's counter cannot tell from nothing."""

    wall: float
    cpu: float
    value: tuple[int, ...]


def timed(work: Callable[[], tuple[int, ...]]) -> Took:
    start, before = time.perf_counter(), os.times()
    value = work()
    after = os.times()
    return Took(time.perf_counter() - start, max(sum(after[:4]) - sum(before[:4]), TICK), value)


def peak() -> int:
    """Bytes that all processes held at most: ours, and as many as there are cores of the largest that ended."""
    own, children = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return 1024 * (own + children * (os.cpu_count() or 1))


def main() -> None:
    """Prints one line a measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        paths = copies(found(asked.folder), asked.times, folder)
        print(f"{len(paths)} files, {sum(path.stat().st_size for path in paths) / 1e6:.0f} MB")
        reading = timed(lambda: (sum(len(path.read_bytes()) for path in paths),))
        new, again, theirs = [], [], []
        for n in range(asked.rounds):
            database = folder / f"graph-{n}.db"
            graph = Graph(connect(f"sqlite:///{database}"))
            new.append(timed(lambda: ours(paths, graph)))  # noqa: B023  (called at once)
            again.append(timed(lambda: ours(paths, graph)))  # noqa: B023
        memory, disk = peak(), database.stat().st_size
        theirs = [timed(lambda: (naive(paths),)) for _ in range(asked.rounds)]
    one, same, other = min(new), min(again), min(theirs)
    sboms, occurrences = one.value
    tell("naive", other, f"{other.value[0]} occurrences")
    tell("patchgap", one, f"{occurrences} occurrences of {sboms} SBOMs")
    tell("again", same, "nothing written")
    tell("reading", reading, "one process, nothing parsed")
    print(
        f"{other.wall / one.wall:.1f} times as fast as the naive loader by the clock,"
        f" {other.cpu / one.cpu * 2:.1f} times by two cores' processor time"
    )
    print(f"disk {disk / 1e6:.1f} MB, memory of all processes at most {memory / 1e6:.0f} MB")


def tell(name: str, took: Took, what: str) -> None:
    print(f"{name:10} {took.wall:7.2f} s  {took.cpu:7.2f} s of processor  {what}")


def found(folder: Path) -> list[Path]:
    """The folder's JSON files: the naive loader reads no other."""
    return [path for path in files.walk(folder) if path.name.endswith((".json", ".json.gz"))]


def copies(paths: list[Path], times: int, folder: Path) -> list[Path]:
    """Each file `times` times; in each copy every fifth purl has a version of its own, in whole wherever it stands."""
    every = list(paths)
    for n in range(1, times):
        suffix = b".%d" % n

        def changed(match: re.Match[bytes], suffix: bytes = suffix) -> bytes:
            return match[0] + (suffix if zlib.crc32(match[1] + suffix) % 5 == 0 else b"")

        for m, path in enumerate(paths):
            content = path.read_bytes()
            if content[:2] == b"\x1f\x8b":
                content = gzip.decompress(content)
            copy = folder / f"{n}-{m}.json"
            copy.write_bytes(_PURL_VERSION.sub(changed, content) + b" " * n)
            every.append(copy)
    return every


if __name__ == "__main__":
    main()
