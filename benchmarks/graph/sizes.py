"""What questions cost at two sizes of a fleet, like beside like.

An answer's time grows with its exposures, and a large fleet has more of them. So a question at one size stands beside one
at the other whose answer is as long (a tenth more or less) and whose package is of the same sort: a base's have no chains.
The two are timed in turns, so that what else the machine does falls on both, and the best of several times counts: on the
clock, and of this process's and the database server's processor time, which other programs do not lengthen.
"""

from __future__ import annotations

import random
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from math import inf
from pathlib import Path
from typing import NamedTuple

from exposure import KINDS, Time, percentile
from fleet import NOW

from patchgap.graph.members import unpack
from patchgap.graph.question import Question
from patchgap.graph.reading import Run, among_ids
from patchgap.graph.sbom.document import Package
from patchgap.graph.store import Graph

TIMES, NEAR = 7, 0.1
_PACKAGE = "ecosystem, vendor, name, version, purl, distro, source, source_version"


class Asked(NamedTuple):
    """A question, and how many exposures its answer has."""

    exposures: int
    question: Question
    is_base: bool


class Meter:
    """Times one graph's answers. `_server` is where Linux tells the processor time of a PostgreSQL server's process that
    answers on this machine, None where there is none."""

    def __init__(self, graph: Graph, *, postgres: bool) -> None:
        self._graph = graph
        self._server: Path | None = None
        if postgres:
            self._server = Path(f"/proc/{graph.asked(lambda read: read('SELECT pg_backend_pid()'))[0][0]}/schedstat")

    def exposures(self, question: Question) -> int:
        """How many the answer has; warms what a later time reads."""
        return len(self._graph.exposure(question, NOW).exposures)

    def time(self, question: Question) -> Time:
        start, used = time.perf_counter(), self._processor()
        self._graph.exposure(question, NOW)
        return Time((time.perf_counter() - start) * 1000, (self._processor() - used) * 1000)

    def _processor(self) -> float:
        server = int(self._server.read_text().split()[0]) / 1e9 if self._server else 0.0
        return time.process_time() + server


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


def asked(meter: Meter, of: Callable[[Package], Question], packages: Sequence[Package], most: float) -> list[Asked]:
    """The questions about these packages, each once; without those whose answers are longer."""
    questions = {str(question): (question, one) for one in packages if (question := of(one))}
    found = [Asked(meter.exposures(q), q, one.ecosystem == "deb") for q, one in questions.values()]
    return [one for one in found if one.exposures <= most]


def pairs(large: Sequence[Asked], small: Sequence[Asked]) -> Iterator[tuple[Asked, Asked]]:
    """Questions with as many exposures at both sizes, a tenth more or less; each is in one pair."""
    for is_base in (False, True):
        rest = sorted((one for one in small if one.is_base is is_base), key=lambda one: one.exposures)
        for one in (held for held in large if held.is_base is is_base):
            at = bisect_left(rest, one.exposures, key=lambda held: held.exposures)
            near = [n for n in (at - 1, at) if 0 <= n < len(rest)]
            best = min(near, key=lambda n: abs(rest[n].exposures - one.exposures), default=None)
            if best is not None and abs(rest[best].exposures - one.exposures) <= NEAR * one.exposures:
                yield one, rest.pop(best)


def compare(large: Meter, small: Meter, packages: tuple[Sequence[Package], Sequence[Package]]) -> dict[str, float]:
    """Prints the pairs of each kind; gives the large graph's median on the clock."""
    medians = {}
    print(
        "as many exposures at both sizes, ms, p50 and p99        a hundredth            whole     ratio       an exposure"
    )
    for kind, of in KINDS.items():
        below = asked(small, of, packages[1], inf)
        above = asked(large, of, packages[0], max(one.exposures for one in below))
        held = [*pairs(above, below)]
        if not held:
            raise SystemExit(f"no two questions of kind {kind} are alike: ask more, or take a larger fleet")
        times = [_in_turns(large, small, *pair) for pair in held]
        sizes = [one.exposures for one, _ in held]
        medians[kind] = percentile([one.clock for one, _ in times], 0.5)
        print(f"  {kind}: {len(held)} pairs, exposures p50 {percentile(sizes, 0.5)}, p99 {percentile(sizes, 0.99)}")
        for n, word in enumerate(Time._fields):
            whole, part = ([pair[side][n] for pair in times] for side in (0, 1))
            (p50, p99), (q50, q99) = ([percentile(of_one, q) for q in (0.5, 0.99)] for of_one in (whole, part))
            each = [1000 * sum(of_one) / sum(pair[side].exposures for pair in held) for side, of_one in ((1, part), (0, whole))]  # fmt: skip
            print(
                f"    {word:40} {q50:10.2f} {q99:8.2f} {p50:10.2f} {p99:8.2f}   {p50 / q50:.2f} {p99 / q99:.2f}"
                f"   {each[0]:.2f} {each[1]:.2f} us"
            )
    return medians


def _in_turns(large: Meter, small: Meter, above: Asked, below: Asked) -> tuple[Time, Time]:
    times = [(large.time(above.question), small.time(below.question)) for _ in range(TIMES)]
    return _best([one for one, _ in times]), _best([one for _, one in times])


def _best(times: Sequence[Time]) -> Time:
    return Time(min(one.clock for one in times), min(one.processor for one in times))


def as_asked(meter: Meter, packages: Sequence[Package], word: str) -> None:
    """Prints what questions cost as they come, whatever their answers' sizes."""
    for kind, of in KINDS.items():
        found = []
        for one in packages:
            question = of(one)
            found.append((meter.exposures(question), _best([meter.time(question) for _ in range(TIMES // 2)])))
        sizes, times = [size for size, _ in found], [time_.clock for _, time_ in found]
        most, longest = max(found)
        each = 1000 * sum(times) / sum(sizes)
        print(
            f"  {word:34} {kind:13} p50 {percentile(times, 0.5):6.2f}  p99 {percentile(times, 0.99):7.2f} ms"
            f"   exposures p50 {percentile(sizes, 0.5):5} p99 {percentile(sizes, 0.99):6}   {each:.2f} us each"
            f"   heaviest {most} in {longest.clock:.0f} ms"
        )
