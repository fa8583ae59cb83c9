"""Who runs an image, and what an answer calls it: looked up for those images alone that something is to be said of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from patchgap.graph.reading import Moment, Run, among_ids, batches
from patchgap.model.exposure import named

_BATCH = 5000  # ids in one statement


class _Container(msgspec.Struct):
    image: str
    digest: str | dict[str, str]  # the latter: why it is unknown


class _Containers(msgspec.Struct):
    containers: list[_Container]


_CONTAINERS = msgspec.json.Decoder(_Containers)


class Ran(NamedTuple):
    """The first workload that runs an image, and how many do."""

    workload_id: int
    workloads: int


class Runners:
    """At one moment, by one reader's connection; what it has read it keeps for as long as the caller keeps it."""

    def __init__(self) -> None:
        self._ran: dict[int, Ran | None] = {}
        self._named: dict[int, tuple[str, str]] = {}

    def of(self, read: Run, moment: Moment, images: Iterable[int]) -> dict[int, Ran]:
        """Those of the images that run, in the order of the workloads that do."""
        wanted = [*dict.fromkeys(images)]
        for some in batches([one for one in wanted if one not in self._ran], _BATCH):
            rows = read(
                "SELECT c.image_id, min(c.workload_id), count(DISTINCT c.workload_id)"  # noqa: S608  (ids alone)
                f" FROM graph_container c{moment.joined} WHERE {among_ids('c.image_id', some)} AND c.exposed"
                f" AND {moment.stands} GROUP BY c.image_id",
                moment.parameters,
            )
            found = {row[0]: Ran(row[1], row[2]) for row in rows}
            self._ran.update({one: found.get(one) for one in some})
        running = {one: ran for one in wanted if (ran := self._ran[one]) is not None}
        return dict(sorted(running.items(), key=lambda one: (one[1].workload_id, one[0])))

    def told(self, read: Run, problems: Iterable[tuple[int, Ran, str]]) -> Iterator[tuple[str, str]]:
        """What each image is called, and its problem with who runs it."""
        held = [*problems]
        self._name(read, {image: ran.workload_id for image, ran, _ in held if image not in self._named})
        for image, ran, problem in held:
            what, place = self._named[image]
            more = f" and {ran.workloads - 1} more" if ran.workloads > 1 else ""
            yield what, f"{problem}; {place}{more} run{'' if more else 's'} it"

    def _name(self, read: Run, images: dict[int, int]) -> None:
        """By the reference of the container that runs it in that workload, and by the workload's own name."""
        places: dict[int, tuple[str, list[_Container]]] = {}
        for some in batches(sorted(set(images.values())), _BATCH):
            rows = read(
                "SELECT id, cluster || '/' || namespace || '/' || kind || '/' || name, document FROM graph_workload"  # noqa: S608
                f" WHERE {among_ids('id', some)}"
            )
            places.update((row[0], (row[1], _CONTAINERS.decode(row[2]).containers)) for row in rows)
        digests: dict[int, set[object]] = {}
        for some in batches(images, _BATCH):
            for image, digest in read(f"SELECT image_id, digest FROM graph_digest WHERE {among_ids('image_id', some)}"):  # noqa: S608
                digests.setdefault(image, set()).add(digest)
        for image, workload_id in images.items():
            place, containers = places[workload_id]
            held = ((one.image, one.digest) for one in containers if isinstance(one.digest, str))
            self._named[image] = f"image {named(*next(one for one in held if one[1] in digests[image]))}", place
