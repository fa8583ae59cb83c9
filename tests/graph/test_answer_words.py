"""What the graph's commands say: every package that matches, why it does, and a claim never as what was seen."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from graph_fleet import IMAGE, NOW, NOWHERE, bom, cluster, container, workload

from patchgap.cli.blast_radius import blast_radius
from patchgap.cli.context import Cli
from patchgap.cli.exposure import exposure
from patchgap.cli.graph_questions import graph as graph_group
from patchgap.cli.runs import runs
from patchgap.graph.claims import parse_claim
from patchgap.graph.deployments import parse_deployment
from patchgap.graph.sources import put
from patchgap.graph.store import Graph
from patchgap.storage import connect

HOUR = timedelta(hours=1)
COMMANDS = {"exposure": exposure, "runs": runs, "blast-radius": blast_radius, "graph": graph_group}
DEV = "pkg:deb/debian/libssl-dev@1.1.1w-0?upstream=openssl"
LIBSSL = "pkg:deb/debian/libssl1.1@1.1.1w-0?upstream=openssl"
OPENSSL = "pkg:deb/debian/openssl@1.1.1w-0"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATCHGAP_DATABASE_URL", f"sqlite:///{tmp_path / 'patchgap.db'}")
    return tmp_path


def store(home: Path) -> Graph:
    return Graph(connect(f"sqlite:///{home / 'patchgap.db'}"))


def run(home: Path, name: str, *words: str) -> str:
    context = Cli(home=home, clock=lambda: NOW + HOUR)
    return CliRunner().invoke(COMMANDS[name], words, obj=context, catch_exceptions=False).stdout


def joined(text: str) -> str:
    """Without the breaks of lines."""
    return " ".join(text.split())


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def debian(home: Path) -> Path:
    """An image that holds openssl and two packages that were built from it."""
    graph = store(home)
    edges = {"root": [OPENSSL, DEV], OPENSSL: [LIBSSL]}
    graph.add_sbom(bom(DEV, LIBSSL, OPENSSL, edges=edges), NOW)
    graph.record(cluster(workload("app", container(IMAGE))), NOW)
    return home


def test_runs_names_the_package_that_was_asked_for_and_counts_the_others(debian: Path) -> None:
    """First the one of that name; JSON and CSV have all of them."""
    asked = ("--since", "2h", "--component", "openssl")
    assert f"{OPENSSL} is in it, and 2 more packages that match" in joined(run(debian, "runs", *asked))
    (one,) = json.loads(run(debian, "runs", *asked, "--json"))["runs"]
    assert [(two["name"], two["source"]) for two in one["components"]] == [
        ("openssl", ""), ("libssl-dev", "openssl"), ("libssl1.1", "openssl"),
    ]  # fmt: skip
    row, *_ = rows(run(debian, "runs", *asked, "--format", "csv"))
    assert [two.partition("@")[0] for two in row["components"].split("; ")] == [
        f"pkg:deb/debian/{name}" for name in ("openssl", "libssl-dev", "libssl1.1")
    ]


def test_a_package_that_was_built_from_what_is_asked_for_says_so(debian: Path) -> None:
    """In every form of the answer; a package of that very name says nothing of it."""
    words = joined(run(debian, "exposure", "openssl"))
    assert "libssl1.1 1.1.1w-0 (built from openssl; transitive dependency)" in words
    assert "openssl 1.1.1w-0 (direct dependency)" in words
    assert "libssl1.1 1.1.1w-0 <- it, built from openssl" in run(debian, "graph", "path", "openssl")
    for form in ("dot", "mermaid"):
        drawn = run(debian, "exposure", "openssl", "--format", form)
        assert drawn.count("built from openssl") == 2, form
    told = json.loads(run(debian, "exposure", "openssl", "--json"))
    sources = {one["component"]["name"]: one["component"]["source"] for one in told["exposures"]}
    assert sources == {"openssl": "", "libssl-dev": "openssl", "libssl1.1": "openssl"}
    assert {row["component"]: row["source"] for row in rows(run(debian, "exposure", "openssl", "--format", "csv"))} == (
        sources
    )
    (holder,) = json.loads(run(debian, "graph", "path", "openssl", "--json"))["artifacts"]
    assert {one["component"]["name"]: one["component"]["source"] for one in holder["components"]} == sources


def test_a_package_that_no_chain_leads_to_says_what_it_was_built_from(home: Path) -> None:
    """As a sentence and as a drawing's note."""
    store(home).add_sbom(bom(LIBSSL), NOW)
    store(home).record(cluster(workload("app", container(IMAGE))), NOW)
    assert "libssl1.1 1.1.1w-0 (built from openssl): its SBOM names no chain" in joined(
        run(home, "graph", "path", "openssl")
    )
    assert "built from openssl" in run(home, "exposure", "openssl", "--format", "dot")


