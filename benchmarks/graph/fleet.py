"""A made fleet for the benchmarks of questions: images with their SBOMs, and the workloads that run them.

Deterministic by its seed. Every image runs in as many workloads at any size, so that a component which as many images hold
has as many exposures.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import accumulate
from typing import NamedTuple

from patchgap.graph.sbom.document import ROOT, Package, SbomDocument, package
from patchgap.graph.store import Graph
from patchgap.model.exposure import Artifact
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

NOW = datetime(2026, 11, 24, 7, 10, tzinfo=UTC)
BASES, BASE_PACKAGES, POOL, DIRECT = 12, 150, 20_000, 20


class Size(NamedTuple):
    """How many images, workloads, and packages in each image."""

    images: int
    workloads: int
    packages: int

    @property
    def occurrences(self) -> int:
        """Packages in SBOMs."""
        return self.images * self.packages

    def __str__(self) -> str:
        return f"{self.images:,} images x {self.workloads:,} workloads x {self.occurrences:,} occurrences"


def build(graph: Graph, size: Size, seed: int) -> None:
    """Stores the whole fleet."""
    rng = random.Random(seed)
    graph.add_sboms(documents(rng, size), NOW)
    for one in clusters(rng, size):
        graph.record(one, NOW)


def documents(rng: random.Random, size: Size) -> Iterator[SbomDocument]:
    """Images on a dozen bases (deb packages without edges), each with an application's packages (with edges) drawn so
    that a few are everywhere and most are rare."""
    bases = [
        [_package("deb", f"debian/base{n}", f"{base}.{rng.randrange(30)}-1") for n in range(BASE_PACKAGES)]
        for base in range(BASES)
    ]
    kinds = ["pypi" if n % 2 else "npm" for n in range(POOL)]
    weights = list(accumulate(1 / (n + 10) for n in range(POOL)))
    for n in range(size.images):
        app: dict[int, Package] = {}
        while len(app) < size.packages - BASE_PACKAGES:
            chosen = rng.choices(range(POOL), cum_weights=weights)[0]
            if chosen not in app:
                version = f"{rng.choices((1, 2, 3), (6, 3, 1))[0]}.{rng.randrange(4)}.{rng.randrange(3)}"
                app[chosen] = _package(kinds[chosen], f"pkg-{chosen}", version)
        yield _document(rng, n, list(app.values()), bases[rng.randrange(BASES)])


@cache
def _package(kind: str, name: str, version: str) -> Package:
    return package(name, version, purl=f"pkg:{kind}/{name}@{version}")


def _document(rng: random.Random, n: int, app: Sequence[Package], base: Sequence[Package]) -> SbomDocument:
    digest = f"sha256:{n:064x}"
    edges: dict[int, list[int]] = {}
    for child in range(len(app)):  # a package hangs on one that came before it, or on the root
        for parent in {ROOT if child < DIRECT else rng.randrange(child) for _ in range(1 + rng.randrange(2))}:
            edges.setdefault(parent, []).append(child)
    return SbomDocument(
        document=f"sha256:{n + (1 << 200):064x}",
        format="CycloneDX 1.5",
        reference=f"urn:uuid:{n}",
        artifact=Artifact(digest, f"registry.example.org/app-{n}", f"{n:040x}"),
        digests=(digest,),
        root=f"pkg:oci/app-{n}@{digest}",
        packages=(*app, *base),
        edges={start: tuple(ends) for start, ends in edges.items()},
        whole=True,
    )


def clusters(rng: random.Random, size: Size) -> list[ClusterInventory]:
    """Ten clusters; every workload runs one image, and every tenth an init container of another."""
    found: dict[str, list[Workload]] = {f"cluster-{n}": [] for n in range(10)}
    for n in range(size.workloads):
        cluster = f"cluster-{n % 10}"
        held = [_container("main", n % size.images, ContainerRole.MAIN)]
        if n % 10 == 0:
            held.append(_container("init", rng.randrange(size.images), ContainerRole.INIT))
        found[cluster].append(
            Workload(
                WorkloadRef("kubernetes", cluster, f"team-{n % 40}", "Deployment", f"app-{n}", f"uid-{n}"),
                tuple(held),
                "production", "eu-west-1", 3, 3, (f"node-{n % 50}", f"node-{n % 49}"),
                Privileges(f"sa-{n}", cluster_admin=False, reach=(f"get secrets in team-{n % 40}",)),
                DataScope(Classification.SENSITIVE, ("orders", "ledger")),
            )
        )  # fmt: skip
    return [ClusterInventory(name, "kubernetes", tuple(held)) for name, held in found.items()]


def _container(name: str, image: int, role: ContainerRole) -> Container:
    return Container(name, role, f"registry.example.org/app-{image}:1", f"sha256:{image:064x}", RunState.RUNNING, 3)
