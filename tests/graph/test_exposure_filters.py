"""`patchgap exposure` about a part of the fleet, about a past moment, and in every form that it is printed in."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from graph_fleet import IMAGE, NOW, NOWHERE, OTHER, bom, bom_of, cluster, container, workload

from patchgap.cli.chains import why
from patchgap.cli.context import Cli
from patchgap.cli.exposure import exposure
from patchgap.cli.rows import csv_of
from patchgap.graph.memory import Memory
from patchgap.graph.paths import Found
from patchgap.graph.query import Query
from patchgap.graph.question import Question
from patchgap.graph.reading import of_connection
from patchgap.graph.store import Graph
from patchgap.model.claimed import PLATFORM, SUFFIX
from patchgap.model.exposure import Component, Standing
from patchgap.model.workload import Classification, DataScope, Workload
from patchgap.storage import connect

HOUR = timedelta(hours=1)


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Graph:
    monkeypatch.chdir(tmp_path)
    return Graph(connect(f"sqlite:///{tmp_path / 'patchgap.db'}"))


def run(*words: str, home: Path | None = None) -> Result:
    context = Cli(home=home or Path.cwd(), clock=lambda: NOW + 24 * HOUR)
    told = CliRunner().invoke(exposure, words, obj=context)
    if told.exception and not isinstance(told.exception, SystemExit):
        raise told.exception
    return told


def asked(*words: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(run(*words, "--json").stdout)
    return document


def found(*words: str) -> list[str]:
    return [one["workload"]["name"] for one in asked(*words)["exposures"]]


def placed(name: str, **other: Any) -> Workload:
    scope = DataScope(Classification(other.pop("classification", "internal")))
    namespace = other.pop("namespace", "apps")
    return replace(workload(name, container(IMAGE), namespace=namespace), data_scope=scope, **other)


@pytest.fixture
def fleet(graph: Graph) -> Graph:
    graph.add_sbom(bom("pkg:npm/a@1.0.0"), NOW)
    production = placed("production", region="eu-west-1", classification="sensitive")
    staging = placed("staging", environment="staging", region="us-east-1", namespace="tests")
    dark = placed("dark", environment="unknown", region="unknown", classification="unknown")
    graph.record(cluster(production, staging, dark), NOW)
    graph.record(cluster(placed("far", environment="staging"), workload("blind", container(NOWHERE)), name="us"), NOW)
    return graph


KEPT = [
    (["--environment", "production"], ["production", "dark", "blind"]),
    (["--environment", "staging"], ["staging", "dark", "far"]),
    (["--environment", "staging", "--environment", "production"], ["production", "staging", "dark", "far"]),
    (["--environment", "unknown"], ["dark"]),
    (["--region", "us-east-1"], ["staging", "dark"]),
    (["--classification", "sensitive"], ["production", "dark"]),
    (["--namespace", "tests"], ["staging"]),
    (["--cluster", "us"], ["far"]),
    (["--cluster", "us", "--environment", "production"], []),
    (["--ecosystem", "npm"], ["production", "staging", "dark", "far"]),
]


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize(("words", "kept"), KEPT)
def test_a_filter_keeps_what_is_asked_for_and_what_may_be(words: list[str], kept: list[str]) -> None:
    """Filters of one kind add up, of several kinds narrow down; what nobody declared stays."""
    assert sorted(found("a", *words)) == sorted(name for name in kept if name != "blind")


@pytest.mark.usefixtures("fleet")
def test_what_is_unknown_is_left_out_by_a_cluster_filter_alone(graph: Graph) -> None:
    """An image without an SBOM in another cluster, and that cluster's silence, stay unless clusters are named."""
    graph.record_unreachable("us", "kubernetes", "timed out", NOW)
    for words in (["--environment", "production"], ["--namespace", "tests"], ["--classification", "sensitive"]):
        assert len(asked("a", *words)["unknown"]) == 2, words
    assert asked("a", "--cluster", "prod-ml-eu")["unknown"] == []
    assert [one["what"][:7] for one in asked("a", "--cluster", "us")["unknown"]] == ["cluster", "image r"]
    assert [one["cluster"] for one in asked("a", "--cluster", "prod-ml-eu")["inventory"]] == ["prod-ml-eu"]


@pytest.mark.usefixtures("fleet")
def test_a_configured_cluster_that_nobody_read_may_be_asked_for(tmp_path: Path) -> None:
    """It is no misspelling; the answer is that it is unknown."""
    (tmp_path / "patchgap.toml").write_text('[[kubernetes.clusters]]\nname = "edge"\n')
    assert [one["what"] for one in asked("a", "--cluster", "edge")["unknown"]] == ["cluster edge"]
    assert asked("a", "--cluster", "us")["unknown"][0]["what"] != "cluster edge"


