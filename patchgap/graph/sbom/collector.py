"""Gathers what a reader finds, whatever the format: packages once each, edges, and the counts of what stayed open.

Knows references and positions; it knows nothing of files, formats or images.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from patchgap.graph.purl import canonical, spelt
from patchgap.graph.sbom.document import ROOT, Package, SbomDocument, package
from patchgap.model.exposure import Artifact

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
        self._described: Package | None = None
        self._no_packages: set[str] = set()
        self._purls: dict[str, int] | None = None
        self.foreign = 0  # edges into other documents
        self._dangling = self._through = self._too_many = 0
        self._odd: Counter[str] = Counter()
        self._notes: dict[str, None] = {}
        self._hides: dict[str, None] = {}

    def root(self, reference: str, described: Package | None = None) -> None:
        """The reference by which edges name the artifact itself; what is `described` may be listed under it again."""
        self._described = described or self._described
        if reference:
            self._references[reference] = ROOT

    def add(self, found: Package, reference: str = "", *, group: bool = False) -> None:
        """A package and what edges call it. A `group` stands for others, such as a lock file: it needs no purl."""
        positions = self._positions
        position = positions.setdefault(found, len(positions))
        if reference:
            held = self._references.setdefault(reference, position)
            if held != position and (held != ROOT or found != self._described):
                self._more.setdefault(reference, {})[position] = None
                self._collisions.add(reference)
        if group:
            self._groups.add(position)

    def add_own(self, found: Package) -> None:
        """The package that the artifact itself is; it needs no purl. Alone it is not added: an SBOM that lists nothing
        else lists no packages, which is a blind spot of its artifact for every question."""
        if self._positions and found not in self._positions:
            self.add(found, group=True)

    def add_all(self, found: Sequence[Package | None], references: Sequence[str | None]) -> None:
        """Packages in order, each with what edges call it; None stands for what is no package. Where nothing is there
        twice, no package is looked at by itself."""
        first = len(self._positions)
        fresh = dict(zip(found, range(first, first + len(found)), strict=True))
        named = dict(zip(references, fresh.values(), strict=False))
        apart = len(fresh) == len(named) == len(found) and None not in fresh and None not in named
        if apart and self._positions.keys().isdisjoint(fresh) and self._references.keys().isdisjoint(named):
            self._positions.update(fresh)  # type: ignore[arg-type]
            self._references.update(named)  # type: ignore[arg-type]
            return
        for one, reference in zip(found, references, strict=True):
            if one is not None:
                self.add(one, reference or "")

    def group(self, found: Package) -> None:
        """A package that stands for others, such as a lock file: it needs no purl."""
        self._groups.add(self._positions[found])

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
        self.link_all([(parent, children)])

    def link_all(self, every: Iterable[tuple[str | None, Sequence[str] | None]]) -> None:
        """The edges of many."""
        position, edges, joined = self._references.get, self._edges, self._joined
        for parent, children in every:
            if not children:
                continue
            start = position(parent or "")
            ends = tuple(map(position, children))
            if start is None or None in ends or self._more:
                self._link_each(parent or "", children)
            elif start in edges or start in joined or start in ends or ROOT in ends or _doubled(ends):
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
        if not spelt(reference).startswith("pkg:"):
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

    def document(
        self,
        digest: str,
        kind: str,
        reference: str,
        root: str,
        digests: tuple[str, ...],
        *,
        whole: bool,
        repository: str = "",
        commit: str = "",
    ) -> SbomDocument:
        """The SBOM of what was gathered. `digest` is the file's own, `kind` its format, `root` what chains call the
        artifact, and `digests` those that the artifact goes by, its own first."""
        artifact = Artifact(digests[0] if digests else "", repository, commit, sbom_ref=reference)
        return SbomDocument(
            digest, kind, reference, artifact, digests, root, self.packages, self.edges, whole, self.gaps, self.hides
        )

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
        return (*self._of_packages(), *self._of_edges(), *self._notes)

    def _of_packages(self) -> Iterator[str]:
        packages = [found for found, n in self._positions.items() if n not in self._groups]
        listed = many(len(packages), "package")
        if nameless := sum([not found.purl for found in packages]):
            yield f"{nameless} of {listed} {'has' if nameless == 1 else 'have'} no usable purl"
        if versionless := sum([not found.version for found in packages]):
            yield f"{versionless} of {listed} {'has' if versionless == 1 else 'have'} no version"

    def _of_edges(self) -> Iterator[str]:
        if self._dangling:
            yield f"{_edges(self._dangling, 'lead')} nowhere"
        if self.foreign:
            yield f"{_edges(self.foreign, 'lead')} into other documents, which were not read"
        if self._through:
            yield f"{_edges(self._through, 'lead')} through files or services, which are no packages"
        if count := len(self._collisions):
            names = _some(sorted(self._collisions))
            yield f"{many(count, 'reference')} {'stands' if count == 1 else 'stand'} for several packages: {names}"
        if self._too_many:
            verb = "leads" if self._too_many == 1 else "lead"
            listed = many(self._too_many, "dependency edge")
            yield f"{listed} of such references {verb} to too many packages to be kept"
        if self._odd:
            names = _some(sorted(self._odd))
            yield f"{many(self._odd.total(), 'relationship')} of an unknown kind could not be read: {names}"
        if (edges := self.edges) and ROOT not in edges:
            count = sum(map(len, edges.values()))
            yield f"no chain starts at the artifact: its root leads to nothing, though {_edges(count, 'stand')} in it"

    @property
    def hides(self) -> tuple[str, ...]:
        """Where a package may be that is not listed, in sentences."""
        return tuple(self._hides)


def label(name: str, version: str, group: str = "", purl: str = "") -> str:
    """What chains call the artifact: its purl, else its name and version."""
    if purl:
        return package(name, version, group, purl).purl or canonical(purl)
    name = f"{group}/{name}" if group else name
    return f"{name}@{version}" if version else name


def _is_foreign(reference: str) -> bool:
    return reference.startswith(("urn:cdx:", "DocumentRef-"))


def many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _doubled(ends: Sequence[object]) -> bool:
    return len(ends) > 1 and (ends[0] == ends[1] if len(ends) == 2 else len(set(ends)) != len(ends))  # noqa: PLR2004


def _edges(count: int, verb: str) -> str:
    return f"{many(count, 'dependency edge')} {verb}s" if count == 1 else f"{many(count, 'dependency edge')} {verb}"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(name[:80] for name in names[:_NAMED])
    return f"{shown}, …" if len(names) > _NAMED else shown
