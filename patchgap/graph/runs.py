"""Which workloads ran which image when: the intervals of the inventory's readings, joined where one follows another.

What was seen running ran; what was seen to have ended ran before that; what is scheduled or pending may have run between
two readings. Times in which a cluster was not read are unknown and named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from patchgap.graph.blind import claimed
from patchgap.graph.collection import collection_at_rest
from patchgap.graph.digests import AFFECTED, CLEAN, Verdict, standings
from patchgap.graph.memory import Memory, decode_workload
from patchgap.graph.query import Query
from patchgap.graph.question import Question
from patchgap.graph.reading import Run, among, among_ids, moment_of, sortable, to_the_minute, with_claims
from patchgap.graph.selection import Selection
from patchgap.model.claimed import PLATFORM
from patchgap.model.exposure import named, repository_of
from patchgap.model.unknown import EVERY_CLUSTER, NO_CLUSTER, Unknown
from patchgap.model.workload import READ_WHOLE, Container, RunState, Workload, WorkloadRef

_ENDS = frozenset({"Job", "Pod"})  # what ended runs no second time


class Manner(StrEnum):
    """How it is known that it ran."""

    RAN = "ran"
    ENDED = "ended"  # seen after its end: it ran before `since`
    MAY = "may have run"  # scheduled or pending while it was looked at, or claimed by a document


_MANNERS = {
    RunState.RUNNING: Manner.RAN,
    RunState.ENDED: Manner.ENDED,
    RunState.SCHEDULED: Manner.MAY,
    RunState.PENDING: Manner.MAY,
}


@dataclass(frozen=True, slots=True)
class Seen:
    """A workload with an image under one digest ("" where none was told), seen from `since` until it was seen otherwise
    (None: it stands). `workload` and `container` are as last seen then. `from_start`: at the cluster's first reading
    already, so that it may be older."""

    workload: Workload
    container: Container
    digest: str
    repository: str
    manner: Manner
    since: datetime
    until: datetime | None
    from_start: bool
    verdict: Verdict | None  # on the image, where a package was asked for


class Answer(NamedTuple):
    """What ran in the time, oldest first, and what could not be told."""

    runs: tuple[Seen, ...]
    unknown: tuple[Unknown, ...]


def runs(read: Run, question: Question | None, selection: Selection, since: datetime, until: datetime) -> Answer:
    """What ran from `since` on and before `until`; with a question, of images that hold what it asks for."""
    time = _Time(sortable(since), sortable(until), with_claims(selection.cluster))
    if question is None:  # with one, other namespaces' images of which nothing is known are told of too
        time = time._replace(namespaces=selection.namespace)
    verdicts = _verdicts(read, question, time)
    kept, doubtful = [], []
    with collection_at_rest():
        intervals = list(_intervals(read, selection, time, verdicts if question else None))
    for one in intervals:
        verdict = verdicts.get(one.digest)
        if question is not None and (verdict is None or verdict.verdict != AFFECTED):
            doubtful.append((one, verdict))
        elif (verdict is None or verdict.verdict == AFFECTED) and one.kept:
            kept.append(
                Seen(
                    one.workload, one.container, one.digest, repository_of(one.container.image), one.manner,
                    datetime.fromisoformat(one.since), datetime.fromisoformat(one.until) if one.until else None,
                    one.from_start, verdict,
                )
            )  # fmt: skip
    untold = (*_clusters(read, selection, since, until), *_images(doubtful))
    return Answer(tuple(sorted(kept, key=_order)), untold)


def _order(one: Seen) -> tuple[object, ...]:
    return one.since, str(one.workload.ref), one.digest, one.manner


class _Interval(NamedTuple):
    workload: Workload
    container: Container
    digest: str
    manner: Manner
    since: str
    until: str | None
    from_start: bool
    kept: bool  # by the filters, as the workload was labelled then


_Key = tuple[WorkloadRef, str, str, bool, Manner]


class _Time(NamedTuple):
    """As the store writes times; and the clusters and namespaces that are asked for, none: every one."""

    start: str
    end: str
    clusters: frozenset[str]
    namespaces: frozenset[str] = frozenset()

    def rows(self, columns: str) -> tuple[str, dict[str, str]]:
        """The workloads' rows `w` that reach into it."""
        where, named = (
            "w.since < :end AND (w.until IS NULL OR w.until > :start)",
            {"start": self.start, "end": self.end},
        )
        for column, wanted in (("w.cluster", self.clusters), ("w.namespace", self.namespaces)):
            if wanted:
                some, parameters = among(column, sorted(wanted))
                where, named = f"{where} AND {some}", named | parameters
        return f"SELECT {columns} FROM graph_workload w WHERE {where}", named  # noqa: S608  (our own text)


