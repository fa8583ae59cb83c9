"""Values to and from JSON, in one canonical form: sorted keys, no spaces, UTC times ending in Z.

The canonical form is what digests are taken over; decoding validates the type of every field.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar

from patchgap.model.evidence import Evidence

T = TypeVar("T")


def plain(value: Any) -> Any:
    """The value as plain JSON types. Raises TypeError for what has no JSON form, floats that are no number included."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return _time(value)
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, (set, frozenset)):
        return sorted(plain(v) for v in value)
    if value is None or isinstance(value, (str, int, bool)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise TypeError(f"{type(value).__name__} has no canonical JSON form")


def _time(value: datetime) -> str:
    if value.tzinfo is None:
        raise TypeError("a time without a zone has no canonical form")
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def canonical(value: Any) -> bytes:
    """Canonical JSON, UTF-8."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest(value: Any) -> str:
    """`sha256:` and the hex digest of the canonical JSON."""
    return "sha256:" + hashlib.sha256(canonical(value)).hexdigest()


@lru_cache
def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter  # imported late: the exposure query decodes nothing

    return TypeAdapter(kind)


def decode(kind: type[T], document: Any) -> T:
    """A value of `kind` from plain JSON types. Raises pydantic.ValidationError naming each field that does not fit."""
    value: T = _adapter(kind).validate_python(document)  # type: ignore[arg-type]  # a class is hashable
    return value


def evidence_digest(evidence: Evidence) -> str:
    """The digest of an observation, over everything but the digest itself."""
    return digest({**plain(evidence), "digest": ""})


def sealed(evidence: Evidence) -> Evidence:
    """The observation with its digest."""
    return dataclasses.replace(evidence, digest=evidence_digest(evidence))
