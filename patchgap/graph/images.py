"""Images by their digests: one row however many digests an image goes by. An index of several platforms has a row of its
own, with a copy of each of its platforms' SBOMs: it runs as any of them.

Writes on the connection of whoever holds the graph's lock; knows nothing of what is in an image or of where it runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from patchgap.graph import tables
from patchgap.graph.platforms import Platform, apart
from patchgap.graph.reading import Run, among, among_ids, batches, next_id
from patchgap.model.exposure import Artifact, repository_of
from patchgap.storage import insert_many

_FIELDS = ("repository", "commit_id", "provenance")
_NOTHING = ("", "", "")  # is known of it
_BATCH = 400


class Images:
    """The image table and its digests, in one transaction."""

    def __init__(self, connection: sa.Connection, run: Run) -> None:
        self._connection = connection
        self._run = run

    def artifacts(self, every: Sequence[tuple[Artifact, Sequence[str]]]) -> list[int]:
        """The image of each, by its digests; what is known of it is kept where the new knowledge is empty. Those whose
        digests nothing else names go in together."""
        names = [digests[0] for _, digests in every]
        new: dict[int, tuple[Artifact, Sequence[str]]] = {}
        told: set[str] = self._told([digest for _, digests in every for digest in digests])
        for n, (known, digests) in enumerate(every):
            if told.isdisjoint(digests):
                new[n] = (known, digests)
            told.update(digests)
        first = self._new([_said(known) for known, _ in new.values()])
        rows = [(digest, first + n) for n, (_, digests) in enumerate(new.values()) for digest in dict.fromkeys(digests)]
        insert_many(self._connection, tables.digest, rows)
        for n, (known, digests) in enumerate(every):
            if n not in new:
                own = apart(self._run, digests)
                names[n] = own[0]
                self._learn(self._one(own), dict(zip(_FIELDS, _said(known), strict=True)))
        held = self._held(names)
        return [held[name] for name in names]

    def _told(self, digests: Sequence[str]) -> set[str]:
        """Those of which an image, an index or a platform is known."""
        found = {*self._held(digests)}
        for batch in batches(digests, _BATCH):
            for column in ("digest", "index_digest"):
                some, named = among(column, batch)
                rows = self._run(f"SELECT {column} FROM graph_platform WHERE {some}", named)  # noqa: S608  (our text)
                found.update(row[0] for row in rows)
        return found

    def of(self, digests: Sequence[str]) -> int:
        """The image that goes by these digests, as far as they can be one: found, made, or made one of several."""
        return self._one(apart(self._run, digests))

    def _one(self, digests: Sequence[str]) -> int:
        held = self._held(digests)
        ids = list(dict.fromkeys(held[one] for one in digests if one in held))
        image_id = ids[0] if ids else self._new([_NOTHING])
        for other in ids[1:]:
            if not self._are_platforms(image_id, other):
                self._merge(other, image_id)
        insert_many(self._connection, tables.digest, [(one, image_id) for one in digests if one not in held])
        if len(ids) > 1:
            self.tell_indexes((image_id,))
        return image_id

    def index(self, index: str, platforms: Sequence[Platform]) -> None:
        """What an index leads to: one image with it where that is one platform, else images of their own."""
        if len(platforms) == 1:
            self.of(tuple(dict.fromkeys((index, *platforms[0].digests))))
            return
        known = self._run("SELECT digest FROM graph_platform WHERE index_digest = :index", {"index": index})
        rows = {(index, digest): (p.digests[0], p.name) for p in reversed(platforms) for digest in p.digests}
        new = [(*key, *row) for key, row in rows.items() if (key[1],) not in known]
        insert_many(self._connection, tables.platform, new)
        groups = [(index,), *(platform.digests for platform in platforms)]
        for group in groups:
            self._separate(group, groups)
        for group in groups[1:]:
            self.tell_indexes((self.of(group),))

    def tell_indexes(self, images: Iterable[int]) -> None:
        """Gives the SBOMs of these images to the indexes of which they are a platform."""
        for batch in batches(images, _BATCH):
            indexes = self._run(
                "SELECT DISTINCT p.index_digest, d.image_id FROM graph_platform p"  # noqa: S608  (ids alone)
                f" JOIN graph_digest d ON d.digest = p.digest WHERE {among_ids('d.image_id', batch)}"
            )
            for index, image_id in indexes:
                into = self.each((index,))[index]
                own = self._run("SELECT id FROM graph_sbom WHERE image_id = :image ORDER BY id", {"image": image_id})
                for (sbom_id,) in own:
                    self._copy(sbom_id, into)

    def each(self, digests: Iterable[str]) -> dict[str, int]:
        """The image of each digest; a new digest is an image of its own until something joins it to another."""
        wanted = sorted(set(digests))
        images = self._held(wanted)
        new = [one for one in wanted if one not in images]
        if new:
            first = self._new([_NOTHING] * len(new))
            rows = [(digest, first + n) for n, digest in enumerate(new)]
            insert_many(self._connection, tables.digest, rows)
            images.update(rows)
        return images

    def _are_platforms(self, one: int, other: int) -> bool:
        """Whether each is another platform of one index: they are never one image, whatever names both."""
        found = self._run(
            "SELECT 1 FROM graph_platform p JOIN graph_digest d ON d.digest = p.digest"
            " WHERE d.image_id IN (:one, :other) GROUP BY p.index_digest HAVING count(DISTINCT p.manifest) > 1",
            {"one": one, "other": other},
        )
        return bool(found)

    def _separate(self, group: Sequence[str], groups: Sequence[Sequence[str]]) -> None:
        """Takes the digests of one image out of rows that hold others of the index too (whose own digest is the first
        group), with what runs by them and with the SBOMs that name them."""
        held = self._held([one for some in groups for one in some])
        for row in sorted({held[one] for one in group if one in held}):
            mine = frozenset(one for one in group if held.get(one) == row)
            staying = [some for some in groups if some != group and any(held.get(one) == row for one in some)]
            if staying:
                made = self._another(row)
                some, parameters = among("digest", mine)
                self._run(f"UPDATE graph_digest SET image_id = :made WHERE {some}", {**parameters, "made": made})  # noqa: S608
                self._move_containers(row, made, mine)
                self._move_sboms(row, made, mine, [] if group == groups[0] else staying, len(staying) > 1)

    def _another(self, row: int) -> int:
        """A new image, of which is known what is known of that one."""
        made = self._new([_NOTHING])
        known = self._run(f"SELECT {', '.join(_FIELDS)} FROM graph_image WHERE id = :id", {"id": row})[0]  # noqa: S608
        self._learn(made, dict(zip(_FIELDS, known, strict=True)))
        return made

    def _move_containers(self, row: int, made: int, digests: frozenset[str]) -> None:
        running = self._run(
            "SELECT c.workload_id, c.position, w.document FROM graph_container c"
            " JOIN graph_workload w ON w.id = c.workload_id WHERE c.image_id = :image",
            {"image": row},
        )
        for workload_id, position, document in running:
            if json.loads(document)["containers"][position]["digest"] in digests:
                self._run(
                    "UPDATE graph_container SET image_id = :made WHERE workload_id = :id AND position = :position",
                    {"made": made, "id": workload_id, "position": position},
                )

    def _move_sboms(
        self, row: int, made: int, mine: frozenset[str], platforms: Sequence[Sequence[str]], unclear: bool
    ) -> None:
        """To a platform goes what names it; what names others of `platforms` as well stays with them too. To the index
        (no `platforms`) goes what names nothing else, and, where it is `unclear` which platform is meant, an SBOM that
        was stored before names were kept: it is no platform's then."""
        others = {one for some in platforms for one in some}
        for sbom_id, text in self._run("SELECT id, named FROM graph_sbom WHERE image_id = :image", {"image": row}):
            named = set(json.loads(text))
            if named & mine and named & others:
                self._copy(sbom_id, made)
            elif (named & mine and others) or (named and named <= mine) or (not named and unclear and not others):
                self._run("UPDATE graph_sbom SET image_id = :made WHERE id = :id", {"made": made, "id": sbom_id})

    def _copy(self, sbom_id: int, image_id: int) -> None:
        columns = [column.name for column in tables.sbom.columns if column.name not in {"id", "image_id"}]
        made = next_id(self._run, "graph_sbom")
        names = ", ".join(columns)
        parameters = {"made": made, "image": image_id, "id": sbom_id}
        self._run(
            f"INSERT INTO graph_sbom (id, image_id, {names}) SELECT :made, :image, {names} FROM graph_sbom"  # noqa: S608
            " WHERE id = :id AND document NOT IN (SELECT document FROM graph_sbom WHERE image_id = :image)",
            parameters,
        )
        self._run(
            "INSERT INTO graph_sbom_set (set_id, sbom_id) SELECT set_id, :made FROM graph_sbom_set WHERE sbom_id = :id"
            " AND EXISTS (SELECT 1 FROM graph_sbom WHERE id = :made)",
            parameters,
        )

    def _held(self, digests: Sequence[str]) -> dict[str, int]:
        held: dict[str, int] = {}
        for batch in batches(digests, _BATCH):
            some, parameters = among("digest", batch)
            rows = self._run(f"SELECT digest, image_id FROM graph_digest WHERE {some}", parameters)  # noqa: S608
            held.update((row[0], row[1]) for row in rows)
        return held

    def _new(self, known: Sequence[tuple[str, str, str]]) -> int:
        """The first of so many new images, whose ids follow each other."""
        first = next_id(self._run, "graph_image")
        insert_many(self._connection, tables.image, [(first + n, *said) for n, said in enumerate(known)])
        return first

    def _learn(self, image_id: int, fields: dict[str, str]) -> None:
        said = {name: value for name, value in fields.items() if value}
        if said:
            changes = ", ".join(f"{name} = :{name}" for name in said)
            self._run(f"UPDATE graph_image SET {changes} WHERE id = :id", {**said, "id": image_id})  # noqa: S608

    def _merge(self, other: int, into: int) -> None:
        """Two images turn out to be one. What the first does not know is taken from the other."""
        rows = {
            row[0]: row[1:]
            for row in self._run(
                "SELECT id, repository, commit_id, provenance FROM graph_image WHERE id IN (:other, :into)",
                {"other": other, "into": into},
            )
        }
        self._learn(into, {n: a for n, a, b in zip(_FIELDS, rows[other], rows[into], strict=True) if not b})
        both = {"other": other, "into": into}
        twice = (
            "SELECT id FROM graph_sbom WHERE image_id = :other"
            " AND document IN (SELECT document FROM graph_sbom WHERE image_id = :into)"
        )
        self._run(f"DELETE FROM graph_sbom_set WHERE sbom_id IN ({twice})", both)  # noqa: S608  (our own text)
        self._run(f"DELETE FROM graph_sbom WHERE id IN ({twice})", both)  # noqa: S608
        for table in ("graph_digest", "graph_sbom", "graph_container"):
            self._run(f"UPDATE {table} SET image_id = :into WHERE image_id = :other", both)  # noqa: S608
        self._run("DELETE FROM graph_image WHERE id = :other", {"other": other})


def _said(known: Artifact) -> tuple[str, str, str]:
    return repository_of(known.repository), known.commit, known.provenance
