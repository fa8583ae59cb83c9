"""Foreign documents, read strictly: bounded in size and depth, unpacked, no duplicate keys, no NaN.

Knows JSON's and a file's traps; it knows nothing of what a document means. Every refusal is a BadInputError that names
the file and the fix, and nothing is handed on of a document that was refused.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import msgspec

from patchgap.errors import BadInputError
from patchgap.graph.unpack import BrokenStreamError, packing, unpack, unpack_head

MAX_BYTES = 128 * 1024 * 1024  # unpacked: what is refused for its size takes less than 256 MB to refuse
MAX_DEPTH = 200
_CHUNK = 16 * 1024
_SMALL = 64 * 1024  # up to here every JSON document is checked strictly, whatever it looks like
_STRICT = 8 * 1024 * 1024  # up to here where it looks suspicious: the check takes 20 times the decoding, and memory
_STRIDE = 61  # every how many bytes a large document is sampled
_LEAST_OBJECT, _LEAST_TEXT = 24, 4  # bytes an object and a quote, at least, over the whole of a large document
_DIGITS = 4096
_FIGURES = b"0123456789"
_BEFORE_A_NUMBER = frozenset({b" ", b"\t", b"\r", b"\n", b":", b",", b"["})
_UTF16 = frozenset({codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE})
_BYTE = re.compile(r"\(byte (\d+)\)")
_NO_NUMBER = re.compile(rb"-?(?:NaN|Infinity)")
_T = TypeVar("_T")


def read_bytes(path: Path, limit: int = MAX_BYTES) -> bytes:
    """The file's content, unpacked where it is gzip or zstd. Raises BadInputError where it cannot be read or is too
    large."""
    return unpacked(_read(path, limit), path, limit).removeprefix(codecs.BOM_UTF8)


def unpacked(content: bytes, where: str | Path, limit: int) -> bytes:
    """What the bytes are where they are gzip or zstd, else they themselves. Raises BadInputError where they are broken
    or too large."""
    if packing(content):
        try:
            content = unpack(content, limit)
        except BrokenStreamError as error:
            raise BadInputError(where, str(error), "Fetch the file again.") from error
    if len(content) > limit:
        raise too_large(where, limit)
    return content


def read_head(path: Path, size: int = 4096) -> bytes:
    """The first bytes of the file, unpacked where it is gzip or zstd; what is broken further on is not seen yet."""
    head = _read(path, size, whole=False)
    if packing(head):
        try:
            head = unpack_head(head, size)
        except BrokenStreamError as error:
            raise BadInputError(path, str(error), "Fetch the file again.") from error
    return head.removeprefix(codecs.BOM_UTF8)


def _read(path: Path, limit: int, *, whole: bool = True) -> bytes:
    if not path.is_file():
        raise BadInputError(path, "it is not a file", "Name a file, or a folder of files.")
    try:
        with path.open("rb") as file:
            if not whole:
                return file.read(limit)
            size = os.fstat(file.fileno()).st_size
            if size > limit:
                raise too_large(path, limit)
            content = file.read(size + 1)  # asked for more, the system gives new pages for each file, and clears them
            return content if len(content) == size else content + file.read(limit - size)
    except OSError as error:
        raise BadInputError(
            path, f"cannot be read: {error.strerror or error}", "Make it readable, or leave it out."
        ) from error


def too_large(where: str | Path, limit: int) -> BadInputError:
    """The refusal of what is larger than `limit` bytes."""
    return BadInputError(where, f"it is larger than {limit // 1024 // 1024} MiB", "Split it, or leave it out.")


def content_digest(content: bytes) -> str:
    """`sha256:` and the hex digest of the bytes."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def decode_json(content: bytes, where: str | Path, decoder: msgspec.json.Decoder[_T]) -> _T:
    """The document as the decoder's type, in one pass; what the type does not name is skipped. Raises BadInputError
    with the line and column, or with the field. A duplicate key, or a number without end in what is skipped, is not
    seen here: `check_keys` is for those."""
    check_text(content, where)
    if len(content) > _STRICT:
        _check_large(content, where)
    try:
        return decoder.decode(content)
    except msgspec.ValidationError as error:
        problem, _, place = str(error).replace(" | null", "").partition(" - at ")
        field = place.strip("`").removeprefix("$.") or "the document"
        raise BadInputError(where, f"{field}: {problem}", "Correct that field, or export it again.") from error
    except msgspec.DecodeError as error:
        raise _malformed(content, where, str(error)) from error
    except RecursionError:
        raise BadInputError(where, "it is nested too deeply", "Flatten it, or leave it out.") from None


