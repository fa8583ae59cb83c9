"""The store: what goes in whole or not at all, what replaces what, and which images are one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from graph_fleet import (
    IMAGE,
    NOW,
    NOWHERE,
    OTHER,
    ask,
    bom,
    bom_of,
    cluster,
    container,
    names,
    reasons,
    workload,
)

from patchgap.errors import BadInputError
from patchgap.graph.platforms import Platform
from patchgap.graph.question import Question
from patchgap.graph.reading import SCHEMA
from patchgap.graph.store import Graph
from patchgap.model.unknown import Unknown
from patchgap.storage import HEAD

EVERYTHING = ("graph_sbom", "graph_component", "graph_occurrence", "graph_image", "graph_digest", "graph_container")


def rows(engine: sa.Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {name: connection.execute(sa.text(f"SELECT count(*) FROM {name}")).scalar_one() for name in EVERYTHING}  # noqa: S608


def test_a_cluster_that_does_not_answer_is_unknown_and_keeps_its_last_snapshot(graph: Graph) -> None:
    """Since when, and when it was last read; a later read makes it known again."""
    graph.add_sbom(bom("pkg:npm/a@1.0.0"), NOW)
    graph.record(cluster(workload("app", container(IMAGE))), NOW)
    for minutes in (5, 65):
        graph.record_unreachable("prod-ml-eu", "kubernetes", "timed out", NOW + timedelta(minutes=minutes))
    graph.record_unreachable("prod-ml-us", "kubernetes", "refused", NOW)
    answer = ask(graph, "a")
    assert names(answer) == ["app"]
    assert reasons(answer) == [
        "cluster prod-ml-eu: unreachable since 2026-11-24 07:15 UTC (last read at 2026-11-24 07:10 UTC): timed out",
        "cluster prod-ml-us: unreachable since 2026-11-24 07:10 UTC (never read): refused",
    ]
    assert all(isinstance(when, Unknown) for when in graph.refreshed_at().values())
    graph.record(cluster(), NOW)
    assert isinstance(graph.refreshed_at()["prod-ml-eu"], datetime)
    assert [one.what for one in ask(graph, "a").unknown] == ["cluster prod-ml-us"]


def test_what_a_cluster_would_not_tell_is_in_every_answer(graph: Graph) -> None:
    """A partial read is named."""
    graph.record(replace(cluster(), unknown=(Unknown("namespace secret of prod-ml-eu", "forbidden"),)), NOW)
    assert reasons(ask(graph, "a")) == ["namespace secret of prod-ml-eu: forbidden"]


def test_a_snapshot_replaces_its_own_cluster_alone(graph: Graph) -> None:
    """What no longer runs is gone; another cluster's stays."""
    graph.add_sbom(bom("pkg:npm/a@1.0.0"), NOW)
    graph.record(cluster(workload("old", container(IMAGE))), NOW)
    graph.record(cluster(workload("far", container(IMAGE)), name="prod-ml-us"), NOW)
    graph.record(cluster(workload("new", container(IMAGE))), NOW)
    assert sorted(names(ask(graph, "a"))) == ["far", "new"]
    assert [one.ref.name for one in graph.workloads()] == ["new", "far"]


def test_the_same_sbom_again_writes_nothing(graph: Graph, engine: sa.Engine) -> None:
    """Adding a file twice leaves the store as it was, to the generation."""
    graph.add_sbom(bom("pkg:npm/a@1.0.0"), NOW)

    def state() -> tuple[dict[str, int], int]:
        with engine.connect() as connection:
            return rows(engine), connection.execute(sa.text("SELECT generation FROM graph_state")).scalar_one()

    before = state()
    graph.add_sbom(bom("pkg:npm/a@1.0.0"), NOW + timedelta(hours=1))
    assert state() == before


def test_a_second_sbom_of_an_image_adds_and_takes_nothing_away(graph: Graph) -> None:
    """An SBOM that omits a package does not clear the image; one that knows the chain gives it."""
    a, b = "pkg:npm/a@1.0.0", "pkg:npm/b@1.0.0"
    graph.add_sbom(bom(a, b), NOW)
    graph.record(cluster(workload("app", container(IMAGE))), NOW)
    graph.add_sbom(bom(b, name="y", edges={"root": [b]}), NOW)
    assert names(ask(graph, "a")) == ["app"]
    (found,) = ask(graph, "b").exposures
    assert found.direct is True
    assert graph.standing(Question.parse("a"), [IMAGE])[IMAGE].verdict == "affected"


def test_a_later_sbom_fills_an_empty_one(graph: Graph) -> None:
    """An image with one SBOM that lists packages is no blind spot."""
    graph.add_sbom(bom(), NOW)
    graph.add_sbom(bom("pkg:npm/a@1.0.0", name="y"), NOW)
    graph.record(cluster(workload("app", container(IMAGE))), NOW)
    assert ask(graph, "zlib").unknown == ()


@pytest.mark.parametrize("late", [False, True])
def test_an_image_is_one_under_all_its_digests(graph: Graph, late: bool) -> None:
    """An SBOM of the index covers the platform's digest that runs, whenever the two are told to be one."""
    platform = Platform("linux/amd64", (OTHER, NOWHERE))
    if not late:
        graph.add_index(IMAGE, [platform])
    graph.add_sbom(bom("pkg:npm/a@1.0.0"), NOW)
    graph.record(cluster(workload("app", container(OTHER))), NOW)
    graph.add_artifact(replace(bom().artifact, digest=OTHER, commit="c" * 40))
    if late:
        assert [one.what.rpartition("@")[2] for one in ask(graph, "a").unknown] == [OTHER]
        graph.add_index(IMAGE, [platform])
    answer = ask(graph, "a")
    assert [one.artifact.digest for one in answer.exposures] == [OTHER]  # as it runs
    assert answer.exposures[0].artifact.commit == "c" * 40
    assert answer.unknown == ()
    assert graph.affected_digests(Question.parse("a")) == {IMAGE, OTHER, NOWHERE}


