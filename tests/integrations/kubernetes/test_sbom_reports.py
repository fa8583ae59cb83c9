"""trivy-operator's reports: read where they are served, bound to the image that they name, and named where forbidden."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from test_cluster import Script

from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.clusters import Clusters
from integrations.kubernetes.sources import ReportSource
from patchgap.graph.question import Question
from patchgap.graph.sources import Taken, take
from patchgap.graph.store import Graph
from patchgap.ports import Connections
from patchgap.settings import ClusterSettings, KubernetesSettings, Settings
from patchgap.storage import connect

DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
PURL = "pkg:npm/left-pad@1.0.0"
NOW = datetime(2026, 11, 24, 7, 10, tzinfo=UTC)
GONE = (404, b"404 page not found\n")
PATHS = [f"/apis/aquasecurity.github.io/v1alpha1/{one}" for one in ("sbomreports", "clustersbomreports")]


def report(name: str, digest: str = DIGEST, **components: Any) -> dict[str, Any]:
    """As the operator writes it; the SBOM inside names an image of its own accord or none."""
    bom = {
        "bomFormat": "CycloneDX", "specVersion": "1.5", "serialNumber": f"urn:{name}",
        "metadata": {"component": {"type": "container", "name": "app", "bom-ref": "root"}},
        "components": [{"type": "library", "name": "left-pad", "version": "1.0.0", "purl": PURL}], **components,
    }  # fmt: skip
    artifact = {"repository": "team/app", "tag": "1", **({"digest": digest} if digest else {})}
    return {
        "metadata": {"name": name, "namespace": "training"},
        "report": {"artifact": artifact, "registry": {"server": "registry.example.org"}, "components": bom},
    }  # fmt: skip


def page(*reports: dict[str, Any], following: str = "", kind: str = "SbomReportList") -> tuple[int, Any]:
    return 200, {"kind": kind, "metadata": {"continue": following}, "items": list(reports)}


def read(folder: Path, *answers: tuple[int, Any]) -> tuple[Taken, Graph, Script]:
    script = Script(*answers)
    clusters = Clusters(KubernetesSettings(clusters=(ClusterSettings(name="prod"),)))
    clusters._connected["prod"] = Cluster("prod", script, lambda _seconds: None)
    url = f"sqlite:///{folder / 'patchgap.db'}"
    graph = Graph(connect(url))
    connections = Connections(Settings(home=folder, database_url=url), (clusters,))
    return take(graph, ReportSource().fetch("kubernetes://prod", connections), NOW), graph, script


def affected(graph: Graph) -> set[str]:
    return set(graph.affected_digests(Question.parse(PURL)))


def test_every_page_of_reports_goes_in_under_the_digest_that_it_names(tmp_path: Path) -> None:
    """Namespaced ones and the cluster's own; the repository is the registry's."""
    cluster_wide = page(report("c", OTHER), kind="ClusterSbomReportList")
    taken, graph, script = read(tmp_path, page(report("a"), following="more"), page(report("b")), cluster_wide)
    assert (taken.sboms, taken.failed) == (3, ())
    assert affected(graph) == {DIGEST, OTHER}
    artifact = graph.artifact(DIGEST)
    assert artifact is not None
    assert artifact.repository == "registry.example.org/team/app"
    assert [urlsplit(url).path for _, url, *_ in script.sent] == [PATHS[0], PATHS[0], PATHS[1]]


def test_where_they_are_not_served_nothing_is_said(tmp_path: Path) -> None:
    """A cluster without trivy-operator has no reports, and that is no failure."""
    taken, graph, _ = read(tmp_path, GONE, GONE)
    assert taken == Taken(0, 0, ())
    assert affected(graph) == set()


def test_what_may_not_be_listed_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    """With the permission that is missing."""
    message = (
        'sbomreports.aquasecurity.github.io is forbidden: User "u" cannot list resource "sbomreports" in API group'
        ' "aquasecurity.github.io" at the cluster scope'
    )
    forbidden = (403, {"kind": "Status", "code": 403, "reason": "Forbidden", "message": message})
    taken, graph, _ = read(tmp_path, forbidden, page(report("c"), kind="ClusterSbomReportList"))
    assert affected(graph) == {DIGEST}
    assert [where for where, _ in taken.failed] == ["cluster prod: SbomReport"]
    assert "may not list aquasecurity.github.io/sbomreports" in taken.failed[0][1].problem


def test_a_report_without_a_digest_is_the_image_that_its_sbom_names(tmp_path: Path) -> None:
    """One that names none either is told by its name, and the others go in."""
    own = {"component": {"type": "container", "name": "app", "version": OTHER}}
    reports = (report("a", ""), report("b", "", metadata=own), {"metadata": {"name": "c"}, "report": {}})
    taken, graph, _ = read(tmp_path, page(*reports), GONE)
    assert affected(graph) == {OTHER}
    assert [where for where, _ in taken.failed] == ["cluster prod: training/SbomReport/a", "cluster prod: SbomReport/c"]
