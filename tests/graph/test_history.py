"""What was running then: workloads' rows are intervals, and what was not read then is unknown."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from graph_fleet import IMAGE, NOW, NOWHERE, OTHER, ask, bom, cluster, container, names, reasons, workload

from patchgap.graph.question import Question
from patchgap.graph.store import Graph
from patchgap.model.exposure import ExposureAnswer
from patchgap.model.workload import RunState

HOUR = timedelta(hours=1)


def then(graph: Graph, text: str, at: datetime) -> ExposureAnswer:
    return graph.exposure(Question.parse(text), NOW + 24 * HOUR, at=at)


def test_a_past_moment_is_answered_by_what_ran_then(graph: Graph) -> None:
    """Before an upgrade, after it, and after the end; a later SBOM tells of earlier runs too."""
    old, new = workload("app", container(OTHER)), workload("app", container(IMAGE))
    graph.record(cluster(old), NOW)
    graph.record(cluster(new), NOW + HOUR)
    graph.record(cluster(), NOW + 2 * HOUR)
    graph.add_sbom(bom("pkg:npm/a@1.0.0"), NOW + 3 * HOUR)
    assert names(ask(graph, "a")) == []
    assert names(then(graph, "a", NOW)) == []
    assert names(then(graph, "a", NOW + HOUR)) == ["app"]
    assert names(then(graph, "a", NOW + 2 * HOUR - timedelta(microseconds=1))) == ["app"]
    assert names(then(graph, "a", NOW + 2 * HOUR)) == []


def test_a_question_of_the_past_leaves_the_present_as_it_is(graph: Graph) -> None:
    """What was remembered of either is not told of the other."""
    graph.add_sbom(bom("pkg:npm/a@1.0.0"), NOW)
    graph.record(cluster(workload("old", container(IMAGE))), NOW)
    graph.record(cluster(workload("new", container(IMAGE))), NOW + HOUR)
    for _ in range(2):
        assert names(ask(graph, "a")) == ["new"]
        assert names(then(graph, "a", NOW)) == ["old"]


def test_what_is_seen_as_before_writes_nothing_new(graph: Graph, engine: sa.Engine) -> None:
    """An hourly refresh of a cluster that stands still keeps its rows."""
    held = cluster(workload("app", container(IMAGE)), workload("api", container(OTHER)))
    assert graph.record(held, NOW) == 2
    assert graph.record(held, NOW + HOUR) == 0
    assert graph.record(replace(held, workloads=held.workloads[:1]), NOW + 2 * HOUR) == 1
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT name, since, until FROM graph_workload ORDER BY name")).all()
    assert [tuple(row) for row in rows] == [
        ("api", "2026-11-24T07:10:00.000000Z", "2026-11-24T09:10:00.000000Z"),
        ("app", "2026-11-24T07:10:00.000000Z", None),
    ]


def test_before_the_first_reading_is_unknown(graph: Graph) -> None:
    """Nothing tells what ran then."""
    graph.record(cluster(workload("app", container(IMAGE))), NOW)
    assert reasons(then(graph, "a", NOW - HOUR)) == [
        "cluster prod-ml-eu: what ran then is not known: it was first read at 2026-11-24 07:10 UTC"
    ]


def test_an_outage_is_remembered(graph: Graph) -> None:
    """From the first failure to the next reading; what was seen before it is still told."""
    graph.add_sbom(bom("pkg:npm/a@1.0.0"), NOW)
    graph.record(cluster(workload("app", container(IMAGE))), NOW)
    graph.record_unreachable("prod-ml-eu", "kubernetes", "timed out", NOW + HOUR)
    during = NOW + HOUR + timedelta(minutes=5)
    assert reasons(then(graph, "a", during)) == [
        "cluster prod-ml-eu: unreachable since 2026-11-24 08:10 UTC: timed out"
    ]
    graph.record(cluster(), NOW + 2 * HOUR)
    answer = then(graph, "a", during)
    assert names(answer) == ["app"]
    assert reasons(answer) == [
        "cluster prod-ml-eu: unreachable from 2026-11-24 08:10 UTC to 2026-11-24 09:10 UTC: timed out"
    ]
    assert then(graph, "a", NOW).unknown == ()


def test_what_a_watch_tells_changes_that_alone(graph: Graph) -> None:
    """A workload that is new, one that is otherwise, one that is gone; the others stand."""
    graph.add_sbom(bom("pkg:npm/a@1.0.0"), NOW)
    one, two, three = (workload(name, container(IMAGE)) for name in ("one", "two", "three"))
    graph.record(cluster(one, two), NOW)
    other = replace(two, containers=(container(IMAGE, RunState.ENDED),))
    assert graph.record_changes("prod-ml-eu", [three, other], [one.ref], NOW + HOUR).rows == 4
    assert names(ask(graph, "a")) == ["three"]
    assert names(then(graph, "a", NOW)) == ["one", "two"]
    assert graph.record_changes("prod-ml-eu", [three], [one.ref], NOW + 2 * HOUR).rows == 0


@pytest.mark.parametrize("at", [None, NOW])
def test_blind_spots_are_of_that_moment(graph: Graph, at: datetime | None) -> None:
    """An image without an SBOM that ran then is unknown then, and not now."""
    graph.record(cluster(workload("app", container(NOWHERE))), NOW)
    graph.record(cluster(), NOW + HOUR)
    told = reasons(graph.exposure(Question.parse("a"), NOW, at=at))
    assert [one.partition(": ")[2] for one in told] == (
        [] if at is None else ["it has no SBOM; prod-ml-eu/training/Deployment/app runs it"]
    )


def test_what_an_sbom_hides_is_told_while_its_image_runs(graph: Graph) -> None:
    """Once an image; another SBOM of the same image that hides nothing fills it."""
    graph.record(cluster(workload("app", container(IMAGE)), workload("api", container(IMAGE))), NOW)
    graph.add_sbom(replace(bom("pkg:npm/a@1.0.0"), hides=("its list of components is incomplete",)), NOW)
    graph.add_sbom(replace(bom("pkg:npm/b@1.0.0", digest=OTHER, name="y"), hides=("it names another document",)), NOW)
    (told,) = ask(graph, "c").unknown
    assert told.what == f"image registry.example.org/team/app:1@{IMAGE}"
    assert told.reason == ("its list of components is incomplete; prod-ml-eu/training/Deployment/app and 1 more run it")
    assert graph.standing(Question.parse("c"), [IMAGE])[IMAGE].verdict == "unknown"
    graph.add_sbom(bom("pkg:npm/a@1.0.0", name="z"), NOW)
    assert graph.standing(Question.parse("c"), [IMAGE])[IMAGE].verdict == "clean"
    assert ask(graph, "c").unknown == ()