def test_images_that_turn_out_to_be_one_keep_both_sboms(graph: Graph) -> None:
    """Joining two images forgets nothing of either, and the same SBOM of both is one."""
    graph.add_sbom(bom("pkg:npm/a@1.0.0"), NOW)
    graph.add_sbom(bom("pkg:npm/b@1.0.0", digest=OTHER, name="y"), NOW)
    same = bom("pkg:npm/c@1.0.0", name="z")
    graph.add_sbom(same, NOW)
    graph.add_sbom(replace(same, artifact=replace(same.artifact, digest=OTHER), digests=(OTHER,)), NOW)
    graph.record(cluster(workload("app", container(OTHER))), NOW)
    assert names(ask(graph, "a")) == []
    graph.add_index(IMAGE, [Platform("linux/amd64", (OTHER,))])
    assert [names(ask(graph, one)) for one in "abc"] == [["app"], ["app"], ["app"]]


def test_packages_that_look_alike_are_kept_apart(graph: Graph) -> None:
    """Names that together spell another's, a name that spells a purl, and one purl with another source."""
    graph.add_sbom(
        bom_of([{"name": "a@1", "version": "2"}, {"name": "a", "version": "1@2"}, {"name": "pkg:npm/b", "version": "1"}, {"name": "b", "purl": "pkg:npm/b@1"}]),
        NOW,
    )  # fmt: skip
    libssl = {"name": "libssl3", "purl": "pkg:deb/debian/libssl3@3.0.11-1?distro=debian-12"}
    source = [
        {"name": "aquasecurity:trivy:SrcName", "value": "openssl"},
        {"name": "aquasecurity:trivy:SrcVersion", "value": "3.0.11"},
        {"name": "aquasecurity:trivy:SrcRelease", "value": "1"},
    ]
    graph.add_sbom(bom_of([libssl], name="without"), NOW)
    graph.add_sbom(bom_of([{**libssl, "properties": source}], digest=OTHER, name="with"), NOW)
    graph.record(cluster(workload("app", container(OTHER))), NOW)
    assert names(ask(graph, "openssl@3.0.11-1")) == ["app"]
    assert names(ask(graph, "libssl3")) == ["app"]


def test_an_answer_after_a_write_is_a_new_one(graph: Graph, engine: sa.Engine) -> None:
    """What was remembered is void once anything was written, by this process or by another."""
    graph.add_sbom(bom("pkg:npm/a@1.0.0"), NOW)
    graph.record(cluster(workload("app", container(IMAGE))), NOW)
    assert names(ask(graph, "a")) == ["app"]
    Graph(engine).record(cluster(workload("two", container(IMAGE))), NOW)
    assert names(ask(graph, "a")) == ["two"]


def test_a_refused_write_leaves_the_store_as_it_was(graph: Graph, engine: sa.Engine) -> None:
    """An artifact without a digest is refused before anything of it is written."""
    graph.add_sbom(bom("pkg:npm/a@1.0.0"), NOW)
    before = rows(engine)
    document = bom("pkg:npm/b@1.0.0", name="y")
    nameless = replace(document, artifact=replace(document.artifact, digest=""))
    with pytest.raises(BadInputError, match="is no image digest"):
        graph.add_sbom(nameless, NOW)
    with pytest.raises(BadInputError, match="is no image digest"):
        graph.add_index(IMAGE, [Platform("linux/amd64", ("latest",))])
    with pytest.raises(BadInputError, match="is no image digest"):
        graph.add_artifacts((document.artifact, nameless.artifact))
    assert rows(engine) == before


def test_a_write_that_fails_half_way_leaves_nothing(graph: Graph, engine: sa.Engine) -> None:
    """An SBOM whose edges lead out of its packages goes in whole or not at all."""
    graph.add_sbom(bom("pkg:npm/a@1.0.0"), NOW)
    before = rows(engine)
    with pytest.raises(IndexError):
        graph.add_sbom(replace(bom("pkg:npm/b@1.0.0", digest=OTHER, name="y"), edges={-1: (7,), 7: (0,)}), NOW)
    assert rows(engine) == before


def test_the_quick_reader_knows_the_schema_of_today() -> None:
    """What reads an SQLite file without SQLAlchemy was written for the newest migration."""
    assert SCHEMA == HEAD


def test_times_are_kept_in_utc(graph: Graph) -> None:
    """A time with another offset is stored as the same instant."""
    east = datetime.fromisoformat("2026-11-24T09:10:00+02:00")
    graph.record(cluster(), east)
    assert graph.refreshed_at()["prod-ml-eu"] == east.astimezone(UTC) == NOW


def test_one_document_of_two_images_takes_a_commit_for_each(graph: Graph) -> None:
    """What is said of the second image is not taken for known because the first has it."""
    first = bom_of([{"name": "a", "purl": "pkg:npm/a@1.0.0"}])
    second = replace(first, artifact=replace(first.artifact, digest=OTHER), digests=(OTHER,))
    graph.add_sbom(replace(first, artifact=replace(first.artifact, commit="c" * 40)), NOW)
    graph.add_sbom(second, NOW)
    graph.add_sbom(replace(second, artifact=replace(second.artifact, commit="c" * 40)), NOW)
    found = graph.artifact(OTHER)
    assert found is not None
    assert found.commit == "c" * 40
