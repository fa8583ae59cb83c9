"""The inventory's refresh asks registries for the SBOMs of images that run and have none; a failure stops nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from patchgap.graph.question import Question
from patchgap.model.workload import ClusterInventory, Container, ContainerRole, RunState, Workload, WorkloadRef
from patchgap.settings import RegistriesSettings, RegistrySettings, Settings
from patchgap.stages.engine import Engine
from patchgap.stages.sboms import gather
from tests.integrations.registry_oci.documents import cyclonedx
from tests.integrations.registry_oci.stub import Registry, serving

BAD = "pkg:npm/left-pad@1.0.0"
CDX = "application/vnd.cyclonedx+json"
NOW = datetime(2026, 11, 24, 7, 10, tzinfo=UTC)


class Clock:
    """A second goes by each time it is looked at."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serving(Registry()) as running:
        yield running


def engine_of(tmp_path: Path, registry: Registry, **registries: object) -> Engine:
    hosts = registries.pop("hosts", (RegistrySettings(host=registry.host, plain_http=True),))
    wanted = RegistriesSettings.model_validate({"hosts": hosts, **registries})
    url = f"sqlite:///{tmp_path / 'patchgap.db'}"
    return Engine.open(Settings(home=tmp_path, database_url=url, registries=wanted), Clock())


def run(engine: Engine, *images: tuple[str, str]) -> None:
    """A workload for each image reference and digest."""
    workloads = tuple(
        Workload(
            WorkloadRef("kubernetes", "prod", "training", "Deployment", f"w{n}", f"uid-{n}"),
            (Container("main", ContainerRole.MAIN, image, digest, RunState.RUNNING, 1),),
        )
        for n, (image, digest) in enumerate(images)
    )
    engine.graph.record(ClusterInventory("prod", "kubernetes", workloads), NOW)


def test_what_runs_without_an_sbom_is_looked_up_once(tmp_path: Path, registry: Registry) -> None:
    """It is exposed after the refresh; the next one asks for nothing."""
    image, _ = registry.image("amd64")
    registry.attach(image["digest"], cyclonedx(BAD), CDX)
    engine = engine_of(tmp_path, registry)
    run(engine, (f"{registry.host}/team/app:1", image["digest"]))
    found = gather(engine)
    assert (found.asked, found.sboms, found.failed) == (1, 1, [])
    assert len(engine.graph.exposure(Question.parse(BAD), NOW).exposures) == 1
    before = len(registry.asked)
    assert gather(engine).asked == 0
    assert len(registry.asked) == before


def test_a_registry_that_is_not_set_to_be_asked_is_not(tmp_path: Path, registry: Registry) -> None:
    """Nor is one whose `refresh` is false, nor what is no registry's image at all."""
    image, _ = registry.image("amd64")
    hosts = (RegistrySettings(host=registry.host, plain_http=True, refresh=False),)
    engine = engine_of(tmp_path, registry, hosts=hosts)
    run(
        engine,
        (f"{registry.host}/team/app:1", image["digest"]),
        ("sha256:abc", "sha256:" + "e" * 64),
        ("nginx", "sha256:" + "f" * 64),
    )
    assert gather(engine).asked == 0
    assert registry.asked == []


def test_an_image_that_cannot_be_had_is_named_and_the_others_come(tmp_path: Path, registry: Registry) -> None:
    """The failure says which image and why."""
    image, _ = registry.image("amd64")
    registry.attach(image["digest"], cyclonedx(BAD), CDX)
    engine = engine_of(tmp_path, registry)
    missing = "sha256:" + "0" * 64
    run(engine, (f"{registry.host}/team/app:1", image["digest"]), (f"{registry.host}/team/app:2", missing))
    found = gather(engine)
    assert (found.asked, found.sboms, len(found.failed)) == (2, 1, 1)
    assert missing in found.failed[0]


def test_what_is_not_asked_in_time_is_left_for_the_next_refresh(tmp_path: Path, registry: Registry) -> None:
    """With no time at all, all of them are left, and said to be."""
    image, _ = registry.image("amd64")
    engine = engine_of(tmp_path, registry, refresh_seconds=0.5)
    run(engine, (f"{registry.host}/team/app:1", image["digest"]))
    found = gather(engine)
    assert (found.asked, found.left) == (0, 1)
