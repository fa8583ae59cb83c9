"""Compressed files, unpacked within a bound: gzip and zstd, told by their first bytes.

Knows streams and nothing of what they hold. What swells past the bound is refused before it does.
"""

from __future__ import annotations

import io
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
_CHUNK = 1 << 20
_OPTIONS: dict[int, int] = {
    zstd.DecompressionParameter.window_log_max: 25
}  # a window of 32 MiB, more than `zstd -19` uses


class BrokenStreamError(ValueError):
    """A stream that cannot be unpacked; its text says why."""


def packing(head: bytes) -> str:
    """What a file that starts so is packed with: `gzip`, `zstd`, or "" where with neither."""
    return "gzip" if head[:2] == GZIP else "zstd" if head[:4] == ZSTD else ""


def unpack(content: bytes, limit: int) -> bytes:
    """The unpacked bytes, at most `limit` and one chunk; more than `limit` means that there is more. Raises
    BrokenStreamError."""
    parts = _gunzip(content) if content[:2] == GZIP else _unzstd(content)
    unpacked = io.BytesIO()
    for part in parts:
        unpacked.write(part)
        if unpacked.tell() > limit:
            break
    return unpacked.getvalue()


def unpack_head(head: bytes, size: int) -> bytes:
    """What the start of a packed file unpacks to, at most `size` bytes. Raises BrokenStreamError."""
    try:
        if packing(head) == "gzip":
            return zlib.decompressobj(wbits=31).decompress(head, size)
        return zstd.ZstdDecompressor(options=_OPTIONS).decompress(head, size)
    except (zlib.error, zstd.ZstdError) as error:
        raise BrokenStreamError(f"its {packing(head)} stream is broken") from error


def _gunzip(content: bytes) -> Iterator[bytes]:
    try:
        while content[:2] == GZIP:
            stream = zlib.decompressobj(wbits=31)
            while not stream.eof:
                part = stream.decompress(content, _CHUNK)
                content = stream.unconsumed_tail
                if not part and not content and not stream.eof:
                    raise BrokenStreamError("its gzip stream ends early")
                yield part
            content = stream.unused_data.lstrip(b"\0")
    except zlib.error as error:
        raise BrokenStreamError("its gzip stream is broken") from error
    if content:
        raise BrokenStreamError("its gzip stream is followed by something else")


def _unzstd(content: bytes) -> Iterator[bytes]:
    try:
        while content:
            stream = zstd.ZstdDecompressor(options=_OPTIONS)
            part = stream.decompress(content, _CHUNK)
            while part or not stream.eof:
                if not part and stream.needs_input:
                    raise BrokenStreamError("its zstd stream ends early")
                yield part
                part = b"" if stream.eof else stream.decompress(b"", _CHUNK)
            content = stream.unused_data
    except zstd.ZstdError as error:
        raise BrokenStreamError("its zstd stream is broken or needs a window of more than 32 MiB") from error