def _check_large(content: bytes, where: str | Path) -> None:
    """Refuses what would take memory or time before it is seen to be no document: one that ends early, one that is all
    brackets and quotes, a number without end. Raises BadInputError."""
    opened, sample = content.count(b"{"), content[::_STRIDE]
    if content.rstrip()[-1:] != b"}" or opened != content.count(b"}"):
        decoder = msgspec.json.Decoder(_Nothing)
        try:
            decoder.decode(content)  # builds nothing; braces may well stand in texts
        except msgspec.DecodeError as error:
            raise _malformed(content, where, str(error)) from error
        except RecursionError:
            raise BadInputError(where, "it is nested too deeply", "Flatten it, or leave it out.") from None
    if opened * _LEAST_OBJECT > len(content) or sample.count(b'"') * _LEAST_TEXT > len(sample):
        raise BadInputError(
            where, "it is large and holds almost nothing but brackets and quotes", "Export it again, or leave it out."
        )
    if (place := _endless_number(content)) >= 0:
        raise _malformed(content, where, f"a number of more than {_DIGITS} digits (byte {place})")


def _endless_number(content: bytes) -> int:
    """Where a run of digits starts that fills a whole window, and is no text; -1 where there is none."""
    before = False  # whether the window before was all digits: its run has been looked at
    for n, byte in enumerate(content[::_DIGITS]):
        start = n * _DIGITS
        window = content[start : start + _DIGITS] if byte in _FIGURES and content[start : start + 32].isdigit() else b""
        filled = len(window) == _DIGITS and window.isdigit()
        if filled and not before:
            ahead = content[max(0, start - _DIGITS) : start].rstrip(b"0123456789+-.eE")
            if ahead[-1:] in _BEFORE_A_NUMBER:
                return max(0, start - _DIGITS) + len(ahead)
        before = filled
    return -1


class _Nothing(msgspec.Struct):
    """A type without fields: everything is skipped, and seen to be well-formed."""


def check_text(content: bytes, where: str | Path) -> None:
    """Refuses what is no UTF-8. Raises BadInputError."""
    if content[:2] in _UTF16 or b"\0" in content[:4]:
        raise BadInputError(where, "it is UTF-16 or UTF-32, not UTF-8", "Save the file as UTF-8.")
    if content.isascii():
        return
    decoder = codecs.getincrementaldecoder("utf-8")()
    start, some = 0, b""
    try:
        for start in range(0, len(content), _CHUNK):
            some = content[start : start + _CHUNK]
            if not some.isascii() or decoder.getstate()[0]:  # the most are, and need no decoding
                decoder.decode(some)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        held = len(error.object) - len(some)  # of the chunk before
        place = start - held + error.start
        raise BadInputError(where, f"byte {place} is not UTF-8", "Save the file as UTF-8.") from error


def check_keys(content: bytes, where: str | Path, read: Mapping[str, int], dropped: int = 0) -> tuple[str, ...]:
    """Looks for duplicate keys where that is cheap or something is amiss: a small document is always checked strictly,
    a larger one where a deciding key stands in it more or less often than it was `read`, or where `dropped` values were
    built of it and are not in it. Of one that is too large for the check, the sentences say how often. Raises
    BadInputError."""
    if len(content) <= _SMALL:
        check_json(content, where)
        return ()
    odd = {key: found - times for key, times in read.items() if (found := _count(content, key, times)) != times}
    if (odd or dropped > 0) and len(content) <= _STRICT:
        check_json(content, where)
        return ()
    lost = (f"a list in it stands twice in one object: {dropped} of its entries were not read",) if dropped > 0 else ()
    return lost + tuple(
        f"the key {key!r} stands {'once' if more == 1 else f'{more} times'} where it was not read, or twice in one object"
        for key, more in odd.items()
        if more > 0
    )


def _count(content: bytes, key: str, expected: int) -> int:
    """How often the key stands in the JSON, as tools write it: with the colon at once, or after a space."""
    found = content.count(f'"{key}":'.encode())
    return found if found == expected else found + content.count(f'"{key}" :'.encode())


def _malformed(content: bytes, where: str | Path, problem: str) -> BadInputError:
    """What msgspec says, with its byte as line and column."""
    match = _BYTE.search(problem)
    place = int(match[1]) if match else len(content)
    said = problem[: match.start()].removeprefix("JSON is malformed: ") if match else "it ends too early"
    if none := _NO_NUMBER.match(content, place):
        said = f"{none[0].decode()} is not a number in JSON"
    line = content.count(b"\n", 0, place) + 1
    column = place - content.rfind(b"\n", 0, place)
    return BadInputError(where, f"line {line}, column {column}: {said.strip()}", "Correct the JSON there.")


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