def test_what_is_unknown_is_told_within_the_width_and_an_image_once(home: Path) -> None:
    """The digest on a line of its own, then every reason; what is counted is what is listed."""
    graph = store(home)
    graph.add_sbom(replace(bom("pkg:npm/b@1"), whole=False, hides=("a layer of it was left out",)), NOW)
    dark = [workload(name, container(NOWHERE)) for name in ("dark", "dusk")]
    graph.record(cluster(workload("app", container(IMAGE)), *dark), NOW)
    told = run(home, "exposure", "pkg:deb/debian/a").splitlines()
    assert "UNKNOWN: 2 things could not be told. Unknown is not clean." in told
    assert "2 things could not be told" in joined(run(home, "runs", "--since", "1h", "--component", "pkg:deb/debian/a"))
    assert told.count("  ? image registry.example.org/team/app:1") == 2
    assert [told.count(f"    {digest}") for digest in (IMAGE, NOWHERE)] == [1, 1]
    assert "    it has no SBOM; prod-ml-eu/training/Deployment/dark and 1 more run it" in told
    assert "and lists no deb package; prod-ml-eu/training/Deployment/app runs it" in joined("\n".join(told))
    assert max(map(len, told)) <= 80


@pytest.mark.parametrize("command", [("exposure", "a"), ("blast-radius", "a"), ("runs", "--since", "1h")])
def test_an_empty_graph_names_the_command_that_fills_it(home: Path, command: tuple[str, ...]) -> None:
    """As a cluster that was never read does."""
    told = joined(run(home, *command))
    assert "every cluster: no cluster has been read: patchgap inventory refresh reads those that are configured" in told


@pytest.fixture
def claimed(home: Path) -> Path:
    """An exposure document alone says what runs, and names its package without an ecosystem."""
    document = {
        "artifact": {"image_digest": f"registry.example.org/team/app@{IMAGE}"},
        "dependencies": [{"name": "torch", "version": "1.13.0"}],
        "runtime": {"clusters": [{"name": "eu", "namespace": "ml", "deployment": "ranker", "replicas": 8}]},
    }
    put(store(home), parse_claim(json.dumps(document).encode(), "x.yaml"), NOW)
    return home


def test_a_claim_is_no_observation(claimed: Path) -> None:
    """Its replicas are what a document says, in words and pictures; nothing says that they were seen running."""
    words = "8 replicas, as an exposure document says"
    assert words in joined(run(claimed, "exposure", "torch"))
    assert words in run(claimed, "exposure", "torch", "--format", "dot")
    (one,) = json.loads(run(claimed, "exposure", "torch", "--json"))["exposures"]
    assert (one["workload"]["replicas"], one["workload"]["running"]) == (8, None)
    assert rows(run(claimed, "exposure", "torch", "--format", "csv"))[0]["running"] == "unknown"
    told = joined(run(claimed, "blast-radius", "torch"))
    assert "; 0 running replicas, 8 that exposure documents claim, 1 namespace" in told
    assert " 8 claimed " in told
    assert "8 of 8" not in told
    sums = json.loads(run(claimed, "blast-radius", "torch", "--json"))["total"]
    assert (sums["workloads"], sums["may_include"], sums["replicas"], sums["claimed_replicas"]) == (1, 1, 0, 8)


