"""How much the graph holds, and how much of what runs it is blind for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from patchgap.graph.blind import Survey
from patchgap.graph.freshness import read_at
from patchgap.graph.reading import Run, moment_of
from patchgap.graph.subjects import by_provenance_alone
from patchgap.model.unknown import Unknown


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts. `occurrences_told` is of packages in SBOMs, `occurrences_stored` of what that takes: a set of packages
    that several images hold is stored once. `bytes` is of the whole database, the ledger's part too."""

    images: int
    images_with_sbom: int
    provenance_alone: int  # artifacts that are counted as no images
    sboms: Mapping[str, int]  # by format
    components: Mapping[str, int]  # by ecosystem; "" for those without a purl
    occurrences_stored: int
    occurrences_told: int
    workloads: int
    workload_versions: int  # the rows that past moments are answered from
    clusters: Mapping[str, datetime | Unknown]
    blind_spots: Mapping[str, int]
    vex_statements: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Held:
    """What the last snapshot of one cluster holds, and how many things the cluster would not tell."""

    workloads: int
    images: int
    unknown: int


def by_cluster(read: Run) -> dict[str, Held]:
    """The clusters that were read, by name."""
    counted = read(
        "SELECT w.cluster, count(DISTINCT w.id), count(DISTINCT c.image_id) FROM graph_workload w"
        " LEFT JOIN graph_container c ON c.workload_id = w.id WHERE w.until IS NULL GROUP BY w.cluster"
    )
    counts = {cluster: (int(workloads), int(images)) for cluster, workloads, images in counted}
    told = read("SELECT cluster, unknown FROM graph_cluster ORDER BY cluster")
    return {name: Held(*counts.get(name, (0, 0)), len(json.loads(unknown))) for name, unknown in told}


_SIZES = {
    True: "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    False: "SELECT pg_database_size(current_database())",
}


def stats(read: Run, *, sqlite: bool) -> Stats:
    """All of it, read at one moment; from an SQLite file, else from PostgreSQL."""
    spots = Survey(moment_of(None)).by_kind(read)
    alone = len(by_provenance_alone(read))
    return Stats(
        images=_number(read, "SELECT count(*) FROM graph_image") - alone,
        provenance_alone=alone,
        images_with_sbom=_number(read, "SELECT count(DISTINCT image_id) FROM graph_sbom"),
        sboms=_numbers(read, "SELECT format, count(*) FROM graph_sbom GROUP BY format"),
        components=_numbers(read, "SELECT ecosystem, count(*) FROM graph_component GROUP BY ecosystem"),
        occurrences_stored=_number(read, "SELECT coalesce(sum(length(members) / 4), 0) FROM graph_set"),
        occurrences_told=_number(
            read,
            "SELECT coalesce(sum(length(s.members) / 4), 0) FROM graph_sbom_set p JOIN graph_set s ON s.id = p.set_id",
        ),
        workloads=_number(read, "SELECT count(*) FROM graph_workload WHERE until IS NULL"),
        workload_versions=_number(read, "SELECT count(*) FROM graph_workload"),
        clusters=read_at(read),
        blind_spots={kind: len(found) for kind, found in spots.items()},
        vex_statements=_number(read, "SELECT count(*) FROM graph_vex"),
        bytes=_number(read, _SIZES[sqlite]),
    )


def _number(read: Run, statement: str) -> int:
    return int(read(statement)[0][0])


def _numbers(read: Run, statement: str) -> dict[str, int]:
    return dict(sorted(((name, int(count)) for name, count in read(statement)), key=lambda one: (-one[1], one[0])))