def test_a_cluster_filter_keeps_what_documents_claim_of_it(graph: Graph) -> None:
    """Under the cluster's own name; the cluster stays unknown."""
    graph.add_sbom(bom("pkg:npm/a@1.0.0"), NOW)
    graph.record(cluster(), NOW)
    claimed = workload("app", container(IMAGE), cluster=f"edge{SUFFIX}")
    graph.claim(IMAGE, [replace(claimed, ref=replace(claimed.ref, platform=PLATFORM))], NOW)
    assert found("a", "--cluster", "edge") == ["app"]
    assert [one["what"] for one in asked("a", "--cluster", "edge")["unknown"]] == ["cluster edge"]
    assert found("a", "--cluster", "prod-ml-eu") == []


@pytest.mark.usefixtures("fleet")
def test_a_kept_doubt_says_so() -> None:
    """Which filter it may not fit is told with the workload."""
    told = run("a", "--environment", "production", "--classification", "sensitive").stdout
    assert told.startswith("a (only environment production, classification sensitive): 2 workloads include\nit;")
    assert "  kept        its environment is UNKNOWN: it may be one that was asked for" in told
    assert told.count("  kept  ") == 2


MISSPELT = [
    (["--environment", "prodution"], "--environment: nothing has 'prodution'. Did you mean production?"),
    (["--environment", "prod"], "Did you mean production? There are: production, staging."),
    (["--region", "eu-west-2"], "Did you mean eu-west-1?"),
    (["--cluster", "prod-ml-eu2"], "Did you mean prod-ml-eu? There are: prod-ml-eu, us."),
    (["--namespace", "app"], "Did you mean apps?"),
    (["--classification", "sensitve"], "Did you mean sensitive?"),
    (["--ecosystem", "npmm"], "Did you mean npm?"),
    (["--environment", "zzz"], "nothing has 'zzz'. There are: production, staging."),
]


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize(("words", "problem"), MISSPELT)
def test_a_value_that_nothing_has_is_refused_with_the_nearest(words: list[str], problem: str) -> None:
    """An answer about nothing must not read as a good one."""
    with pytest.raises(Exception, match="nothing has") as error:
        run("a", *words)
    assert problem in str(error.value)


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize("words", [["--ecosystem", "crates.io"], ["--classification", "public"]])
def test_a_sound_value_that_nothing_has_is_answered_and_told(words: list[str]) -> None:
    """No workload handles public data: that is an answer."""
    told = run("a", *words)
    assert told.exit_code == 0
    assert "patchgap: --" in told.stderr
    assert ": nothing has" in told.stderr


def test_without_any_workload_every_filter_is_answered_as_unknown(graph: Graph) -> None:
    """Before the first inventory nothing is a misspelling."""
    graph.add_sbom(bom("pkg:npm/a@1.0.0"), NOW)
    assert run("a", "--environment", "production", "--exit-code").exit_code == 3


@pytest.mark.parametrize(
    ("ecosystem", "kept"), [("npm", ["a", "nameless", "odd"]), ("pypi", ["nameless", "odd", "py"])]
)
def test_what_names_no_ecosystem_stays_whichever_is_asked_for(graph: Graph, ecosystem: str, kept: list[str]) -> None:
    """A component without a purl and a generic one may be of that ecosystem."""
    components = [
        {"name": "x", "purl": "pkg:npm/x@1"}, {"name": "x", "version": "2"},
        {"name": "x", "purl": "pkg:generic/x@3"}, {"name": "x", "purl": "pkg:pypi/x@4"},
    ]  # fmt: skip
    graph.add_sbom(bom_of(components), NOW)
    graph.record(cluster(workload("app", container(IMAGE))), NOW)
    names = {"1": "a", "2": "nameless", "3": "odd", "4": "py"}
    held = asked("x", "--ecosystem", ecosystem)["exposures"]
    assert sorted(names[one["component"]["version"]] for one in held) == kept


def test_an_ecosystem_that_an_sbom_cannot_list_is_unknown(graph: Graph) -> None:
    """Asked for Debian's package, an application's SBOM clears nothing; asked for any, as before."""
    graph.add_sbom(bom("pkg:npm/a@1.0.0", type="application"), NOW)
    graph.add_sbom(bom("pkg:deb/debian/zlib1g@1.2", digest=OTHER, name="y"), NOW)
    graph.record(cluster(workload("app", container(IMAGE))), NOW)
    assert "lists no deb package" in asked("openssl", "--ecosystem", "deb")["unknown"][0]["reason"]
    assert asked("openssl")["unknown"] == []


