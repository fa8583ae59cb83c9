"""CycloneDX protobuf's statements, 1.4 to 1.7, put in the shape of CycloneDX JSON: `cyclonedx` reads both.

The numbers are those of the specification's `bom-1.x.proto`; a field that is not named here is stepped over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from patchgap.graph.sbom.cyclonedx import MAX_DEPTH
from patchgap.graph.sbom.cyclonedx_protobuf import fields, told, varint
from patchgap.graph.vex.fields import MOST

_VULNERABILITIES = 10


class _Field(NamedTuple):
    """Where a field goes and what it is: text, a number, an enumeration's names, or a message by its table's name."""

    key: str
    of: type[str | int] | tuple[str, ...] | str = str
    many: bool = False


_HASHES = ("", "MD5", "SHA-1", "SHA-256", "SHA-384", "SHA-512")
_STATES = (
    "", "resolved", "resolved_with_pedigree", "exploitable", "in_triage", "false_positive", "not_affected",
)  # fmt: skip
_JUSTIFICATIONS = (
    "", "code_not_present", "code_not_reachable", "requires_configuration", "requires_dependency", "requires_environment",
    "protected_by_compiler", "protected_at_runtime", "protected_at_perimeter", "protected_by_mitigating_control",
)  # fmt: skip
_RESPONSES = ("", "can_not_fix", "will_not_fix", "update", "rollback", "workaround_available")
_STATUSES = ("unknown", "affected", "unaffected")
_TABLES: dict[str, dict[int, _Field]] = {
    "bom": {
        2: _Field("version", int), 3: _Field("serialNumber"), 4: _Field("metadata", "metadata"),
        5: _Field("components", "component", many=True), 6: _Field("services", "service", many=True),
        _VULNERABILITIES: _Field("vulnerabilities", "vulnerability", many=True),
    },
    "metadata": {
        1: _Field("timestamp", "time"), 3: _Field("authors", "named", many=True), 4: _Field("component", "component"),
        5: _Field("manufacture", "named"), 6: _Field("supplier", "named"), 10: _Field("manufacturer", "named"),
    },
    "named": {1: _Field("name")},
    "component": {
        3: _Field("bom-ref"), 8: _Field("name"), 9: _Field("version"), 12: _Field("hashes", "hash", many=True),
        16: _Field("purl"), 21: _Field("components", "component", many=True),
    },
    "hash": {1: _Field("alg", _HASHES), 2: _Field("content")},
    "service": {1: _Field("bom-ref"), 4: _Field("name")},
    "vulnerability": {
        2: _Field("id"), 4: _Field("references", "reference", many=True), 9: _Field("recommendation"),
        13: _Field("updated", "time"), 16: _Field("analysis", "analysis"), 17: _Field("affects", "target", many=True),
    },
    "reference": {1: _Field("id")},
    "analysis": {
        1: _Field("state", _STATES), 2: _Field("justification", _JUSTIFICATIONS),
        3: _Field("response", _RESPONSES, many=True), 4: _Field("detail"),
        5: _Field("firstIssued", "time"), 6: _Field("lastUpdated", "time"),
    },
    "target": {1: _Field("ref"), 2: _Field("versions", "version", many=True)},
    "version": {1: _Field("version"), 2: _Field("range"), 3: _Field("status", _STATUSES)},
    "time": {1: _Field("seconds", int), 2: _Field("nanos", int)},
}  # fmt: skip


def may_state(content: bytes) -> bool:
    """Whether it holds a vulnerability. False for a message that ends before it says so: the SBOM's reader says why."""
    try:
        return any(number == _VULNERABILITIES for number, _ in fields(memoryview(content)))
    except (IndexError, TypeError):
        return False


def record(content: bytes, where: str | Path) -> dict[str, Any]:
    """The document, as CycloneDX JSON has it. Raises BadInputError."""
    with told(where):
        return {"bomFormat": "CycloneDX", **_message("bom", memoryview(content), 0)}


def _message(name: str, message: memoryview, depth: int) -> dict[str, Any]:
    if depth > MAX_DEPTH:
        raise TypeError(f"its messages are nested deeper than {MAX_DEPTH}")
    made: dict[str, Any] = {}
    for number, value in fields(message):
        field = _TABLES[name].get(number)
        if field is None:
            continue
        for found in _values(field, number, value, depth):
            if not field.many:
                made[field.key] = found
                continue
            held = made.setdefault(field.key, [])
            held.append(found)
            if len(held) > MOST:
                raise TypeError(f"it has more than {MOST:,} {field.key}")
    return made


def _values(field: _Field, number: int, value: memoryview | int, depth: int) -> Iterator[Any]:
    """The field's values: several where an enumeration's are packed in one field."""
    if isinstance(field.of, tuple) and field.many and not isinstance(value, int):
        yield from (_named(field.of, one) for one in _packed(value))
    elif isinstance(value, int) != (field.of is int or isinstance(field.of, tuple)):
        raise TypeError(f"its field {number} has another type than CycloneDX's")
    elif isinstance(value, int):
        yield value if field.of is int else _named(field.of, value)
    elif field.of is str:
        yield str(value, "utf-8")
    else:
        made = _message(str(field.of), value, depth + 1)
        yield _time(made) if field.of == "time" else made


def _packed(message: memoryview) -> Iterator[int]:
    place = 0
    while place < len(message):
        value, place = varint(message, place)
        yield value


def _named(names: Any, value: int) -> str:
    """A number to come is told as what it is: no reader takes it for a name."""
    return str(names[value]) if value < len(names) else str(value)


def _time(made: Mapping[str, Any]) -> str:
    try:
        return datetime.fromtimestamp(made.get("seconds", 0), UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return ""
