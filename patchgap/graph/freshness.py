"""How old what is known of each cluster is, and how it came: by reading it, or by what deployment events told."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from patchgap.graph.query import refreshed
from patchgap.graph.reading import Run
from patchgap.model.claimed import PLATFORM
from patchgap.model.unknown import Unknown
from patchgap.model.workload import READ_WHOLE, WorkloadRef


class ReadAt(dict[str, datetime | Unknown]):
    """When each cluster was last read, or last told of where it is one `by_events`: a fleet that nobody reads."""

    def __init__(self, read_at: Mapping[str, datetime | Unknown], by_events: Collection[str] = ()) -> None:
        super().__init__(read_at)
        self.by_events = frozenset(by_events)


def read_at(read: Run, clusters: Collection[str] = ()) -> ReadAt:
    """Of these clusters; none: of every one."""
    told = [row[0] for row in read("SELECT cluster, platform FROM graph_cluster") if row[1] not in READ_WHOLE]
    known = {name: when for name, when in refreshed(read).items() if not clusters or name in clusters}
    return ReadAt(known, told)


def is_told_of(ref: WorkloadRef) -> bool:
    """Whether deployment events alone tell of it."""
    return ref.platform not in {*READ_WHOLE, PLATFORM}
