"""VEX in the store: it changes an exposure's standing in the answer to an advisory, is shown, and removes nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from graph_fleet import IMAGE, NOW, OTHER, bom, cluster, container, workload

from patchgap.graph.platforms import Platform
from patchgap.graph.question import Question
from patchgap.graph.store import Graph
from patchgap.graph.vex.read import parse_vex
from patchgap.model.exposure import ExposureAnswer, Standing
from patchgap.model.signal import Advisory, AffectedPackage
from patchgap.model.vex import VexDocument

A = "pkg:npm/a@1.0.0"
ADVISORY = Advisory("GHSA-aaaa-bbbb-cccc", "", (AffectedPackage("npm", "a", versions=("1.0.0",)),), ("CVE-2026-1",))
THEN = datetime(2026, 11, 20, tzinfo=UTC)


def openvex(status: str, product: dict[str, Any], at: datetime = THEN, **more: str) -> VexDocument:
    statement = {"vulnerability": {"name": "CVE-2026-1"}, "products": [product], "status": status, **more}
    document = {
        "@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://example.org/vex", "author": "the supplier",
        "timestamp": at.isoformat(), "version": 1, "statements": [statement],
    }  # fmt: skip
    return parse_vex(json.dumps(document).encode(), "vex.json")


def asked(graph: Graph) -> ExposureAnswer:
    return graph.exposure(Question.of_advisory(ADVISORY), NOW)


def standings(graph: Graph) -> dict[str, Standing]:
    return {one.artifact.digest: one.standing for one in asked(graph).exposures}


@pytest.fixture
def fleet(graph: Graph) -> Graph:
    graph.add_sbom(bom(A), NOW)
    graph.add_sbom(bom(A, digest=OTHER, name="y"), NOW)
    graph.record(cluster(workload("app", container(IMAGE)), workload("api", container(OTHER))), NOW)
    return graph


def test_not_affected_with_a_reason_clears_and_is_shown(fleet: Graph) -> None:
    """The exposure stays in the answer, with who says so and why; a question by name is answered as before."""
    fleet.add_vex(openvex("not_affected", {"@id": A}, justification="vulnerable_code_not_present"), NOW)
    assert standings(fleet) == {IMAGE: Standing.NOT_AFFECTED, OTHER: Standing.NOT_AFFECTED}
    told = asked(fleet).exposures[0].vex
    assert "the supplier" in told
    assert "vulnerable_code_not_present" in told
    by_name = fleet.exposure(Question.parse("a@1.0.0"), NOW).exposures
    assert {one.standing for one in by_name} == {Standing.AFFECTED}


def test_an_image_is_cleared_by_any_of_its_digests(fleet: Graph) -> None:
    """A statement about the index covers the platform's image that is told to be the same, and no other."""
    index = "sha256:" + "9" * 64
    fleet.add_index(index, [Platform("linux/amd64", (IMAGE,))])
    product = {"@id": f"pkg:oci/app@{index}", "hashes": {"sha-256": "9" * 64}, "subcomponents": [{"@id": A}]}
    fleet.add_vex(openvex("not_affected", product, justification="component_not_present"), NOW)
    assert standings(fleet) == {IMAGE: Standing.NOT_AFFECTED, OTHER: Standing.AFFECTED}


def test_the_latest_statement_stands(fleet: Graph) -> None:
    """In whichever order they come; what is being looked into is unknown."""
    later = THEN + timedelta(days=1)
    fleet.add_vex(openvex("under_investigation", {"@id": A}, later), NOW)
    fleet.add_vex(openvex("not_affected", {"@id": A}, justification="component_not_present"), NOW)
    assert set(standings(fleet).values()) == {Standing.UNKNOWN}


def test_the_same_document_again_writes_nothing(fleet: Graph, engine: sa.Engine) -> None:
    """Statements are kept once."""
    document = openvex("affected", {"@id": A})
    assert [fleet.add_vex(document, NOW) for _ in range(2)] == [1, 0]
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM graph_vex")).scalar_one() == 1


def test_a_statement_about_another_version_says_nothing(fleet: Graph) -> None:
    """The version that runs is as affected as before."""
    fleet.add_vex(openvex("not_affected", {"@id": "pkg:npm/a@2.0.0"}, justification="component_not_present"), NOW)
    assert set(standings(fleet).values()) == {Standing.AFFECTED}


@pytest.mark.parametrize(
    ("repository", "clears"),
    [
        ("registry.example.org/team/app", True),
        ("https://Registry.example.org/team/app/", True),
        ("registry.example.org/team", True),
        ("registry.example.org/others/app", False),
        ("docker.io/library/app", False),
    ],
)
def test_vex_for_an_image_clears_no_other_repositorys_image_of_that_name(
    graph: Graph, repository: str, clears: bool
) -> None:
    """Each team has an image called `app`."""
    graph.add_sbom(bom(A), NOW)
    graph.record(cluster(workload("app", container(IMAGE))), NOW)
    product = {"@id": f"pkg:oci/app?repository_url={repository}"}
    graph.add_vex(openvex("not_affected", product, justification="vulnerable_code_not_present"), NOW)
    assert (standings(graph)[IMAGE] is Standing.NOT_AFFECTED) is clears
