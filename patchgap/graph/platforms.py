"""Indexes of several platforms: the index and each of its platforms are images of their own.

A node that runs the index by its digest runs one of the platforms, and does not tell which. So the index has whatever any
of its platforms has, and is clean only where each of them is. Reads alone; `images` writes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from patchgap.graph.coverage import Coverage, hidden
from patchgap.graph.reading import Moment, Run, among, among_ids, batches
from patchgap.graph.runners import Ran, Runners


class Platform(NamedTuple):
    """One platform of an index (`linux/amd64`), and the digests that it goes by: its manifest's, then its config's."""

    name: str
    digests: tuple[str, ...]


class Running(NamedTuple):
    """A platform of an index that runs somewhere by the index's digest."""

    image_id: int  # the index's
    digest: str  # the index's
    name: str
    ran: Ran
    sboms: tuple[tuple[str, bool, tuple[str, ...]], ...]  # lists, whole, hides; of those that list packages


def apart(read: Run, digests: Sequence[str]) -> tuple[str, ...]:
    """Those of the digests that are one image, as far as the platforms of indexes are known: an index of several is
    not the platform that is named beside it, and of two platforms of one index the first is meant."""
    by_index, parameters = among("index_digest", digests)
    by_digest, others = among("digest", digests)
    rows = read(
        f"SELECT index_digest, digest, manifest FROM graph_platform WHERE {by_index} OR {by_digest}",  # noqa: S608
        parameters | others,
    )
    indexes = {row[0] for row in rows}
    manifests = {digest: {(index, manifest) for index, one, manifest in rows if one == digest} for digest in digests}
    kept: list[str] = []
    taken: dict[str, str] = {}  # index -> the platform of it that is meant
    for digest in digests:
        if digest in indexes or any(taken.get(index, manifest) != manifest for index, manifest in manifests[digest]):
            continue
        taken.update(manifests[digest])
        kept.append(digest)
    return tuple(kept) or tuple(digests[:1])


def of_indexes(read: Run, digests: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
    """The platforms of those digests that are an index of several: the manifest's digest and the platform's name."""
    found: dict[str, dict[str, str]] = {}
    for batch in batches(digests, 400):
        some, parameters = among("index_digest", batch)
        rows = read(f"SELECT index_digest, manifest, name FROM graph_platform WHERE {some} ORDER BY 3, 2", parameters)  # noqa: S608
        for index, manifest, name in rows:
            found.setdefault(index, {})[manifest] = name
    return found


def running(read: Run, moment: Moment, runners: Runners) -> tuple[Running, ...]:
    """Each platform of each index that runs, with what its SBOMs could have listed."""
    indexes = read(
        "SELECT d.image_id, p.index_digest, p.manifest, p.name, m.image_id FROM graph_platform p"
        " JOIN graph_digest d ON d.digest = p.index_digest JOIN graph_digest m ON m.digest = p.manifest"
        " WHERE p.digest = p.manifest ORDER BY p.name, p.manifest"
    )
    ran = runners.of(read, moment, [row[0] for row in indexes])
    if not ran:
        return ()
    rows = sorted((row for row in indexes if row[0] in ran), key=lambda row: ran[row[0]].workload_id)
    sboms: dict[int, list[tuple[str, bool, tuple[str, ...]]]] = {}
    held = read(
        "SELECT image_id, lists, whole, hides FROM graph_sbom"  # noqa: S608  (ids alone)
        f" WHERE packages > 0 AND {among_ids('image_id', {row[4] for row in rows})}"
    )
    for image_id, lists, whole, hides in held:
        sboms.setdefault(image_id, []).append((lists, whole, tuple(json.loads(hides))))
    return tuple(
        Running(image_id, index, name, ran[image_id], tuple(sboms.get(own, ())))
        for image_id, index, _, name, own in rows
    )


def spots(found: Sequence[Running]) -> Iterator[tuple[Running, str]]:
    """For each index that runs, why what it holds is not known; the first of its platforms stands for it. One of whose
    platforms none has an SBOM is told of where any image without one is."""
    by_index: dict[str, list[Running]] = {}
    for one in found:
        by_index.setdefault(one.digest, []).append(one)
    for some in by_index.values():
        without = [one.name for one in some if not one.sboms]
        if without and len(without) < len(some):
            yield some[0], f"it runs as one of {len(some)} platforms, and no SBOM tells what {_listed(without)} holds"
        for one in some:
            if told := hidden(one.sboms):
                yield one, f"its platform {one.name}: {'; '.join(told)}"


def coverage(one: Running) -> Coverage:
    """What the SBOMs of that platform alone could have listed."""
    return Coverage.of((lists, whole) for lists, whole, _ in one.sboms)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
