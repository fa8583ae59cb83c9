"""The hourly refresh matches the mirror that the settings name, and reports what is new. No server."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

import flows.refresh_inventory as refreshing
from flows import artifacts
from patchgap.graph.sbom.read import parse_sbom
from patchgap.graph.store import Graph
from patchgap.model.workload import ClusterInventory, Container, ContainerRole, RunState, Workload, WorkloadRef
from patchgap.storage import connect

NOW = datetime(2026, 11, 24, 7, 10, tzinfo=UTC)
IMAGE = "sha256:" + "a" * 64


def test_new_matches_that_run_are_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the sentence and as a table; nothing without the setting, and a mirror that cannot be read fails no refresh."""
    graph = Graph(connect(f"sqlite:///{tmp_path / 'graph.db'}"))
    purl = "pkg:pypi/torch@1.5.0"
    bom = {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"name": "torch", "purl": purl}]}
    graph.add_sbom(parse_sbom(json.dumps(bom).encode(), "x.json", f"app@{IMAGE}"), NOW)
    held = Container("main", ContainerRole.MAIN, "app:1", IMAGE, RunState.RUNNING, 1)
    workload = Workload(WorkloadRef("kubernetes", "c1", "ns", "Deployment", "app", "uid"), (held,))
    graph.record(ClusterInventory("c1", "kubernetes", (workload,)), NOW)
    section = SimpleNamespace(mirror=None)
    engine = SimpleNamespace(graph=graph, clock=lambda: NOW, settings=SimpleNamespace(advisories=section))
    told: list[str] = []
    silent = SimpleNamespace(info=lambda *_: None, warning=lambda *_: None)
    monkeypatch.setattr(refreshing, "engine", lambda: engine)
    monkeypatch.setattr(refreshing, "get_run_logger", lambda: silent)
    monkeypatch.setattr(artifacts, "_put", lambda *given: told.append(given[-1]))
    assert refreshing._match_advisories.fn() == ""
    section.mirror = tmp_path / "osv"
    assert refreshing._match_advisories.fn() == "; the advisories could not be read (see the log)"
    section.mirror.mkdir()
    affected = [{"package": {"ecosystem": "PyPI", "name": "torch"}, "versions": ["1.5.0"]}]
    (section.mirror / "a.json").write_text(json.dumps({"id": "A-1", "affected": affected}))
    assert refreshing._match_advisories.fn() == "; advisories: 1 new matches run"
    assert "| A-1 |" in told[-1]
    engine.clock = lambda: NOW.replace(hour=8)
    assert refreshing._match_advisories.fn() == "; advisories: 0 new matches run"
