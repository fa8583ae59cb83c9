"""Bombs, each read by a process of its own: refused with a reason that names the file, in bounded memory and time."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from backports import zstd
from graph_fleet import sbom
from sbom_as_protobuf import as_protobuf, varint, wire
from sbom_as_xml import as_xml
from sbom_formats import as_json, as_tag_value, cyclonedx, spdx, spdx3, syft

from patchgap.graph.loading import load
from patchgap.graph.sbom.document import SbomDocument

MEMORY = 256 * 1024 * 1024
SECONDS = 20  # a busy machine's; alone, each takes less than 2
MIB = 1 << 20
READ = """
import json, resource, sys, time
from pathlib import Path
from patchgap.errors import BadInputError
from patchgap.graph.files import read_file

def most_memory():  # getrusage's begins with that of the process that started this one
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

for name in sys.argv[1:]:
    start = time.monotonic()
    try:
        found = read_file(Path(name), "x@sha256:" + "a" * 64)
        problem = f"it was read: {len(found.packages)} packages"
    except BadInputError as error:
        problem = str(error)
    print(json.dumps([problem, time.monotonic() - start, most_memory() * 1024]))
"""


class Told(NamedTuple):
    """What the reading process says: the refusal, its seconds, and the most memory that it had."""

    problem: str
    seconds: float
    memory: int


def told(*paths: Path) -> list[Told]:
    """What one process says of each file, one after another."""
    command = [sys.executable, "-c", READ, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603 - ourselves
    assert done.returncode == 0, done.stderr[-2000:]
    found = [Told(*json.loads(line)) for line in done.stdout.splitlines()]
    for one in found:
        print(f"{one.seconds:.2f} s, {one.memory / MIB:.0f} MiB: {one.problem[:200]}")  # noqa: T201 - for whoever looks
    return found


def repeated(part: bytes, size: int) -> Iterator[bytes]:
    block = part * max(1, MIB // len(part))
    for _ in range(size // len(block) + 1):
        yield block


def around(head: bytes, part: bytes, tail: bytes, size: int) -> Iterator[bytes]:
    yield head
    yield from repeated(part, size)
    yield tail


def whole(*parts: bytes) -> Callable[[], Iterator[bytes]]:
    return lambda: iter(parts)


def packed(pack: Callable[[bytes], bytes], streams: int) -> Iterator[bytes]:
    """An SBOM that begins well, and then zeros: 64 MiB a stream."""
    yield pack(HEAD + b'"x": "')
    yield pack(b"0" * (64 * MIB)) * streams


def one_stream(size: int) -> Iterator[bytes]:
    stream = zlib.compressobj(1, wbits=31)
    yield stream.compress(HEAD + b'"x": "')
    for block in repeated(b"0", size):
        yield stream.compress(block)
    yield stream.flush()


HEAD = b'{"bomFormat": "CycloneDX", "specVersion": "1.6", '
XML = b'<bom xmlns="http://cyclonedx.org/schema/bom/1.6">'
COMPONENTS = XML + b"<components>"
DEEP = 100_000
LAUGHS = b"<!DOCTYPE bom [<!ENTITY a0 'ha'>%s]>" % b"".join(
    b"<!ENTITY a%d '%s'>" % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 12)
)
NEST = {"spdxVersion": b'{"spdxVersion": "SPDX-2.3", ', "graph": b'{"@context": "https://spdx.org/rdf/3.0.1/x", '}
TAGS = as_tag_value(spdx())
IN_ROOT = XML + b'<metadata><component type="container">'
LARGE = 120 * MIB  # below the bound on a file's size, so that the reader has to see it

Bombs = dict[str, tuple[Callable[[], Iterator[bytes]], str]]
NESTS: Bombs = {
    "JSON lists": (whole(HEAD, b'"x": ', b"[" * DEEP, b"]" * DEEP, b"}"), "nested too deeply"),
    "JSON objects": (whole(HEAD, b'"x": ', b'{"a":' * DEEP, b"1", b"}" * DEEP, b"}"), "nested too deeply"),
    "JSON components": (
        whole(HEAD, b'"components": [', b'{"name":"a","components":[' * DEEP, b"]}" * DEEP, b"]}"),
        "nested too deeply",
    ),
    "JSON that never closes": (whole(b'{"a":' * DEEP), "malformed JSON|nested too deeply"),
    "SPDX": (whole(NEST["spdxVersion"], b'"x": ', b"[" * DEEP, b"]" * DEEP, b"}"), "nested too deeply"),
    "SPDX 3": (whole(NEST["graph"], b'"@graph": ', b"[" * DEEP, b"]" * DEEP, b"}"), "nested too deeply|array"),
    "SPDX 3's references": (
        whole(NEST["graph"], b'"@graph": [{"type": "Relationship", "to": ', b"[" * DEEP, b"]" * DEEP, b"}]}"),
        "nested too deeply",
    ),
    "Syft": (
        whole(b'{"artifactRelationships": [], "source": ', b'{"target":' * DEEP, b"1", b"}" * DEEP, b',"artifacts":[]}'),
        "nested too deeply|source",
    ),
    "XML components": (
        whole(COMPONENTS, b"<component><components>" * DEEP, b"</components></component>" * DEEP, b"</components></bom>"),
        "nested too deeply|nested deeper",
    ),
    "XML of no meaning": (whole(XML, b"<x>" * DEEP, b"</x>" * DEEP, b"</bom>"), "nested too deeply"),
    "protobuf": (lambda: iter([nested_protobuf(DEEP)]), "nested deeper"),
    "protobuf's services": (lambda: iter([nested_protobuf(DEEP, 6, 13)]), "nested deeper"),
}  # fmt: skip
ENTITIES: Bombs = {
    "laughs": (whole(LAUGHS, XML, b"<components><component><name>&a11;</name></component></components></bom>"), "entity"),
    "laughs in an attribute": (whole(LAUGHS, XML, b"<components><component bom-ref='&a11;'/></components></bom>"), "entity"),
    "an external entity": (
        whole(b"<!DOCTYPE bom [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>", XML, b"<components>&e;</components></bom>"),
        "declares an entity",
    ),
    "a parameter entity": (
        whole(b"<!DOCTYPE bom [<!ENTITY % e SYSTEM 'http://127.0.0.1:1/x'> %e;]>", XML, b"</bom>"),
        "declares an entity",
    ),
}  # fmt: skip
NUMBERS: Bombs = {
    "a giant number": (whole(HEAD, b'"version": ', b"9" * 10_000, b"}"), "4300 digits"),
    "a giant number for a name": (
        whole(HEAD, b'"components": [{"name": ', b"9" * 10_000_000, b"}]}"),
        "more than 4096 digits",
    ),
    "a giant exponent": (whole(HEAD, b'"version": 1e999999999}'), "too large"),
}
DAMAGE: Bombs = {
    "CycloneDX cut off": (whole(as_json(cyclonedx())[:-9]), "ends too early"),
    "XML cut off": (whole(as_xml(cyclonedx())[:-9]), "no element found|unclosed token"),
    "protobuf cut off": (whole(as_protobuf(cyclonedx())[:-9]), "ends early"),
    "SPDX cut off": (whole(as_json(spdx())[:-9]), "ends too early"),
    "SPDX 3 cut off": (whole(as_json(spdx3())[:-9]), "ends too early"),
    "Syft cut off": (whole(as_json(syft())[:-9]), "ends too early"),
    "mis-encoded": (whole(HEAD, b'"components": [{"name": "zo\xeb"}]}'), "is not UTF-8"),
    "mis-encoded tag-value": (whole(TAGS, "PackageName: zoë\n".encode("latin-1")), "is not UTF-8"),
}  # fmt: skip
LARGER: Bombs = {
    "gzip of 4 GiB": (lambda: packed(gzip.compress, 64), "larger than 128 MiB"),
    "zstd of 4 GiB": (lambda: packed(zstd.compress, 64), "larger than 128 MiB"),
    "gzip of one stream": (lambda: one_stream(256 * MIB), "larger than 128 MiB"),
    "gzip members without end": (lambda: repeated(gzip.compress(b"", 9), LARGE), "more than 10,000 gzip streams"),
    "zstd frames without end": (lambda: repeated(zstd.compress(b""), LARGE), "more than 10,000 zstd streams"),
    "a giant specVersion": (
        whole(b'{"bomFormat": "CycloneDX", "specVersion": "', b"9" * 50_000_000, b'"}'),
        "is not one of",
    ),
    "a giant number in what is skipped": (lambda: around(HEAD + b'"version":', b"9", b"}", LARGE), "more than 4096 digits"),
    "objects without content": (lambda: around(HEAD + b'"components":[', b"{},", b"{}]}", LARGE), "nothing but brackets"),
    "texts without content": (
        lambda: around(HEAD + b'"dependencies":[{"ref":"a","dependsOn":[', b'"a",', b'"a"]}]}', LARGE), "nothing but brackets"
    ),
    "a download that broke off": (
        lambda: around(HEAD + b'"components":[', b'{"name":"abcdef","purl":"pkg:npm/abcdef@1"},', b"", LARGE), "ends too early"
    ),
    "a wrong byte far on": (lambda: around(HEAD + b'"x":"', b"a", b'\xe9"}', LARGE), "is not UTF-8"),
    "300 MB of junk": (lambda: repeated(b"x", 300 * MIB), "larger than 128 MiB|neither JSON nor XML"),
    "300 MB of zeros": (lambda: repeated(b"\0", 300 * MIB), "larger than 128 MiB|binary"),
    "300 MB of braces": (lambda: repeated(b"{", 300 * MIB), "larger than 128 MiB"),
    "300 MB of one text": (lambda: around(HEAD + b'"x": "', b"y", b'"}', 300 * MIB), "larger than 128 MiB"),
    "braces below the bound": (lambda: repeated(b"{", LARGE), "malformed JSON"),
    "a text that never ends": (lambda: around(HEAD + b'"x": "', b"y", b"", LARGE), "ends too early"),
    "an XML attribute": (lambda: around(COMPONENTS + b'<component bom-ref="', b"y", b'"/></components></bom>', LARGE), "1 MiB"),
    "an XML comment": (lambda: around(XML + b"<!--", b"y", b"--></bom>", LARGE), "longer than 1 MiB"),
    "an XML tag": (lambda: around(XML + b"<", b"y", b"/></bom>", LARGE), "longer than 1 MiB"),
    "names without end": (lambda: iter([XML, *(b"<n%d/>" % n for n in range(2_000_000)), b"</bom>"]), "different names"),
    "one line of tag-value": (lambda: around(TAGS + b"x", b"y", b"", LARGE), "it is no `Tag: value`"),
    "a text of tag-value": (lambda: around(TAGS + b"PackageComment: <text>", b"y", b"", LARGE), "its <text> does not end"),
    "protobuf's numbers": (lambda: around(wire(1, "1.6") + varint(5 << 3 | 2), b"\xff", b"", LARGE), "more than 64 bits"),
}  # fmt: skip


def nested_protobuf(depth: int, first: int = 5, below: int = 21) -> bytes:
    """Written from the outside in: a message's length is known beforehand."""
    lengths = [0]
    for _ in range(depth):
        lengths.append(lengths[-1] + len(varint(below << 3 | 2)) + len(varint(lengths[-1])))
    parts = [wire(1, "1.6"), varint(first << 3 | 2), varint(lengths[-1])]
    parts += [varint(below << 3 | 2) + varint(length) for length in lengths[-2::-1]]
    return b"".join(parts)


