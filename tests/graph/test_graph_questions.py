"""`patchgap graph stats | path | diff`: what the graph holds, where a package is in it, and what two images do not share."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from graph_fleet import IMAGE, NOW, NOWHERE, OTHER, bom, cluster, container, workload

from patchgap.cli.context import Cli
from patchgap.cli.graph_questions import graph as command
from patchgap.errors import BadInputError, NotFoundError
from patchgap.graph.difference import Changed, Difference, Listed, difference
from patchgap.graph.naming import Named, image_named
from patchgap.graph.paths import PathAnswer, paths
from patchgap.graph.platforms import Platform
from patchgap.graph.question import Question
from patchgap.graph.stats import Stats, stats
from patchgap.graph.store import Graph
from patchgap.model.exposure import Artifact, Standing
from patchgap.model.unknown import Unknown
from patchgap.storage import connect

THIRD = "sha256:" + "e" * 64


def named(graph: Graph, text: str) -> Named:
    return graph.asked(lambda read: image_named(read, text))


def differ(graph: Graph, before: str, after: str) -> Difference:
    return graph.asked(lambda read: difference(read, image_named(read, before), image_named(read, after)))


def path(graph: Graph, what: str, image: str = "") -> PathAnswer:
    question = Question.parse(what)
    return graph.asked(lambda read: paths(read, question, image_named(read, image).id if image else None))


def test_stats_count_each_set_once_and_each_telling(graph: Graph, engine: sa.Engine) -> None:
    """Two images with the same packages: stored once, told twice. Blind spots by kind, clusters with their age."""
    graph.add_sbom(bom("pkg:npm/a@1", "pkg:npm/b@1"), NOW)
    graph.add_sbom(bom("pkg:npm/a@1", "pkg:npm/b@1", digest=OTHER, name="y"), NOW)
    graph.add_sbom(bom("pkg:pypi/c@1", "nameless", digest=THIRD, name="z"), NOW)
    graph.record(cluster(workload("app", container(IMAGE)), workload("dark", container(NOWHERE))), NOW)
    graph.record(cluster(workload("app", container(OTHER)), workload("dark", container(NOWHERE))), NOW)
    graph.record_unreachable("us", "kubernetes", "timed out", NOW)
    found: Stats = graph.asked(lambda read: stats(read, sqlite=engine.dialect.name == "sqlite"))
    assert (found.images, found.images_with_sbom, found.sboms) == (4, 3, {"CycloneDX 1.6": 3})
    assert found.components == {"npm": 2, "": 1, "pypi": 1}
    assert (found.occurrences_told, found.occurrences_stored) == (6, 4)
    assert (found.workloads, found.workload_versions) == (2, 3)
    assert {kind: count for kind, count in found.blind_spots.items() if count} == {"cluster not read": 1, "no SBOM": 1}
    assert found.clusters == {"prod-ml-eu": NOW, "us": Unknown("cluster us", found.clusters["us"].reason)}  # type: ignore[union-attr]
    assert found.bytes > 4096


def test_stats_of_an_empty_graph_are_zeros(graph: Graph, engine: sa.Engine) -> None:
    """And its blind spot is every cluster."""
    found: Stats = graph.asked(lambda read: stats(read, sqlite=engine.dialect.name == "sqlite"))
    assert (found.images, found.occurrences_told, found.occurrences_stored, found.workloads) == (0, 0, 0, 0)
    assert found.blind_spots["cluster not read"] == 1


def test_a_path_is_told_whether_the_image_runs_or_not(graph: Graph) -> None:
    """By image, those that run first; with all digests; what cannot tell is unknown."""
    edges = {"root": ["pkg:npm/b@1"], "pkg:npm/b@1": ["pkg:npm/a@1"]}
    graph.add_sbom(bom("pkg:npm/a@1", "pkg:npm/b@1", edges=edges), NOW)
    graph.add_sbom(bom("pkg:npm/a@1", digest=OTHER, name="y"), NOW)
    graph.add_sbom(bom("pkg:npm/c@1", digest=THIRD, name="z"), NOW)
    graph.add_index("sha256:" + "0" * 64, [Platform("linux/amd64", (OTHER,))])
    graph.record(
        cluster(
            workload("one", container(OTHER)), workload("two", container(OTHER)), workload("dark", container(NOWHERE))
        ),
        NOW,
    )
    answer = path(graph, "a")
    assert [(one.artifact.digest[7], one.workloads) for one in answer.holders] == [("0", 2), ("a", 0)]
    assert answer.holders[0].digests == ("sha256:" + "0" * 64, OTHER)
    (unedged,), (edged,) = (one.found for one in answer.holders)
    assert (unedged.chains, unedged.direct) == ((), None)
    assert ([chain[1:] for chain in edged.chains], edged.direct) == ([("pkg:npm/b@1", "pkg:npm/a@1")], False)
    assert (answer.images, [one.reason for one in answer.unknown]) == (4, ["it has no SBOM"])


def test_a_path_in_one_image_tells_of_that_alone(graph: Graph) -> None:
    """Its standing where it does not hold it: clean is silence, unknown is named."""
    graph.add_sbom(bom("pkg:npm/a@1"), NOW)
    graph.add_sbom(bom("pkg:npm/a@1", digest=OTHER, name="y"), NOW)
    graph.record(cluster(workload("dark", container(NOWHERE))), NOW)
    assert [one.artifact.digest for one in path(graph, "a", IMAGE).holders] == [IMAGE]
    assert path(graph, "b", IMAGE) == PathAnswer((), 1, ())
    assert path(graph, "b", NOWHERE).unknown == (Unknown(f"image {NOWHERE}", "it has no SBOM"),)


def test_what_may_be_it_is_shown_with_its_standing(graph: Graph) -> None:
    """A component without a purl may be the one that is asked for."""
    graph.add_sbom(bom("a"), NOW)
    assert [one.standing for one in path(graph, "a").holders[0].found] == [Standing.UNKNOWN]


def test_a_difference_is_by_package_and_version(graph: Graph) -> None:
    """Added, removed, at other versions; the same name in another ecosystem is another package."""
    graph.add_sbom(bom("pkg:npm/a@1", "pkg:npm/b@1", "pkg:npm/b@2", "pkg:npm/same@1", "pkg:pypi/x@1"), NOW)
    graph.add_sbom(bom("pkg:npm/b@2", "pkg:npm/same@1", "pkg:npm/x@1", digest=OTHER, name="y"), NOW)
    assert differ(graph, IMAGE, OTHER) == Difference(
        added=(Listed("npm", "", "x", ("1",)),),
        removed=(Listed("npm", "", "a", ("1",)), Listed("pypi", "", "x", ("1",))),
        changed=(Changed("npm", "", "b", ("1", "2"), ("2",)),),
        same=1,
        unknown=(),
    )
    assert differ(graph, IMAGE, IMAGE) == Difference((), (), (), 4, ())


def test_what_an_sbom_could_not_list_is_no_difference_for_certain(graph: Graph) -> None:
    """An application's SBOM lists no Debian package: the image may have it all the same. So may one that hides some."""
    graph.add_sbom(bom("pkg:npm/a@1", "pkg:deb/debian/zlib1g@1"), NOW)
    graph.add_sbom(bom("pkg:npm/a@1", digest=OTHER, name="y", type="application"), NOW)
    graph.add_sbom(replace(bom("pkg:npm/a@1", digest=THIRD, name="z"), hides=("it is incomplete",)), NOW)
    graph.add_sbom(bom(digest=NOWHERE, name="empty"), NOW)
    (told,) = differ(graph, IMAGE, OTHER).unknown
    assert told.reason.endswith("lists no deb package")
    assert [one.reason for one in differ(graph, OTHER, IMAGE).unknown] == [told.reason]
    assert "may hide packages" in differ(graph, IMAGE, THIRD).unknown[0].reason
    assert differ(graph, IMAGE, NOWHERE).unknown == (Unknown(f"image app@{NOWHERE}", "its SBOM lists no packages"),)