def test_a_past_moment_is_told_as_such(graph: Graph) -> None:
    """By its time or by how long ago; a date is its first moment, UTC where no zone is named."""
    graph.add_sbom(bom("pkg:npm/a@1.0.0"), NOW)
    graph.record(cluster(workload("old", container(IMAGE))), NOW)
    graph.record(cluster(workload("new", container(IMAGE))), NOW + HOUR)
    for at in ("2026-11-24T07:10Z", "2026-11-24 08:10+01:00", "2026-11-24T07:30", "24h", "1d ago"):
        assert found("a", "--at", at) == ["old"], at
    assert found("a", "--at", "23h") == found("a") == ["new"]
    assert asked("a", "--at", "24h")["at"] == "2026-11-24T07:10:00Z"
    assert run("a", "--at", "24h").stdout.startswith("At 2026-11-24 07:10 UTC, a: 1 workload includes it")
    assert "it was first read at" in run("a", "--at", "2026-11-24").stdout.replace("\n    ", " ")


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize("at", ["soon", "2026-13-01", "2027-01-01", "0001-01-01T00:00+14:00", "999999w", "1969-01-01"])
def test_what_is_no_past_time_is_refused(at: str) -> None:
    """What is none, what has not come, and what no calendar holds."""
    with pytest.raises(Exception, match="--at: ") as error:
        run("a", "--at", at)
    assert type(error.value).__name__ == "BadInputError"


def diamond(graph: Graph) -> None:
    edges = {"root": ["pkg:npm/b@1", "pkg:npm/c@1", "pkg:npm/e@1"], "pkg:npm/b@1": ["pkg:npm/d@1"],
             "pkg:npm/c@1": ["pkg:npm/d@1"], "pkg:npm/d@1": ["pkg:npm/e@2"]}  # fmt: skip
    graph.add_sbom(bom(*(f"pkg:npm/{one}" for one in ("b@1", "c@1", "d@1", "e@1", "e@2")), edges=edges), NOW)
    graph.record(cluster(workload("app", container(IMAGE))), NOW)


def test_why_draws_every_shortest_chain(graph: Graph) -> None:
    """One tree an image; the packages that were asked for are marked, direct ones as such."""
    diamond(graph)
    told = run("e", "--why").stdout
    assert told[told.index("  why") : told.index("\n\ncluster")].splitlines() == [
        "  why         every shortest chain from the image:",
        f"    app@{IMAGE}",
        "    ├─ e 1 <- it, a direct dependency",
        "    ├─ b 1",
        "    │  └─ d 1",
        "    │     └─ e 2 <- it",
        "    └─ c 1",
        "       └─ d 1",
        "          └─ e 2 <- it",
    ]


def test_a_long_chain_is_drawn_within_80_columns(graph: Graph) -> None:
    """Single steps far from the root stand on one line, wrapped."""
    names = [f"pkg:npm/package-number-{n}@1.0.{n}" for n in range(40)]
    graph.add_sbom(bom(*names, edges={"root": names[:1], **{a: [b] for a, b in pairwise(names)}}), NOW)
    graph.record(cluster(workload("app", container(IMAGE))), NOW)
    told = run("package-number-39", "--why").stdout
    assert max(map(len, told.splitlines())) <= 80
    assert all(f"package-number-{n} 1.0.{n}" in " ".join(told.split()) for n in range(40))
    assert told.rstrip().splitlines()[-3].endswith("package-number-39 1.0.39 <- it")


def test_a_stream_without_lines_gets_plain_ones() -> None:
    """A terminal or a file in ASCII does not stop the answer."""
    found = Found(
        Component("pkg:npm/a@1", "a", "1"), Standing.AFFECTED, True, (("app", "pkg:npm/a@1"), ("app", "b", "c"))
    )
    plain = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    assert list(why([found], plain)) == ["app", "|- a 1 <- it, a direct dependency", "`- b", "   `- c <- it"]


