"""An SBOM is told by its content: whatever it is called, however it is packed, whatever its lines end with."""

from __future__ import annotations

import codecs
import gzip
import json
from pathlib import Path

import pytest
from backports import zstd
from graph_fleet import sbom
from sbom_as_protobuf import as_protobuf
from sbom_as_xml import as_xml
from sbom_formats import as_json, as_tag_value, cyclonedx, said, spdx, spdx3, syft

from patchgap.errors import BadInputError
from patchgap.graph.documents import read_bytes, read_head
from patchgap.graph.files import read_content, read_file, walk
from patchgap.graph.loading import load
from patchgap.graph.sbom.document import SbomDocument
from patchgap.graph.sbom.kinds import Kind, NotAnSbomError, kind_of
from patchgap.graph.sbom.read import parse_sbom

DOCUMENTS = {
    Kind.CYCLONEDX_JSON: as_json(cyclonedx()),
    Kind.CYCLONEDX_XML: as_xml(cyclonedx()),
    Kind.CYCLONEDX_PROTOBUF: as_protobuf(cyclonedx()),
    Kind.SPDX_JSON: as_json(spdx()),
    Kind.SPDX_TAG_VALUE: as_tag_value(spdx()),
    Kind.SPDX_3: as_json(spdx3()),
    Kind.SYFT: as_json(syft()),
}
TEXTS = [kind for kind in DOCUMENTS if kind is not Kind.CYCLONEDX_PROTOBUF]
SKIPPABLE = b"\x50\x2a\x4d\x18\x04\x00\x00\x00size"  # a frame of zstd that holds no data


def written(folder: Path, content: bytes, name: str = "sbom.bin") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def read(path: Path) -> SbomDocument:
    found = read_file(path)
    assert isinstance(found, SbomDocument)
    return found


@pytest.mark.parametrize("kind", DOCUMENTS)
@pytest.mark.parametrize(
    "name", ["sbom.json", "sbom.xml", "sbom.spdx", "sbom.cdx", "sbom.json.gz", "sbom.zst", "README"]
)
def test_no_name_leads_astray(tmp_path: Path, kind: Kind, name: str) -> None:
    """Each format under each other's name, and under a packing's that it does not have."""
    content = DOCUMENTS[kind]
    assert kind_of(content, name) is kind
    assert said(read(written(tmp_path, content, name))) == said(parse_sbom(content, "as it should be called"))