def _intervals(
    read: Run, selection: Selection, time: _Time, verdicts: Mapping[str, Verdict] | None
) -> Iterator[_Interval]:
    """The joined intervals that reach into the time; of images that are clean, none. An image without a digest is told
    apart by its reference."""
    rows = read("SELECT cluster, first_read_at FROM graph_cluster WHERE first_read_at IS NOT NULL")
    firsts = {cluster: sortable(datetime.fromisoformat(first)) for cluster, first in rows}
    clean = {digest for digest, told in (verdicts or {}).items() if told.verdict == CLEAN}
    joined: dict[_Key, list[_Interval]] = {}
    for begun, ended, document in _rows(read, time, clean if verdicts is not None else None):
        workload = decode_workload(document)
        kept = selection.keeps(workload)
        oldest = begun <= firsts.get(workload.ref.cluster, "")
        for container in workload.containers:
            manner = Manner.MAY if workload.ref.platform == PLATFORM else _MANNERS.get(container.state)
            digest = container.digest if isinstance(container.digest, str) else ""
            if manner is None or digest in clean:
                continue
            one = _Interval(workload, container, digest, manner, begun, ended, oldest, kept)
            _join(joined.setdefault((workload.ref, digest, "" if digest else container.image, kept, manner), []), one)
    for (ref, digest, image, kept, manner), held in joined.items():
        ran = joined.get((ref, digest, image, kept, Manner.RAN), ()) if manner is not Manner.RAN else ()
        yield from (one for one in held if _reaches(one, time.start, time.end) and not _isto_the_minute(one, ran))


def _join(held: list[_Interval], one: _Interval) -> None:
    """Rows come by their beginning; what touches the last interval prolongs it."""
    if held and (held[-1].until is None or held[-1].until >= one.since):
        until = None if held[-1].until is None or one.until is None else max(held[-1].until, one.until)
        held[-1] = one._replace(since=held[-1].since, until=until, from_start=held[-1].from_start)
    else:
        held.append(one)


def _reaches(one: _Interval, start: str, end: str) -> bool:
    if one.since >= end:
        return False
    if one.manner is Manner.ENDED and one.workload.ref.kind in _ENDS:
        return one.since >= start  # it had ended when it was first seen so
    return one.until is None or one.until > start


def _isto_the_minute(one: _Interval, ran: Iterable[_Interval]) -> bool:
    """Whether an interval in which it was seen running tells all of this one: that it may have run then, or that the
    Job which ran then has ended."""
    if one.manner is Manner.ENDED:
        return one.workload.ref.kind in _ENDS and any(other.until == one.since for other in ran)
    return any(
        other.since <= one.since and (other.until is None or (one.until is not None and one.until <= other.until))
        for other in ran
    )


