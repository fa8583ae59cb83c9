"""Compressed files, unpacked within a bound: gzip and zstd, told by their first bytes.

Knows streams and nothing of what they hold. What swells past the bound is refused before it does.
"""

from __future__ import annotations

import io
import re
import sys
import zlib
from collections.abc import Iterator

if sys.version_info >= (3, 14):  # pragma: no cover
    from compression import zstd
else:
    from backports import zstd

GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"
OTHERS = {b"PK\x03\x04": "a zip archive", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"7z\xbc\xaf": "7-Zip"}
_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")  # the frame with which pzstd starts
_CHUNK = 1 << 20
_FED = 1 << 16  # bytes that a stream is given at once: it copies what it leaves over of them
_MEMBERS = 10_000  # streams one after another; blocks of 64 KiB, as bgzip writes them, fit 128 MiB five times
# A window of 32 MiB, more than `zstd -19` uses.
_OPTIONS: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 25}


class BrokenStreamError(ValueError):
    """A stream that cannot be unpacked; its text says why."""


def packing(head: bytes) -> str:
    """What a file that starts so is packed with: `gzip`, `zstd`, or "" where with neither."""
    return "gzip" if head[:2] == GZIP else "zstd" if head[:4] == ZSTD or _SKIPPABLE.match(head) else ""


def unpack(content: bytes, limit: int) -> bytes:
    """The unpacked bytes, at most `limit` and one chunk; more than `limit` means that there is more. Raises
    BrokenStreamError."""
    unpacked = io.BytesIO()
    for part in _parts(content):
        unpacked.write(part)
        if unpacked.tell() > limit:
            break
    return unpacked.getvalue()


def unpack_head(head: bytes, size: int) -> bytes:
    """What the start of a packed file unpacks to, at most `size` bytes; where the start ends is no error. Raises
    BrokenStreamError."""
    unpacked = b""
    try:
        for part in _parts(head, size):
            unpacked += part
            if len(unpacked) >= size:
                break
    except BrokenStreamError as error:
        if not unpacked and not isinstance(error, _EndsEarlyError):
            raise
    return unpacked[:size]


class _EndsEarlyError(BrokenStreamError):
    """A stream that goes on."""


def _parts(content: bytes, size: int = _CHUNK) -> Iterator[bytes]:
    return _gunzip(content, size) if packing(content) == "gzip" else _unzstd(content, size)


def _fed(content: bytes, place: int) -> bytes:
    """The next bytes for a stream."""
    return content[place : place + _FED]


def _gunzip(content: bytes, size: int) -> Iterator[bytes]:
    place = members = 0
    try:
        while content[place : place + 2] == GZIP:
            members = _one_more(members, "gzip")
            stream = zlib.decompressobj(wbits=31)
            while not stream.eof:
                fed = stream.unconsumed_tail
                if not fed:
                    fed = _fed(content, place)
                    place += len(fed)
                part = stream.decompress(fed, size)
                if not part and not fed and not stream.eof:
                    raise _EndsEarlyError("its gzip stream ends early")
                yield part
            place -= len(stream.unused_data)
            while content[place : place + 1] == b"\0":  # padding
                place += 1
    except zlib.error as error:
        raise BrokenStreamError("its gzip stream is broken") from error
    if place < len(content):
        raise BrokenStreamError("its gzip stream is followed by something else")


def _unzstd(content: bytes, size: int) -> Iterator[bytes]:
    place = members = 0
    try:
        while place < len(content):
            members = _one_more(members, "zstd")
            stream = zstd.ZstdDecompressor(options=_OPTIONS)
            while not stream.eof:
                fed = _fed(content, place) if stream.needs_input else b""
                place += len(fed)
                part = stream.decompress(fed, size)
                if not part and not fed and stream.needs_input:
                    raise _EndsEarlyError("its zstd stream ends early")
                yield part
            place -= len(stream.unused_data)
    except zstd.ZstdError as error:
        raise BrokenStreamError("its zstd stream is broken or needs a window of more than 32 MiB") from error


def _one_more(members: int, name: str) -> int:
    if members == _MEMBERS:
        raise BrokenStreamError(f"it is more than {_MEMBERS:,} {name} streams one after another")
    return members + 1
