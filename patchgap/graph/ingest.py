"""Writes SBOMs and VEX on a connection that holds the graph's lock.

Knows the tables and nothing of questions. The caller's transaction makes each of them whole or nothing. SQL goes
straight to the driver: SQLAlchemy's layers took two thirds of the time of reading a folder of SBOMs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from operator import itemgetter
from typing import Any

import msgspec
import sqlalchemy as sa

from patchgap.errors import BadInputError
from patchgap.graph import chains, tables
from patchgap.graph.coverage import is_system, listed
from patchgap.graph.images import Images
from patchgap.graph.members import pack
from patchgap.graph.platforms import apart
from patchgap.graph.purl import loose_key
from patchgap.graph.reading import Run, among, among_ids, batches, next_id, of_connection
from patchgap.graph.sbom.collector import label
from patchgap.graph.sbom.document import DIGEST, Package, SbomDocument
from patchgap.model.vex import VexDocument
from patchgap.storage import insert_many

_BATCH = 400
_CACHED = 150_000  # packages whose ids are remembered while many SBOMs go in
_DISTRIBUTIONS = frozenset({"deb", "apk", "rpm", "alpm"})
_PLACE = itemgetter(0, 1)

_Members = Sequence[tuple[int, str | None]]


class Ingest:
    """What goes into the graph in one transaction. `known` is what earlier transactions of the same writer gave ids;
    the caller drops it where one of them fails."""

    def __init__(self, connection: sa.Connection, known: dict[Package, int] | None = None) -> None:
        self._connection = connection
        self._run: Run = of_connection(connection)
        self._known: dict[Package, int] = {} if known is None else known
        self.images = Images(connection, self._run)

    def sboms(self, documents: Sequence[SbomDocument], at: str) -> int:
        """The SBOMs, their packages, the shortest chains to each, and their artifacts; how many were not stored already.
        Each table is asked and written once for all of them: on a server every question is a way there and back."""
        images = self.images.artifacts([(document.artifact, document.digests) for document in documents])
        held = self._held(documents)
        new: dict[tuple[str, int], SbomDocument] = {}
        for document, image_id in zip(documents, images, strict=True):
            if (document.document, image_id) not in held:
                new.setdefault((document.document, image_id), document)
        self._store(new, at)
        self.images.tell_indexes({image_id for _, image_id in new})
        for document in new.values():
            if document.vex is not None:
                self.vex(document.vex, at)
        return len(new)

    def _held(self, documents: Sequence[SbomDocument]) -> set[tuple[str, int]]:
        """Which of them are stored, and for which images."""
        found: set[tuple[str, int]] = set()
        for batch in batches({document.document for document in documents}, _BATCH):
            some, named = among("document", batch)
            rows = self._run(f"SELECT document, image_id FROM graph_sbom WHERE {some}", named)  # noqa: S608  (our text)
            found.update((row[0], row[1]) for row in rows)
        return found

    def _store(self, new: Mapping[tuple[str, int], SbomDocument], at: str) -> None:
        ids = self._components(new.values())
        sboms: list[tuple[Any, ...]] = []
        sets: dict[str, _Members] = {}
        parts: list[tuple[str, int]] = []
        for sbom_id, ((_, image_id), document) in enumerate(new.items(), next_id(self._run, tables.sbom.name)):
            own = _own(document)
            sboms.append(_row(sbom_id, image_id, document, len(own), at))
            for members in _sets(document, [*map(ids.__getitem__, document.packages)], own):
                content = set_content(members)
                sets.setdefault(content, members)
                parts.append((content, sbom_id))
        insert_many(self._connection, tables.sbom, sboms)
        named = self._sets(sets)
        insert_many(
            self._connection, tables.sbom_part, sorted({(named[content], sbom_id) for content, sbom_id in parts})
        )

    def vex(self, document: VexDocument, at: str) -> int:
        """Its statements; how many of them were new: none where the document was stored already."""
        held = self._run("SELECT 1 FROM graph_vex WHERE document = :document LIMIT 1", {"document": document.digest})
        if held:
            return 0
        first = next_id(self._run, tables.vex.name)
        told = list(enumerate(document.statements, first))
        rows = [(id_, document.digest, msgspec.json.encode(one).decode(), at) for id_, one in told]
        names = {(name.lower(), id_) for id_, one in told for name in one.vulnerabilities}
        insert_many(self._connection, tables.vex, rows)
        insert_many(self._connection, tables.vex_name, sorted(names))
        return len(rows)

    def _sets(self, wanted: Mapping[str, _Members]) -> dict[str, int]:
        """The id of each set, by its content; those that are new are stored."""
        ids: dict[str, int] = {}
        for batch in batches(wanted, _BATCH):
            some, named = among("content", batch)
            ids.update(self._run(f"SELECT content, id FROM graph_set WHERE {some}", named))  # noqa: S608
        new = [content for content in wanted if content not in ids]
        ids.update((content, id_) for id_, content in enumerate(new, next_id(self._run, tables.part.name)))
        rows = [(ids[content], content, pack([one for one, _ in wanted[content]])) for content in new]
        insert_many(self._connection, tables.part, rows)
        occurrences = [(one, ids[content], chains) for content in new for one, chains in wanted[content]]
        occurrences.sort(key=_PLACE)  # in the order of the table, which is a tree
        insert_many(self._connection, tables.occurrence, occurrences)
        return ids

    def _components(self, documents: Iterable[SbomDocument]) -> Mapping[Package, int]:
        """The component ids of their packages, and of others; new ones are stored."""
        known = self._known
        if len(known) > _CACHED:
            known.clear()
        missing = {one: 0 for document in documents for one in document.packages if one not in known}
        for one in missing:
            missing[one] = fingerprint(one)
        self._load(missing)
        new = [one for one in missing if one not in known]
        first = next_id(self._run, tables.component.name)
        rows = [(first + n, missing[one], *_keys(one), *one) for n, one in enumerate(new)]
        insert_many(self._connection, tables.component, rows)
        known.update((one, first + n) for n, one in enumerate(new))
        return known

    def _load(self, wanted: Mapping[Package, int]) -> None:
        """The ids of those that are stored. A fingerprint finds them; the columns tell whether it is they."""
        for batch in batches(wanted.values(), _BATCH):
            for row in self._run(
                "SELECT id, ecosystem, vendor, name, version, purl, distro, source, source_version"  # noqa: S608  (ids)
                f" FROM graph_component WHERE {among_ids('identity', batch)}"
            ):
                found = Package(*row[1:])
                if found in wanted:
                    self._known[found] = row[0]


def _row(sbom_id: int, image_id: int, document: SbomDocument, own: int, at: str) -> tuple[Any, ...]:
    """As its table has it; `own` of its packages are the artifact itself."""
    count = len(document.packages) - own
    kinds = listed(document.packages)
    return (
        sbom_id, document.document, image_id, document.format, document.reference, document.root, count,
        kinds, document.whole or is_system(kinds), json.dumps(document.gaps), json.dumps(document.hides), at,
        json.dumps(document.digests),
    )  # fmt: skip


def _sets(document: SbomDocument, ids: Sequence[int], own: Sequence[int]) -> Iterator[_Members]:
    """The sets that the document is made of: component ids, ascending, each with its chains."""
    texts = _chains(document, ids, own)
    for part in _parts(document.packages):
        held = [ids[n] for n in part]
        paths = [texts.get(n) for n in part] if texts else ()
        yield (
            sorted(zip(held, paths, strict=True))
            if any(one is not None for one in paths)
            else [(one, None) for one in sorted(held)]
        )


def _chains(document: SbomDocument, ids: Sequence[int], own: Sequence[int]) -> dict[int, str]:
    """For each package that the root reaches, its chains as ids; the root itself is a chain of one."""
    found = {}
    if document.edges:
        names = [str(one) for one in ids]
        for n, paths in chains.shortest(document.edges).items():
            found[n] = chains.written(paths, names)
    return found | dict.fromkeys(own, "")


def _own(document: SbomDocument) -> list[int]:
    """The positions of the artifact itself, where it is a package: by its purl, or by its name where it has none."""
    if document.root.startswith("pkg:"):
        return [n for n, package in enumerate(document.packages) if package[4] == document.root]
    named = [n for n, package in enumerate(document.packages) if not package[4]]
    return [n for n in named if label(document.packages[n].name, document.packages[n].version) == document.root]


def set_content(members: _Members) -> str:
    """What names a set: SHA-256 over its sorted ids, and over its chains where it has any."""
    content = hashlib.sha256(pack([one for one, _ in members]))
    if any(path is not None for _, path in members):
        content.update("\n".join([f"{one} {path}" for one, path in members if path is not None]).encode())
    return content.hexdigest()


def fingerprint(package: Package) -> int:
    """Sixty-four bits that find a package by an index of small keys; another may have the same."""
    text = "\0".join(package).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big", signed=True)


def _keys(package: Package) -> tuple[str, str | None]:
    key = loose_key(package.name)
    source = loose_key(package.source) if package.source else key
    return key, source if source != key else None


def _parts(packages: Sequence[Package]) -> Iterable[list[int]]:
    """Positions of the distribution's packages, and of the others: images on one base share the first."""
    base = [n for n, package in enumerate(packages) if package[0] in _DISTRIBUTIONS]
    if not base:
        return (list(range(len(packages))),) if packages else ()
    held = {*base}
    others = [n for n in range(len(packages)) if n not in held]
    return (base, others) if others else (base,)


