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
