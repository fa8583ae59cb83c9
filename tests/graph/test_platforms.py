"""An index of several platforms runs as any of them: what one platform's SBOM says is never said of another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa
from graph_fleet import NOW, ask, bom, cluster, container, workload

from patchgap.graph.platforms import Platform
from patchgap.graph.question import Question
from patchgap.graph.sbom.document import SbomDocument
from patchgap.graph.store import Graph

INDEX, OTHER_INDEX = "sha256:" + "1" * 64, "sha256:" + "2" * 64
AMD, AMD_CONFIG = "sha256:" + "a" * 64, "sha256:" + "b" * 64
ARM, ARM_CONFIG = "sha256:" + "c" * 64, "sha256:" + "d" * 64
BOTH = (Platform("linux/amd64", (AMD, AMD_CONFIG)), Platform("linux/arm64", (ARM, ARM_CONFIG)))
ALL = (INDEX, AMD, AMD_CONFIG, ARM, ARM_CONFIG)
BAD, GOOD = "pkg:npm/left-pad@1.0.0", "pkg:npm/right-pad@1.0.0"
LEFT = Question.parse(BAD)


def verdicts(graph: Graph) -> dict[str, str]:
    return {digest: one.verdict for digest, one in graph.standing(LEFT, ALL).items()}


def image(digest: str, *purls: str, also: str = "", name: str = "x") -> SbomDocument:
    """An SBOM of a whole image; `also` is another digest that it says the image goes by."""
    made = bom(*purls, digest=digest, name=name)
    return replace(made, digests=(*made.digests, also)) if also else made


def test_an_index_of_one_platform_is_that_image(graph: Graph) -> None:
    """The index, the manifest and the config are three digests of one image."""
    graph.add_index(INDEX, BOTH[:1])
    graph.add_sbom(image(AMD_CONFIG, BAD), NOW)
    assert graph.affected_digests(LEFT) == {INDEX, AMD, AMD_CONFIG}


@pytest.mark.parametrize("registry_first", [True, False])
def test_one_platforms_sbom_speaks_for_the_index_and_for_no_other_platform(graph: Graph, registry_first: bool) -> None:
    """What is in one platform may be what runs by the index; the other platform is unknown, and not clean."""
    steps: list[Callable[[], object]] = [
        lambda: graph.add_index(INDEX, BOTH),
        lambda: graph.add_sbom(image(AMD, BAD), NOW),
    ]
    for step in steps if registry_first else reversed(steps):
        step()
    assert verdicts(graph) == {
        INDEX: "affected", AMD: "affected", AMD_CONFIG: "affected", ARM: "unknown", ARM_CONFIG: "unknown",
    }  # fmt: skip
    assert graph.affected_digests(LEFT) == {INDEX, AMD, AMD_CONFIG}


def test_an_index_is_clean_only_where_each_platform_is(graph: Graph) -> None:
    """A clean SBOM of one platform leaves the index unknown, and says which platform is missing."""
    graph.add_index(INDEX, BOTH)
    graph.add_sbom(image(AMD, GOOD), NOW)
    assert verdicts(graph) | {ARM: "", ARM_CONFIG: ""} == {
        INDEX: "unknown", AMD: "clean", AMD_CONFIG: "clean", ARM: "", ARM_CONFIG: "",
    }  # fmt: skip
    assert "linux/arm64" in graph.standing(LEFT, [INDEX])[INDEX].reason
    graph.add_sbom(image(ARM_CONFIG, GOOD, name="y"), NOW)
    assert set(verdicts(graph).values()) == {"clean"}


def test_an_sbom_of_the_index_clears_no_platform(graph: Graph) -> None:
    """It was made of one platform, and does not say of which: what it lists may be there, what it does not list may too."""
    graph.add_index(INDEX, BOTH)
    graph.add_sbom(image(INDEX, GOOD), NOW)
    assert set(verdicts(graph).values()) == {"unknown"}
    graph.add_sbom(image(INDEX, BAD, name="y"), NOW)
    assert (verdicts(graph)[INDEX], verdicts(graph)[AMD]) == ("affected", "unknown")


@pytest.mark.parametrize("registry_first", [True, False])
def test_sboms_that_name_the_index_beside_their_platform_make_no_two_platforms_one(
    graph: Graph, registry_first: bool
) -> None:
    """Scanners write both digests. Told apart again, whichever was known first, with what runs by each digest."""
    running = cluster(*(workload(f"w{n}", container(digest)) for n, digest in enumerate(ALL)))
    steps: list[Callable[[], object]] = [
        lambda: graph.add_index(INDEX, BOTH),
        lambda: graph.add_sboms([image(AMD, BAD, also=INDEX), image(ARM, GOOD, also=INDEX, name="y")], NOW),
        lambda: graph.record(running, NOW),
    ]
    for step in steps if registry_first else reversed(steps):
        step()
    assert verdicts(graph) == {
        INDEX: "affected", AMD: "affected", AMD_CONFIG: "affected", ARM: "clean", ARM_CONFIG: "clean",
    }  # fmt: skip
    exposed = {one.workload.ref.name for one in ask(graph, BAD).exposures}
    assert exposed == {"w0", "w1", "w2"}


def test_the_same_again_writes_nothing(graph: Graph, engine: sa.Engine) -> None:
    """An SBOM that names the index too is stored once a place, however often it is added."""

    def rows() -> list[tuple[object, ...]]:
        with engine.connect() as connection:
            return [
                tuple(connection.execute(sa.text(f"SELECT count(*) FROM {table}")).one())  # noqa: S608
                for table in ("graph_sbom", "graph_image", "graph_digest", "graph_sbom_set", "graph_platform")
            ] + [tuple(connection.execute(sa.text("SELECT generation FROM graph_state")).one())]

    sboms = [image(INDEX, BAD, also=AMD), image(ARM, GOOD, also=INDEX, name="y")]
    graph.add_sboms(sboms, NOW)
    graph.add_index(INDEX, BOTH)
    graph.add_sboms(sboms, NOW)
    before = rows()
    assert graph.add_sboms(sboms, NOW) == 0
    assert rows() == before
    graph.add_index(INDEX, BOTH)
    assert rows()[:-1] == before[:-1]
    assert verdicts(graph)[ARM] == "clean"


def test_a_second_index_in_an_sbom_joins_no_platforms(graph: Graph) -> None:
    """The same image under another registry's index: its SBOMs name an index that is not known to be one."""
    graph.add_index(INDEX, BOTH)
    graph.add_sboms([image(AMD, BAD, also=OTHER_INDEX), image(ARM, GOOD, also=OTHER_INDEX, name="y")], NOW)
    assert verdicts(graph)[ARM] == "clean"
    assert verdicts(graph)[AMD] == "affected"


