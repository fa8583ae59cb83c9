"""Packed files: whole, in parts, and broken; what each first byte says."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from backports import zstd
from graph_fleet import DATA

from patchgap.errors import BadInputError
from patchgap.graph.documents import read_bytes, read_head
from patchgap.graph.files import read_file, walk
from patchgap.graph.sbom.kinds import NotAnSbomError

RAW = (DATA / "formats/image.cdx.json").read_bytes()
PACKERS = {"gzip": gzip.compress, "zstd": zstd.compress}


@pytest.mark.parametrize("kind", PACKERS)
def test_what_was_packed_comes_back_whole(tmp_path: Path, kind: str) -> None:
    """Also where it is larger than one piece, and in several members."""
    large = RAW * 1500
    path = tmp_path / "x"
    path.write_bytes(PACKERS[kind](large) + PACKERS[kind](RAW))
    assert read_bytes(path) == large + RAW
    assert RAW.startswith(read_head(path)[:100])
    assert len(read_head(path)) > 100


BROKEN = {
    "cut off": (lambda pack: pack(RAW * 500)[:-7], "stream ends early"),
    "bytes changed": (lambda pack: pack(RAW * 500)[:40] + b"\xff" * 40 + pack(RAW * 500)[80:], "stream is broken"),
    "something behind it": (lambda pack: pack(RAW) + b"more", "stream is"),
    "two layers": (lambda pack: pack(pack(RAW)), "it is a packed file within a packed file|it is"),
}


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_stream_is_refused(tmp_path: Path, kind: str, how: str) -> None:
    """Half a download is not half an SBOM, and what is packed twice is not unpacked twice."""
    write, said = BROKEN[how]
    path = tmp_path / "app.cdx.json"
    path.write_bytes(write(PACKERS[kind]))
    with pytest.raises(BadInputError, match=said):
        read_file(path)


NO_SBOMS = {
    "nothing": (b"", "it is empty"),
    "prose": (b"read me first", "neither JSON nor XML nor tag-value"),
    "a list": (b"[]", "a JSON list"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0", "a binary file"),
    "zip": (b"PK\x03\x04....", "a zip archive"),
    "xz": (b"\xfd7zXZ\x00..", "it is xz"),
    "a Maven project": (b"<?xml version='1.0'?><project xmlns='http://maven.apache.org/POM/4.0.0'/>", "no CycloneDX"),
    "package.json": (b'{"name": "app", "dependencies": {}}', "neither"),
    "JSON with comments": (b'{// a comment\n"a": 1}', "malformed JSON, and holds no key of an SBOM"),
    "a mail": (b"From: a\nSubject: SPDXVersion\n", "neither JSON nor XML nor tag-value"),
    "an OSV record": (
        b"id: PYSEC-1\nmodified: 2023-01-01T00:00:00Z\nsummary: x\n",
        "an OSV record, which belongs in the mirror",
    ),
    "an OSV record in JSON": (
        b'{"id": "X", "modified": "2023-01-01T00:00:00Z", "affected": []}',
        "it is an OSV record",
    ),
    "a manifest": (b"# app\n---\napiVersion: v1\nkind: Pod\n", "it is YAML, but no exposure document"),
    "half a claim": (b"artifact:\n  digest: x\n", "it is YAML, but no exposure document, which has `artifact:` with"),
    "gzip of prose": (gzip.compress(b"read me first"), "neither JSON nor XML nor tag-value"),
}


@pytest.mark.parametrize("what", NO_SBOMS)
def test_what_is_no_sbom_is_passed_over_with_its_reason(tmp_path: Path, what: str) -> None:
    """Unless its name claims that it is one: then it is a broken SBOM, and a failure."""
    content, reason = NO_SBOMS[what]
    path = tmp_path / "notes"
    path.write_bytes(content)
    with pytest.raises(NotAnSbomError, match=reason) as caught:
        read_file(path)
    assert [
        one for one in ("SBOM", "VEX", "provenance", "attestation", "exposure") if one not in caught.value.fix
    ] == []
    claimed = tmp_path / "app.cdx.json"
    claimed.write_bytes(content)
    with pytest.raises(BadInputError, match=reason) as caught:
        read_file(claimed)
    assert not isinstance(caught.value, NotAnSbomError)


def test_a_folder_yields_every_file_whatever_it_is_called(tmp_path: Path) -> None:
    """Real archives hold misnamed files; a ring of links ends."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("x.json", "a/README", "a/b/sbom", "a/.hidden"):
        (tmp_path / name).write_bytes(RAW)
    (tmp_path / "a" / "ring").symlink_to(tmp_path)
    found = [str(path.relative_to(tmp_path)) for path in walk(tmp_path)]
    assert found == ["a/.hidden", "a/README", "a/b/sbom", "x.json"]
