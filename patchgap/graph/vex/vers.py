"""Versions that a statement names: one of them, or a range in VERS (github.com/package-url/vers-spec)."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from patchgap.graph.ordering import order_of
from patchgap.graph.versions import same

_KINDS = {"semver": "npm"}
_CONSTRAINT = re.compile(r"(>=|<=|!=|<|>|=|)([^<>=!|*]+)")


def within(stated: str, kind: str, version: str) -> bool:
    """Whether the version of that purl type is the one, or in the range. What cannot be compared is not: a statement
    says nothing of it."""
    if not stated.startswith("vers:"):
        return same(kind, version, stated) is True
    scheme, _, text = stated.removeprefix("vers:").partition("/")
    if text.strip() == "*":
        return True
    key = order_of(_KINDS.get(scheme, kind if scheme in {"generic", kind} else scheme))
    try:
        found = [_parsed(one, key) for one in text.split("|")]
        return _holds(sorted(found, key=lambda pair: pair[1]), key(version))
    except (TypeError, ValueError):
        return False


def _parsed(text: str, key: Any) -> tuple[str, Any]:
    match = _CONSTRAINT.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no constraint of a version")
    return match.group(1) or "=", key(match.group(2).strip())


def _holds(constraints: list[tuple[str, Any]], at: Any) -> bool:
    """VERS's own algorithm: versions that are named, then what lies between neighbours."""
    for sign, bound in constraints:
        if at == bound and sign in {"=", "!=", "<=", ">="}:
            return sign != "!="
    bounds = [(sign, bound) for sign, bound in constraints if sign not in {"=", "!="}]
    if not bounds:
        return all(sign == "!=" for sign, _ in constraints)
    first, last = bounds[0], bounds[-1]
    if (first[0][0] == "<" and at < first[1]) or (last[0][0] == ">" and last[1] < at):
        return True
    return any(
        low[0] == ">" and high[0] == "<" and lower < at < upper for (low, lower), (high, upper) in pairwise(bounds)
    )
