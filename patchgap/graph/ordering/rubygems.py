"""RubyGems' order, from Gem::Version (rubygems.org, lib/rubygems/version.rb): segments, of which words are pre-releases.

A gem's platform (`1.15.4-x86_64-linux`, `-java`), which lock files write after the version, is no part of it; Gem::Version
itself would read a pre-release there.
"""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import Any

_VERSION = re.compile(r"\s*([0-9]+(?:\.[0-9a-zA-Z]+)*(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?)\s*", re.ASCII)
_PLATFORM = re.compile(
    r"-(?:java|jruby|mswin\d*|mingw\d*|ruby|(?:x86|x64|x86_64|amd64|i[3-6]86|arm64|arm|armv[5-8]\w*|aarch64|universal|"
    r"ppc64le|powerpc64le|powerpc|s390x|riscv64)-[a-z]\w*(?:-\w+)*)$"
)
_SEGMENT = re.compile(r"[0-9]+|[a-z]+", re.IGNORECASE)
_ZERO = (1, 0, "")


class Segments:
    """Segments that order as if the shorter went on in zeros."""

    __slots__ = ("_segments",)

    def __init__(self, segments: list[tuple[int, int, str]]) -> None:
        while segments and segments[-1] == _ZERO:
            segments.pop()
        self._segments = tuple(segments)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Segments) and self._segments == other._segments

    def __hash__(self) -> int:
        return hash(self._segments)

    def __lt__(self, other: Segments) -> bool:
        pairs = zip_longest(self._segments, other._segments, fillvalue=_ZERO)
        return next((one < another for one, another in pairs if one != another), False)


def key(text: str) -> Any:
    """Raises ValueError where the text is no version of RubyGems."""
    match = _VERSION.fullmatch(_PLATFORM.sub("", text))
    if match is None:
        raise ValueError(f"{text!r} is no version of RubyGems")
    found = _SEGMENT.findall(match.group(1).replace("-", ".pre."))
    segments = [(1, int(one), "") if one.isdigit() else (0, 0, one) for one in found]
    first = next((n for n, segment in enumerate(segments) if not segment[0]), len(segments))
    release = segments[:first]
    while len(release) > 1 and release[-1] == _ZERO:  # `1.0.a` is `1.a`
        release.pop()
    return Segments([*release, *segments[first:]])
