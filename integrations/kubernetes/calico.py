"""Calico's selectors, read as far as terms joined by `&&` go, and written from Kubernetes' own; and the order of policies.

Pure. What it cannot read is None, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

ORDER = -1_000_000.0  # Calico asks the lowest first, and Kubernetes' NetworkPolicies at 1000
_TIERS = frozenset(("", "default"))
_KEY = r"(?P<key>[A-Za-z0-9._/-]+)"
_TEXT = r"""(?:'[^']*'|"[^"]*")"""
_HAS = re.compile(rf"(?P<no>!?)\s*has\(\s*{_KEY}\s*\)")
_EQUALS = re.compile(rf"{_KEY}\s*(?P<no>==|!=)\s*(?P<value>{_TEXT})")
_IN = re.compile(rf"{_KEY}\s+(?P<no>not in|in)\s*\{{(?P<values>\s*{_TEXT}(?:\s*,\s*{_TEXT})*\s*)\}}")


def comes_after(spec: Mapping[str, Any]) -> bool:
    """Whether a policy is asked after one of `ORDER` in the default tier; one without an order is the last."""
    return str(spec.get("tier") or "") in _TIERS and (spec.get("order") is None or float(spec["order"]) > ORDER)


def selects(selector: str, labels: Mapping[str, str]) -> bool | None:
    """Whether it selects these labels; None where it says more than is read here."""
    answers = [_holds(term.strip(), labels) for term in selector.split("&&")]
    if False in answers:
        return False
    return None if None in answers else True


def _holds(term: str, labels: Mapping[str, str]) -> bool | None:
    if term in {"", "all()"}:
        return True
    if found := _HAS.fullmatch(term):
        return (found["key"] in labels) != bool(found["no"])
    if found := _EQUALS.fullmatch(term):
        return (labels.get(found["key"]) == found["value"][1:-1]) == (found["no"] == "==")
    if found := _IN.fullmatch(term):
        values = [v[1:-1] for v in re.findall(_TEXT, found["values"])]
        return (labels.get(found["key"]) in values) == (found["no"] == "in")
    return None


def written(selector: Mapping[str, Any]) -> str:
    """A LabelSelector in Calico's words."""
    return " && ".join(_terms(selector)) or "all()"


def _terms(selector: Mapping[str, Any]) -> Iterator[str]:
    for key, value in sorted((selector.get("matchLabels") or {}).items()):
        yield f"{key} == '{value}'"
    for one in selector.get("matchExpressions") or ():
        values = ", ".join(f"'{v}'" for v in one.get("values") or ())
        yield {
            "In": f"{one['key']} in {{ {values} }}",
            "NotIn": f"{one['key']} not in {{ {values} }}",
            "Exists": f"has({one['key']})",
            "DoesNotExist": f"!has({one['key']})",
        }[one["operator"]]
