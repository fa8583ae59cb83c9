"""Subjects of provenance that may be no images: a build attests its binaries and archives as it does its images.

What no SBOM describes, no index names and nothing ever ran is told of apart, and not as an image that cannot tell.
"""

from __future__ import annotations

from patchgap.graph.reading import Run

_ALONE = (
    "SELECT i.id FROM graph_image i WHERE i.provenance <> ''"
    " AND NOT EXISTS (SELECT 1 FROM graph_sbom s WHERE s.image_id = i.id)"
    " AND NOT EXISTS (SELECT 1 FROM graph_container c WHERE c.image_id = i.id)"
    " AND NOT EXISTS (SELECT 1 FROM graph_digest d JOIN graph_platform p ON p.index_digest = d.digest"
    " WHERE d.image_id = i.id)"
    " AND NOT EXISTS (SELECT 1 FROM graph_digest d JOIN graph_platform p ON p.digest = d.digest WHERE d.image_id = i.id)"
)


def by_provenance_alone(read: Run) -> frozenset[int]:
    """The ids of those that are known by provenance alone."""
    return frozenset(row[0] for row in read(_ALONE))
