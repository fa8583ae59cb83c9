"""How fast a folder of SBOMs goes into the graph, beside the naive loader on the same files.

Run: python benchmarks/graph/ingest.py FOLDER [--times 1]
The naive loader is one process: json.loads of each file, and one INSERT an occurrence in one transaction of an in-memory
SQLite. Ours is the whole of `patchgap graph add FOLDER`: two reading processes and a durable SQLite file. `--times N`
takes each file N times, each time as another document. Prints both times, their ratio, the parts that bound it, and the
largest memory of ours.
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from patchgap.graph import files
from patchgap.graph.loading import load
from patchgap.graph.sbom.document import SbomDocument
from patchgap.graph.store import Graph
from patchgap.storage import connect

NOW = datetime(2026, 11, 24, 7, 10, tzinfo=UTC)


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
    connection.execute("CREATE INDEX by_purl ON occurrence (purl)")
    connection.commit()
    return count


def _purls(document: object) -> Iterator[str]:
    if not isinstance(document, dict):
        return
    for component in document.get("components") or ():
        if component.get("purl"):
            yield component["purl"]
    for package in document.get("packages") or ():
        for reference in package.get("externalRefs") or ():
            if reference.get("referenceType") == "purl":
                yield reference["referenceLocator"]


def ours(paths: list[Path], folder: Path) -> tuple[int, int]:
    """SBOMs and occurrences stored."""
    graph = Graph(connect(f"sqlite:///{folder / 'graph.db'}"))
    occurrences = 0

    def documents() -> Iterator[SbomDocument]:
        nonlocal occurrences
        for one in load(paths, "registry.example.org/x@sha256:" + "0" * 64):
            if isinstance(one.content, SbomDocument):
                occurrences += len(one.content.packages)
                yield one.content

    return graph.add_sboms(documents(), NOW), occurrences


def timed(work: Callable[[], object]) -> tuple[float, object]:
    """Seconds, and what the work gave."""
    start = time.perf_counter()
    value = work()
    return time.perf_counter() - start, value


def main() -> None:
    """Prints one line a measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--times", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        paths = copies(found(asked.folder), asked.times, Path(scratch))
        size = sum(path.stat().st_size for path in paths)
        print(f"{len(paths)} files, {size / 1e6:.0f} MB")
        reading, _ = timed(lambda: [len(path.read_bytes()) for path in paths])
        mine, (sboms, occurrences) = timed(lambda: ours(paths, Path(scratch)))  # type: ignore[misc]
        again, _ = timed(lambda: ours(paths, Path(scratch)))
        peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        disk = (Path(scratch) / "graph.db").stat().st_size
    with tempfile.TemporaryDirectory() as scratch:
        paths = copies(found(asked.folder), asked.times, Path(scratch))
        theirs, count = timed(lambda: naive(paths))
    print(f"naive      {theirs:7.2f} s  {count} occurrences")
    print(f"patchgap   {mine:7.2f} s  {occurrences} occurrences of {sboms} SBOMs, {theirs / mine:.1f} times as fast")
    print(f"again      {again:7.2f} s  nothing written")
    print(f"reading    {reading:7.2f} s  one process, nothing parsed")
    print(f"disk {disk / 1e6:.1f} MB, largest process {peak / 1e3:.0f} MB")


def found(folder: Path) -> list[Path]:
    """The folder's JSON files: the naive loader reads no other."""
    return [path for path in files.walk(folder) if path.name.endswith((".json", ".json.gz"))]


def copies(paths: list[Path], times: int, folder: Path) -> list[Path]:
    """Each file `times` times; a copy differs in one trailing space more."""
    every = list(paths)
    for n in range(1, times):
        for m, path in enumerate(paths):
            content = path.read_bytes()
            if content[:2] == b"\x1f\x8b":
                content = gzip.decompress(content)
            copy = folder / f"{n}-{m}.json"
            copy.write_bytes(content + b" " * n)
            every.append(copy)
    return every


if __name__ == "__main__":
    sys.exit(main())
