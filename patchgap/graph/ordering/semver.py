"""SemVer 2.0 (semver.org, item 11), and the spellings of it in Go, Dart's pub and Bitnami.

Numbers are not bounded but by what Python takes for an integer; a leading `v` is let pass everywhere.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import Any

_NUMBER = r"(0|[1-9]\d*)"
_SEMVER = re.compile(
    rf"[vV]?{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?",
    re.ASCII,
)
_SHORT = re.compile(r"[vV]?(\d+)(?:\.(\d+))?(?:\.(\d+))?((?:[-+].*)?)", re.ASCII)
_THREE = re.compile(r"[vV]?\d+\.\d+\.\d+(?![.\d])", re.ASCII)
_GO_SHORT = re.compile(r"v?(\d+)(?:\.(\d+))?", re.ASCII)
_GO_RELEASE = re.compile(r"(?:go)?1\.(\d+)(?:\.(\d+))?(?:(beta|rc)(\d+))?(?:[ -+].*)?", re.ASCII)
_BITNAMI = re.compile(r"[vV]?(\d+\.\d+\.\d+)(-[0-9A-Za-z.-]+)?(?:\+.*)?", re.ASCII)
_REVISION = re.compile(r"-(\d+)", re.ASCII)
_WORDS = re.compile(r"[A-Za-z.]")


def key(text: str) -> Any:
    """Precedence: build metadata does not count. Raises ValueError where the text is no semantic version."""
    return _parsed(text)[0]


def _parsed(text: str) -> tuple[tuple[Any, ...], str]:
    match = _SEMVER.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no semantic version")
    major, minor, patch, pre, build = match.groups()
    numbers = (int(major), int(minor), int(patch))
    return ((*numbers, 1) if pre is None else (*numbers, 0, *_identifiers(pre))), build or ""


def _identifiers(text: str) -> Any:
    """Numbers by value and before words; flat, so that fewer are before more."""
    parts = ((0, int(one), "") if one.isdigit() else (1, 0, one) for one in text.split("."))
    return chain.from_iterable(parts)


def completed(text: str) -> str:
    """`v1.2` as 1.2.0 and `01.2.3` as 1.2.3; the text itself where that does not make it one."""
    match = _SHORT.fullmatch(text)
    if match is None:
        return text
    major, minor, patch, rest = match.groups(default="")
    return f"{int(major or 0)}.{int(minor or 0)}.{int(patch or 0)}{rest}"


def go(text: str) -> Any:
    """Go's (golang.org/x/mod/semver, go.dev/ref/mod): `v1` and `v1.2` are short for v1.0.0 and v1.2.0, `+incompatible`
    does not count; and the toolchain's own (go.dev/doc/toolchain), `go1.21rc2`, as the Go vulnerability database writes
    it: 1.21.0-rc.2."""
    try:
        return key(text)
    except ValueError:
        if _GO_SHORT.fullmatch(text):
            return key(completed(text))
        match = _GO_RELEASE.fullmatch(text)
        if match is None:
            raise
        minor, patch, stage, number = match.groups()
        return key(f"1.{int(minor)}.{int(patch or 0)}" + (f"-{stage}.{int(number)}" if stage else ""))


def pub(text: str) -> Any:
    """Dart's (pub.dev/packages/pub_semver): SemVer, but build metadata counts, and is after none; leading zeros do not
    count."""
    precedence, build = _parsed(completed(text) if _THREE.match(text) else text)
    return (precedence, 1, *_identifiers(build)) if build else (precedence, 0)


def bitnami(text: str) -> Any:
    """Bitnami's (github.com/bitnami/go-version): SemVer whose last `-3` is the revision of the packaging, after none;
    univers has no such order, and SemVer would take 6.2.0-3 for a pre-release of 6.2.0."""
    match = _BITNAMI.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no version of Bitnami")
    release, rest = match.groups(default="")
    place = rest.rfind("-")
    revision = _REVISION.fullmatch(rest, place) if place >= 0 and rest[:place][-1:] not in {".", "-"} else None
    pre = rest[:place] if revision else rest
    if pre and not _WORDS.search(pre):
        raise ValueError(f"{text!r} is no version of Bitnami")
    return (key(release + pre), int(revision.group(1)) if revision else 0)