def test_more_chains_than_are_kept_are_told(graph: Graph) -> None:
    """Seventeen ways lead there and the graph keeps sixteen: the answer says that there is one more."""
    middle = [f"pkg:npm/m{n}@1" for n in range(17)]
    edges = {"root": middle, **{one: ["pkg:npm/e@1"] for one in middle}}
    graph.add_sbom(bom(*middle, "pkg:npm/e@1", edges=edges), NOW)
    graph.record(cluster(workload("app", container(IMAGE))), NOW)
    assert "The graph keeps 16 chains to a package: there is 1 more as short." in run("e", "--why").stdout
    assert asked("e")["exposures"][0]["more_chains"] == 1
    assert asked("m1")["exposures"][0]["more_chains"] == 0
    assert "and 14 more chains (--why draws 16)" in run("e").stdout
    for package, more in (("e", "1"), ("m1", "0")):
        told = read_csv(run(package, "--format", "csv").stdout)
        assert told[0]["more_chains"] == more
        for form in ("dot", "mermaid"):
            assert ("16 chains drawn, there is 1 more" in run(package, "--format", form).stdout) is (more == "1")


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_has_a_row_an_exposure_and_a_row_an_unknown(graph: Graph) -> None:
    """What could not be told is not lost in a spreadsheet; an empty answer is a heading."""
    diamond(graph)
    graph.record(cluster(workload("dark", container(NOWHERE)), name="us"), NOW)
    first, second, third = read_csv(run("e", "--format", "csv").stdout)
    assert (first["row"], first["name"], first["direct"], first["running"]) == ("exposure", "app", "true", "8")
    assert second["chains"].count("; ") == 1
    assert (first["internet_exposed"], first["cluster_admin"]) == ("unknown", "false")
    assert (third["row"], third["reason"]) == ("unknown", "it has no SBOM; us/training/Deployment/dark runs it")
    assert run("zzz", "--cluster", "prod-ml-eu", "--format", "csv").stdout.startswith("row,standing,component,")


def test_csv_holds_no_formula(graph: Graph) -> None:
    """Foreign text is not calculated by whoever opens the file; an npm scope and a number are left as they are."""
    components = [{"name": "n", "purl": "pkg:npm/%40scope/name@1.0.0"}, {"name": "x", "version": "=cmd|'/c calc'!A0"}]
    graph.add_sbom(bom_of(components), NOW)
    graph.record(cluster(workload("app", container(IMAGE))), NOW)
    (scoped,) = read_csv(run("@scope/name", "--format", "csv").stdout)
    assert scoped["component"] == "@scope/name"
    (bad, *_) = read_csv(run("x", "--format", "csv").stdout)
    assert bad["version"] == "'=cmd|'/c calc'!A0"
    assert csv_of(("a", "b", "c"), [{"a": -1.5, "b": "-1+1", "c": "@SUM(1)"}]) == "a,b,c\r\n-1.5,'-1+1,'@SUM(1)\r\n"


@pytest.mark.parametrize("form", ["dot", "mermaid"])
def test_a_picture_holds_the_chains_and_what_is_unknown(graph: Graph, form: str) -> None:
    """Workload, image, each link once, and the unknown image; foreign quotes cannot end a label."""
    diamond(graph)
    dark = replace(workload('d"]--x', container(NOWHERE)))
    graph.record(cluster(dark, name="us"), NOW)
    told = run("e", "--format", form).stdout
    arrows = [line for line in told.splitlines() if "->" in line.replace("-->", "->")]
    assert len(arrows) == 7  # workload-image, image-b, image-c, b-d, c-d, d-e2, image-e1
    assert told.count("d 1") == 1
    assert "UNKNOWN: image" in told
    quoted = 'd\\"]--x' if form == "dot" else "d#34;]--x"
    assert quoted in told


@pytest.mark.parametrize("form", ["dot", "mermaid"])
def test_a_picture_of_nothing_says_so(graph: Graph, form: str) -> None:
    """No empty drawing."""
    graph.record(cluster(), NOW)
    assert "a: no running workload includes it" in run("a", "--format", form).stdout


def test_json_and_another_format_are_one_too_many() -> None:
    """Which one is meant is not guessed."""
    with pytest.raises(Exception, match="--json: it stands beside --format csv"):
        run("a", "--json", "--format", "csv")


def test_filters_and_times_are_the_same_on_every_database(engine: sa.Engine) -> None:
    """The clusters and the moment are conditions of the SQL itself."""
    store = Graph(engine)
    store.add_sbom(bom("pkg:npm/a@1.0.0"), NOW)
    for name in ("eu", "us"):
        store.record(cluster(workload(f"app-{name}", container(IMAGE), container(NOWHERE)), name=name), NOW)
    store.record(cluster(name="us"), NOW + HOUR)

    def names(*clusters: str, **at: Any) -> tuple[list[str], int]:
        answer = store.asked(lambda read: Query(read, Memory(), clusters=clusters, **at).answer(question, NOW))
        return [one.workload.ref.name for one in answer.exposures], len(answer.unknown)

    question = Question.parse("a")
    assert names("eu") == (["app-eu"], 1)
    assert names("us") == ([], 0)
    assert names("us", at=NOW) == (["app-us"], 1)
    assert names("eu", "us", at=NOW) == (["app-eu", "app-us"], 1)
    with engine.connect() as connection:
        assert of_connection(connection)("SELECT count(*) FROM graph_workload")[0][0] == 2
