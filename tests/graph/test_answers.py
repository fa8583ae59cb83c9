"""Answers: who is exposed, through what, and what is unknown."""

from __future__ import annotations

import pytest
from graph_fleet import (
    ADVISORY,
    IMAGE,
    NOW,
    NOWHERE,
    OTHER,
    ask,
    bom,
    bom_of,
    cluster,
    container,
    digest_of,
    names,
    reasons,
    sbom,
    workload,
)

from patchgap.graph.advisory import read_advisory
from patchgap.graph.memory import Memory
from patchgap.graph.query import Query
from patchgap.graph.question import Question
from patchgap.graph.sbom.document import SbomDocument
from patchgap.graph.sbom.read import read_sbom
from patchgap.graph.store import Graph
from patchgap.model.exposure import Exposure
from patchgap.model.signal import Advisory, AffectedPackage
from patchgap.model.unknown import NO_CLUSTER, Unknown
from patchgap.model.workload import ContainerRole, RunState


def test_the_question_is_answered_with_chain_and_place(graph: Graph) -> None:
    """The trainer's real SBOM: who runs it, through what, from which commit, and nothing unknown."""
    trainer = digest_of("trainer-v2")
    graph.add_sbom(read_sbom(sbom("trainer-v2")), NOW)
    graph.record(cluster(workload("trainer-v2", container(trainer))), NOW)
    answer = ask(graph, "pytorch-lightning@1.5.2")
    (one,) = answer.exposures
    assert (one.component.version, one.direct, one.standing.value) == ("1.5.2", False, "affected")
    assert [len(chain) for chain in one.chains] == [3]
    assert one.chains[0][-1] == "pkg:pypi/pytorch-lightning@1.5.2"
    assert one.artifact.digest == trainer
    assert one.artifact.commit == "f9676d83590d403ef37eb06a4497f8b9a611983a"
    assert answer.unknown == ()
    assert graph.exposure(Question.of_advisory(read_advisory(ADVISORY)), NOW).exposures == (one,)


def idle(graph: Graph, text: str) -> tuple[str, ...]:
    return graph.asked(lambda read: Query(read, Memory()).not_running(Question.parse(text)))


def test_an_image_that_nothing_runs_is_named_apart(graph: Graph) -> None:
    """It holds the package, and is no exposure; once a workload runs it, it is one and no longer named so."""
    trainer, patched = digest_of("trainer-v2"), digest_of("trainer-v2-patched")
    for name in ("trainer-v2", "trainer-v2-patched"):
        graph.add_sbom(read_sbom(sbom(name)), NOW)
    graph.record(cluster(workload("other", container(patched))), NOW)
    asleep = ask(graph, "pytorch-lightning@1.5.2")
    assert asleep.exposures == ()
    assert [image.rpartition("@")[2] for image in idle(graph, "pytorch-lightning@1.5.2")] == [trainer]
    graph.record(cluster(workload("trainer-v2", container(trainer))), NOW)
    awake = ask(graph, "pytorch-lightning@1.5.2")
    assert len(awake.exposures) == 1
    assert idle(graph, "pytorch-lightning@1.5.2") == ()


def test_the_patched_image_is_clean_and_the_old_one_is_not(graph: Graph) -> None:
    """Each digest has its own standing; one without an SBOM is unknown."""
    for name in ("trainer-v2", "trainer-v2-patched"):
        graph.add_sbom(read_sbom(sbom(name)), NOW)
    old, new = digest_of("trainer-v2"), digest_of("trainer-v2-patched")
    question = Question.of_advisory(read_advisory(ADVISORY))
    found = graph.standing(question, [old, new, NOWHERE])
    assert {d: found[d].verdict for d in found} == {old: "affected", new: "clean", NOWHERE: "unknown"}
    assert graph.affected_digests(question) == {old}


def test_edges_tell_direct_from_transitive_and_neither(graph: Graph) -> None:
    """Direct, transitive, both ways, in a cycle, and where no edge leads."""
    a, b, c, lone = (f"pkg:npm/{name}@1.0.0" for name in "abcd")
    edges = {"root": [a, c], a: [b], b: [a, c], c: [b]}
    graph.add_sbom(bom(a, b, c, lone, edges=edges), NOW)
    graph.record(cluster(workload("app", container(IMAGE))), NOW)

    def one(name: str) -> Exposure:
        (found,) = ask(graph, f"pkg:npm/{name}").exposures
        return found

    assert (one("a").direct, one("c").direct, one("b").direct, one("d").direct) == (True, True, False, None)
    assert [chain[1:] for chain in one("b").chains] == [(a, b), (c, b)]
    assert one("d").chains == ()


