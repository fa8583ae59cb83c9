"""What a mirror's advisories touch of what runs: each advisory with each component, and how many workloads and images that is.

Reads what `advisories` keeps, and judges nothing. VEX is weighed as `patchgap exposure --advisory` weighs it; what it clears
stays, and is counted as cleared.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from patchgap.graph.families import Family, families
from patchgap.graph.matching import Match, is_within
from patchgap.graph.memory import Memory, decode_workload, numbered
from patchgap.graph.query import Query
from patchgap.graph.question import Question
from patchgap.graph.reading import Run, among_ids, batches, moment_of, sortable
from patchgap.graph.records import documents, state
from patchgap.graph.selection import EVERYTHING, Selection
from patchgap.model.exposure import Component, Standing
from patchgap.model.signal import Advisory, AffectedPackage, Severity
from patchgap.model.unknown import Unknown

_IDS = 5000  # in one statement
_STANDINGS = (Standing.AFFECTED, Standing.UNKNOWN, Standing.NOT_AFFECTED)  # the worst first
_SEVERITIES = (Severity.CRITICAL, Severity.UNKNOWN, Severity.HIGH, Severity.MEDIUM, Severity.LOW)


@dataclass(frozen=True, slots=True)
class Touch:
    """One advisory and one component. `severity` is the worst that any record of the family states, critical where one is
    malicious. `reason` says why its standing is unknown, or what VEX says. `workloads` run it, by schedule or scale too;
    VEX clears `cleared` of them. `images` hold it, `running` of them run."""

    advisory: Advisory
    aliases: tuple[str, ...]
    severity: Severity
    component: Component
    ecosystem: str
    standing: Standing
    reason: str
    workloads: int
    cleared: int
    images: int
    running: int
    found_at: datetime


@dataclass(frozen=True, slots=True)
class Touched:
    """The answer. `records` are those that could be read and stand, `withdrawn` those that do not."""

    touches: tuple[Touch, ...]
    unknown: tuple[Unknown, ...]
    records: int
    withdrawn: int


class Asked(NamedTuple):
    """What is asked for: a part of the fleet, images that do not run too, and what is known since a time."""

    selection: Selection = EVERYTHING
    all_images: bool = False
    since: datetime | None = None


class _Found(NamedTuple):
    """A stored match."""

    advisory: int
    match: Match
    found_at: str


def touched(read: Run, mirror: Path, asked: Asked = Asked()) -> Touched:  # noqa: B008  (frozen)
    """The answer, from what the last refresh of that mirror stored; the worst first."""
    known = state(read, mirror)
    if known is None:
        return Touched((), (Unknown(str(mirror), "it was never read"),), 0, 0)
    query = Query(read, Memory(), None, asked.selection.cluster)
    found = _found(read, known.id, asked)
    holders = _holders(read, {one.match.row.id for one in found})
    fleet = _Fleet(read, asked.selection)
    if not asked.all_images:
        found = [one for one in found if fleet.running(holders[one.match.row.id])]
    advisories = {id_: one for id_, _, one in documents(read, {one.advisory for one in found})}
    related = families(read, known.id, advisories)
    cleared = _cleared(query, found, advisories, asked.selection)
    counts = {id_: (fleet.workloads(images), len(images), fleet.running(images)) for id_, images in holders.items()}
    touches = [
        _touch(one, advisories[one.advisory], related[one.advisory], counts[one.match.row.id], cleared) for one in found
    ]
    kinds, records, withdrawn, nameless = _counted(read, known.id)
    unknown = (
        *_unread(read, known.id),
        *_nameless(nameless),
        *([Unknown("the newest components", "they came meanwhile: ask again")] if known.mark < known.newest else []),
        *query.blind_spots(),
        *query.uncovered(_of_kinds(kinds, asked.selection)),
    )
    return Touched(tuple(sorted(touches, key=_order)), unknown, records, withdrawn)


def _found(read: Run, mirror: int, asked: Asked) -> list[_Found]:
    """The stored matches; of records with one id, which several zips may hold, the one that says the worst."""
    rows = read(
        "SELECT a.ident, m.advisory_id, m.component_id, m.standing, m.reason, m.found_at FROM graph_advisory a"
        " JOIN graph_advisory_match m ON m.advisory_id = a.id WHERE a.mirror_id = :mirror AND m.found_at >= :since",
        {"mirror": mirror, "since": sortable(asked.since) if asked.since else ""},
    )
    components = {row.id: row for row in numbered(read, {row[2] for row in rows})}
    best: dict[tuple[str, int], _Found] = {}
    for ident, advisory, component, standing, reason, found_at in rows:
        match = Match(components[component], Standing(standing), reason)
        if asked.selection.ecosystem and not is_within(asked.selection.ecosystem, match):
            continue
        held = best.get((ident, component))
        if held is None or _STANDINGS.index(match.standing) < _STANDINGS.index(held.match.standing):
            best[ident, component] = _Found(advisory, match, found_at)
    return [*best.values()]


def _holders(read: Run, components: Iterable[int]) -> dict[int, frozenset[int]]:
    """The images whose SBOMs hold each component."""
    sets: dict[int, list[int]] = {}
    for some in batches(components, _IDS):
        sets |= {one: [] for one in some}
        for component, part in read(
            f"SELECT component_id, set_id FROM graph_occurrence WHERE {among_ids('component_id', some)}"  # noqa: S608  (ids)
        ):
            sets[component].append(part)
    images: dict[int, set[int]] = {}
    for part, image in read("SELECT p.set_id, s.image_id FROM graph_sbom_set p JOIN graph_sbom s ON s.id = p.sbom_id"):
        images.setdefault(part, set()).add(image)
    return {one: frozenset().union(*(images.get(part, ()) for part in parts)) for one, parts in sets.items()}


class _Fleet:
    """Which of the selected workloads run which images. Most run one alone: those are counted and not listed."""

    def __init__(self, read: Run, selection: Selection) -> None:
        moment = moment_of(None, selection.cluster)
        rows = read(
            f"SELECT c.image_id, c.workload_id FROM graph_container c{moment.joined}"  # noqa: S608  (our own text)
            f" WHERE c.exposed AND c.image_id IS NOT NULL AND {moment.stands}",
            moment.parameters,
        )
        images: dict[int, set[int]] = {}
        for image, workload in rows:
            images.setdefault(workload, set()).add(image)
        if selection.asked().keys() - {"ecosystem"}:
            images = {one: images[one] for one in _kept(read, images, selection)}
        self._alone: dict[int, int] = {}
        self._shared: dict[int, set[int]] = {}
        for workload, held in images.items():
            for image in held:
                self._alone[image] = self._alone.get(image, 0) + (len(held) == 1)
                if len(held) > 1:
                    self._shared.setdefault(image, set()).add(workload)

    def running(self, images: frozenset[int]) -> int:
        """How many of them run."""
        return len(images & self._alone.keys())

    def workloads(self, images: frozenset[int]) -> int:
        """How many workloads run any of them."""
        alone = sum(self._alone.get(one, 0) for one in images)
        return alone + len(set().union(*(self._shared[one] for one in images & self._shared.keys())))


def _kept(read: Run, workloads: Iterable[int], selection: Selection) -> Iterator[int]:
    for some in batches(workloads, _IDS):
        for id_, document in read(f"SELECT id, document FROM graph_workload WHERE {among_ids('id', some)}"):  # noqa: S608
            if selection.keeps(decode_workload(document)):
                yield id_


_Verdicts = Mapping[tuple[int, int], tuple[Standing, int, str]]


def _cleared(
    query: Query, found: Sequence[_Found], advisories: Mapping[int, Advisory], selection: Selection
) -> _Verdicts:
    """Of those that VEX speaks of and that run: the standing, how many workloads are cleared, and what it says."""
    spoken = query.vex_names()
    matches: dict[int, dict[int, Match]] = {}
    for one in found:
        advisory = advisories[one.advisory]
        if not spoken.isdisjoint(name.lower() for name in (advisory.id, *advisory.aliases)):
            matches.setdefault(one.advisory, {})[one.match.row.id] = one.match
    verdicts: dict[tuple[int, int], tuple[Standing, int, str]] = {}
    for id_, held in matches.items():
        for component, match in held.items():
            exposures = query.exposures(Question.of_advisory(advisories[id_]), {component: match})
            kept = [one for one in exposures if selection.keeps(one.workload)]
            said = next((one.vex for one in kept if one.vex), "")
            if said:
                exposed = {str(one.workload.ref) for one in kept if one.standing is not Standing.NOT_AFFECTED}
                worst = min((one.standing for one in kept), key=_STANDINGS.index)
                verdicts[id_, component] = (worst, len({str(one.workload.ref) for one in kept} - exposed), said)
    return verdicts


def _touch(
    found: _Found, advisory: Advisory, family: Family, counts: tuple[int, int, int], cleared: _Verdicts
) -> Touch:
    row, standing, reason = found.match
    settled, away, said = cleared.get((found.advisory, row.id), (standing, 0, ""))
    workloads, images, running = counts
    doubt = reason.removeprefix(f"{row.label}: ") if settled is Standing.UNKNOWN else ""
    return Touch(
        advisory=advisory,
        aliases=tuple(name for name in family.names if name != advisory.id),
        severity=family.severity,
        component=row.component,
        ecosystem=row.ecosystem,
        standing=settled,
        reason="; ".join(text for text in (doubt, said) if text),
        workloads=workloads,
        cleared=away,
        images=images,
        running=running,
        found_at=datetime.fromisoformat(found.found_at),
    )


def _order(one: Touch) -> tuple[object, ...]:
    rank = _STANDINGS.index(one.standing), _SEVERITIES.index(one.severity)
    return (*rank, -one.workloads, one.component.name, one.component.version, one.advisory.id, one.component.purl)


def _counted(read: Run, mirror: int) -> tuple[set[str], int, int, int]:
    """The purl types that the records name, how many records stand, are withdrawn, and name no package."""
    rows = read(
        "SELECT kinds, withdrawn, count(*) FROM graph_advisory WHERE mirror_id = :mirror AND ident <> '' GROUP BY 1, 2",
        {"mirror": mirror},
    )
    standing = [(json.loads(kinds), int(count)) for kinds, withdrawn, count in rows if not withdrawn]
    return (
        {kind for kinds, _ in standing for kind in kinds},
        sum(count for _, count in standing),
        sum(int(row[2]) for row in rows if row[1]),
        sum(count for kinds, count in standing if not kinds),
    )


def _unread(read: Run, mirror: int) -> Iterator[Unknown]:
    rows = read(
        "SELECT source, problem, ident FROM graph_advisory WHERE mirror_id = :mirror AND problem <> '' ORDER BY source",
        {"mirror": mirror},
    )
    for source, problem, ident in rows:
        before = f" It is answered for {ident} as it was before." if ident else ""
        yield Unknown(f"record {source}", f"{problem}{before}")


def _nameless(count: int) -> Iterator[Unknown]:
    if count:
        many = "1 advisory names" if count == 1 else f"{count} advisories name"
        yield Unknown(f"{many} no package", "which components they affect is not told")


def _of_kinds(kinds: Iterable[str], selection: Selection) -> Question:
    """A question about packages of these types: which images cannot tell of them."""
    affected = tuple(AffectedPackage(kind, "any") for kind in sorted(kinds))
    return Question.of_advisory(Advisory("the mirror", "", affected)).inside(selection.ecosystem)
