"""Kubernetes LabelSelectors: whether one selects a set of labels.

Pure; an empty selector selects everything, as the API has it, and callers that must not mean that refuse it first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether the LabelSelector selects these labels."""
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(k) != v for k, v in wanted.items()):
        return False
    return all(_holds(e, labels) for e in selector.get("matchExpressions") or ())


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, operator, values = expression["key"], expression["operator"], expression.get("values") or ()
    if operator == "In":
        return labels.get(key) in values
    if operator == "NotIn":
        return labels.get(key) not in values
    return bool((key in labels) == (operator == "Exists"))


def is_empty(selector: Mapping[str, Any]) -> bool:
    """Whether it selects everything."""
    return not (selector.get("matchLabels") or selector.get("matchExpressions"))


def text(selector: Mapping[str, Any]) -> str:
    """The LabelSelector as a list's query has it."""
    terms = [f"{k}={v}" for k, v in (selector.get("matchLabels") or {}).items()]
    return ",".join([*terms, *(_term(e) for e in selector.get("matchExpressions") or ())])


def _term(expression: Mapping[str, Any]) -> str:
    key, operator = expression["key"], expression["operator"]
    if operator in {"In", "NotIn"}:
        return f"{key} {operator.lower()} ({','.join(expression.get('values') or ())})"
    return f"{'' if operator == 'Exists' else '!'}{key}"
