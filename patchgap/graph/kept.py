"""One advisory of a mirror, by its id or by another name of it, as the mirror was last read.

An id is one record. Another name (a CVE's) may be that of several records: they are asked about as one advisory, for each
tells of packages that the others may not name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from patchgap.errors import NotFoundError
from patchgap.graph.reading import Run, among
from patchgap.graph.records import documents, state
from patchgap.model.signal import Advisory


def advisory_named(read: Run, mirror: Path, name: str) -> Advisory:
    """The advisory, without its details and references. Raises NotFoundError where the mirror was never read, or holds
    no record of that name. What is withdrawn counts where nothing else has the name."""
    known = state(read, mirror)
    if known is None:
        raise NotFoundError(
            f"{name}: the mirror {mirror} was never read",
            "Read it with `patchgap advisories`, or name the record's file.",
        )
    one_of, parameters = among("n.name", sorted({name, name.upper(), name[:4].upper() + name[4:].lower()}))
    rows = read(
        "SELECT a.id FROM graph_advisory_name n JOIN graph_advisory a ON a.id = n.advisory_id"  # noqa: S608  (parameters)
        f" WHERE a.mirror_id = :mirror AND a.document IS NOT NULL AND {one_of}",
        parameters | {"mirror": known.id},
    )
    records = [one for _, _, one in documents(read, {row[0] for row in rows})]
    own = [one for one in records if one.id.lower() == name.lower()]
    if not records:
        raise NotFoundError(
            f"no advisory of the mirror {mirror} has the id or the alias {name}",
            "`patchgap advisories` reads what is new in it; or name the record's file.",
        )
    return _as_one(name, own or records)


def _as_one(name: str, records: Sequence[Advisory]) -> Advisory:
    standing = [one for one in records if one.withdrawn is None] or records
    if len(standing) == 1:
        return standing[0]
    first = standing[0]
    ident = first.id if all(one.id == first.id for one in standing) else name
    names = dict.fromkeys(text for one in standing for text in (one.id, *one.aliases))
    return replace(
        first,
        id=ident,
        aliases=tuple(text for text in names if text != ident),
        affected=tuple(dict.fromkeys(package for one in standing for package in one.affected)),
    )