def test_where_the_root_leads_nowhere_nothing_is_called_direct(graph: Graph) -> None:
    """Edges that do not start at the root make no chain, and hide nothing."""
    a, b = "pkg:npm/a@1.0.0", "pkg:npm/b@1.0.0"
    graph.add_sbom(bom(a, b, edges={a: [b]}), NOW)
    graph.record(cluster(workload("app", container(IMAGE))), NOW)
    (found,) = ask(graph, "b").exposures
    assert (found.direct, found.chains) == (None, ())


STATES = [
    (RunState.RUNNING, True),
    (RunState.SCHEDULED, True),
    (RunState.SCALED_TO_ZERO, True),
    (RunState.PENDING, True),
    (RunState.ROLLBACK, False),
    (RunState.ENDED, False),
]


@pytest.mark.parametrize(("state", "exposed"), STATES)
def test_what_runs_or_would_run_is_exposed(graph: Graph, state: RunState, exposed: bool) -> None:
    """Scheduled, scaled to zero and pending ones are answered; what ended or is a rollback target is not."""
    graph.add_sbom(bom("pkg:npm/a@1.0.0"), NOW)
    graph.record(cluster(workload("app", container(IMAGE, state))), NOW)
    assert bool(ask(graph, "a").exposures) is exposed


@pytest.mark.parametrize("role", ContainerRole)
def test_every_kind_of_container_counts(graph: Graph, role: ContainerRole) -> None:
    """An init or an ephemeral container's image exposes the workload as its main one does."""
    graph.add_sbom(bom("pkg:npm/a@1.0.0"), NOW)
    graph.record(cluster(workload("app", container(IMAGE, role=role))), NOW)
    assert names(ask(graph, "a")) == ["app"]


def test_a_rollout_under_way_shows_both_digests(graph: Graph) -> None:
    """A workload whose pods run two digests is exposed through each that holds the package."""
    graph.add_sbom(bom("pkg:npm/a@1.0.0"), NOW)
    graph.add_sbom(bom("pkg:npm/a@1.0.0", digest=OTHER, name="y"), NOW)
    graph.record(cluster(workload("app", container(IMAGE), container(OTHER))), NOW)
    assert {one.artifact.digest for one in ask(graph, "a").exposures} == {IMAGE, OTHER}


BLIND: dict[str, tuple[tuple[SbomDocument, ...], object, str]] = {
    "no SBOM": ((), NOWHERE, f"image registry.example.org/team/app:1@{NOWHERE}: it has no SBOM; prod-ml-eu/training/Deployment/app runs it"),
    "no digest": ((), Unknown("a", "the pod says none"), "container main (registry.example.org/team/app:1): its digest is unknown: the pod says none"),
    "another kind of digest": ((), "sha512:" + "a" * 128, "its digest is unknown: its digest is not one"),
    "no packages": ((bom(),), IMAGE, "its SBOM lists no packages"),
    "nothing but the artifact": ((bom(purl="pkg:npm/app@1.0.0"),), IMAGE, "its SBOM lists no packages"),
    "nothing but the artifact, whose version stands apart": ((bom(type="application", purl="pkg:npm/app", version="1.0.0"),), IMAGE, "its SBOM lists no packages"),
}  # fmt: skip


@pytest.mark.parametrize("name", BLIND)
def test_a_blind_spot_is_named(graph: Graph, name: str) -> None:
    """What the graph cannot see into is unknown to every question, by name and with its reason."""
    documents, digest, expected = BLIND[name]
    for one in documents:
        graph.add_sbom(one, NOW)
    graph.record(cluster(workload("app", container(digest))), NOW)  # type: ignore[arg-type]
    answer = ask(graph, "left-pad")
    assert answer.exposures == ()
    assert len(answer.unknown) == 1
    assert expected in reasons(answer)[0]


def test_packages_without_purls_are_unknown_where_their_name_fits(graph: Graph) -> None:
    """A component named without a purl may be the package: exposed with the standing unknown, and told."""
    graph.add_sbom(bom("left-pad"), NOW)
    graph.record(cluster(workload("app", container(IMAGE))), NOW)
    answer = ask(graph, "pkg:npm/left-pad@1.0.0")
    assert [one.standing.value for one in answer.exposures] == ["unknown"]
    assert reasons(answer) == ["left-pad@1.0: it has no purl: it may be left-pad or another package of that name"]
    assert ask(graph, "right-pad").unknown == ()
    assert graph.standing(Question.parse("left-pad"), [IMAGE])[IMAGE].verdict == "unknown"


