"""CycloneDX protobuf, 1.3 to 1.7: reads from the wire exactly the fields that the graph stores.

The numbers are those of the specification's `bom-1.x.proto`; a field that is not named here is stepped over.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec

from patchgap.errors import BadInputError
from patchgap.graph.sbom.cyclonedx import (
    MAX_DEPTH,
    Bom,
    Component,
    Composition,
    Dependency,
    Hash,
    Metadata,
    Property,
    Reference,
    Root,
    Service,
    check_version,
    document,
)
from patchgap.graph.sbom.document import SbomDocument

VERSIONS = ("1.3", "1.4", "1.5", "1.6", "1.7")
_VARINT, _BYTES = 0, 2
_MOST = 500_000  # of one kind in one message
_FIXED = {1: 8, 5: 4}  # bytes, by wire type
_TYPES = (
    None, "application", "framework", "library", "operating-system", "device", "file", "container", "firmware",
    "device-driver", "platform", "machine-learning-model", "data", "cryptographic-asset",
)  # fmt: skip
_AGGREGATES = (
    "not_specified", "complete", "incomplete", "incomplete_first_party_only", "incomplete_third_party_only", "unknown",
    "incomplete_first_party_proprietary_only", "incomplete_first_party_opensource_only",
    "incomplete_third_party_proprietary_only", "incomplete_third_party_opensource_only",
)  # fmt: skip


def read(content: bytes, where: str | Path, digest: str) -> SbomDocument:
    """The SBOM. Raises BadInputError with the byte, and ValueError."""
    bom = Bom(spec_version="")
    with told(where):
        _fill(bom, memoryview(content), 0)
    check_version("spec_version", bom.spec_version, VERSIONS)
    return document(bom, digest, content.count(b"urn:cdx:"))


@contextmanager
def told(where: str | Path) -> Iterator[None]:
    """What is wrong with the wire, as a BadInputError that names the file."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise BadInputError(where, f"a text in it is not UTF-8: {error.reason}", "Export it again.") from error
    except (IndexError, TypeError) as error:
        problem = str(error) if isinstance(error, TypeError) else "its protobuf ends early"
        raise BadInputError(where, problem, "Fetch the file again, or export it again.") from error


def fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Each field's number with its bytes, or its number for a varint. Raises IndexError where the message ends early."""
    place, end = 0, len(message)
    while place < end:
        key, place = varint(message, place)
        number, wire = key >> 3, key & 7
        if wire == _BYTES:
            length, place = varint(message, place)
            yield number, message[place : place + length]
            place += length
        elif wire == _VARINT:
            value, place = varint(message, place)
            yield number, value
        elif wire in _FIXED:
            place += _FIXED[wire]
        else:
            raise TypeError(f"its protobuf has a wire type {wire}, which there is not")
    if place > end:
        raise IndexError


def varint(message: memoryview, place: int) -> tuple[int, int]:
    """The number that starts at that byte, and the byte after it. Raises IndexError, TypeError."""
    value = shift = 0
    while True:
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the last byte has no high bit
            return value, place
        shift += 7
        if shift > 63:  # noqa: PLR2004 - 64 bits are the longest
            raise TypeError("its protobuf has a number of more than 64 bits")


def _fill(made: msgspec.Struct, message: memoryview, depth: int = 0) -> Any:
    """The value with the message's fields, by its type's table; those of a list are appended."""
    if depth > MAX_DEPTH:
        raise ValueError(f"components are nested deeper than {MAX_DEPTH}")
    table = _TABLES[type(made)]
    for number, value in fields(message):
        field = table.get(number)
        if field is None:
            continue
        if isinstance(value, int) != isinstance(field.of, tuple):
            raise TypeError(f"its field {number} has another type than CycloneDX's")
        if field.of in (Metadata, Root) and getattr(made, field.name):
            raise TypeError(f"its {field.name} stands twice")
        found = _value(field.of, value, depth)
        if field.many:
            _append(made, field.name, found)
        else:
            setattr(made, field.name, found)
    return made


def _append(made: msgspec.Struct, name: str, found: Any) -> None:
    held = getattr(made, name)
    if not held:
        setattr(made, name, [found])
    elif len(held) < _MOST:
        held.append(found)
    else:
        raise TypeError(f"it has more than {_MOST} {name}")


def _value(of: object, value: memoryview | int, depth: int) -> Any:
    if isinstance(value, int):
        return of[value] if isinstance(of, tuple) and value < len(of) else None
    if of is msgspec.Raw:
        return msgspec.Raw(b"[0]")  # that there is something
    if of is str:
        return str(value, "utf-8")
    made = _fill(cast("type[msgspec.Struct]", of)(), value, depth + 1)
    return made.ref if of is _Child else _settled(made)


def _settled(made: Any) -> Any:
    """A component's properties are JSON, as its other readers leave them."""
    if isinstance(made, Component) and isinstance(made.properties, list):
        made.properties = msgspec.Raw(msgspec.json.encode(made.properties))
    return made


class _Field(NamedTuple):
    """Where a field goes and what it is: text, an enumeration's names, or a message."""

    name: str
    of: object = str
    many: bool = False


class _Child(msgspec.Struct):
    """A dependency within a dependency: its reference alone."""

    ref: str = ""


_COMPONENT = {
    1: _Field("type", _TYPES), 3: _Field("reference"), 7: _Field("group"), 8: _Field("name"), 9: _Field("version"),
    16: _Field("purl"), 21: _Field("components", Component, many=True), 22: _Field("properties", Property, many=True),
}  # fmt: skip
_TABLES: dict[type, dict[int, _Field]] = {
    Bom: {
        1: _Field("spec_version"), 3: _Field("serial_number"), 4: _Field("metadata", Metadata),
        5: _Field("components", Component, many=True), 6: _Field("services", Service, many=True),
        8: _Field("dependencies", Dependency, many=True), 9: _Field("compositions", Composition, many=True),
        13: _Field("formulation", msgspec.Raw), 14: _Field("declarations", msgspec.Raw),
    },
    Metadata: {4: _Field("component", Root), 8: _Field("properties", Property, many=True)},
    Component: _COMPONENT,
    Root: _COMPONENT | {12: _Field("hashes", Hash, many=True), 20: _Field("links", Reference, many=True)},
    Property: {1: _Field("name"), 2: _Field("value")},
    Hash: {1: _Field("alg", (None, "MD5", "SHA-1", "SHA-256")), 2: _Field("content")},
    Reference: {1: _Field("type", ("other", "vcs")), 2: _Field("url")},
    Service: {1: _Field("reference"), 13: _Field("services", Service, many=True)},
    Dependency: {1: _Field("ref"), 2: _Field("children", _Child, many=True)},
    _Child: {1: _Field("ref")},
    Composition: {
        1: _Field("aggregate", _AGGREGATES), 2: _Field("assemblies", many=True), 3: _Field("dependencies", many=True),
    },
}  # fmt: skip
