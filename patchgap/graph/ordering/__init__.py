"""How each ecosystem orders its versions: one small file a family, each written from the ecosystem's own specification.

A key is a hashable value that orders by `<` and `==`; it raises ValueError where the text is no version there. Files are
imported when they are first needed. Knows nothing of ranges, names or advisories.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Any

Key = Callable[[str], Any]

_FILES = {
    "pypi": "pep440:key",
    "npm": "semver:key", "cargo": "semver:key", "hex": "semver:key", "swift": "semver:key", "julia": "semver:key",
    "githubactions": "semver:key", "golang": "semver:go", "pub": "semver:pub", "bitnami": "semver:bitnami",
    "deb": "debian:key", "rpm": "rpm:key", "apk": "apk:key", "maven": "maven:key", "gem": "rubygems:key",
    "nuget": "nuget:key", "composer": "composer:key", "cran": "dotted:cran", "hackage": "dotted:hackage",
    "conan": "conan:key",
}  # fmt: skip
_SEMVER_OWN = frozenset({"golang", "bitnami"})  # their spellings of SemVer hold in SEMVER ranges too
_CACHE = 1 << 17


def has_order(kind: str) -> bool:
    """Whether versions of that purl type can be ordered at all."""
    return kind in _FILES


@lru_cache
def order_of(kind: str) -> Key:
    """How versions of that purl type are ordered. The key raises ValueError."""
    if kind not in _FILES:
        return _no_order(kind)
    name, _, function = _FILES[kind].partition(":")
    key: Key = getattr(import_module(f"{__name__}.{name}"), function)
    return lru_cache(maxsize=_CACHE)(key)


def branch_of(kind: str, version: str) -> tuple[Any, Any] | None:
    """Where a version that names a moving branch begins and ends: which of its commits is held is not told."""
    if kind != "composer":
        return None
    from patchgap.graph.ordering.composer import branch

    return branch(version)


def semver_of(kind: str) -> Key:
    """How a SEMVER range orders versions of that purl type: by SemVer 2.0, in the ecosystem's spelling of it."""
    return order_of(kind if kind in _SEMVER_OWN else "npm")


def semver_bound_of(kind: str) -> Key:
    """How the bounds of a SEMVER range are read."""
    return bound_of(kind if kind in _SEMVER_OWN else "npm")


def is_semver(kind: str) -> bool:
    """Whether the versions of that purl type are SemVer's, in some spelling."""
    return _FILES.get(kind, "").startswith("semver:")


@lru_cache
def bound_of(kind: str) -> Key:
    """How an advisory's own bounds are read: as versions, or as SemVer with parts left out where the ecosystem's
    versions are SemVer, as OSV itself does (`1.2` is 1.2.0). What an SBOM holds is never completed so."""
    exact = order_of(kind)
    if not is_semver(kind):
        return exact
    from patchgap.graph.ordering.semver import completed

    def key(text: str) -> Any:
        try:
            return exact(text)
        except ValueError:
            return exact(completed(text))

    return key


def _no_order(kind: str) -> Key:
    def key(text: str) -> Any:
        raise ValueError(f"versions of {kind} cannot be ordered ({text!r})")

    return key
