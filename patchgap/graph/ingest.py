"""Writes: an SBOM, an artifact, a cluster's snapshot, each on a connection that holds the graph's lock.

Knows the tables and nothing of questions. The caller's transaction makes each of them whole or nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

import msgspec
import sqlalchemy as sa

from patchgap.graph import chains, tables
from patchgap.graph.coverage import SYSTEM, listed
from patchgap.graph.purl import loose_key
from patchgap.graph.query import repository_of
from patchgap.graph.reading import Read
from patchgap.graph.sbom.document import DIGEST, Package, SbomDocument
from patchgap.model.codec import plain
from patchgap.model.exposure import Artifact
from patchgap.model.workload import ClusterInventory, RunState, Workload

_EXPOSED = frozenset({RunState.RUNNING, RunState.SCHEDULED, RunState.SCALED_TO_ZERO, RunState.PENDING})
_BATCH = 400


def holds(read: Read, document: SbomDocument) -> bool:
    """Whether that SBOM is stored for that artifact, with all that it says of its digests and commit."""
    rows = read(
        "SELECT d.digest, i.commit_id FROM graph_digest own JOIN graph_image i ON i.id = own.image_id"
        " JOIN graph_sbom s ON s.image_id = i.id JOIN graph_digest d ON d.image_id = i.id"
        " WHERE own.digest = :digest AND s.document = :document",
        {"digest": document.artifact.digest, "document": document.document},
    )
    held = {row[0] for row in rows}
    commits = {row[1] for row in rows}
    return held.issuperset(document.digests) and (not document.artifact.commit or document.artifact.commit in commits)


def sbom(connection: sa.Connection, document: SbomDocument, at: str) -> None:
    """The SBOM, its packages, the shortest chains to each, and its artifact."""
    image_id = artifact(connection, document.artifact, document.digests)
    stored = sa.select(tables.sbom.c.id).where(
        tables.sbom.c.document == document.document, tables.sbom.c.image_id == image_id
    )
    if connection.execute(stored).first() is not None:
        return
    sbom_id = _next(connection, tables.sbom)
    count = sum(package.purl != document.root for package in document.packages)
    kinds = {package.ecosystem for package in document.packages} - {""}
    connection.execute(
        sa.insert(tables.sbom).values(
            id=sbom_id,
            document=document.document,
            image_id=image_id,
            format=document.format,
            reference=document.reference,
            root=document.root,
            packages=count,
            lists=listed(document.packages),
            whole=document.whole or not SYSTEM.isdisjoint(kinds),
            added_at=at,
        )
    )
    ids = _components(connection, document.packages)
    paths = chains.shortest(document.edges)
    rows = [
        {
            "component_id": ids[n],
            "sbom_id": sbom_id,
            "chains": _written(package, document.root, paths.get(n), ids),
        }
        for n, package in enumerate(document.packages)
    ]
    if rows:
        connection.execute(sa.insert(tables.occurrence), rows)


def _written(package: Package, root: str, paths: tuple[chains.Chain, ...] | None, ids: Sequence[int]) -> str | None:
    if package.purl and package.purl == root:
        return ""  # the root itself: a chain of one
    return ";".join(" ".join(str(ids[n]) for n in path) for path in paths) if paths else None


def artifact(connection: sa.Connection, known: Artifact, digests: Sequence[str]) -> int:
    """The image's id; what is known of it is kept where the new knowledge is empty."""
    image_id = image_of(connection, digests)
    fields = {
        "repository": repository_of(known.repository),
        "commit_id": known.commit,
        "provenance": known.provenance,
    }
    said = {name: value for name, value in fields.items() if value}
    if said:
        connection.execute(sa.update(tables.image).where(tables.image.c.id == image_id).values(**said))
    return image_id


def image_of(connection: sa.Connection, digests: Sequence[str]) -> int:
    """The image that goes by these digests: found, made, or made one of several."""
    found = sa.select(tables.digest.c.digest, tables.digest.c.image_id).where(tables.digest.c.digest.in_(digests))
    held = {row.digest: row.image_id for row in connection.execute(found)}
    ids = sorted(set(held.values()))
    image_id = ids[0] if ids else _next(connection, tables.image)
    if not ids:
        connection.execute(sa.insert(tables.image).values(id=image_id))
    for other in ids[1:]:
        _merge(connection, other, image_id)
    new = [{"digest": digest, "image_id": image_id} for digest in digests if digest not in held]
    if new:
        connection.execute(sa.insert(tables.digest), new)
    return image_id


def _merge(connection: sa.Connection, other: int, into: int) -> None:
    """Two images turn out to be one. What the first does not know is taken from the other."""
    both = sa.select(tables.image).where(tables.image.c.id.in_((other, into)))
    rows = {row.id: row for row in connection.execute(both)}
    names = ("repository", "commit_id", "provenance")
    learnt = {n: getattr(rows[other], n) for n in names if getattr(rows[other], n) and not getattr(rows[into], n)}
    if learnt:
        connection.execute(sa.update(tables.image).where(tables.image.c.id == into).values(**learnt))
    twice = sa.select(tables.sbom.c.document).where(tables.sbom.c.image_id == into)
    doubled = sa.select(tables.sbom.c.id).where(tables.sbom.c.image_id == other, tables.sbom.c.document.in_(twice))
    ids = [row.id for row in connection.execute(doubled)]
    connection.execute(sa.delete(tables.occurrence).where(tables.occurrence.c.sbom_id.in_(ids)))
    connection.execute(sa.delete(tables.sbom).where(tables.sbom.c.id.in_(ids)))
    for table in (tables.digest, tables.sbom, tables.container):
        connection.execute(sa.update(table).where(table.c.image_id == other).values(image_id=into))
    connection.execute(sa.delete(tables.image).where(tables.image.c.id == other))


