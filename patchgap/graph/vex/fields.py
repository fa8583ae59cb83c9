"""Foreign JSON's fields, taken as what they should be or as nothing; and what could not be taken, collected.

Knows no format: `openvex`, `cyclonedx` and `csaf` do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from patchgap.graph.purl import IMAGES, parse
from patchgap.model.unknown import Unknown
from patchgap.model.vex import VexProduct

MOST = 200_000  # of one kind in one place of a document
_HASHES = {"sha256": ("sha256", 64), "sha384": ("sha384", 96), "sha512": ("sha512", 128)}
_HEX = frozenset("0123456789abcdef")


class Gathering:
    """What a reader could not take, each told once."""

    def __init__(self) -> None:
        self._found: dict[Unknown, None] = {}
        self.broken: list[Unknown] = []

    def miss(self, what: str, reason: str) -> None:
        """Notes it; the texts are foreign, and bounded."""
        self._found[Unknown(what[:200], reason[:200])] = None

    def refuse(self, what: str, reason: str) -> None:
        """Notes what the format does not allow: a document of which no more can be taken is none."""
        self.broken.append(Unknown(what[:200], reason[:200]))
        self.miss(what, reason)

    @property
    def unknown(self) -> tuple[Unknown, ...]:
        """All of them, in the order in which they were met."""
        return tuple(self._found)


def text(value: Any) -> str:
    """The text; "" for anything else."""
    return value.strip() if isinstance(value, str) else ""


def items(value: Any) -> Iterator[Any]:
    """The list's; nothing for anything else."""
    if isinstance(value, list):
        yield from value


def texts(value: Any) -> tuple[str, ...]:
    """The texts among a list's items, each once."""
    return tuple(dict.fromkeys(found for one in items(value) if (found := text(one))))


def mapping(value: Any) -> Mapping[str, Any]:
    """The object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def is_list(value: Any) -> bool:
    """Whether it is a list, or is left out."""
    return value is None or isinstance(value, list)


def mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    """The objects among a list's items."""
    return (one for one in items(value) if isinstance(one, dict))


def time(*values: Any) -> datetime | None:
    """The first that is a time, in UTC; None where none is."""
    for value in values:
        try:
            found = datetime.fromisoformat(text(value))
            return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    return None


def digest(algorithm: Any, value: Any) -> str:
    """`sha256:…` of `SHA-256` or `sha256` and the hex digits; "" for weaker ones and for what is none."""
    name, length = _HASHES.get(text(algorithm).lower().replace("-", ""), ("", 0))
    found = text(value).lower()
    return f"{name}:{found}" if name and len(found) == length and _HEX.issuperset(found) else ""


def product(
    name: str, purls: Iterator[str] | tuple[str, ...], digests: Iterator[str] | tuple[str, ...] = (), **more: Any
) -> VexProduct:
    """A product by what of it is a purl or a digest; an image's purl gives the digest that is its version."""
    kept: dict[str, None] = {}
    hashes = dict.fromkeys(one for one in digests if one)
    for one in purls:
        try:
            found = parse(one)
        except ValueError:
            continue
        kept[one] = None
        if found.type in IMAGES:
            hashes[digest(*found.version.partition(":")[::2])] = None
    hashes.pop("", None)
    return VexProduct(name, tuple(kept), tuple(hashes), **more)


def is_named(one: VexProduct) -> bool:
    """Whether anything here can be told to be it."""
    return bool(one.purls or one.digests or one.refs)