def missing(read: Run, documents: Sequence[SbomDocument]) -> list[SbomDocument]:
    """Those that are not stored for their artifact, or not with all that they say of its digests and commit. Raises
    BadInputError for a document that names no artifact."""
    stored: set[str] = set()
    for batch in batches(documents, _BATCH):
        for document in batch:
            check_digest(document.artifact.digest)
        some, named = among("document", {document.document for document in batch})
        stored.update(row[0] for row in read(f"SELECT document FROM graph_sbom WHERE {some}", named))  # noqa: S608
    return [one for one in documents if one.document not in stored or not _holds(read, one)]


def _holds(read: Run, document: SbomDocument) -> bool:
    digests = apart(read, document.digests)
    rows = read(
        "SELECT d.digest, i.commit_id FROM graph_digest own JOIN graph_image i ON i.id = own.image_id"
        " JOIN graph_sbom s ON s.image_id = i.id JOIN graph_digest d ON d.image_id = i.id"
        " WHERE own.digest = :digest AND s.document = :document",
        {"digest": digests[0], "document": document.document},
    )
    held = {row[0] for row in rows}
    commits = {row[1] for row in rows}
    return held.issuperset(digests) and (not document.artifact.commit or document.artifact.commit in commits)


def check_digest(digest: str) -> None:
    """Raises BadInputError for what is no image digest."""
    if not DIGEST.fullmatch(digest):
        raise BadInputError(
            "the artifact",
            f"{digest or 'nothing'!r} is no image digest",
            "Name it as sha256:<64 hex digits>.",
        )