def test_a_doubt_about_what_runs_nowhere_is_none(graph: Graph) -> None:
    """A component that cannot be compared makes an answer unknown only where a workload runs it."""
    graph.add_sbom(bom("pkg:npm/a@latest"), NOW)
    graph.add_sbom(bom("pkg:npm/b@1.0.0", digest=OTHER, name="y"), NOW)
    graph.record(cluster(workload("app", container(OTHER))), NOW)
    assert ask(graph, "a@1.0.0").unknown == ()
    assert graph.standing(Question.parse("a@1.0.0"), [IMAGE])[IMAGE].verdict == "unknown"


def test_an_advisory_that_names_no_package_clears_nothing(graph: Graph) -> None:
    """Its answer is unknown, and so is every digest's standing."""
    graph.add_sbom(bom("pkg:npm/a@1.0.0"), NOW)
    graph.record(cluster(workload("app", container(IMAGE))), NOW)
    question = Question.of_advisory(Advisory(id="X-1", digest="", affected=()))
    assert reasons(graph.exposure(question, NOW)) == [
        "advisory X-1: it names no package: which components it affects is not told"
    ]
    assert graph.standing(question, [IMAGE])[IMAGE].verdict == "unknown"


def test_no_cluster_at_all_is_unknown(graph: Graph) -> None:
    """An empty graph does not say "not exposed"."""
    assert reasons(ask(graph, "a")) == [f"every cluster: {NO_CLUSTER}"]


def test_many_components_with_one_reference_are_all_found(graph: Graph) -> None:
    """Duplicate references, components nested in components, and files that have a purl hide nothing."""
    components = [
        {"name": "a", "purl": "pkg:npm/a@1.0.0", "bom-ref": "same"},
        {"name": "b", "purl": "pkg:npm/b@1.0.0", "bom-ref": "same", "components": [
            {"name": "c", "purl": "pkg:npm/c@1.0.0", "components": [{"name": "d", "purl": "pkg:npm/d@1.0.0"}]},
        ]},
        {"type": "file", "name": "/app/lib/e.jar", "purl": "pkg:maven/g/e@1.0", "components": [
            {"type": "library", "name": "f", "purl": "pkg:maven/g/f@1.0"},
        ]},
        {"type": "file", "name": "g"},
    ]  # fmt: skip
    graph.add_sbom(bom_of(components), NOW)
    graph.record(cluster(workload("app", container(IMAGE))), NOW)
    assert [names(ask(graph, one)) for one in "abcdef"] == [["app"]] * 6
    assert ask(graph, "g").exposures == ()


def test_a_workloads_own_exposures_name_each_container(graph: Graph) -> None:
    """A signal about a workload touches each of its images; a workload that nobody saw is unknown."""
    graph.add_sbom(bom("pkg:npm/a@1.0.0"), NOW)
    graph.record(cluster(workload("app", container(IMAGE), container(Unknown("a", "b"), name="side"))), NOW)
    found = graph.workload_exposures("prod-ml-eu", "training", "deployment", "app", NOW)
    assert [(one.container.name, one.artifact.digest) for one in found.exposures] == [("main", IMAGE), ("side", "")]
    assert found.exposures[0].artifact.sbom_ref == "urn:x"
    missing = graph.workload_exposures("prod-ml-eu", "training", "Deployment", "gone", NOW)
    assert missing.exposures == ()
    assert reasons(missing)[-1].endswith("/gone: no snapshot holds a workload of that name")


def test_an_advisory_of_very_many_packages_is_answered(graph: Graph) -> None:
    """More names than one statement takes are looked up in several."""
    graph.add_sbom(bom(*(f"pkg:npm/p{n}@1.0.0" for n in range(900))), NOW)
    graph.record(cluster(workload("app", container(IMAGE))), NOW)
    affected = tuple(AffectedPackage("npm", f"p{n}", versions=("1.0.0",)) for n in range(900))
    answer = graph.exposure(Question.of_advisory(Advisory(id="X", digest="", affected=affected)), NOW)
    assert len(answer.exposures) == 900