def _rows(read: Run, time: _Time, clean: Iterable[str] | None) -> Sequence[tuple[str, str | None, str]]:
    """The rows of every workload that has one in that time, the earlier and later ones too: intervals are whole. Where
    `clean` digests are told, those of workloads that ran something else."""
    places, named = time.rows("w.cluster, w.namespace, w.kind, w.name")
    if clean is not None:
        among_others = f"image_id IS NULL OR {among_ids('image_id', _other_images(read, clean))}"
        places += f" AND w.id IN (SELECT workload_id FROM graph_container WHERE {among_others})"  # noqa: S608  (ids alone)
    found = read(
        "SELECT since, until, document FROM graph_workload"  # noqa: S608  (our own text)
        f" WHERE (cluster, namespace, kind, name) IN ({places}) ORDER BY since, id",
        named,
    )
    return [(row[0], row[1], row[2]) for row in found]


def _other_images(read: Run, clean: Iterable[str]) -> set[int]:
    """The images that go by a digest which is not among them."""
    known = frozenset(clean)
    return {image for digest, image in read("SELECT digest, image_id FROM graph_digest") if digest not in known}


def _verdicts(read: Run, question: Question | None, time: _Time) -> Mapping[str, Verdict]:
    """Of each digest of the images that containers had in that time."""
    if question is None:
        return {}
    workloads, named = time.rows("1")
    rows = read(
        "SELECT d.digest FROM graph_digest d WHERE EXISTS (SELECT 1 FROM graph_container c WHERE c.image_id = d.image_id"  # noqa: S608
        f" AND EXISTS ({workloads} AND w.id = c.workload_id)) ORDER BY d.digest",
        named,
    )
    return standings(read, Query(read, Memory()).matches(question), question, [row[0] for row in rows])


def _images(doubtful: Iterable[tuple[_Interval, Verdict | None]]) -> Iterator[Unknown]:
    """One for each image of which it is not known whether it holds what is asked for."""
    places: dict[tuple[str, str], dict[WorkloadRef, None]] = {}
    for one, verdict in doubtful:
        image = one.container.image
        digest = one.container.digest
        what = f"image {named(image, digest)}" if isinstance(digest, str) else f"image {image}"
        reason = verdict.reason if verdict else "its digest is unknown"
        places.setdefault((what, reason), {})[one.workload.ref] = None
    for (what, reason), refs in places.items():
        first, *others = refs
        yield Unknown(what, f"{reason}; {first}{f' and {len(others)} more' if others else ''} ran it, or may have")


def _clusters(read: Run, selection: Selection, since: datetime, until: datetime) -> Iterator[Unknown]:
    """The times in which a cluster was not read yet, did not answer, or is no longer read; and claims."""
    yield from claimed(read, moment_of(None, selection.cluster))
    rows = read(
        "SELECT cluster, platform, first_read_at, refreshed_at, unreachable_since, reason FROM graph_cluster ORDER BY 1"
    )
    if not rows:
        yield Unknown(EVERY_CLUSTER, NO_CLUSTER)
    for cluster, platform, first, read_at, silent, reason in rows:
        if selection.cluster and cluster not in selection.cluster:
            continue
        what = f"cluster {cluster}"
        if not first:
            yield Unknown(what, f"it was never read: unreachable since {to_the_minute(silent)}: {reason}")
            continue
        if datetime.fromisoformat(first) > since:
            how = "read then" if platform in READ_WHOLE else "told of then, by deployment events"
            yield Unknown(what, f"what ran before {to_the_minute(first)} is not known: it was first {how}")
        for begun, ended, why in read(
            "SELECT since, until, reason FROM graph_outage WHERE cluster = :cluster AND since < :end AND until > :start"
            " ORDER BY since",
            {"cluster": cluster, "start": sortable(since), "end": sortable(until)},
        ):
            yield Unknown(what, f"what ran from {to_the_minute(begun)} to {to_the_minute(ended)} is not known: {why}")
        if silent and datetime.fromisoformat(silent) < until:
            yield Unknown(
                what,
                f"what ran after {to_the_minute(read_at)} is not known: unreachable since {to_the_minute(silent)}: {reason}",
            )