def test_an_image_without_an_sbom_has_no_difference(graph: Graph) -> None:
    """Not knowing is not a difference of everything."""
    graph.add_sbom(bom("pkg:npm/a@1"), NOW)
    graph.add_artifact(Artifact(OTHER))
    with pytest.raises(NotFoundError, match="has no SBOM"):
        differ(graph, IMAGE, OTHER)


NAMES = [IMAGE, "sha256:aaaaaaa", "a" * 12, f"registry.example.org/team/app@{IMAGE}", "registry.example.org/team/app",
         "team/app", "app", "app:1.0"]  # fmt: skip


@pytest.mark.parametrize("text", NAMES)
def test_an_image_is_named_by_digest_or_repository(graph: Graph, text: str) -> None:
    """Whole, by its start, by the last parts of its repository, by the tag that its SBOM names."""
    made = bom("pkg:npm/a@1")
    root = f"pkg:oci/app@{IMAGE}?repository_url=registry.example.org/team/app&tag=1.0"
    graph.add_sbom(replace(made, root=root, artifact=Artifact(IMAGE, "registry.example.org/team/app")), NOW)
    assert named(graph, text).digest == IMAGE


@pytest.mark.parametrize("text", ["", "pp", "app:2.0", "sha256:bbbbbbb", "other/app", "%", "_____app"])
def test_an_image_that_is_not_there_is_refused(graph: Graph, text: str) -> None:
    """No part of a name, no pattern."""
    graph.add_sbom(replace(bom("pkg:npm/a@1"), artifact=Artifact(IMAGE, "registry.example.org/team/app")), NOW)
    with pytest.raises(NotFoundError, match="the graph has no image"):
        named(graph, text)


