"""Gathers what a reader finds, whatever the format: packages once each, edges, and the counts of what stayed open.

Knows references and positions; it knows nothing of files, formats or images.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from patchgap.graph.purl import canonical
from patchgap.graph.sbom.document import ROOT, Package, package

_MOST_EDGES = 1 << 20  # that references which stand for several packages make of an SBOM's own
_NAMED = 5  # how many odd names a sentence lists


class Collector:
    """Packages, each once however often the SBOM lists it, and the edges between their references.

    Where one reference stands for several packages its edges lead to all of them: rather a chain too many than none."""

    def __init__(self) -> None:
        self._positions: dict[Package, int] = {}
        self._references: dict[str, int] = {}
        self._more: dict[str, dict[int, None]] = {}
        self._collisions: set[str] = set()
        self._edges: dict[int, tuple[int, ...]] = {}
        self._joined: dict[int, dict[int, None]] = {}  # the edges of a package to which more than one entry leads
        self._multiplied = 0
        self._groups: set[int] = set()
        self._no_packages: set[str] = set()
        self._purls: dict[str, int] | None = None
        self.foreign = 0  # edges into other documents
        self._dangling = self._through = self._too_many = 0
        self._odd: Counter[str] = Counter()
        self._notes: dict[str, None] = {}
        self._hides: dict[str, None] = {}

    def root(self, reference: str) -> None:
        """The reference by which edges name the artifact itself."""
        if reference:
            self._references[reference] = ROOT

    def add(self, found: Package, reference: str = "", *, group: bool = False) -> None:
        """A package and what edges call it. A `group` stands for others, such as a lock file: it needs no purl."""
        positions = self._positions
        position = positions.setdefault(found, len(positions))
        if reference:
            held = self._references.setdefault(reference, position)
            if held not in (position, ROOT):
                self._more.setdefault(reference, {})[position] = None
                self._collisions.add(reference)
        if group:
            self._groups.add(position)

    def alias(self, found: Package, reference: str) -> None:
        """One more package of the same entry: that is no collision."""
        position = self._positions.setdefault(found, len(self._positions))
        held = self._references.setdefault(reference, position)
        if held not in (position, ROOT):
            self._more.setdefault(reference, {})[position] = None

    def no_package(self, reference: str) -> None:
        """Something that edges may name and that is no package: a file, a service."""
        if reference:
            self._no_packages.add(reference)

    def link(self, parent: str, children: Sequence[str]) -> None:
        """Edges, where both ends are known; what leads nowhere is counted."""
        if not children:
            return
        start, edges = self._references.get(parent), self._edges
        ends = tuple(map(self._references.get, children))
        if start is None or None in ends or self._more:
            self._link_each(parent, children)
        elif start in edges or start in self._joined or start in ends or ROOT in ends or len(set(ends)) != len(ends):
            self._join(start, ends)  # type: ignore[arg-type]
        else:
            edges[start] = ends  # type: ignore[assignment]

    def _join(self, start: int, ends: Iterable[int]) -> None:
        """A package that leads to itself or back to the artifact adds no chain."""
        joined = self._joined.get(start)
        if joined is None:
            joined = self._joined[start] = dict.fromkeys(self._edges.pop(start, ()))
        joined.update(dict.fromkeys(end for end in ends if end not in (start, ROOT)))

    def _link_each(self, parent: str, children: Sequence[str]) -> None:
        starts = self._owners(parent)
        found: dict[int, None] = {}
        for child in children:
            ends = self._owners(child)
            if starts and ends:
                found.update(dict.fromkeys(ends))
            elif _is_foreign(child) or _is_foreign(parent):
                self.foreign += 1
            elif (starts or parent in self._no_packages) and (ends or child in self._no_packages):
                self._through += 1
            else:
                self._dangling += 1
        if len(starts) > 1 or len(found) > len(children):
            self._multiplied += len(starts) * len(found)
            if self._multiplied > _MOST_EDGES:
                self._too_many += len(children)
                return
        for start in starts:
            self._join(start, found)

    def _owners(self, reference: str) -> Sequence[int]:
        first = self._references.get(reference)
        if first is None:
            first = self._by_purl(reference)
            return () if first is None else (first,)
        return (first, *self._more.get(reference, ()))

    def _by_purl(self, reference: str) -> int | None:
        """Some tools name a component by its purl and not by its reference."""
        if not reference.startswith("pkg:"):
            return None
        if self._purls is None:
            self._purls = {found.purl: n for found, n in self._positions.items() if found.purl}
        return self._purls.get(canonical(reference))

    def odd_relationship(self, name: str) -> None:
        """A relationship whose name no version of the format knows."""
        self._odd[name] += 1

    def note(self, sentence: str) -> None:
        """Something else that the SBOM leaves open."""
        self._notes[sentence] = None

    def hide(self, sentence: str) -> None:
        """Something that the SBOM leaves open, and where any package may be that it does not list."""
        self._hides[sentence] = None

    @property
    def packages(self) -> tuple[Package, ...]:
        return tuple(self._positions)

    @property
    def edges(self) -> dict[int, tuple[int, ...]]:
        self._edges.update({start: tuple(ends) for start, ends in self._joined.items() if ends})
        self._joined.clear()
        return self._edges

    @property
    def gaps(self) -> tuple[str, ...]:
        """What stays open, in sentences; what `hides` says is not among them."""
        real = [found for found, n in self._positions.items() if n not in self._groups] if self._groups else None
        every = self._positions if real is None else real
        total = len(every)
        nameless = sum(not found.purl for found in every)
        versionless = sum(not found.version for found in every)
        edges = self.edges
        lines = [
            nameless and f"{nameless} of {many(total, 'package')} {_has(nameless)} no usable purl",
            versionless and f"{versionless} of {many(total, 'package')} {_has(versionless)} no version",
            self._dangling and f"{many(self._dangling, 'dependency edge')} {_lead(self._dangling)} nowhere",
            self.foreign
            and f"{many(self.foreign, 'dependency edge')} {_lead(self.foreign)} into other documents, which were not read",
            self._through
            and f"{many(self._through, 'dependency edge')} {_lead(self._through)} through files or services, which are no packages",
            self._collisions
            and f"{many(len(self._collisions), 'reference')} {_stand(len(self._collisions))} for several packages: {_some(sorted(self._collisions))}",
            self._too_many
            and f"{many(self._too_many, 'dependency edge')} of such references {_lead(self._too_many)} to too many packages to be kept",
            self._odd
            and f"{many(self._odd.total(), 'relationship')} of an unknown kind could not be read: {_some(sorted(self._odd))}",
            edges
            and ROOT not in edges
            and f"no chain starts at the artifact: its root leads to nothing, though {many(sum(map(len, edges.values())), 'dependency edge')} {_stand(2)} in it",
        ]
        return (*(line for line in lines if isinstance(line, str) and line), *self._notes)

    @property
    def hides(self) -> tuple[str, ...]:
        """Where a package may be that is not listed, in sentences."""
        return tuple(self._hides)


def label(name: str, version: str, group: str, purl: str) -> str:
    """What chains call the artifact: its purl, else its name and version."""
    if purl:
        return package(name, version, group, purl).purl or canonical(purl)
    name = f"{group}/{name}" if group else name
    return f"{name}@{version}" if version else name


def _is_foreign(reference: str) -> bool:
    return reference.startswith(("urn:cdx:", "DocumentRef-"))


def many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _has(count: int) -> str:
    return "has" if count == 1 else "have"


def _lead(count: int) -> str:
    return "leads" if count == 1 else "lead"


def _stand(count: int) -> str:
    return "stands" if count == 1 else "stand"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(name[:80] for name in names[:_NAMED])
    return f"{shown}, …" if len(names) > _NAMED else shown
