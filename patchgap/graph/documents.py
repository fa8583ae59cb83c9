"""Foreign documents, read strictly: bounded in size and depth, gunzipped, no duplicate keys, no NaN.

Knows JSON's and a file's traps; it knows nothing of what a document means. Every refusal is a BadInputError that names
the file and the fix, and nothing is handed on of a document that was refused.
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from pathlib import Path
from typing import Any, NoReturn

from patchgap.errors import BadInputError

MAX_BYTES = 512 * 1024 * 1024
MAX_DEPTH = 200
_CHUNK = 1 << 20


def read_bytes(path: Path, limit: int = MAX_BYTES) -> bytes:
    """The file's content, gunzipped where it is gzip. Raises BadInputError where it cannot be read or is too large."""
    try:
        if not path.is_file():
            raise BadInputError(path, "it is not a file", "Name a file, or a folder of files.")
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise BadInputError(
            path, f"cannot be read: {error.strerror or error}", "Make it readable, or leave it out."
        ) from error
    if content[:2] == b"\x1f\x8b":
        content = _gunzip(content, limit, path)
    if len(content) > limit:
        raise BadInputError(path, f"it is larger than {limit // 1024 // 1024} MiB", "Split it, or leave it out.")
    return content.removeprefix(b"\xef\xbb\xbf")


def _gunzip(content: bytes, limit: int, path: Path) -> bytes:
    """At most `limit` and one chunk: a small file that swells to gigabytes is refused before it does."""
    unpacked: list[bytes] = []
    size = 0
    try:
        while content and size <= limit:
            stream = zlib.decompressobj(wbits=31)
            while not stream.eof and size <= limit:
                part = stream.decompress(content, _CHUNK)
                content = stream.unconsumed_tail
                size += len(part)
                unpacked.append(part)
                if not part and not content and not stream.eof:
                    raise BadInputError(path, "its gzip stream ends early", "Fetch the file again.")
            content = stream.unused_data.lstrip(b"\0")
    except zlib.error as error:
        raise BadInputError(path, "its gzip stream is broken", "Fetch the file again.") from error
    return b"".join(unpacked)


def content_digest(content: bytes) -> str:
    """`sha256:` and the hex digest of the bytes."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def check_json(content: bytes, where: str | Path) -> None:
    """Refuses what is no strict JSON object; builds nothing. Raises BadInputError."""
    _loads(content, where, _refuse_duplicates)


def parse_json(content: bytes, where: str | Path) -> dict[str, Any]:
    """The JSON object. Raises BadInputError."""
    document: dict[str, Any] = _loads(content, where, _unique)
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise BadInputError(
            where, "it holds half a surrogate pair, which is no text", "Correct the \\u escape."
        ) from error
    return document


def _loads(content: bytes, where: str | Path, pairs: Any) -> Any:
    fix = "Write one JSON object without it."
    if content.lstrip()[:1] != b"{":
        raise BadInputError(where, "it is not a JSON object", "Name a JSON document that starts with {.")
    try:
        return json.loads(
            content.decode("utf-8"), object_pairs_hook=pairs, parse_constant=_no_number, parse_float=_finite
        )
    except UnicodeDecodeError as error:
        raise BadInputError(where, f"byte {error.start} is not UTF-8", "Save the file as UTF-8.") from error
    except json.JSONDecodeError as error:
        raise BadInputError(
            where, f"line {error.lineno}, column {error.colno}: {error.msg}", "Correct the JSON there."
        ) from error
    except RecursionError:
        raise BadInputError(where, "it is nested too deeply", "Flatten it, or leave it out.") from None
    except ValueError as error:
        raise BadInputError(where, str(error), fix) from error


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) != len(dict(pairs)):
        _name_duplicate(pairs)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(pairs) != len(document):
        _name_duplicate(pairs)
    return document


def _name_duplicate(pairs: list[tuple[str, Any]]) -> NoReturn:
    seen: set[str] = set()
    name = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
    raise ValueError(f"the key {name[:80]!r} stands twice in one object")


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number in JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:40]} is too large")
    return value


def depth_of(document: Any) -> int:
    """How deep the document nests: 1 for a scalar. Walks with a stack of its own."""
    deepest, rest = 1, [(document, 1)]
    while rest:
        value, depth = rest.pop()
        deepest = max(deepest, depth)
        children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        rest.extend((child, depth + 1) for child in children)
    return deepest
