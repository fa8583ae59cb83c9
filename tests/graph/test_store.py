"""The store: what goes in whole, what an answer holds, and what is unknown."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from graph_fleet import ADVISORY, IMAGE, NOW, NOWHERE, cluster, container, digest_of, sbom, workload

from patchgap.errors import BadInputError
from patchgap.graph.advisory import read_advisory
from patchgap.graph.question import Question
from patchgap.graph.reading import SCHEMA
from patchgap.graph.sbom.document import SbomDocument
from patchgap.graph.sbom.read import parse_sbom, read_sbom
from patchgap.graph.store import Graph
from patchgap.model.exposure import Exposure, ExposureAnswer
from patchgap.model.signal import Advisory, AffectedPackage
from patchgap.model.unknown import Unknown
from patchgap.model.workload import ContainerRole, RunState
from patchgap.storage import HEAD

OTHER = "sha256:" + "d" * 64
EVERYTHING = ("graph_sbom", "graph_component", "graph_occurrence", "graph_image", "graph_digest", "graph_container")


def bom(
    *purls: str, digest: str = IMAGE, name: str = "x", edges: dict[str, list[str]] | None = None, **root: Any
) -> SbomDocument:
    described = {"type": "container", "name": "app", "version": digest, "bom-ref": "root", **root}
    components = [
        {"name": one, "version": "1.0"} if not one.startswith("pkg:") else {"name": "n", "purl": one, "bom-ref": one}
        for one in purls
    ]
    document = {
        "bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": f"urn:{name}",
        "metadata": {"component": described}, "components": components,
        "dependencies": [{"ref": ref, "dependsOn": on} for ref, on in (edges or {}).items()],
    }  # fmt: skip
    return parse_sbom(json.dumps(document).encode(), "x.json", f"app@{digest}")


def ask(graph: Graph, text: str) -> ExposureAnswer:
    return graph.exposure(Question.parse(text), NOW)


def names(answer: ExposureAnswer) -> list[str]:
    return [one.workload.ref.name for one in answer.exposures]


def reasons(answer: ExposureAnswer) -> list[str]:
    return [f"{one.what}: {one.reason}" for one in answer.unknown]


def rows(engine: sa.Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {name: connection.execute(sa.text(f"SELECT count(*) FROM {name}")).scalar_one() for name in EVERYTHING}  # noqa: S608


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
    answer = ask(graph, "pkg:npm/left-pad@1.3.0")
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
    assert reasons(ask(graph, "a")) == ["every cluster: no cluster has been read"]


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
        "cluster prod-ml-eu: unreachable since 2026-11-24T07:15:00Z (last read at 2026-11-24T07:10:00Z): timed out",
        "cluster prod-ml-us: unreachable since 2026-11-24T07:10:00Z (never read): refused",
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
    joined = (IMAGE, OTHER, NOWHERE)
    if not late:
        graph.add_equivalents(joined)
    graph.add_sbom(bom("pkg:npm/a@1.0.0"), NOW)
    graph.record(cluster(workload("app", container(OTHER))), NOW)
    graph.add_artifact(replace(bom().artifact, digest=OTHER, commit="c" * 40))
    if late:
        assert [one.what.rpartition("@")[2] for one in ask(graph, "a").unknown] == [OTHER]
        graph.add_equivalents(joined)
    answer = ask(graph, "a")
    assert [one.artifact.digest for one in answer.exposures] == [OTHER]  # as it runs
    assert answer.exposures[0].artifact.commit == "c" * 40
    assert answer.unknown == ()
    assert graph.affected_digests(Question.parse("a")) == {*joined}


def test_images_that_turn_out_to_be_one_keep_both_sboms(graph: Graph) -> None:
    """Joining two images forgets nothing of either, and the same SBOM of both is one."""
    graph.add_sbom(bom("pkg:npm/a@1.0.0"), NOW)
    graph.add_sbom(bom("pkg:npm/b@1.0.0", digest=OTHER, name="y"), NOW)
    same = bom("pkg:npm/c@1.0.0", name="z")
    graph.add_sbom(same, NOW)
    graph.add_sbom(replace(same, artifact=replace(same.artifact, digest=OTHER), digests=(OTHER,)), NOW)
    graph.record(cluster(workload("app", container(OTHER))), NOW)
    assert names(ask(graph, "a")) == []
    graph.add_equivalents((IMAGE, OTHER))
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


def bom_of(components: list[dict[str, Any]], digest: str = IMAGE, name: str = "x") -> SbomDocument:
    document = {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": name, "components": components}
    return parse_sbom(json.dumps(document).encode(), "x.json", f"app@{digest}")


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
        graph.add_equivalents((IMAGE, "latest"))
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


def test_the_quick_reader_knows_the_schema_of_today() -> None:
    """What reads an SQLite file without SQLAlchemy was written for the newest migration."""
    assert SCHEMA == HEAD


def test_times_are_kept_in_utc(graph: Graph) -> None:
    """A time with another offset is stored as the same instant."""
    east = datetime.fromisoformat("2026-11-24T09:10:00+02:00")
    graph.record(cluster(), east)
    assert graph.refreshed_at()["prod-ml-eu"] == east.astimezone(UTC) == NOW