def _components(connection: sa.Connection, packages: Sequence[Package]) -> list[int]:
    """Each package's component id, in order; new ones are stored."""
    ids: dict[str, int] = {}
    wanted = {package.identity: package for package in packages}
    for batch in _batches(wanted):
        found = sa.select(tables.component.c.identity, tables.component.c.id).where(
            tables.component.c.identity.in_(batch)
        )
        ids.update((row.identity, row.id) for row in connection.execute(found))
    new = [package for identity, package in wanted.items() if identity not in ids]
    first = _next(connection, tables.component)
    if new:
        rows = [{"id": first + n, **_columns(package)} for n, package in enumerate(new)]
        connection.execute(sa.insert(tables.component), rows)
        ids.update((package.identity, first + n) for n, package in enumerate(new))
    return [ids[package.identity] for package in packages]


def _columns(package: Package) -> dict[str, str]:
    key = loose_key(package.name)
    return {
        "identity": package.identity,
        "key": key,
        "source_key": loose_key(package.source) if package.source else key,
        **package._asdict(),
    }


def inventory(connection: sa.Connection, found: ClusterInventory, at: str) -> None:
    """The cluster's snapshot in place of its last one."""
    held = sa.select(tables.workload.c.id).where(tables.workload.c.cluster == found.cluster)
    connection.execute(sa.delete(tables.container).where(tables.container.c.workload_id.in_(held)))
    connection.execute(sa.delete(tables.workload).where(tables.workload.c.cluster == found.cluster))
    connection.execute(sa.delete(tables.cluster).where(tables.cluster.c.cluster == found.cluster))
    unknown = msgspec.json.encode(plain(found.unknown)).decode()
    connection.execute(
        sa.insert(tables.cluster).values(
            cluster=found.cluster,
            platform=found.platform,
            refreshed_at=at,
            unknown=unknown,
            identity=found.identity,
        )
    )
    images = _images(connection, found.workloads)
    first = _next(connection, tables.workload)
    workloads, containers = [], []
    for id_, workload in enumerate(found.workloads, first):
        ref = workload.ref
        document = msgspec.json.encode(workload).decode()
        workloads.append(
            {
                "id": id_,
                "cluster": found.cluster,
                "namespace": ref.namespace,
                "kind": ref.kind,
                "name": ref.name,
            }
            | {"document": document}
        )
        containers += [
            {
                "workload_id": id_,
                "position": n,
                "image_id": images.get(_known(c.digest)),
                "exposed": c.state in _EXPOSED,
            }
            for n, c in enumerate(workload.containers)
        ]
    if workloads:
        connection.execute(sa.insert(tables.workload), workloads)
    if containers:
        connection.execute(sa.insert(tables.container), containers)


def _known(digest: object) -> str:
    return digest if isinstance(digest, str) and DIGEST.fullmatch(digest) else ""


def _images(connection: sa.Connection, workloads: Iterable[Workload]) -> dict[str, int]:
    """The image of each digest that runs; new digests are images of their own until something joins them."""
    wanted = {digest for w in workloads for c in w.containers if (digest := _known(c.digest))}
    images: dict[str, int] = {}
    for batch in _batches(sorted(wanted)):
        found = sa.select(tables.digest).where(tables.digest.c.digest.in_(batch))
        images.update((row.digest, row.image_id) for row in connection.execute(found))
    new = sorted(wanted - images.keys())
    first = _next(connection, tables.image)
    if new:
        connection.execute(sa.insert(tables.image), [{"id": first + n} for n in range(len(new))])
        rows = [{"digest": digest, "image_id": first + n} for n, digest in enumerate(new)]
        connection.execute(sa.insert(tables.digest), rows)
        images.update((row["digest"], row["image_id"]) for row in rows)  # type: ignore[misc]
    return images


def unreachable(connection: sa.Connection, cluster: str, platform: str, reason: str, at: str) -> None:
    """The cluster does not answer; since when, is told from the first time on."""
    held = connection.execute(sa.select(tables.cluster).where(tables.cluster.c.cluster == cluster)).first()
    if held is None:
        values = {"cluster": cluster, "platform": platform, "unreachable_since": at, "reason": reason}
        connection.execute(sa.insert(tables.cluster).values(**values))
        return
    changed = sa.update(tables.cluster).where(tables.cluster.c.cluster == cluster)
    connection.execute(changed.values(unreachable_since=held.unreachable_since or at, reason=reason))


def _next(connection: sa.Connection, table: sa.Table) -> int:
    """The next free id; the graph's lock is held."""
    return int(connection.execute(sa.select(sa.func.coalesce(sa.func.max(table.c.id), 0))).scalar_one()) + 1


def _batches(values: Iterable[str]) -> Iterable[list[str]]:
    rest = iter(values)
    while batch := list(islice(rest, _BATCH)):
        yield batch
