"""A list of packages, or of edges where that is counted, that stands twice in one object is refused, or told where the file is too large for the strict check:
of two keys the decoder keeps the last, and whatever the first held would be gone in silence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from sbom_formats import NAME, as_json, cyclonedx, spdx, spdx3, syft

from patchgap.errors import BadInputError
from patchgap.graph import documents
from patchgap.graph.sbom.read import parse_sbom

LOST = {"name": "lost", "version": "1"}
PART = {"type": "library", "name": "a", "version": "1"}
NESTED = cyclonedx(components=[PART | {"components": [LOST]}])
DOUBLED: dict[
    str, tuple[Mapping[str, Any], str, list[dict[str, Any]]]
] = {  # the document, its list's key, one more list
    "SPDX": (spdx(), "packages", [LOST]),
    "SPDX 3": (spdx3(), "@graph", [{"type": "software_Package", "name": "lost"}]),
    "CycloneDX": (cyclonedx(), "components", [LOST, LOST]),
    "CycloneDX, nested": (NESTED, "components", [LOST]),
    "Syft": (syft(), "artifacts", [LOST]),
    "CycloneDX, edges": (cyclonedx(), "dependencies", [{"ref": "a", "dependsOn": ["b"]}]),
    "Syft, edges": (syft(), "artifactRelationships", [{"parent": "a", "child": "b", "type": "dependency-of"}]),
}
FILLER = ', "filler": "' + "x" * documents._SMALL + '"}'
IMAGE = f"{NAME}@sha256:" + "a" * 64
in_each_format = pytest.mark.parametrize("name", DOUBLED)


def large(document: Mapping[str, Any]) -> bytes:
    return as_json(document)[:-1] + FILLER.encode()


def doubled(name: str, spelt: str = "") -> bytes:
    document, key, more = DOUBLED[name]
    place = f'"{key}": '
    return large(document).replace(place.encode(), f'"{spelt or key}": {json.dumps(more)}, {place}'.encode(), 1)


@in_each_format
def test_a_list_that_stands_twice_in_a_large_file_is_refused(name: str) -> None:
    """Though nothing in the first has a purl; the key is named."""
    with pytest.raises(BadInputError, match=f"the key '{DOUBLED[name][1]}' stands twice in one object"):
        parse_sbom(doubled(name), "x.json", IMAGE)


@in_each_format
def test_a_key_that_is_escaped_is_the_same_key(name: str) -> None:
    """No text is looked for, so no spelling passes."""
    key = DOUBLED[name][1]
    with pytest.raises(BadInputError, match="stands twice in one object"):
        parse_sbom(doubled(name, f"{key[:-1]}\\u{ord(key[-1]):04x}"), "x.json", IMAGE)


@in_each_format
def test_where_the_strict_check_is_too_much_it_is_told(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages may be in the image that are not listed."""
    monkeypatch.setattr(documents, "_STRICT", documents._SMALL)
    document = parse_sbom(doubled(name), "x.json", IMAGE)
    count = len(DOUBLED[name][2])
    assert document.hides == (f"a list in it stands twice in one object: {count} of its entries were not read",)


@in_each_format
def test_a_large_file_whose_lists_stand_once_is_not_looked_at_again(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The strict check takes twenty times as long as reading."""
    monkeypatch.setattr(documents, "check_json", None)
    document = parse_sbom(large(DOUBLED[name][0]), "x.json", IMAGE)
    assert (len(document.packages), document.hides) == (2 if name == "CycloneDX, nested" else 4, ())
