"""Bad input: each refusal names the file and ends with what to do."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from graph_fleet import IMAGE, sbom

from patchgap.errors import BadInputError
from patchgap.graph.advisory import parse_advisory
from patchgap.graph.documents import check_text, read_bytes
from patchgap.graph.sbom.read import parse_sbom

HEAD = '"bomFormat":"CycloneDX","specVersion":"1.5"'

BAD_SBOMS = {
    "nothing": (b"", "it is empty"),
    "a list": (b"[]", "it is a JSON list"),
    "cut off": (b'{"bomFormat":', "line 1, column 14"),
    "another document": (b'{"a": 1}', "neither"),
    "a number that is none": (f'{{{HEAD},"x":NaN}}'.encode(), "NaN is not a number"),
    "a number without end": (f'{{{HEAD},"x":1e999}}'.encode(), "too large"),
    "a key twice": (f'{{{HEAD},"components":[],"components":[]}}'.encode(), "'components' stands twice"),
    "a purl twice": (f'{{{HEAD},"components":[{{"name":"a","purl":"x","purl":"y"}}]}}'.encode(), "'purl' stands twice"),
    "a deep nest": (f'{{{HEAD},"x":{"[" * 100_000}{"]" * 100_000}}}'.encode(), "too deeply"),
    "wrong type": (f'{{{HEAD},"components":{{}}}}'.encode(), "components: Expected `array"),
    "wrong type below": (f'{{{HEAD},"components":[{{"name":7}}]}}'.encode(), r"components\[0\].name: Expected `str`"),
    "a version to come": (b'{"bomFormat":"CycloneDX","specVersion":"9.0"}', "specVersion '9.0' is not one of"),
    "old SPDX": (b'{"spdxVersion":"SPDX-1.2"}', "spdxVersion 'SPDX-1.2' is not one of"),
    "not UTF-8": (b'{"bomFormat":"\xff"}', "byte 14 is not UTF-8"),
}


@pytest.mark.parametrize("name", BAD_SBOMS)
def test_a_bad_sbom_is_refused_with_its_place(name: str) -> None:
    """Each bad SBOM gives one error that names the file and the place."""
    content, problem = BAD_SBOMS[name]
    with pytest.raises(BadInputError, match=problem) as caught:
        parse_sbom(content, "sboms/app.json", "x@" + IMAGE)
    assert str(caught.value).startswith("sboms/app.json: ")
    assert caught.value.fix.endswith(".")


EDGE = 16 * 1024  # the text is looked at in pieces of so many bytes

WRONG_BYTES = {
    "in the first piece": (b"\xc3\xa9" * 90 + b"\xff", EDGE),
    "in a later piece": (b"a" * 3 * EDGE + b"\xe2\x82a", EDGE),
    "cut by a piece's end": (b"a" * (EDGE - 1) + b"\xe2a", EDGE),
    "at the text's end": (b"a" * (EDGE - 1) + b"\xf0\x9f\x98", 0),
    "at a piece's and the text's end": (b"a" * (EDGE - 2) + b"\xe2\x82", 0),
}


@pytest.mark.parametrize("name", WRONG_BYTES)
def test_a_wrong_byte_is_named_wherever_it_stands(name: str) -> None:
    """The place is that of the whole text, and a character that two pieces share is none."""
    start, more = WRONG_BYTES[name]
    content = b"a" * (EDGE - 2) + "é€€".encode() + start + b"a" * more
    with pytest.raises(UnicodeDecodeError) as wrong:
        content.decode("utf-8")
    with pytest.raises(BadInputError, match=f"byte {wrong.value.start} is not UTF-8"):
        check_text(content, "app.json")
    check_text(content[: wrong.value.start], "app.json")


def test_components_nested_without_end_are_refused() -> None:
    """Nested components have a depth that no real SBOM reaches."""
    component: dict[str, object] = {"name": "a"}
    for _ in range(100):
        component = {"name": "a", "components": [component]}
    content = json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [component]}).encode()
    with pytest.raises(BadInputError, match="nested deeper"):
        parse_sbom(content, "x.json", "x@" + IMAGE)


@pytest.mark.parametrize("artifact", ["app:latest", "app@sha256:12", "app@sha512:" + "a" * 64])
def test_an_artifact_without_a_digest_is_refused(artifact: str) -> None:
    """--artifact takes a digest and says so."""
    with pytest.raises(BadInputError, match=r"REPOSITORY@sha256"):
        parse_sbom(f"{{{HEAD}}}".encode(), "x.json", artifact)


def test_a_gzip_bomb_stops_at_the_limit(tmp_path: Path) -> None:
    """A small file that unpacks to more than the limit is refused; it is not unpacked whole."""
    path = tmp_path / "bomb.json.gz"
    path.write_bytes(gzip.compress(b"0" * 20_000_000))
    with pytest.raises(BadInputError, match="larger than"):
        read_bytes(path, limit=3 << 20)


@pytest.mark.parametrize("cut", [5, 200])
def test_a_cut_off_gzip_is_refused(tmp_path: Path, cut: int) -> None:
    """Half a download is not half an SBOM."""
    path = tmp_path / "half.json.gz"
    path.write_bytes(sbom("alpine").read_bytes()[:-cut])
    with pytest.raises(BadInputError, match="gzip"):
        read_bytes(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A path that is no file is named."""
    with pytest.raises(BadInputError, match=r"nowhere\.json: it is not a file"):
        read_bytes(tmp_path / "nowhere.json")


