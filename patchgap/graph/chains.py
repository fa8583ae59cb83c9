"""The shortest chains from an artifact's root to each package, found once, when the SBOM goes in, and as they are stored.

"5 9;7 9"           two chains of component ids, from below the root to the package itself
"5 9;7 9;…;+24"     as many as are kept, and 24 more
""                  the artifact itself
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from patchgap.graph.sbom.document import ROOT

MOST = 16  # chains kept for one package; a longer list helps nobody at 7:10
COUNTED = 10**15  # chains counted at most: of layers that fan out there are more than a number of this size can say

Chain = tuple[int, ...]


class Shortest(NamedTuple):
    """A package's shortest chains, at most MOST of them, and how many there are, up to COUNTED."""

    chains: tuple[Chain, ...]
    number: int


class Stored(NamedTuple):
    """Chains as the graph keeps them, and how many more there are; None where that was not counted."""

    chains: tuple[Chain, ...]
    more: int | None


def shortest(edges: Mapping[int, tuple[int, ...]]) -> dict[int, Shortest]:
    """For each package that the root reaches, its shortest chains, below the root, ending with itself."""
    found: dict[int, Shortest] = {ROOT: Shortest(((),), 1)}
    level = [ROOT]
    while level:
        reached: dict[int, list[Chain]] = {}
        counts: dict[int, int] = {}
        for start in level:
            chains, number = found[start]
            for end in edges.get(start, ()):
                if end not in found:
                    held = reached.setdefault(end, [])
                    held.extend([(*chain, end) for chain in chains[: MOST - len(held)]])
                    counts[end] = counts.get(end, 0) + number
        found.update((end, Shortest(tuple(held), min(counts[end], COUNTED))) for end, held in reached.items())
        level = list(reached)
    del found[ROOT]
    return found


def written(found: Shortest, ids: Sequence[str]) -> str:
    """As they are stored; `ids` are the component ids by position."""
    text = ";".join([" ".join([ids[step] for step in chain]) for chain in found.chains])
    return f"{text};+{found.number - MOST}" if len(found.chains) == MOST else text


def read(text: str) -> Stored:
    """Of what is stored."""
    kept, _, more = text.partition(";+")
    chains = tuple(tuple(int(step) for step in chain.split()) for chain in kept.split(";"))
    return Stored(chains, int(more) if more else None if len(chains) == MOST else 0)