def test_a_name_of_several_images_is_refused_with_each(graph: Graph) -> None:
    """Which one is meant is not guessed; two digests of one image are one."""
    for digest in (IMAGE, OTHER):
        graph.add_artifact(Artifact(digest, "registry.example.org/team/app"))
    with pytest.raises(BadInputError, match=r"has 2 images of that name.*sha256:aaaaaaaaaaaa, sha256:dddddddddddd\.$"):
        named(graph, "app")
    graph.add_index(IMAGE, [Platform("linux/amd64", (OTHER,))])
    assert named(graph, "app").digest == IMAGE


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    store = Graph(connect(f"sqlite:///{tmp_path / 'patchgap.db'}"))
    edges = {"root": ["pkg:npm/b@1"], "pkg:npm/b@1": ["pkg:npm/a@1"]}
    store.add_sbom(bom("pkg:npm/a@1", "pkg:npm/b@1", edges=edges), NOW)
    store.add_sbom(bom("pkg:npm/a@2", "odd\x1b[2J", digest=OTHER, name="y"), NOW)
    store.record(
        cluster(workload("app", container(IMAGE)), *(workload(n, container(f"sha256:{n * 64}")) for n in "1234")), NOW
    )
    return tmp_path


def run(home: Path, *words: str) -> str:
    told = CliRunner().invoke(command, words, obj=Cli(home=home, clock=lambda: NOW), catch_exceptions=False)
    assert told.exit_code == 0
    return told.stdout


