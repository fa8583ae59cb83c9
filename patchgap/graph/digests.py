"""What the graph knows of an image against a question: affected, clean, or unknown, with the reason.

Unlike an exposure it asks of digests, whether they run or not. Clean is said only where an SBOM would have listed it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from patchgap.graph.coverage import Coverage, hidden
from patchgap.graph.matching import Match, keys
from patchgap.graph.platforms import of_indexes
from patchgap.graph.purl import loose_key
from patchgap.graph.query import unanswerable
from patchgap.graph.question import Question
from patchgap.graph.reading import Run, among, among_ids, batches
from patchgap.model.exposure import Component, Standing

AFFECTED, CLEAN, UNKNOWN = "affected", "clean", "unknown"
_MANY = 50  # SBOMs


class Verdict(NamedTuple):
    """`verdict` is one of the three words above. `components` are those for which the image is affected, the ones whose own
    name was asked for before those that were built from a source package of that name."""

    verdict: str
    reason: str
    components: tuple[Component, ...] = ()


def standings(
    read: Run, matches: Mapping[int, Match], question: Question, digests: Sequence[str]
) -> dict[str, Verdict]:
    """The verdict on each digest; `matches` are the components that the question touches. An index of several platforms
    is affected where any of them is, and clean only where each is."""
    indexes = of_indexes(read, digests)
    parts = (manifest for names in indexes.values() for manifest in names)
    each = _each(read, matches, question, tuple(dict.fromkeys((*digests, *parts))))
    told = {digest: each[digest] for digest in digests}
    return told | {index: _weakest(each[index], names, each) for index, names in indexes.items()}


def _weakest(own: Verdict, names: Mapping[str, str], each: Mapping[str, Verdict]) -> Verdict:
    """Of an index, whose own SBOMs make `own`, and its platforms, named by their manifests' digests."""
    for verdict in (AFFECTED, UNKNOWN):
        for digest, name in names.items():
            if each[digest].verdict == verdict:
                return Verdict(
                    verdict, f"its platform {name} ({digest}): {each[digest].reason}", each[digest].components
                )
        if own.verdict == verdict:
            return own
    return own


def _each(read: Run, matches: Mapping[int, Match], question: Question, digests: Sequence[str]) -> dict[str, Verdict]:
    held = sboms_of(read, digests)
    found = _found(read, matches, [one.id for sboms in held.values() for one in sboms])
    nothing = unanswerable(question)
    return {
        digest: _verdict(question, held.get(digest, []), found, nothing[0].reason if nothing else "")
        for digest in digests
    }


class Sbom(NamedTuple):
    """What is stored of an SBOM beside its packages."""

    id: int
    packages: int
    lists: str
    whole: bool
    hides: str


def _verdict(question: Question, sboms: Sequence[Sbom], found: Mapping[int, Sequence[Match]], nothing: str) -> Verdict:
    hits = [match for sbom in sboms for match in found.get(sbom.id, ())]
    affected = [match for match in hits if match.standing is Standing.AFFECTED]
    doubts = [match.reason for match in hits if match.standing is Standing.UNKNOWN]
    if affected:
        return _affected(question, affected)
    if not sboms:
        return Verdict(UNKNOWN, "it has no SBOM")
    if nothing or doubts:
        return Verdict(UNKNOWN, nothing or doubts[0])
    if not any(one.packages for one in sboms):
        return Verdict(UNKNOWN, "its SBOM lists no packages")
    untold = Coverage.of((one.lists, one.whole) for one in sboms).untold(question) or _hidden(sboms)
    return Verdict(UNKNOWN, untold) if untold else Verdict(CLEAN, f"its SBOM holds nothing that {question} affects")


def _affected(question: Question, matches: Sequence[Match]) -> Verdict:
    names = keys(question)
    ordered = sorted(matches, key=lambda one: (loose_key(one.row.name) not in names, one.row.label))
    held = tuple(dict.fromkeys(one.row.component for one in ordered))
    more = f", and {len(held) - 1} more package{' that matches' if len(held) == 2 else 's that match'}"  # noqa: PLR2004
    return Verdict(AFFECTED, ordered[0].reason + (more if len(held) > 1 else ""), held)


def _found(read: Run, matches: Mapping[int, Match], sbom_ids: Sequence[int]) -> dict[int, list[Match]]:
    """The matches in each of the SBOMs. Of many SBOMs it is quicker to see where the matches are at all."""
    found: dict[int, list[Match]] = {}
    one = f" AND {among_ids('p.sbom_id', sbom_ids)}" if len(sbom_ids) <= _MANY else ""
    wanted = {*sbom_ids}
    rows = read(
        "SELECT p.sbom_id, o.component_id FROM graph_occurrence o JOIN graph_sbom_set p ON p.set_id = o.set_id"  # noqa: S608
        f" WHERE {among_ids('o.component_id', matches)}{one}"
    )
    for sbom_id, component_id in rows:
        if sbom_id in wanted:
            found.setdefault(sbom_id, []).append(matches[component_id])
    return found


def _hidden(sboms: Sequence[Sbom]) -> str:
    """Why packages may be missing in the lists of an image's SBOMs; "" where nothing may."""
    return "; ".join(hidden((one.lists, one.whole, json.loads(one.hides)) for one in sboms if one.packages))


def sboms_of(read: Run, digests: Sequence[str]) -> dict[str, list[Sbom]]:
    """The SBOMs of each digest's image, with how many packages each lists, and of which kinds."""
    found: dict[str, list[Sbom]] = {}
    for batch in batches(digests, 500):
        some, parameters = among("d.digest", batch)
        rows = read(
            "SELECT d.digest, s.id, s.packages, s.lists, s.whole, s.hides FROM graph_digest d"  # noqa: S608  (parameters alone)
            f" JOIN graph_sbom s ON s.image_id = d.image_id WHERE {some}",
            parameters,
        )
        for digest, *sbom in rows:
            found.setdefault(digest, []).append(Sbom(*sbom))
    return found
