"""The shortest chains from an artifact's root to each package, found once, when the SBOM goes in."""

from __future__ import annotations

from collections.abc import Mapping

from patchgap.graph.sbom.document import ROOT

MOST = 16  # chains kept for one package; a longer list helps nobody at 7:10

Chain = tuple[int, ...]


def shortest(edges: Mapping[int, tuple[int, ...]]) -> dict[int, tuple[Chain, ...]]:
    """For each package that the root reaches, its shortest chains (at most MOST), below the root, ending with itself."""
    found: dict[int, tuple[Chain, ...]] = {ROOT: ((),)}
    level = [ROOT]
    while level:
        reached: dict[int, list[Chain]] = {}
        for start in level:
            for end in edges.get(start, ()):
                if end not in found:
                    chains = reached.setdefault(end, [])
                    chains.extend((*chain, end) for chain in found[start][: MOST - len(chains)])
        found |= {end: tuple(chains) for end, chains in reached.items()}
        level = list(reached)
    del found[ROOT]
    return found