def read(home: Path, *words: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(run(home, *words, "--json"))
    return document


def test_the_commands_speak_to_a_person(home: Path) -> None:
    """Within 80 columns, without foreign control characters, the unknown named."""
    told = {words[0]: run(home, *words) for words in (("stats",), ("path", "a"), ("diff", IMAGE, OTHER))}
    assert "images        6, 2 of them with an SBOM" in told["stats"]
    assert "  4  no SBOM" in told["stats"].splitlines()
    assert told["path"].startswith("a: in 2 of 6 images, 1 of which runs; 4 cannot tell.")
    assert "  └─ b 1\n     └─ a 1 <- it\n" in told["path"]
    assert "  a 2: its SBOM names no chain to it" in told["path"]
    assert "  ? 4 images (--json names each): it has no SBOM" in told["path"]
    assert "1 changed, 1 added, 1 removed, 0 the same." in told["diff"]
    assert "~  npm        a           1 -> 2" in told["diff"].splitlines()
    assert "\x1b" not in "".join(told.values())
    assert max(len(line) for text in told.values() for line in text.splitlines()) <= 80


def test_the_commands_speak_to_a_program(home: Path) -> None:
    """One document each."""
    counts = read(home, "stats")
    assert (counts["images"], counts["blind_spots"]["no SBOM"], counts["clusters"][0]["age_seconds"]) == (6, 4, 0)
    chains = read(home, "path", "a@1", "--image", "aaaaaaaaaa")
    assert [one["components"][0]["chains"][0][1:] for one in chains["artifacts"]] == [["pkg:npm/b@1", "pkg:npm/a@1"]]
    shown = read(home, "diff", IMAGE, OTHER)
    assert (shown["before"]["digest"], shown["after"]["digest"]) == (IMAGE, OTHER)
    assert shown["changed"] == [{"ecosystem": "npm", "vendor": "", "name": "a", "before": ["1"], "after": ["2"]}]


def test_the_group_lists_what_adds_beside_what_asks(home: Path) -> None:
    """The commands of both modules stand in one group."""
    told = run(home, "--help")
    assert [name for name in ("add", "diff", "path", "stats") if f"\n  {name} " in told] == [
        "add",
        "diff",
        "path",
        "stats",
    ]
    assert "Usage: graph add" in run(home, "add", "--help")


def test_what_provenance_alone_tells_of_is_no_image_that_cannot_tell(graph: Graph, engine: sa.Engine) -> None:
    """A build's binaries are counted apart, until something runs one, an SBOM describes it, or an index names it."""
    graph.add_sbom(bom("pkg:npm/a@1"), NOW)
    for digest in (IMAGE, OTHER, THIRD, NOWHERE):
        graph.add_artifact(Artifact(digest, "", "", "https://builder.example.org"))

    def counts() -> tuple[int, int, int, int, int]:
        answer = path(graph, "a")
        found = graph.asked(lambda read: stats(read, sqlite=engine.dialect.name == "sqlite"))
        assert found.provenance_alone == answer.provenance_alone
        return (found.images, found.provenance_alone, found.images_with_sbom, answer.images, len(answer.unknown))

    assert counts() == (1, 3, 1, 1, 0)
    assert [one.reason for one in path(graph, "a", OTHER).unknown] == ["it has no SBOM"]
    graph.record(cluster(workload("app", container(OTHER))), NOW)
    assert counts() == (2, 2, 1, 2, 1)
    graph.record(cluster(), NOW)  # it ran, and so it is an image
    assert counts() == (2, 2, 1, 2, 1)
    graph.add_sbom(bom("pkg:npm/b@1", digest=THIRD, name="z"), NOW)
    assert counts() == (3, 1, 2, 3, 1)
    index, config = ("sha256:" + digit * 64 for digit in "89")
    graph.add_index(index, [Platform("linux/amd64", (NOWHERE,)), Platform("linux/arm64", (config,))])
    assert counts()[1] == 0


def test_the_commands_count_what_provenance_alone_tells_of(home: Path) -> None:
    """In words and for a program."""
    store = Graph(connect(f"sqlite:///{home / 'patchgap.db'}"))
    for digit in "67":
        store.add_artifact(Artifact(f"sha256:{digit * 64}", "", "", "https://builder.example.org"))
    assert "artifacts     2 known by provenance alone" in run(home, "stats").splitlines()
    told = " ".join(run(home, "path", "a").split())
    assert told.startswith("a: in 2 of 6 images, 1 of which runs; 4 cannot tell.")
    assert "2 artifacts known by provenance alone are left out: no SBOM describes them, and none ever ran." in told
    assert (read(home, "stats")["provenance_alone"], read(home, "path", "a")["provenance_alone"]) == (2, 2)
