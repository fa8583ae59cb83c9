"""Records that are one vulnerability under several names: an id and what any record says is the same, at any number of steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from patchgap.graph.reading import Run, among, among_ids, batches
from patchgap.model.signal import Severity, worst

_VALUES = 400  # in one statement


class Family(NamedTuple):
    """All its names, sorted, and the worst severity that a record of it states; malicious is critical. What is withdrawn
    states nothing."""

    names: tuple[str, ...]
    severity: Severity


def families(read: Run, mirror: int, ids: Iterable[int]) -> dict[int, Family]:
    """The family of each of these records."""
    names = _related(read, mirror, ids)
    severities = _severities(read, names)
    leads = _joined(names)
    members: dict[int, set[str]] = {}
    severest: dict[int, Severity] = {}
    for id_, own in names.items():
        lead = leads[id_]
        members.setdefault(lead, set()).update(own)
        stated = severities.get(id_, Severity.UNKNOWN)
        if id_ in severities and any(name.startswith("MAL-") for name in own):
            stated = Severity.CRITICAL
        severest[lead] = worst((severest.get(lead, Severity.UNKNOWN), stated))
    return {id_: Family(tuple(sorted(members[leads[id_]])), severest[leads[id_]]) for id_ in ids}


def _related(read: Run, mirror: int, ids: Iterable[int]) -> dict[int, set[str]]:
    """The names of these records and of all that share one with them, at any number of steps; withdrawn ones too."""
    found: dict[int, set[str]] = {}
    asked: set[str] = set()
    rest = set(ids)
    while rest:
        for some in batches(rest, _VALUES):
            statement = f"SELECT advisory_id, name FROM graph_advisory_name WHERE {among_ids('advisory_id', some)}"  # noqa: S608
            for id_, name in read(statement):
                found.setdefault(id_, set()).add(name)
        new = {name for id_ in rest for name in found.get(id_, ())} - asked
        asked |= new
        rest = set()
        for names in batches(sorted(new), _VALUES):
            one_of, parameters = among("n.name", names)
            rows = read(
                "SELECT n.advisory_id FROM graph_advisory_name n CROSS JOIN graph_advisory a"  # noqa: S608  (SQLite keeps the order)
                f" WHERE a.id = n.advisory_id AND a.mirror_id = :mirror AND {one_of}",
                {**parameters, "mirror": mirror},
            )
            rest |= {row[0] for row in rows}
        rest -= found.keys()
    return found


def _severities(read: Run, ids: Iterable[int]) -> dict[int, Severity]:
    """What each record states, withdrawn ones left out."""
    found: dict[int, Severity] = {}
    for some in batches(ids, _VALUES):
        rows = read(f"SELECT id, severity FROM graph_advisory WHERE NOT withdrawn AND {among_ids('id', some)}")  # noqa: S608
        found |= {id_: Severity(severity) for id_, severity in rows}
    return found


def _joined(names: dict[int, set[str]]) -> dict[int, int]:
    """Each record's lead: one record of its family."""
    lead = {id_: id_ for id_ in names}

    def of(id_: int) -> int:
        while lead[id_] != id_:
            lead[id_] = lead[lead[id_]]
            id_ = lead[id_]
        return id_

    first: dict[str, int] = {}
    for id_, own in names.items():
        for name in own:
            lead[of(id_)] = of(first.setdefault(name, id_))
    return {id_: of(id_) for id_ in names}
