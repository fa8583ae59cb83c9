"""A question looks up what it touches: none of its statements walks through all workloads, packages or occurrences."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from graph_fleet import IMAGE, NOW, NOWHERE, OTHER, bom, cluster, container, workload

from patchgap.graph.memory import Memory
from patchgap.graph.platforms import Platform
from patchgap.graph.query import Query
from patchgap.graph.question import Question
from patchgap.graph.reading import NOTHING, open_file
from patchgap.graph.selection import Selection
from patchgap.graph.store import Graph
from patchgap.storage import connect

_GROW = {"graph_workload", "w", "graph_container", "c", "graph_component", "graph_occurrence", "o", "graph_set"}
_INDEX = "sha256:" + "e" * 64


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Of a graph that has every kind of blind spot to look for."""
    url = f"sqlite:///{tmp_path / 'graph.db'}"
    graph = Graph(connect(url))
    graph.add_sbom(bom("pkg:npm/a@1", edges={"root": ["pkg:npm/a@1"]}), NOW)
    graph.add_sbom(bom(digest=OTHER, name="empty"), NOW)
    graph.add_index(_INDEX, [Platform("linux/amd64", (IMAGE,)), Platform("linux/arm64", (NOWHERE,))])
    held = (container(one, name=one[-3:]) for one in (IMAGE, OTHER, NOWHERE, _INDEX))
    graph.record(cluster(workload("app", *held)), NOW)
    return url


@pytest.mark.parametrize("at", [None, NOW])
@pytest.mark.parametrize("clusters", [(), ("prod-ml-eu",)])
def test_no_statement_scans_what_grows_with_the_fleet(url: str, at: datetime | None, clusters: tuple[str, ...]) -> None:
    """By SQLite's own plan of each statement that an answer and its filters run."""
    scans, ran = [], []
    with open_file(url) as read:
        assert read is not None

        def run(statement: str, parameters: Mapping[str, Any] = NOTHING, /) -> Any:
            ran.append(statement)
            plan = read(f"EXPLAIN QUERY PLAN {statement}", parameters)
            scans.extend(
                (row[3], statement) for row in plan if row[3].startswith("SCAN ") and row[3].split()[1] in _GROW
            )
            return read(statement, parameters)

        answer = Query(run, Memory(), at, clusters).answer(Question.parse("pkg:npm/a"), NOW)
        asked = {
            "cluster": ["prod-ml-eu"],
            "namespace": ["training"],
            "environment": ["nowhere"],
            "region": ["eu-west-1"],
        }
        missing = [*Selection.of(asked).missing(run, ())]
    assert {one.component.name for one in answer.exposures} == {"a"}
    assert len(answer.unknown) > 2
    assert [one.value for one in missing] == ["nowhere"]
    assert scans == []
