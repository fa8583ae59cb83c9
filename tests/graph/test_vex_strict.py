"""What VEX leaves out: a document that is broken goes in not at all, and what clears nothing says so when it is added."""

from __future__ import annotations

import json
from typing import Any

import pytest

from patchgap.errors import BadInputError
from patchgap.graph.vex.read import parse_vex
from patchgap.model.unknown import Unknown

HEADS: dict[str, dict[str, Any]] = {
    "statements": {"@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://example.org/vex/1"},
    "vulnerabilities": {"document": {"category": "csaf_vex", "csaf_version": "2.0"}},
}
CLEARED = {"vulnerability": {"name": "CVE-2026-1"}, "products": [{"@id": "pkg:npm/a@1.0.0"}], "status": "not_affected"}


@pytest.mark.parametrize("key", sorted(HEADS))
@pytest.mark.parametrize("held", ["x", {}, 7, None])
def test_a_list_that_is_none_is_refused(key: str, held: object) -> None:
    """It would go in as a document that says nothing, and nobody would look at it again."""
    with pytest.raises(BadInputError, match=f"{key}: it is no list"):
        parse_vex(json.dumps({**HEADS[key], key: held}).encode(), "vex.json")


def test_a_document_without_statements_is_refused() -> None:
    """OpenVEX has them by its specification; a BOM need not speak of vulnerabilities."""
    with pytest.raises(BadInputError, match="statements: it is no list"):
        parse_vex(json.dumps(HEADS["statements"]).encode(), "vex.json")


def test_a_statement_that_is_none_is_told() -> None:
    """The others go in."""
    document = parse_vex(json.dumps({**HEADS["statements"], "statements": ["x", CLEARED]}).encode(), "vex.json")
    assert len(document.statements) == 1
    assert Unknown("statements[0]", "it is no object") in document.unknown


@pytest.mark.parametrize("reason", [{}, {"justification": "component_not_present"}, {"impact_statement": "not built"}])
def test_not_affected_without_a_justification_says_that_it_clears_nothing(reason: dict[str, str]) -> None:
    """When it is added, and not first when somebody asks."""
    document = parse_vex(json.dumps({**HEADS["statements"], "statements": [CLEARED | reason]}).encode(), "vex.json")
    told = Unknown("CVE-2026-1", "not_affected without a justification: it clears nothing")
    assert (told in document.unknown) is (not reason)
