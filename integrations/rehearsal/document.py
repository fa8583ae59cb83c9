"""JSON documents: reading and writing bytes, copying, and paths of keys.

Owns no Kubernetes meaning.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar, cast

import msgspec

Json = dict[str, Any]
_Value = TypeVar("_Value")

_decoder = msgspec.json.Decoder()


def encode(value: Any) -> bytes:
    """The value as compact JSON."""
    return msgspec.json.encode(value)


def decode(raw: bytes) -> Any:
    """The JSON value of `raw`; raises ValueError (msgspec.DecodeError) where it is not JSON."""
    return _decoder.decode(raw)


def clone(value: _Value) -> _Value:
    """A deep copy of a JSON value."""
    if isinstance(value, dict):
        return cast("_Value", {key: clone(inner) for key, inner in value.items()})
    if isinstance(value, list):
        return cast("_Value", [clone(inner) for inner in value])
    return value


def dig(document: Any, *keys: str) -> Any:
    """The value under nested keys, or None where any of them is absent."""
    for key in keys:
        if not isinstance(document, dict):
            return None
        document = document.get(key)
    return document


def without_none(pairs: Iterable[tuple[str, Any]]) -> Json:
    """A dict of the pairs whose value is not None."""
    return {key: value for key, value in pairs if value is not None}
