"""Packagist's order, from Composer's own (getcomposer.org/doc/articles/versions.md, composer/semver): versions normalised to four
numbers and a stability, dev < alpha < beta < RC < stable < patch. A branch (`dev-main`) is no version."""

from __future__ import annotations

import re
from typing import Any

_MODIFIER = r"[._-]?(?:(stable|beta|b|rc|alpha|a|patch|pl|p)((?:[.-]?\d+)*))?([.-]?dev)?"
_VERSION = re.compile(rf"v?(\d+(?:\.\d+){{0,3}}){_MODIFIER}", re.ASCII | re.IGNORECASE)
_DATE = re.compile(
    rf"v?(\d{{4}}(?:[.:-]?\d{{2}}){{1,6}}(?:[.:-]?\d{{1,3}}){{0,2}}){_MODIFIER}", re.ASCII | re.IGNORECASE
)
_BRANCH = re.compile(r"v?(\d+)(?:\.(\d+|[x*]))?(?:\.(\d+|[x*]))?(?:\.(\d+|[x*]))?[.-]?dev", re.ASCII | re.IGNORECASE)
_STABLE = 4
_STABILITY = {
    "alpha": 1, "a": 1, "beta": 2, "b": 2, "rc": 3, "stable": _STABLE, "": _STABLE, "patch": 5, "pl": 5, "p": 5,
}  # fmt: skip
_WILD = 9999999
_NUMBERS = re.compile(r"\d+", re.ASCII)


def key(text: str) -> Any:
    """Raises ValueError where the text is no version that Composer orders."""
    bare = re.sub(r"(?:\+\S*)?(?:@(?:stable|rc|beta|alpha|dev))?$", "", text.strip(), flags=re.IGNORECASE)
    if match := _VERSION.fullmatch(bare):
        return _key(*match.groups(default=""))
    if match := _BRANCH.fullmatch(bare):  # `1.x-dev` is after all that 1 has
        wild = (one if one.isdigit() else _WILD for one in match.groups(default="x"))
        return (tuple(map(int, wild)), 0, (), 0)
    if match := _DATE.fullmatch(bare):
        return _key(*match.groups(default=""))
    raise ValueError(f"{text!r} is no version of Composer")


def branch(text: str) -> tuple[Any, Any] | None:
    """The first and the last place that a commit of the branch may have: `1.5.x-dev` is from 1.5.0-dev on. None where the
    text is no branch's."""
    match = _BRANCH.fullmatch(text.strip())
    if match is None or _VERSION.fullmatch(text.strip()):
        return None
    parts = match.groups(default="x")
    return ((tuple(int(one) if one.isdigit() else 0 for one in parts), 0, (), 0), key(text))


def _key(numbers: str, stability: str, count: str, dev: str) -> Any:
    parts = [int(one) for one in _NUMBERS.findall(numbers)]
    rank = 0 if dev and not stability else _STABILITY[stability.lower()]
    counted = tuple(int(one) for one in _NUMBERS.findall(count)) if rank != _STABLE else ()
    return ((*parts, *[0] * (4 - len(parts))), rank, counted, 0 if dev else 1)
