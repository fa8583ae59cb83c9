"""Images by their digests: one row however many digests an image goes by.

Writes on the connection of whoever holds the graph's lock; knows nothing of what is in an image or of where it runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from patchgap.graph import tables
from patchgap.graph.query import repository_of
from patchgap.graph.reading import Run, among
from patchgap.model.exposure import Artifact
from patchgap.storage import insert_many

_FIELDS = ("repository", "commit_id", "provenance")
_BATCH = 400


class Images:
    """The image table and its digests, in one transaction."""

    def __init__(self, connection: sa.Connection, run: Run) -> None:
        self._connection = connection
        self._run = run

    def artifact(self, known: Artifact, digests: Sequence[str]) -> int:
        """The image's id; what is known of it is kept where the new knowledge is empty."""
        image_id = self.of(digests)
        said = (repository_of(known.repository), known.commit, known.provenance)
        self._learn(image_id, dict(zip(_FIELDS, said, strict=True)))
        return image_id

    def of(self, digests: Sequence[str]) -> int:
        """The image that goes by these digests: found, made, or made one of several."""
        held = self._held(digests)
        ids = sorted(set(held.values()))
        image_id = ids[0] if ids else self._new(1)
        for other in ids[1:]:
            self._merge(other, image_id)
        insert_many(self._connection, tables.digest, [(one, image_id) for one in digests if one not in held])
        return image_id

    def each(self, digests: Iterable[str]) -> dict[str, int]:
        """The image of each digest; a new digest is an image of its own until something joins it to another."""
        wanted = sorted(set(digests))
        images = self._held(wanted)
        new = [one for one in wanted if one not in images]
        if new:
            first = self._new(len(new))
            rows = [(digest, first + n) for n, digest in enumerate(new)]
            insert_many(self._connection, tables.digest, rows)
            images.update(rows)
        return images

    def _held(self, digests: Sequence[str]) -> dict[str, int]:
        held: dict[str, int] = {}
        for start in range(0, len(digests), _BATCH):
            some, parameters = among("digest", digests[start : start + _BATCH])
            rows = self._run(f"SELECT digest, image_id FROM graph_digest WHERE {some}", parameters)  # noqa: S608
            held.update((row[0], row[1]) for row in rows)
        return held

    def _new(self, count: int) -> int:
        first = int(self._run("SELECT coalesce(max(id), 0) FROM graph_image")[0][0]) + 1
        insert_many(self._connection, tables.image, [(first + n, "", "", "") for n in range(count)])
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
