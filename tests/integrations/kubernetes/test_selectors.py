"""LabelSelectors: what they select, here and on a server."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.kubernetes.selectors import is_empty, selects, text
from integrations.rehearsal.selectors import parse_labels

LABELS = {"app": "trainer", "tier": "ml"}


def expression(operator: str, key: str = "app", *values: str) -> dict[str, Any]:
    """A selector of one expression."""
    return {"matchExpressions": [{"key": key, "operator": operator, **({"values": list(values)} if values else {})}]}


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ({}, True),
        ({"matchLabels": {"app": "trainer"}}, True),
        ({"matchLabels": {"app": "trainer", "x": "y"}}, False),
        ({"matchLabels": {"app": "trainer"}, **expression("NotIn", "tier", "web", "ml")}, False),
        ({"matchLabels": {"x": ""}}, False),
        (expression("In", "app", "trainer", "web"), True),
        (expression("In", "none", "trainer"), False),
        (expression("NotIn", "app", "trainer"), False),
        (expression("NotIn", "none", "trainer"), True),
        (expression("Exists", "tier"), True),
        (expression("DoesNotExist", "tier"), False),
    ],
)
def test_a_selector_selects_as_the_api_does(selector: dict[str, Any], selected: bool) -> None:
    """Every operator, also on a label that is not there; and a server, that is asked by its text, selects the same."""
    assert selects(selector, LABELS) is selected
    assert parse_labels(text(selector)).matches(LABELS) is selected
    assert is_empty(selector) is (selector == {})