def written(folder: Path, parts: Iterator[bytes], name: str) -> Path:
    path = folder / name
    with path.open("wb") as file:
        file.writelines(parts)
    return path


def check(path: Path, found: Told, problem: str) -> None:
    assert found.problem.startswith(f"{path}: ")
    assert any(one in found.problem for one in problem.split("|"))
    assert found.memory < MEMORY
    assert found.seconds < SECONDS


@pytest.mark.parametrize("bombs", [NESTS, ENTITIES, NUMBERS, DAMAGE], ids=["nests", "entities", "numbers", "damage"])
def test_small_bombs_are_refused(tmp_path: Path, bombs: Bombs) -> None:
    """Each of them with a reason that names its file; one process reads them all and stays small."""
    paths = [written(tmp_path, parts(), f"{n}.cdx.json") for n, (parts, _) in enumerate(bombs.values())]
    for path, found, (_, problem) in zip(paths, told(*paths), bombs.values(), strict=True):
        check(path, found, problem)


@pytest.mark.parametrize("name", LARGER)
def test_a_large_bomb_is_refused_in_bounded_memory_and_time(tmp_path: Path, name: str) -> None:
    """Alone in its process: what it holds is never held twice."""
    parts, problem = LARGER[name]
    path = written(tmp_path, parts(), "bomb.cdx.json")
    (found,) = told(path)
    path.unlink()
    check(path, found, problem)


