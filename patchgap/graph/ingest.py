"""Writes: SBOMs, artifacts, a cluster's snapshot, each on a connection that holds the graph's lock.

Knows the tables and nothing of questions. The caller's transaction makes each of them whole or nothing. SQL goes
straight to the driver: SQLAlchemy's layers took two thirds of the time of reading a folder of SBOMs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import cast

import msgspec
import sqlalchemy as sa

from patchgap.graph import chains, tables
from patchgap.graph.coverage import is_system, listed
from patchgap.graph.images import Images
from patchgap.graph.members import pack
from patchgap.graph.purl import loose_key
from patchgap.graph.reading import Run, among_ids, batches, next_id, of_connection
from patchgap.graph.sbom.document import Package, SbomDocument
from patchgap.model.vex import VexDocument
from patchgap.storage import insert_many

_BATCH = 400
_CACHED = 150_000  # packages whose ids are remembered while many SBOMs go in
_DISTRIBUTIONS = frozenset({"deb", "apk", "rpm", "alpm"})


class Ingest:
    """What goes into the graph in one transaction. `known` is what earlier transactions of the same writer gave ids;
    the caller drops it where one of them fails."""

    def __init__(self, connection: sa.Connection, known: dict[Package, int] | None = None) -> None:
        self._connection = connection
        self._run: Run = of_connection(connection)
        self._known: dict[Package, int] = {} if known is None else known
        self.images = Images(connection, self._run)

    def sbom(self, document: SbomDocument, at: str) -> bool:
        """The SBOM, its packages, the shortest chains to each, and its artifact; False where it was stored already."""
        image_id = self.images.artifact(document.artifact, document.digests)
        held = self._run(
            "SELECT 1 FROM graph_sbom WHERE document = :document AND image_id = :image",
            {"document": document.document, "image": image_id},
        )
        if held:
            return False
        sbom_id = next_id(self._run, tables.sbom.name)
        count = len(document.packages) - sum([package[4] == document.root for package in document.packages])
        kinds = listed(document.packages)
        row = (
            sbom_id, document.document, image_id, document.format, document.reference, document.root, count,
            kinds, document.whole or is_system(kinds), json.dumps(document.gaps), json.dumps(document.hides), at,
            json.dumps(document.digests),
        )  # fmt: skip
        insert_many(self._connection, tables.sbom, (row,))
        ids = self._components(document.packages)
        texts = _chains(document, ids)
        for part in _parts(document.packages):
            set_id = self._set([ids[n] for n in part], [texts.get(n) for n in part] if texts else None)
            insert_many(self._connection, tables.sbom_part, ((set_id, sbom_id),))
        self.images.tell_indexes(image_id)
        if document.vex is not None:
            self.vex(document.vex, at)
        return True

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

    def _set(self, ids: list[int], paths: list[str | None] | None) -> int:
        """The id of the set of these components with these chains; stored where it is new."""
        members = sorted(zip(ids, paths, strict=True)) if paths and any(paths) else [(one, None) for one in sorted(ids)]
        content = set_content(members)
        held = self._run("SELECT id FROM graph_set WHERE content = :content", {"content": content})
        if held:
            return int(held[0][0])
        set_id = next_id(self._run, tables.part.name)
        insert_many(self._connection, tables.part, ((set_id, content, pack([one for one, _ in members])),))
        insert_many(self._connection, tables.occurrence, [(one, set_id, path) for one, path in members])
        return set_id

    def _components(self, packages: Sequence[Package]) -> list[int]:
        """Each package's component id, in order; new ones are stored."""
        known = self._known
        if len(known) > _CACHED:
            known.clear()
        ids = [*map(known.get, packages)]
        if None not in ids:
            return cast("list[int]", ids)
        self._learn([one for one, id_ in zip(packages, ids, strict=True) if id_ is None])
        return [known[one] for one in packages]

    def _learn(self, packages: Iterable[Package]) -> None:
        """The ids of packages that are not known yet: found, or given."""
        missing = {one: fingerprint(one) for one in packages}
        self._load(missing)
        new = [one for one in missing if one not in self._known]
        first = next_id(self._run, tables.component.name)
        rows = [(first + n, missing[one], *_keys(one), *one) for n, one in enumerate(new)]
        insert_many(self._connection, tables.component, rows)
        self._known.update((one, first + n) for n, one in enumerate(new))

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


def _chains(document: SbomDocument, ids: Sequence[int]) -> dict[int, str]:
    """For each package that the root reaches, its chains as ids; the root itself is a chain of one."""
    found = {}
    if document.edges:
        names = [str(one) for one in ids]
        for n, paths in chains.shortest(document.edges).items():
            found[n] = ";".join([" ".join([names[step] for step in path]) for path in paths])
    if document.root.startswith("pkg:"):
        found |= {n: "" for n, package in enumerate(document.packages) if package.purl == document.root}
    return found


def set_content(members: Sequence[tuple[int, str | None]]) -> str:
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
