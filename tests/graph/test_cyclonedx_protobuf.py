"""CycloneDX protobuf says what the same SBOM's JSON says, and a broken message is refused with a reason."""

from __future__ import annotations

import random

import pytest
from sbom_as_protobuf import as_protobuf, varint, wire
from sbom_formats import DIGEST, NAME, as_json, cyclonedx, everything, said
from test_cyclonedx_xml import BOMS, IMAGE

from patchgap.errors import BadInputError
from patchgap.graph.sbom.read import parse_sbom

BINARY = as_protobuf(cyclonedx())


@pytest.mark.parametrize("version", ["1.3", "1.4", "1.5", "1.6", "1.7"])
def test_every_version_says_what_its_json_says(version: str) -> None:
    """The same SBOM in both, its digest and repository too."""
    bom = cyclonedx(version, serialNumber="urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79")
    read, other = parse_sbom(as_protobuf(bom), "bom.cdx"), parse_sbom(as_json(bom), "bom.json")
    assert (said(read), read.reference, read.format) == (said(other), other.reference, f"CycloneDX {version}")
    assert (read.digests, read.artifact.repository, len(read.edges), len(read.packages)) == ((DIGEST,), NAME, 3, 4)


@pytest.mark.parametrize("name", BOMS)
def test_each_part_is_read_as_in_json(name: str) -> None:
    """Wherever JSON has a part that counts, protobuf has it too."""
    bom = cyclonedx(**BOMS[name])

    artifact = None if "metadata" in BOMS[name] else IMAGE
    read = parse_sbom(as_protobuf(bom), "bom.cdx", artifact)
    assert everything(read) == everything(parse_sbom(as_json(bom), "bom.json", artifact))


def test_fields_that_nobody_knows_are_stepped_over() -> None:
    """Each wire type, and numbers of versions to come, at every level."""
    unknown = b"".join(
        (wire(200, 7), wire(201, b"\xff\xfe"), varint(202 << 3 | 1) + b"12345678", varint(203 << 3 | 5) + b"1234")
    )
    component = wire(1, 3) + unknown + wire(8, "a") + wire(16, "pkg:npm/a@1") + unknown
    content = wire(1, "1.6") + wire(5, component) + unknown + wire(5, component.replace(b"pkg:npm/a", b"pkg:npm/b"))
    assert [one.purl for one in parse_sbom(content, "x", IMAGE).packages] == ["pkg:npm/a@1", "pkg:npm/b@1"]


def test_a_kind_of_component_to_come_is_a_component() -> None:
    """An enumeration's number that this version does not know drops nothing."""
    content = wire(1, "1.7") + wire(5, wire(1, 99) + wire(16, "pkg:npm/a@1"))
    assert [one.purl for one in parse_sbom(content, "x", IMAGE).packages] == ["pkg:npm/a@1"]


BROKEN = {
    "cut off": (BINARY[:-5], "its protobuf ends early"),
    "a length past the end": (wire(1, "1.6") + varint(5 << 3 | 2) + varint(1000) + b"x", "its protobuf ends early"),
    "a number of more than 64 bits": (
        wire(1, "1.6") + wire(5, varint(18 << 3) + b"\xff" * 11),
        "a number of more than 64 bits",
    ),
    "a group": (wire(1, "1.6") + wire(5, varint(9 << 3 | 3)), "a wire type 3, which there is not"),
    "a number where text belongs": (wire(1, "1.6") + wire(5, wire(8, 7)), "its field 8 has another type"),
    "text where a number belongs": (wire(1, "1.6") + wire(5, wire(1, "x")), "its field 1 has another type"),
    "a text of no encoding": (wire(1, "1.6") + wire(5, wire(8, b"\xff")), "a text in it is not UTF-8"),
    "a version to come": (wire(1, "9.9") + wire(5, b""), "spec_version '9.9' is not one of 1.3"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_message_is_refused(name: str) -> None:
    """Each refusal names the file and says what is wrong."""
    content, problem = BROKEN[name]
    with pytest.raises(BadInputError, match=problem) as caught:
        parse_sbom(content, "sboms/bom.cdx", IMAGE)
    assert str(caught.value).startswith("sboms/bom.cdx: ")


def test_any_damage_is_a_refusal_or_an_sbom() -> None:
    """A byte changed, or the end cut off, never gives another error. Seeded: a failure comes again."""
    dice = random.Random(20261124)  # noqa: S311 - no secret
    refused = 0
    for _ in range(2000):
        content = bytearray(BINARY)
        content[dice.randrange(5, len(content))] = dice.randrange(256)
        try:
            parse_sbom(bytes(content[: dice.randrange(len(content) // 2, 2 * len(content))]), "bom.cdx", IMAGE)
        except BadInputError:
            refused += 1
    assert 200 < refused < 2000
