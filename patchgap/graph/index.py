"""Advisories by what they name, so that one component is judged against all of them without a scan.

    index = Index()
    index.put("GHSA-….json", advisory)          # again under the same source: it takes the former's place
    for hit in judge_all(index, rows):          # rows of the store, `matching.Row`
        hit.advisory.id, hit.match.standing, hit.match.reason

Holds what `matching.judge` says of each pair, and a test holds the two equal. Withdrawn records are known by their aliases
and match nothing. The other way round, one advisory against all components, the store looks up `matching.keys`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from patchgap.graph import modules
from patchgap.graph.ecosystems import is_known, purl_type, tells
from patchgap.graph.matching import REPACKAGED, Match, Row, judge_block
from patchgap.graph.purl import loose_key, normal_name
from patchgap.graph.versions import Block
from patchgap.model.exposure import Standing
from patchgap.model.signal import Advisory, AffectedPackage

_ANY, _FOREIGN = (
    "",
    "?",
)  # places beside purl types: all blocks, and those of ecosystems that no purl can be told to be of
_ALIASES = {"github": "githubactions"}  # purl types that are looked up as another


class Hit(NamedTuple):
    """A component that an advisory touches, its standing, and the source that the advisory stands under."""

    advisory: Advisory
    match: Match
    source: str


class Entry:
    """One `affected` block of one advisory; prepared when it is first asked."""

    __slots__ = ("_block", "advisory", "package", "source")

    def __init__(self, source: str, advisory: Advisory, package: AffectedPackage) -> None:
        self.source, self.advisory, self.package = source, advisory, package
        self._block: Block | None = None

    def judge(self, row: Row) -> Match | None:
        """What `matching` says of the pair."""
        if self._block is None:
            self._block = Block(self.package)
        return judge_block(self.package, row, self._block)


class Index:
    """Advisories under a source's name each (a file's, say), looked up by ecosystem and normalised name."""

    def __init__(self) -> None:
        self._sources: dict[str, Advisory] = {}
        self._entries: dict[tuple[str, str], list[Entry]] = {}
        self._same: dict[str, dict[str, int]] = {}  # an id and those that stand beside it, with how often

    def __len__(self) -> int:
        return len(self._sources)

    def __iter__(self) -> Iterator[Advisory]:
        return iter(self._sources.values())

    def put(self, source: str, advisory: Advisory) -> None:
        """Adds it, in place of what that source held before."""
        self.drop(source)
        self._sources[source] = advisory
        self._relate(advisory, 1)
        for package in advisory.affected if advisory.withdrawn is None else ():
            entry = Entry(source, advisory, package)
            for place in places(package):
                self._entries.setdefault(place, []).append(entry)

    def drop(self, source: str) -> Advisory | None:
        """Takes out what that source held, and gives it back; None where it held nothing."""
        advisory = self._sources.pop(source, None)
        if advisory is None:
            return None
        self._relate(advisory, -1)
        for package in advisory.affected if advisory.withdrawn is None else ():
            for place in places(package):
                kept = [entry for entry in self._entries.pop(place, ()) if entry.source != source]
                if kept:
                    self._entries[place] = kept
        return advisory

    def aliases(self, ident: str) -> frozenset[str]:
        """The id, and all that any record says is the same, at any number of steps."""
        found, rest = {ident}, [ident]
        while rest:
            beside = self._same.get(rest.pop(), {}).keys() - found
            found |= beside
            rest += beside
        return frozenset(found)

    def judge(self, row: Row) -> list[Hit]:
        """Every advisory that touches the component, each once: where one of its blocks affects, that one counts."""
        hits: dict[str, Hit] = {}
        for entry in self._candidates(row):
            known = hits.get(entry.source)
            if known and known.match.standing is Standing.AFFECTED:
                continue
            match = entry.judge(row)
            if match is not None and (known is None or match.standing is Standing.AFFECTED):
                hits[entry.source] = Hit(entry.advisory, match, entry.source)
        return [*hits.values()]

    def _candidates(self, row: Row) -> Iterator[Entry]:
        for place in looked_up(row):
            yield from self._entries.get(place, ())

    def _relate(self, advisory: Advisory, step: int) -> None:
        for alias in {*advisory.aliases} - {advisory.id}:
            for one, other in ((advisory.id, alias), (alias, advisory.id)):
                beside = self._same.setdefault(one, {})
                beside[other] = beside.get(other, 0) + step
                if not beside[other]:
                    del beside[other]
                if not beside:
                    del self._same[one]


def judge_all(index: Index, rows: Iterable[Row]) -> Iterator[Hit]:
    """Every advisory of the index that touches any of the components: pairs with their standing, row by row."""
    for row in rows:
        yield from index.judge(row)


def places(package: AffectedPackage) -> tuple[tuple[str, str], tuple[str, str]]:
    """Where a block stands: by its exact name, and by any spelling of it for components that name no ecosystem."""
    loose = loose_key(package.name)
    if not is_known(package.ecosystem):
        return (_FOREIGN, loose), (_ANY, loose)
    kind = purl_type(package.ecosystem)
    return (kind, normal_name(kind, package.name)), (_ANY, loose)


def looked_up(row: Row) -> Iterable[tuple[str, str]]:
    """The places at which the blocks stand that may name the component."""
    loose = loose_key(row.name)
    if not row.ecosystem or row.ecosystem in REPACKAGED or not tells(row.ecosystem):
        return ((_ANY, loose),)
    kind = _ALIASES.get(row.ecosystem, row.ecosystem)
    return ((_FOREIGN, loose), *((kind, name) for name in _names(kind, row)))


def _names(kind: str, row: Row) -> Iterable[str]:
    own = normal_name(kind, row.name)
    names = {own: None}
    if row.source:
        names[normal_name(kind, row.source)] = None
    if kind == "golang":
        names.update(dict.fromkeys(modules.module_paths(own, row.version)))
        if root := modules.root_of(own):
            names[root] = None
    return names
