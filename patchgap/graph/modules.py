"""Go modules' names: a module's major version, from 2 on, is part of its path (go.dev/ref/mod#major-version-suffixes).

Some tools leave the suffix out of a purl, and some advisories out of a name. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_SUFFIX = re.compile(r"/v([2-9]|[1-9]\d+)$")
_MAJOR = re.compile(r"v?(\d+)\.")


def module_paths(name: str, version: str) -> tuple[str, ...]:
    """What module a held name can be: at v2.1.0 `example.org/m` can only be `example.org/m/v2`; except where the version
    says `+incompatible`, or the path has a suffix of its own."""
    found = _MAJOR.match(version)
    if _SUFFIX.search(name) or name.startswith("gopkg.in/") or not found or version.endswith("+incompatible"):
        return (name,)
    major = int(found.group(1))
    return (name, f"{name}/v{major}") if major > 1 else (name,)


def root_of(name: str) -> str:
    """The path without its suffix; "" where it has none."""
    return name[: found.start()] if (found := _SUFFIX.search(name)) else ""


def majors_meant(bounds: Iterable[str]) -> frozenset[int]:
    """The majors above 1 of an advisory's own bounds: one that names `example.org/m` up to 2.1.0 means its `/v2`."""
    found = (_MAJOR.match(one) for one in bounds if not one.endswith("+incompatible"))
    return frozenset(major for match in found if match and (major := int(match.group(1))) > 1)


def major_of(name: str) -> int:
    """The major that the path's suffix names; 0 where it has none."""
    return int(found.group(1)) if (found := _SUFFIX.search(name)) else 0
