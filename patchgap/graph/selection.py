"""Which part of the fleet a question is about: by environment, region, cluster, namespace, classification, ecosystem.

What is not known of a workload is never taken away by a filter: an environment, a region or a classification that nobody
declared may be the one that is asked for. A value that nothing has is found here, with the nearest one that exists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from patchgap.graph.ecosystems import is_known, kinds, purl_type
from patchgap.graph.purl import type_of
from patchgap.graph.reading import Run
from patchgap.model.claimed import SUFFIX
from patchgap.model.exposure import Exposure
from patchgap.model.workload import Classification, Workload

UNKNOWN = "unknown"
DIMENSIONS = ("environment", "region", "cluster", "namespace", "classification", "ecosystem")


class Missing(NamedTuple):
    """A value that no workload has. `nearest` is "" where none is near. `sound` values could be, and none has them."""

    dimension: str
    value: str
    nearest: str
    known: tuple[str, ...]
    sound: bool


@dataclass(frozen=True, slots=True)
class Selection:
    """What each filter asks for; an empty one asks for nothing. `ecosystem` holds purl types."""

    environment: frozenset[str] = frozenset()
    region: frozenset[str] = frozenset()
    cluster: frozenset[str] = frozenset()
    namespace: frozenset[str] = frozenset()
    classification: frozenset[str] = frozenset()
    ecosystem: frozenset[str] = frozenset()

    @classmethod
    def of(cls, asked: Mapping[str, Iterable[str]]) -> Selection:
        """From the values by dimension; an ecosystem is named as OSV or as a purl does."""
        values = {dimension: frozenset(asked.get(dimension, ())) for dimension in DIMENSIONS}
        values["ecosystem"] = frozenset(type_of(purl_type(one)) for one in values["ecosystem"])
        return cls(**values)

    def asked(self) -> dict[str, list[str]]:
        """The filters that were set, each with its values."""
        return {one: sorted(values) for one in DIMENSIONS if (values := self._of(one))}

    def __str__(self) -> str:
        return ", ".join(f"{name} {' or '.join(values)}" for name, values in self.asked().items())

    def keeps(self, workload: Workload) -> bool:
        """Whether the workload is, or may be, one of those that are asked for."""
        return all(
            not wanted or held in wanted or (held == UNKNOWN and dimension not in {"cluster", "namespace"})
            for dimension, held in _held(workload)
            if (wanted := self._of(dimension)) is not None
        )

    def doubts(self, workload: Workload) -> tuple[str, ...]:
        """The dimensions by which a kept workload may be another than what is asked for."""
        return tuple(
            dimension
            for dimension, held in _held(workload)
            if (wanted := self._of(dimension)) and held == UNKNOWN and UNKNOWN not in wanted
        )

    def missing(self, read: Run, seen: Iterable[Exposure], clusters: Iterable[str] = ()) -> Iterator[Missing]:
        """The values that no workload of any time has, nor any component. `seen` are exposures of which each tells
        that its values exist; `clusters` those that are configured."""
        open_ = {one: set(self._of(one)) - {UNKNOWN} for one in DIMENSIONS}
        open_["cluster"] -= set(clusters)
        for one in seen:
            for dimension, held in _held(one.workload):
                open_[dimension].discard(held)
            open_["ecosystem"].discard(one.component.purl.partition(":")[2].partition("/")[0])
        open_["ecosystem"] -= _listed(read, open_["ecosystem"])
        known = _known(read, [dimension for dimension, values in open_.items() if values])
        for dimension, values in open_.items():
            there = known.get(dimension, set()) - {UNKNOWN, ""}
            for value in sorted(values - there) if there else ():
                yield Missing(dimension, value, _nearest(value, there), tuple(sorted(there)), _sound(dimension, value))

    def _of(self, dimension: str) -> frozenset[str]:
        values: frozenset[str] = getattr(self, dimension)
        return values


EVERYTHING = Selection()


def _held(workload: Workload) -> Iterator[tuple[str, str]]:
    return labels(workload.ref.cluster.removesuffix(SUFFIX), workload)


def _sound(dimension: str, value: str) -> bool:
    if dimension == "classification":
        return value in [one.value for one in Classification]
    return dimension == "ecosystem" and (is_known(value) or value in kinds())


def _nearest(value: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # imported late: few values are misspelt

    names = {one.lower(): one for one in known}
    short = [one for one in names if value and (one.startswith(value.lower()) or value.lower().startswith(one))]
    found = get_close_matches(value.lower(), names, n=1, cutoff=0.6) or sorted(short, key=len)
    return names[found[0]] if found else ""


def labels(cluster: str, workload: Workload) -> Iterator[tuple[str, str]]:
    """What a filter may ask for to find it, as the store keeps it."""
    yield "cluster", cluster
    yield "namespace", workload.ref.namespace
    yield "environment", workload.environment
    yield "region", workload.region
    yield "classification", workload.data_scope.classification.value


def _listed(read: Run, ecosystems: Iterable[str]) -> set[str]:
    """Those of which there is a package: one is found at once, where all of them would be looked through."""
    one = "SELECT 1 FROM graph_component WHERE ecosystem = :one LIMIT 1"
    return {ecosystem for ecosystem in ecosystems if read(one, {"one": ecosystem})}


def _known(read: Run, dimensions: Iterable[str]) -> dict[str, set[str]]:
    """What exists of these dimensions, over every workload that was ever seen."""
    wanted = set(dimensions)
    known: dict[str, set[str]] = {}
    for dimension, value in read("SELECT dimension, value FROM graph_label") if wanted - {"ecosystem"} else ():
        if dimension in wanted:
            known.setdefault(dimension, set()).add(value.removesuffix(SUFFIX) if dimension == "cluster" else value)
    if "cluster" in wanted:
        known["cluster"] = known.get("cluster", set()) | {row[0] for row in read("SELECT cluster FROM graph_cluster")}
    if "ecosystem" in wanted:
        known["ecosystem"] = {row[0] for row in read("SELECT DISTINCT ecosystem FROM graph_component")}
    return known
