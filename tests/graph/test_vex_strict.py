"""What VEX leaves out: a document that is broken goes in not at all, and what clears nothing says so when it is added."""

from __future__ import annotations

import json
from typing import Any

import pytest

from patchgap.errors import BadInputError
from patchgap.graph.files import read_content
from patchgap.graph.sbom.document import SbomDocument
from patchgap.graph.vex.read import parse_vex
from patchgap.graph.vex.standing import Subject, standing_of
from patchgap.model.exposure import Standing
from patchgap.model.unknown import Unknown
from patchgap.model.vex import VexDocument

HEADS: dict[str, dict[str, Any]] = {
    "statements": {"@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://example.org/vex/1"},
    "vulnerabilities": {"document": {"category": "csaf_vex", "csaf_version": "2.0"}},
}
PURL, VEX = "pkg:npm/a@1.0.0", "vex.json"
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


def openvex(**changes: Any) -> dict[str, Any]:
    return {**HEADS["statements"], "statements": [CLEARED | {"justification": "component_not_present"} | changes]}


def csaf(**changes: Any) -> dict[str, Any]:
    product = {"name": "a", "product_id": "a", "product_identification_helper": {"purl": PURL}}
    one = {"cve": "CVE-2026-1", "product_status": {"known_not_affected": ["a"]}} | changes
    return {**HEADS["vulnerabilities"], "product_tree": {"full_product_names": [product]}, "vulnerabilities": [one]}


def cyclonedx(**changes: Any) -> dict[str, Any]:
    analysis = {"state": "not_affected", "justification": "code_not_present"}
    one = {"id": "CVE-2026-1", "analysis": analysis, "affects": [{"ref": PURL}]} | changes
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "vulnerabilities": [one]}


def read(document: dict[str, Any]) -> VexDocument:
    return parse_vex(json.dumps(document).encode(), VEX)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (openvex(status="not_effected"), "statements[0].status: 'not_effected' is none of not_affected, affected"),
        (openvex(status=7), "statements[0].status"),
        (openvex(vulnerability=7), "statements[0].vulnerability"),
        (openvex(products="x"), "statements[0].products: it is no list"),
        (openvex(products=[{"@id": PURL, "subcomponents": "x"}]), "statements[0].products.subcomponents: it is no list"),
        (openvex(products=[{"@id": PURL, "subcomponents": {}}]), "statements[0].products.subcomponents: it is no list"),
        ({**HEADS["statements"], "statements": ["x"]}, "statements[0]: it is no object"),
        (csaf(cve=None), "vulnerabilities[0].cve"),
        (csaf(product_status="a"), "vulnerabilities[0].product_status: it is no object"),
        (csaf(product_status={"known_not_affected": "a"}), "vulnerabilities[0].product_status.known_not_affected: it is no"),
        (csaf(product_status={"known_not_effected": ["a"]}), "vulnerabilities[0].product_status.known_not_effected"),
    ],
)  # fmt: skip
def test_what_is_malformed_is_refused_by_its_field(document: dict[str, Any], field: str) -> None:
    """Where nothing else of it is left. What is taken is never more than was meant."""
    with pytest.raises(BadInputError) as caught:
        read(document)
    assert field in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"analysis": "not_affected"}, "vulnerabilities[0].analysis"),
        ({"analysis": {"state": 7}}, "vulnerabilities[0].analysis"),
        ({"analysis": {"state": "not_effected"}}, "vulnerabilities[0].analysis.state"),
        ({"affects": [{"ref": PURL, "versions": "1.0.0"}]}, f"affects[].versions of {PURL}"),
    ],
)
def test_of_an_sbom_what_is_malformed_is_told(changes: dict[str, Any], field: str) -> None:
    """The SBOM goes in, and says with its image that its VEX was not taken."""
    document = cyclonedx(**changes) | {"components": [{"type": "library", "name": "a", "purl": PURL}]}
    found = read_content(json.dumps(document).encode(), VEX, f"app@sha256:{'a' * 64}")
    assert isinstance(found, SbomDocument)
    assert found.vex is not None
    assert (found.vex.statements, field in [one.what for one in found.vex.unknown]) == ((), True)
    with pytest.raises(BadInputError) as caught:
        read_content(json.dumps(document).encode(), VEX)
    assert f"{field}: " in str(caught.value)


FLAG = {"label": "component_not_present"}
IMPACT = {"category": "impact", "details": "not built"}


@pytest.mark.parametrize(
    ("document", "clears"),
    [
        (openvex(), True),
        (openvex(justification="because"), False),
        (openvex(justification="because", impact_statement="not built"), True),
        (csaf(flags=[FLAG | {"product_ids": ["a"]}]), True),
        (csaf(flags=[FLAG]), False),
        (csaf(flags=[FLAG | {"product_ids": ["b"]}]), False),
        (csaf(flags=[{"label": "because", "product_ids": ["a"]}]), False),
        (csaf(threats=[IMPACT]), True),
        (csaf(threats=[IMPACT | {"category": "exploit_status"}]), False),
        (cyclonedx(), True),
        (cyclonedx(analysis={"state": "false_positive"}), True),
        (cyclonedx(analysis={"state": "not_affected", "justification": "because"}), False),
        (cyclonedx(analysis={"state": "not_affected", "detail": "not built"}), True),
    ],
)
def test_only_a_justification_that_the_format_has_clears(document: dict[str, Any], clears: bool) -> None:
    """Or words in its place; what clears nothing is told, and weighed as unknown."""
    found = read(document)
    told = Unknown("CVE-2026-1", "not_affected without a justification: it clears nothing")
    assert (told not in found.unknown) is clears
    verdict = standing_of(found.statements, ["CVE-2026-1"], Subject(PURL))
    assert verdict is not None
    assert verdict.standing == (Standing.NOT_AFFECTED if clears else Standing.UNKNOWN)


def test_products_that_cannot_be_told_are_not_widened_to_what_an_attestation_is_about() -> None:
    """Only a statement that names none is about its subjects."""
    about = {"_type": "https://in-toto.io/Statement/v1", "predicateType": "https://openvex.dev/ns/v0.2.0"}
    about["subject"] = [{"name": "app", "digest": {"sha256": "a" * 64}}]  # type: ignore[assignment]
    for changes, count in (({"products": []}, 1), ({"products": [{"@id": "nobody's"}]}, 0)):
        assert len(read(about | {"predicate": openvex(**changes)}).statements) == count