def test_sboms_from_before_names_were_kept_are_the_indexes_where_they_may_be_either_platforms(
    graph: Graph, engine: sa.Engine
) -> None:
    """Nothing tells whose they are: the index has them all, and no platform is called clean by another's."""
    graph.add_sboms([image(AMD, BAD, also=INDEX), image(ARM, GOOD, also=INDEX, name="y")], NOW)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE graph_sbom SET named = '[]'"))
    graph.add_index(INDEX, BOTH)
    assert verdicts(graph) == dict.fromkeys(ALL, "unknown") | {INDEX: "affected"}


def test_what_runs_by_an_index_is_told_as_unknown_for_the_platforms_without_an_sbom(graph: Graph) -> None:
    """An answer names the index, the platform and a workload; with both SBOMs there is nothing to tell."""
    graph.record(cluster(workload("app", container(INDEX))), NOW)
    graph.add_index(INDEX, BOTH)
    assert [one.reason.partition(";")[0] for one in ask(graph, BAD).unknown] == ["it has no SBOM"]
    graph.add_sbom(image(AMD, GOOD), NOW)
    told = ask(graph, BAD).unknown
    assert [one.what for one in told] == [f"image registry.example.org/team/app:1@{INDEX}"]
    assert told[0].reason.startswith("it runs as one of 2 platforms, and no SBOM tells what linux/arm64 holds; prod-ml")
    graph.add_sbom(image(ARM, GOOD, name="y"), NOW)
    assert ask(graph, BAD).unknown == ()


def test_an_applications_sbom_of_one_platform_is_not_hidden_by_the_others_whole_one(graph: Graph) -> None:
    """Each platform's SBOM must have been able to list what is asked for."""
    deb = Question.parse("pkg:deb/debian/zlib1g@1.2")
    graph.record(cluster(workload("app", container(INDEX))), NOW)
    graph.add_index(INDEX, BOTH)
    graph.add_sbom(image(AMD, GOOD), NOW)
    graph.add_sbom(bom(GOOD, digest=ARM, type="application", name="y"), NOW)
    assert graph.standing(deb, [INDEX])[INDEX].verdict == "unknown"
    assert any("describes an application" in one.reason for one in ask(graph, str(deb)).unknown)