def test_both_headlines_say_what_includes_it_and_what_may(claimed: Path) -> None:
    """With the same words."""
    for command in ("exposure", "blast-radius"):
        assert joined(run(claimed, command, "torch")).startswith("torch: 0 workloads include it, 1 may include it; ")


def test_what_is_unknown_does_not_read_as_exposed(claimed: Path) -> None:
    """Known and unknown are counted apart."""
    told = joined(run(claimed, "blast-radius", "torch"))
    assert "data: 0 sensitive, 1 unknown and counted as sensitive; internet: 0 exposed, 1 unknown and" in told


def test_the_blast_radius_is_a_table_for_a_program_too(debian: Path) -> None:
    """One row a workload in its order, then one for each unknown, as the other questions."""
    store(debian).record(cluster(workload("app", container(IMAGE)), workload("dark", container(NOWHERE))), NOW)
    first, second = rows(run(debian, "blast-radius", "openssl", "--format", "csv"))
    assert (first["row"], first["rank"], first["name"], first["running"]) == ("workload", "1", "app", "8")
    assert (first["classification"], first["writes_to"]) == ("sensitive", "model-registry; feature-store")
    assert first["components"].count("pkg:deb/") == 3
    assert first["digests"] == IMAGE
    assert (second["row"], second["reason"][:14]) == ("unknown", "it has no SBOM")


@pytest.fixture
def told_of(home: Path) -> Path:
    """A fleet that deployment events alone tell of, beside a cluster that is read."""
    image = f"registry.example.org/team/app@{IMAGE}"
    told = {"source": "deployer", "platform": "vm-fleet", "cluster": "eu-vms", "state": "deployed", "image": image}
    event = parse_deployment({**told, "workloads": [{"kind": "Service", "name": "scorer"}]})
    graph = store(home)
    graph.add_sbom(bom("pkg:npm/a@1.0.0"), NOW)
    graph.record(cluster(), NOW)
    graph.record_deployment("d1", "one", event, NOW + timedelta(minutes=8))
    return home


@pytest.mark.parametrize(
    "command", [("exposure", "a"), ("runs", "--since", "2h"), ("blast-radius", "a"), ("graph", "stats")]
)
def test_a_fleet_that_events_tell_of_is_not_said_to_be_read(told_of: Path, command: tuple[str, ...]) -> None:
    """With when it was last told of; a cluster that is read stays one."""
    words = joined(run(told_of, *command))
    assert "cluster eu-vms was last told of at 2026-11-24 07:18 UTC, 52 minutes ago, by deployment events" in words
    assert "cluster eu-vms was read" not in words
    assert "cluster prod-ml-eu was read at 2026-11-24 07:10 UTC" in words
    told = json.loads(run(told_of, *command, "--json"))
    held = told["clusters"] if command[0] == "graph" else told["inventory"]
    assert {one["cluster"]: one["by_events"] for one in held} == {"eu-vms": True, "prod-ml-eu": False}


def test_what_a_fleet_ran_is_by_its_events(told_of: Path) -> None:
    """Neither its beginning nor its last state is a reading's; before the first event nothing is known of it."""
    words = joined(run(told_of, "runs", "--since", "2h"))
    assert "ran since 2026-11-24 07:18 UTC or earlier (the first event of its fleet); it stands as last told" in words
    assert "Times are of the cluster's readings, and of deployment events;" in words
    unknown = "what ran before 2026-11-24 07:18 UTC is not known: it was first told of then, by deployment events"
    assert unknown in words
    then = joined(run(told_of, "exposure", "a", "--at", "59m"))
    assert "cluster eu-vms: what ran then is not known: it was first told of at 2026-11-24 07:18 UTC, by" in then
