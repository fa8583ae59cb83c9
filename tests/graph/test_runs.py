"""`patchgap runs`: which workloads ran which image when, with what is not known of that time."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from graph_fleet import IMAGE, NOW, NOWHERE, OTHER, bom, cluster, container, workload

from patchgap.cli.context import Cli
from patchgap.cli.runs import runs as command
from patchgap.errors import BadInputError
from patchgap.graph.platforms import Platform
from patchgap.graph.question import Question
from patchgap.graph.runs import Answer, runs
from patchgap.graph.selection import EVERYTHING, Selection
from patchgap.graph.store import Graph
from patchgap.model.claimed import PLATFORM, SUFFIX
from patchgap.model.unknown import Unknown
from patchgap.model.workload import Classification, DataScope, RunState, Workload
from patchgap.storage import connect

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def job(name: str, state: RunState, digest: str = IMAGE, kind: str = "Job") -> Workload:
    made = workload(name, container(digest, state))
    return replace(made, ref=replace(made.ref, kind=kind))


def ran(graph: Graph, since: datetime, until: datetime, what: str = "", only: Selection = EVERYTHING) -> Answer:
    question = Question.parse(what) if what else None
    return graph.asked(lambda read: runs(read, question, only, since, until))


def told(answer: Answer) -> list[tuple[str, str, float, float | None]]:
    def hours(at: datetime | None) -> float | None:
        return (at - NOW) / HOUR if at else None

    return [(one.workload.ref.name, one.manner.value, hours(one.since), hours(one.until)) for one in answer.runs]


def test_rows_that_follow_one_another_are_one_interval(graph: Graph) -> None:
    """Scaled twice with one image: one interval, whole, also where the time asked for is a part of it. A gap parts it,
    and so does another image."""
    app = workload("app", container(IMAGE))
    for n, held in enumerate((app, replace(app, replicas=9), replace(app, replicas=10))):
        graph.record(cluster(held), NOW + n * HOUR)
    graph.record(cluster(workload("app", container(OTHER))), NOW + 3 * HOUR)
    graph.record(cluster(), NOW + 4 * HOUR)
    graph.record(cluster(app), NOW + 5 * HOUR)
    assert told(ran(graph, NOW + 1.5 * HOUR, NOW + 1.6 * HOUR)) == [("app", "ran", 0, 3)]
    assert told(ran(graph, NOW, NOW + DAY)) == [("app", "ran", 0, 3), ("app", "ran", 3, 4), ("app", "ran", 5, None)]
    assert [one.from_start for one in ran(graph, NOW, NOW + DAY).runs] == [True, False, False]
    assert told(ran(graph, NOW + 4 * HOUR, NOW + 5 * HOUR)) == []


def test_a_component_leaves_the_images_that_hold_it(graph: Graph) -> None:
    """Images without it are left out, those that cannot tell are unknown, whichever workload ran them."""
    graph.add_sbom(bom("pkg:npm/a@1.0.0"), NOW)
    graph.add_sbom(bom("pkg:npm/b@1.0.0", digest=OTHER, name="y"), NOW)
    nameless = workload("nameless", container(Unknown("image x", "no runtime has reported one")))
    held = [workload("a", container(IMAGE)), workload("b", container(OTHER)), workload("dark", container(NOWHERE))]
    graph.record(cluster(*held, workload("dusk", container(NOWHERE)), nameless), NOW)
    answer = ran(graph, NOW, NOW + HOUR, "a", Selection.of({"environment": ["staging"]}))
    assert told(answer) == []
    answer = ran(graph, NOW, NOW + HOUR, "a@1.0.0")
    assert told(answer) == [("a", "ran", 0, None)]
    assert [one.reason for one in answer.unknown] == [
        "it has no SBOM; prod-ml-eu/training/Deployment/dark and 1 more ran it, or may have",
        "its digest is unknown; prod-ml-eu/training/Deployment/nameless ran it, or may have",
    ]


def test_a_job_that_was_seen_ended_alone_ran(graph: Graph) -> None:
    """It ran before it was first seen so: in that time, and in no later one. One that was seen running tells both."""
    graph.record(cluster(), NOW)
    graph.record(cluster(job("quick", RunState.ENDED), job("slow", RunState.RUNNING)), NOW + HOUR)
    graph.record(cluster(job("quick", RunState.ENDED), job("slow", RunState.ENDED)), NOW + 2 * HOUR)
    graph.record(cluster(), NOW + 3 * HOUR)
    assert told(ran(graph, NOW, NOW + DAY)) == [("quick", "ended", 1, 3), ("slow", "ran", 1, 2)]
    assert told(ran(graph, NOW + 1.5 * HOUR, NOW + DAY)) == [("slow", "ran", 1, 2)]
    assert told(ran(graph, NOW + 2.5 * HOUR, NOW + DAY)) == []


def test_another_run_of_a_name_is_another_run(graph: Graph) -> None:
    """A Job that was made again has another identity, though nothing was seen between."""
    first = job("train", RunState.RUNNING)
    graph.record(cluster(first), NOW)
    graph.record(cluster(replace(first, ref=replace(first.ref, uid="second"))), NOW + HOUR)
    assert told(ran(graph, NOW, NOW + DAY)) == [("train", "ran", 0, 1), ("train", "ran", 1, None)]


def test_what_was_scheduled_or_pending_may_have_run(graph: Graph) -> None:
    """A CronJob's template; a pod that pulls. What is at zero or a rollback target did not. What ended in a CronJob
    may have ended again since."""
    nightly = job("nightly", RunState.SCHEDULED, kind="CronJob")
    done = job("done", RunState.ENDED, kind="CronJob")
    others = [workload(n, container(IMAGE, s)) for n, s in (("z", RunState.SCALED_TO_ZERO), ("r", RunState.ROLLBACK))]
    graph.record(cluster(nightly, done, workload("pulls", container(IMAGE, RunState.PENDING)), *others), NOW)
    answer = ran(graph, NOW + HOUR, NOW + DAY)
    assert sorted((name, how) for name, how, *_ in told(answer)) == [
        ("done", "ended"),
        ("nightly", "may have run"),
        ("pulls", "may have run"),
    ]


def test_data_scope_is_what_it_was_then(graph: Graph) -> None:
    """A workload that was sensitive for an hour: that hour."""
    app = workload("app", container(IMAGE))
    public = replace(app, data_scope=DataScope(Classification.PUBLIC))
    for n, held in enumerate((public, app, public)):
        graph.record(cluster(held), NOW + n * HOUR)
    sensitive = Selection.of({"classification": ["sensitive"]})
    assert told(ran(graph, NOW, NOW + DAY, only=sensitive)) == [("app", "ran", 1, 2)]


def test_times_that_were_not_read_are_unknown(graph: Graph) -> None:
    """Before the first reading, while it did not answer, since it does not, and a cluster that never did."""
    graph.record(cluster(), NOW)
    graph.record_unreachable("prod-ml-eu", "kubernetes", "timed out", NOW + HOUR)
    graph.record(cluster(), NOW + 2 * HOUR)
    graph.record_unreachable("prod-ml-eu", "kubernetes", "refused", NOW + 3 * HOUR)
    graph.record_unreachable("us", "kubernetes", "refused", NOW)
    reasons = [one.reason for one in ran(graph, NOW - HOUR, NOW + DAY).unknown]
    assert reasons == [
        "what ran before 2026-11-24 07:10 UTC is not known: it was first read then",
        "what ran from 2026-11-24 08:10 UTC to 2026-11-24 09:10 UTC is not known: timed out",
        "what ran after 2026-11-24 09:10 UTC is not known: unreachable since 2026-11-24 10:10 UTC: refused",
        "it was never read: unreachable since 2026-11-24 07:10 UTC: refused",
    ]
    eu = Selection.of({"cluster": ["prod-ml-eu"]})
    assert ran(graph, NOW, NOW + HOUR, only=eu).unknown == ()
    assert len(ran(graph, NOW + 90 * HOUR / 60, NOW + 2 * HOUR, only=eu).unknown) == 1


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    graph = Graph(connect(f"sqlite:///{tmp_path / 'patchgap.db'}"))
    graph.add_sbom(bom("pkg:npm/a@1.0.0"), NOW)
    graph.record(cluster(job("train", RunState.RUNNING), workload("dark", container(NOWHERE))), NOW)
    graph.record(cluster(job("train", RunState.ENDED)), NOW + HOUR)
    return tmp_path


def run(home: Path, *words: str) -> str:
    context = Cli(home=home, clock=lambda: NOW + DAY)
    return CliRunner().invoke(command, words, obj=context, catch_exceptions=False).stdout


def test_the_command_tells_words_json_and_csv(home: Path) -> None:
    """The same in each: what ran, when, on which data, and what is unknown."""
    words = run(home, "--since", "24h", "--component", "a", "--classification", "sensitive")
    assert "1 workload ran an image with a (only classification sensitive)." in words.replace("\n", " ")
    assert "ran from 2026-11-24 07:10 UTC or earlier (the first reading) to" in words
    assert "production environment, sensitive data; writes to model-registry," in words
    assert max(len(line) for line in words.splitlines()) <= 80
    document = json.loads(run(home, "--since", "24h", "--component", "a", "--json"))
    (one,) = document["runs"]
    assert (one["how"], one["from"], one["to"]) == ("ran", "2026-11-24T07:10:00Z", "2026-11-24T08:10:00Z")
    assert (one["artifact"]["digest"], one["from_first_reading"]) == (IMAGE, True)
    assert [two["reason"][:14] for two in document["unknown"]] == ["it has no SBOM"]
    assert document["inventory"][0]["age_seconds"] == 23 * 3600
    rows = list(csv.DictReader(io.StringIO(run(home, "--since", "24h", "--component", "a", "--format", "csv"))))
    assert [(row["row"], row["name"], row["writes_to"]) for row in rows] == [
        ("run", "train", "model-registry; feature-store"),
        ("unknown", "", ""),
    ]


@pytest.mark.parametrize(
    "words",
    [
        ["--since", "1h", "--until", "2h"],
        ["--since", "1h", "--ecosystem", "npm"],
        ["--since", "1h", "--component", "a", "--advisory", "x"],
        ["--since", "1h", "--environment", "prodution"],
    ],
)
def test_what_cannot_be_answered_is_refused(home: Path, words: list[str]) -> None:
    """A time that ends before it begins, an ecosystem of no package, two questions, a value that nothing has."""
    with pytest.raises(BadInputError):
        run(home, *words)


def test_a_document_s_claim_may_have_run(graph: Graph) -> None:
    """Nobody saw it: it is told as that, under the cluster's own name too, and the cluster stays unknown."""
    claimed = workload("app", container(IMAGE), cluster=f"edge{SUFFIX}")
    graph.record(cluster(), NOW)
    graph.claim(IMAGE, [replace(claimed, ref=replace(claimed.ref, platform=PLATFORM))], NOW)
    for only in (EVERYTHING, Selection.of({"cluster": ["edge"]})):
        answer = ran(graph, NOW, NOW + HOUR, only=only)
        assert told(answer) == [("app", "may have run", 0, None)]
        assert [one.what for one in answer.unknown] == ["cluster edge"]
    assert told(ran(graph, NOW, NOW + HOUR, only=Selection.of({"cluster": ["prod-ml-eu"]}))) == []


def test_an_index_ran_what_any_of_its_platforms_holds(graph: Graph) -> None:
    """The node does not tell which platform of the index it ran: clean takes each of them."""
    graph.add_index(OTHER, [Platform("linux/amd64", (IMAGE,)), Platform("linux/arm64", (NOWHERE,))])
    graph.add_sbom(bom("pkg:npm/a@1.0.0"), NOW)
    graph.record(cluster(workload("app", container(OTHER))), NOW)
    assert told(ran(graph, NOW, NOW + HOUR, "a")) == [("app", "ran", 0, None)]
    clean = ran(graph, NOW, NOW + HOUR, "b")
    assert (told(clean), ["linux/arm64" in one.reason for one in clean.unknown]) == ([], [True])
    graph.add_sbom(bom("pkg:npm/a@1.0.0", digest=NOWHERE, name="y"), NOW)
    assert ran(graph, NOW, NOW + HOUR, "b").unknown == ()
