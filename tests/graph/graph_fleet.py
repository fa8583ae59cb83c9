"""Small fleets for the graph's and the command line's tests: real SBOMs, and workloads that run their images."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from patchgap.graph.question import Question
from patchgap.graph.sbom.document import SbomDocument
from patchgap.graph.sbom.read import parse_sbom, read_sbom
from patchgap.graph.store import Graph
from patchgap.model.exposure import ExposureAnswer
from patchgap.model.unknown import Unknown
from patchgap.model.workload import (
    Classification,
    ClusterInventory,
    Container,
    ContainerRole,
    DataScope,
    Privileges,
    RunState,
    Workload,
    WorkloadRef,
)

ROOT = Path(__file__).parents[2]
SBOMS = ROOT / "integrations" / "rehearsal" / "data" / "sboms"
DATA = ROOT / "tests" / "data" / "graph"
ADVISORY = DATA / "advisories" / "PYSEC-2021-874.yaml"
NOW = datetime(2026, 11, 24, 7, 10, tzinfo=UTC)
IMAGE = "sha256:" + "a" * 64
OTHER = "sha256:" + "d" * 64
NOWHERE = "sha256:" + "b" * 64  # an image without an SBOM


def sbom(name: str) -> Path:
    return next(SBOMS.glob(f"{name}.cdx.json*"))


def digest_of(name: str) -> str:
    return read_sbom(sbom(name)).artifact.digest


def container(
    digest: str | Unknown,
    state: RunState = RunState.RUNNING,
    role: ContainerRole = ContainerRole.MAIN,
    name: str = "main",
) -> Container:
    return Container(name, role, "registry.example.org/team/app:1", digest, state, 1)


def workload(name: str, *containers: Container, namespace: str = "training", cluster: str = "prod-ml-eu") -> Workload:
    return Workload(
        ref=WorkloadRef("kubernetes", cluster, namespace, "Deployment", name, f"uid-{name}"),
        containers=containers,
        environment="production",
        region="eu-west-1",
        replicas=8,
        running=8,
        nodes=("node-1", "node-2"),
        privileges=Privileges("trainer", cluster_admin=False, reach=("get secrets in training",)),
        data_scope=DataScope(Classification.SENSITIVE, ("model-registry", "feature-store")),
    )


def cluster(*workloads: Workload, name: str = "prod-ml-eu") -> ClusterInventory:
    placed = tuple(replace(one, ref=replace(one.ref, cluster=name)) for one in workloads)
    return ClusterInventory(name, "kubernetes", placed)


def bom(
    *purls: str, digest: str = IMAGE, name: str = "x", edges: dict[str, list[str]] | None = None, **root: Any
) -> SbomDocument:
    described = {"type": "container", "name": "app", "version": digest, "bom-ref": "root", **root}
    components = [
        {"name": one, "version": "1.0"} if not one.startswith("pkg:") else {"name": "n", "purl": one, "bom-ref": one}
        for one in purls
    ]
    document = {
        "bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": f"urn:{name}",
        "metadata": {"component": described}, "components": components,
        "dependencies": [{"ref": ref, "dependsOn": on} for ref, on in (edges or {}).items()],
    }  # fmt: skip
    return parse_sbom(json.dumps(document).encode(), "x.json", f"app@{digest}")


def ask(graph: Graph, text: str) -> ExposureAnswer:
    return graph.exposure(Question.parse(text), NOW)


def names(answer: ExposureAnswer) -> list[str]:
    return [one.workload.ref.name for one in answer.exposures]


def reasons(answer: ExposureAnswer) -> list[str]:
    return [f"{one.what}: {one.reason}" for one in answer.unknown]


def bom_of(components: list[dict[str, Any]], digest: str = IMAGE, name: str = "x") -> SbomDocument:
    document = {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": name, "components": components}
    return parse_sbom(json.dumps(document).encode(), "x.json", f"app@{digest}")