OSV = {"id": "X-1", "affected": [{"package": {"name": "a", "ecosystem": "PyPI"}, "versions": ["1.0"]}]}

BAD_ADVISORIES = {
    "an alias": ("id: &a X-1\nsummary: *a\n", "anchor or alias"),
    "a key twice": ("id: X-1\nid: X-2\n", "neither JSON nor YAML"),
    "a list": ("- a\n- b\n", "not a mapping"),
    "no id": ("summary: a\n", "id is missing"),
    "a bare number as version": (
        "id: X-1\naffected:\n- package: {name: a, ecosystem: PyPI}\n  versions: [1.10]\n",
        r"affected\[0\].versions\[0\] is float, not text. Quote it",
    ),
    "an event of no kind": (
        (
            "id: X-1\naffected:\n- package: {name: a, ecosystem: PyPI}\n"
            "  ranges: [{type: ECOSYSTEM, events: [{mended: '1'}]}]\n"
        ),
        r"affected\[0\].ranges\[0\].events\[0\] is not one of",
    ),
    "no introduced": (
        (
            "id: X-1\naffected:\n- package: {name: a, ecosystem: PyPI}\n"
            "  ranges: [{type: ECOSYSTEM, events: [{fixed: '1'}]}]\n"
        ),
        "has no `introduced`",
    ),
    "a range of no type": (
        "id: X-1\naffected:\n- package: {name: a, ecosystem: PyPI}\n  ranges: [{type: MAGIC, events: []}]\n",
        "'MAGIC' is not one of",
    ),
    "no package name": ("id: X-1\naffected:\n- package: {ecosystem: PyPI}\n", "names no name or no ecosystem"),
    "a time that is none": ("id: X-1\npublished: yesterday\n", "published is not a time"),
    "a time before all": ("id: X-1\npublished: '0001-01-01T00:00:00+23:59'\n", "published is not a time"),
    "a path as id": ("id: ../../etc/passwd\n", "id is no identifier"),
    "an id of two lines": ('{"id": "X-1\\n# Y"}', "id is no identifier"),
    "an id without end": (f"id: {'X' * 129}\n", "id is no identifier"),
    "NaN": ('{"id": "X-1", "x": NaN}', "NaN is not a number"),
    "a deep nest": ("id: X-1\nx: " + "[" * 300 + "]" * 300, "nested too deeply"),
    "binary": ("\x00\x01", "neither JSON nor YAML"),
}


@pytest.mark.parametrize("name", BAD_ADVISORIES)
def test_a_bad_advisory_is_refused_with_its_field(name: str) -> None:
    """Each bad advisory gives one error that names the file and the field."""
    content, problem = BAD_ADVISORIES[name]
    with pytest.raises(BadInputError, match=problem) as caught:
        parse_advisory(content, "advisory.yaml")
    assert str(caught.value).startswith("advisory.yaml: ")


@pytest.mark.parametrize("value", [{"id": "X-1", "affected": "all"}, {"id": 7}, {"id": "X-1", "aliases": [1]}])
def test_a_parsed_advisory_is_checked_the_same(value: dict[str, object]) -> None:
    """A mapping, as a webhook hands it over, is held to the same types."""
    with pytest.raises(BadInputError, match="not"):
        parse_advisory(value, "the message")