def test_a_folder_of_misnamed_files_is_read_whole(tmp_path: Path) -> None:
    """Every format at once, each under the name of the next, deep in folders."""
    names = ["a.xml", "b.cdx", "c.spdx.json", "d.spdx", "e.json", "f.txt", "g"]
    for name, content in zip(names, DOCUMENTS.values(), strict=True):
        written(tmp_path, content, name)
    below = tmp_path / "one" / "two"
    below.mkdir(parents=True)
    written(below, DOCUMENTS[Kind.SYFT], ".hidden")
    found = [one.content for one in load(list(walk(tmp_path)))]
    assert [one.format for one in found if isinstance(one, SbomDocument)] == [
        "CycloneDX 1.6", "CycloneDX 1.6", "CycloneDX 1.6", "SPDX 2.3", "SPDX 2.3", "SPDX 3.0.1", "Syft 16.0.0",
        "Syft 16.0.0",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
def test_line_endings_and_a_byte_order_mark_change_nothing(
    tmp_path: Path, kind: Kind, ending: str, mark: bytes
) -> None:
    """A file with UTF-8's mark was passed over as no SBOM."""
    text = DOCUMENTS[kind].decode()
    if text[0] == "{":
        text = json.dumps(json.loads(text), indent=2)
    text = text.replace("><", ">\n<").replace("\n", ending)
    assert text.count(ending) > 20
    plain = said(parse_sbom(DOCUMENTS[kind], "plain"))
    assert said(read(written(tmp_path, mark + text.encode()))) == plain
    received = read_content(mark + text.encode(), "the SBOM")
    assert isinstance(received, SbomDocument)
    assert said(received) == plain


@pytest.mark.parametrize("kind", [one for one in TEXTS if one is not Kind.CYCLONEDX_XML])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_utf_16_is_refused_by_its_name(tmp_path: Path, kind: Kind, encoding: str) -> None:
    """JSON and tag-value are UTF-8; XML declares what it is and is read (its own tests)."""
    path = written(tmp_path, DOCUMENTS[kind].decode().encode(encoding))
    with pytest.raises(BadInputError, match=r"sbom\.bin: it is UTF-16 or UTF-32, not UTF-8"):
        read_file(path)


def halves(content: bytes) -> tuple[bytes, bytes]:
    return content[: len(content) // 2], content[len(content) // 2 :]


PACKINGS = {
    "gzip": gzip.compress,
    "gzip of two members": lambda content: b"".join(map(gzip.compress, halves(content))),
    "gzip of a member a byte": lambda content: b"".join(gzip.compress(content[n : n + 1]) for n in range(len(content))),
    "gzip, the first member empty": lambda content: gzip.compress(b"") + gzip.compress(content),
    "gzip with padding": lambda content: gzip.compress(content) + b"\0" * 600,
    "zstd": zstd.compress,
    "zstd of two frames": lambda content: b"".join(map(zstd.compress, halves(content))),
    "zstd of an empty frame and another": lambda content: zstd.compress(b"") + zstd.compress(content),
    "zstd as pzstd writes it": lambda content: SKIPPABLE + zstd.compress(content) + SKIPPABLE,
    "zstd at its highest level": lambda content: zstd.compress(content, 19),
}


@pytest.mark.parametrize("kind", DOCUMENTS)
@pytest.mark.parametrize("packing", PACKINGS)
def test_each_packing_of_each_format_is_unpacked(tmp_path: Path, kind: Kind, packing: str) -> None:
    """Told by the first bytes; a stream may come in pieces."""
    path = written(tmp_path, PACKINGS[packing](DOCUMENTS[kind]))
    assert read_bytes(path) == DOCUMENTS[kind]
    assert DOCUMENTS[kind].startswith(read_head(path, 100))
    assert said(read(path)) == said(parse_sbom(DOCUMENTS[kind], "plain"))


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_real_sbom_survives_each_packing(tmp_path: Path, packing: str) -> None:
    """Larger than a chunk of the stream, so that pieces begin within one."""
    content = read_bytes(sbom("python")) * 3
    if "byte" in packing:
        content = content[:9000]
    assert read_bytes(written(tmp_path, PACKINGS[packing](content))) == content


BROKEN = {
    "cut off gzip": (gzip.compress(DOCUMENTS[Kind.SPDX_JSON])[:-9], "its gzip stream ends early"),
    "gzip cut in its header": (gzip.compress(b"x")[:8], "its gzip stream ends early"),
    "gzip with a wrong checksum": (gzip.compress(DOCUMENTS[Kind.SPDX_JSON])[:-8] + b"\0" * 8, "gzip stream is broken"),
    "gzip and junk": (gzip.compress(DOCUMENTS[Kind.SPDX_JSON]) + b"junk", "is followed by something else"),
    "the second member cut off": (
        b"".join(map(gzip.compress, halves(DOCUMENTS[Kind.SPDX_JSON])))[:-20],
        "its gzip stream ends early",
    ),
    "cut off zstd": (zstd.compress(DOCUMENTS[Kind.SYFT])[:-9], "its zstd stream ends early"),
    "zstd cut in its header": (zstd.compress(b"x" * 100)[:5], "its zstd stream ends early"),
    "zstd and junk": (zstd.compress(DOCUMENTS[Kind.SYFT]) + b"junk", "its zstd stream is broken"),
    "gzip in gzip": (gzip.compress(gzip.compress(DOCUMENTS[Kind.SYFT])), "it is packed twice"),
    "gzip in zstd": (zstd.compress(gzip.compress(DOCUMENTS[Kind.SYFT])), "it is packed twice"),
    "a zip archive": (b"PK\x03\x04" + b"\0" * 100, "it is a zip archive, which is not unpacked"),
    "bzip2": (b"BZh91AY&SY", "it is bzip2, which is not unpacked"),
    "xz": (b"\xfd7zXZ\x00\x00\x04", "it is xz, which is not unpacked"),
    "nothing, packed": (gzip.compress(b""), "it is empty"),
    "blanks": (b" \n\t" * 3000, "it is malformed JSON, and holds no key of an SBOM"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "it is a binary file"),
    "another XML": (b"<?xml version='1.0'?><project/>", "it is XML, but no CycloneDX"),
    "a list": (b"[1]", "it is a JSON list"),
    "another JSON": (b'{"name": "app", "dependencies": {}}', 'neither `"bomFormat"'),
    "text": (b"SPDXVersion is a tag\n", "neither JSON nor XML nor tag-value"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_read_says_why(tmp_path: Path, name: str) -> None:
    """The reason names the file; of a folder, what claims to be an SBOM is refused and never passed over."""
    content, problem = BROKEN[name]
    for called in ("notes.bin", "app.cdx.json"):
        with pytest.raises(BadInputError, match=problem) as caught:
            read_file(written(tmp_path, content, called))
        assert str(caught.value).startswith(f"{tmp_path / called}: ")
    assert not isinstance(caught.value, NotAnSbomError)


@pytest.mark.parametrize("kind", TEXTS)
def test_a_truncated_file_is_refused_and_not_half_an_sbom(tmp_path: Path, kind: Kind) -> None:
    """At any cut. What ends within tag-value's last line alone may look whole."""
    content = DOCUMENTS[kind].rstrip()
    ends = range(len(content) - 12, 40, -97) if kind is not Kind.SPDX_TAG_VALUE else [len(content) - 20]
    for end in ends:
        with pytest.raises(BadInputError):
            read_file(written(tmp_path, content[:end]))


def test_blanks_before_the_document_are_no_empty_file(tmp_path: Path) -> None:
    """More of them than are looked at first."""
    assert read(written(tmp_path, b"\n" * 5000 + DOCUMENTS[Kind.SPDX_JSON])).format == "SPDX 2.3"


@pytest.mark.parametrize("last", [Kind.CYCLONEDX_JSON, Kind.SPDX_JSON, Kind.SPDX_3, Kind.SYFT])
def test_the_key_that_decides_may_come_last(tmp_path: Path, last: Kind) -> None:
    """JSON's keys have no order."""
    document = json.loads(DOCUMENTS[last])
    backwards = json.dumps(dict(reversed(list(document.items())))).encode()
    assert kind_of(backwards, "x") is last
    assert said(read(written(tmp_path, backwards))) == said(parse_sbom(DOCUMENTS[last], "plain"))


def test_a_text_that_speaks_of_sboms_is_none(tmp_path: Path) -> None:
    """A format's key within another document's values decides nothing."""
    content = json.dumps({"title": '"bomFormat": "CycloneDX", "spdxVersion": "SPDX-2.3"', "parts": [cyclonedx()]})
    with pytest.raises(NotAnSbomError):
        read_file(written(tmp_path, content.encode(), "notes.json"))