COUNT = 100_000
SAME = b'{"bom-ref": "a", "name": "n%d"}'
CROWDS = {
    "references of one component": (
        lambda: around(IN_ROOT + b"<externalReferences>", b'<reference type="vcs"><url>u</url></reference>',
                       b"</externalReferences></component></metadata></bom>", 8 * MIB),
        "0 packages",
    ),
    "purls of one package": (
        lambda: iter([TAGS, b"PackageName: p\n", *(b"ExternalRef: P purl pkg:npm/p@%d\n" % n for n in range(COUNT))]),
        f"{COUNT + 4} packages",
    ),
    "entries of one dependency": (
        lambda: iter([HEAD, b'"components": [', b",".join(b'{"bom-ref": "%d", "name": "%d"}' % (n, n) for n in range(COUNT)),
                      b'], "dependencies": [', b",".join(b'{"ref": "0", "dependsOn": ["%d"]}' % n for n in range(COUNT)),
                      b"]}"]),
        f"{COUNT} packages",
    ),
    "packages of one reference": (
        lambda: iter([HEAD, b'"components": [', b",".join(SAME % n for n in range(20_000)),
                      b'], "dependencies": [{"ref": "a", "dependsOn": ["a", "a"]}]}']),
        "20000 packages",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CROWDS)
def test_a_crowd_at_one_place_costs_what_its_size_costs(tmp_path: Path, name: str) -> None:
    """Many parts of one element are no refusal, and no square of their number either."""
    parts, outcome = CROWDS[name]
    path = written(tmp_path, parts(), "crowd")
    (found,) = told(path)
    assert found.problem == f"it was read: {outcome}"
    assert found.seconds < SECONDS
    assert found.memory < 2 * MEMORY


def test_a_batch_with_bombs_takes_in_the_other_files(tmp_path: Path) -> None:
    """Side by side in several processes, each bomb refused by its own name."""
    small = [*NESTS.values(), *ENTITIES.values(), LARGER["300 MB of braces"], LARGER["gzip of 4 GiB"]]
    paths = [written(tmp_path, parts(), f"{n}-bomb.cdx.json") for n, (parts, _) in enumerate(small)]
    real = [sbom("python"), sbom("alpine")]
    mixed = [real[0], *paths, real[1]]
    outcomes = dict(load(mixed, processes=2))
    assert set(outcomes) == set(mixed)
    read = {path: len(found.packages) for path, found in outcomes.items() if isinstance(found, SbomDocument)}
    assert read == {real[0]: 431, real[1]: 15}
    assert all(str(outcomes[path]).startswith(f"{path}: ") for path in paths)
