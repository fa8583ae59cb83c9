"""What a mirror's advisories touch of what runs is what asking for each of them says."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from graph_fleet import IMAGE, NOW, OTHER, bom, cluster, container, workload
from test_advisories import PACKAGES, PURLS, record

from patchgap.graph.advisory import read_advisory
from patchgap.graph.question import Question
from patchgap.graph.selection import Selection
from patchgap.graph.store import Graph
from patchgap.graph.touched import Asked, Touched, touched
from patchgap.graph.vex.read import parse_vex
from patchgap.model.exposure import Standing
from patchgap.model.signal import Severity
from patchgap.model.vex import VexDocument
from patchgap.model.workload import Container, RunState

TORCH = "pkg:pypi/torch@1.5.0"
FILTERS: list[dict[str, Sequence[str]]] = [
    {},
    {"namespace": ["n0"]},
    {"cluster": ["c1"]},
    {"environment": ["test"], "ecosystem": ["PyPI"]},
]
States = [RunState.RUNNING, RunState.RUNNING, RunState.SCHEDULED, RunState.ENDED]
Rows = dict[tuple[str, str, str], tuple[Standing, int, int]]


def look(graph: Graph, mirror: Path, asked: Asked = Asked()) -> Touched:  # noqa: B008  (frozen)
    graph.advisories(mirror).refresh(NOW)
    return graph.asked(lambda read: touched(read, mirror, asked))


def vex(name: str, product: str, purl: str) -> VexDocument:
    statement = {
        "vulnerability": {"name": name}, "products": [{"@id": product, "subcomponents": [{"@id": purl}]}],
        "status": "not_affected", "justification": "vulnerable_code_not_present",
    }  # fmt: skip
    document = {
        "@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://example.org/vex", "author": "the supplier",
        "timestamp": "2026-11-20T00:00:00Z", "version": 1, "statements": [statement],
    }  # fmt: skip
    return parse_vex(json.dumps(document).encode(), "vex.json")


def one_by_one(graph: Graph, mirror: Path, selection: Selection) -> Rows:
    """By asking for each advisory of the folder."""
    found: Rows = {}
    for file in mirror.glob("*.json"):
        advisory = read_advisory(file)
        asked = graph.exposure(Question.of_advisory(advisory).inside(selection.ecosystem), NOW).exposures
        kept = [one for one in asked if selection.keeps(one.workload)]
        for component in {one.component for one in kept}:
            of_it = [one for one in kept if one.component == component]
            open_ = {one.workload.ref for one in of_it if one.standing is not Standing.NOT_AFFECTED}
            everywhere = {one.workload.ref for one in of_it}
            worst = min((one.standing for one in of_it), key=["affected", "unknown", "not_affected"].index)
            key = (advisory.id, component.purl or component.name, component.version)
            found[key] = (worst, len(everywhere), len(everywhere - open_))
    return found


@pytest.mark.parametrize("seed", range(2))
def test_it_says_what_asking_for_each_advisory_says(graph: Graph, tmp_path: Path, seed: int) -> None:
    """Standing, workloads and how many VEX clears, over workloads of several images, images of several SBOMs, what does
    not run, and each filter; images that no selected workload runs are left out."""
    rng = random.Random(seed)  # noqa: S311  (a test's fleet)
    digests = [f"sha256:{n:064x}" for n in range(6)]
    for n in range(9):
        graph.add_sbom(bom(*rng.sample(PURLS, 4), digest=digests[n % 6], name=str(n)), NOW)

    def held() -> list[Container]:
        chosen = rng.sample(digests[:5], rng.randrange(1, 4))
        return [container(one, rng.choice(States), name=f"c{n}") for n, one in enumerate(chosen)]

    for name in ("c0", "c1"):
        workloads = [workload(f"w{n}", *held(), namespace=f"n{n % 2}") for n in range(6)]
        workloads = [replace(one, environment=rng.choice(["test", "production", "unknown"])) for one in workloads]
        graph.record(cluster(*workloads, name=name), NOW)
    for n in range(8):
        more = {"withdrawn": "2026-01-01T00:00:00Z"} if n == 0 else {}
        found = record(
            f"X-{n}", *rng.sample(PACKAGES, 3), fixed=rng.choice(["1.4.0", "3.0.0"]), aliases=[f"CVE-{n}"], **more
        )
        (tmp_path / f"{n}.json").write_bytes(found)
    for n in range(1, 6):
        for purl in rng.sample([one for one in PURLS if one != "torch"], 6):
            graph.add_vex(vex(f"CVE-{n}", f"pkg:oci/app@{digests[n % 5]}", purl), NOW)
    for filters in FILTERS:
        selection = Selection.of(filters)
        rows = {
            (one.advisory.id, one.component.purl or one.component.name, one.component.version): (
                one.standing, one.workloads, one.cleared,
            )
            for one in look(graph, tmp_path, Asked(selection)).touches
        }  # fmt: skip
        expected = one_by_one(graph, tmp_path, selection)
        assert rows == {key: told for key, told in expected.items() if key[0] != "X-0"}
    assert any(told[2] for told in one_by_one(graph, tmp_path, Selection()).values())


@pytest.fixture
def mirror(graph: Graph, tmp_path: Path) -> Path:
    """Two images with torch, of which one runs."""
    graph.add_sbom(bom(TORCH), NOW)
    graph.add_sbom(bom(TORCH, "pkg:pypi/torch@soon", digest=OTHER, name="y"), NOW)
    graph.record(cluster(workload("app", container(IMAGE)), workload("api", container(IMAGE))), NOW)
    return tmp_path


def test_images_that_do_not_run_are_asked_for(graph: Graph, mirror: Path) -> None:
    """Counted in any case, listed on request; a version that cannot be compared is unknown, with its reason."""
    (mirror / "a.json").write_bytes(record("A-1", ("PyPI", "torch")))
    (one,) = look(graph, mirror).touches
    assert (one.component.purl, one.workloads, one.running, one.images) == (TORCH, 2, 1, 2)
    _, other = look(graph, mirror, Asked(all_images=True)).touches
    assert (other.standing, other.workloads, other.running, other.images) == (Standing.UNKNOWN, 0, 0, 1)
    assert other.reason.startswith("it cannot be compared")


def test_only_what_is_known_since_a_time(graph: Graph, mirror: Path) -> None:
    """By when it was found, not by when the record was made."""
    (mirror / "a.json").write_bytes(record("A-1", ("PyPI", "torch")))
    look(graph, mirror)
    (mirror / "b.json").write_bytes(record("B-1", ("PyPI", "torch")))
    graph.advisories(mirror).refresh(NOW + timedelta(hours=1))
    found = look(graph, mirror, Asked(since=NOW + timedelta(minutes=1)))
    assert [one.advisory.id for one in found.touches] == ["B-1"]


@pytest.mark.parametrize(
    ("other", "aliases", "severity"),
    [
        ({"database_specific": {"severity": "HIGH"}}, ("CVE-1", "CVE-2", "GHSA-1"), Severity.HIGH),
        ({"aliases": ["CVE-2", "MAL-1"]}, ("CVE-1", "CVE-2", "GHSA-1", "MAL-1"), Severity.CRITICAL),
        ({"withdrawn": "2026-01-01T00:00:00Z", "database_specific": {"severity": "HIGH"}},
         ("CVE-1", "CVE-2", "GHSA-1"), Severity.UNKNOWN),
    ],
)  # fmt: skip
def test_a_family_has_one_severity(
    graph: Graph, mirror: Path, other: dict[str, Any], aliases: tuple[str, ...], severity: Severity
) -> None:
    """A-1 says CVE-1, B-1 says CVE-1 and CVE-2, GHSA-1 says CVE-2: what GHSA-1 states, withdrawn or not, A-1 is told with."""
    (mirror / "a.json").write_bytes(record("A-1", ("PyPI", "torch"), aliases=["CVE-1"]))
    (mirror / "b.json").write_bytes(record("B-1", aliases=["CVE-1", "CVE-2"]))
    (mirror / "c.json").write_bytes(record("GHSA-1", **{"aliases": ["CVE-2"], **other}))
    (mirror / "d.json").write_bytes(record("D-1", aliases=["CVE-3"], database_specific={"severity": "CRITICAL"}))
    (one,) = look(graph, mirror).touches
    assert (one.aliases, one.severity) == (tuple(sorted(("B-1", *aliases))), severity)


def test_a_record_that_stands_twice_is_told_once(graph: Graph, mirror: Path) -> None:
    """An ecosystem's zip and the whole one hold the same: the worse of the two counts."""
    (mirror / "a.json").write_bytes(record("A-1", ("PyPI", "torch"), fixed="later"))
    (mirror / "b.json").write_bytes(record("A-1", ("PyPI", "torch")))
    assert [(one.advisory.id, one.standing) for one in look(graph, mirror).touches] == [("A-1", Standing.AFFECTED)]


def test_what_could_not_be_told_is_told(graph: Graph, mirror: Path) -> None:
    """Records that cannot be read, before and after they could; those that name no package; components that came meanwhile;
    images without an SBOM; SBOMs that could not have listed what the mirror names. A withdrawn record is none of them."""
    (mirror / "a.json").write_bytes(record("A-1", ("PyPI", "torch"), ("Debian:12", "openssl")))
    (mirror / "b.json").write_bytes(b'{"id": 7}')
    (mirror / "c.json").write_bytes(record("C-1"))
    (mirror / "d.json").write_bytes(record("D-1", withdrawn="2026-01-01T00:00:00Z"))
    assert look(graph, mirror).records == 2
    (mirror / "a.json").write_bytes(b'{"id": "A-1", "affected": 7}')
    graph.advisories(mirror).refresh(NOW)
    graph.add_sbom(bom("pkg:npm/new@1.0.0", digest=f"sha256:{7:064x}", name="new", type="application"), NOW)
    graph.record(
        cluster(
            workload("new", container(f"sha256:{7:064x}")),
            workload("app", container(IMAGE)),
            workload("blind", container(f"sha256:{8:064x}")),
        ),
        NOW,
    )
    found = graph.asked(lambda read: touched(read, mirror))
    told = "\n".join(f"{one.what}: {one.reason}" for one in found.unknown)
    for part in (
        "record a.json: affected is int, not a list. Write a list. It is answered for A-1 as it was before.",
        "record b.json: id is int", "1 advisory names no package: ", "the newest components: ", "it has no SBOM",
        "lists no deb or pypi package",
    ):  # fmt: skip
        assert part in told
    assert told.count("record ") == 2
    assert [one.advisory.id for one in found.touches] == ["A-1"]
    assert (found.records, found.withdrawn) == (2, 1)


def test_a_mirror_that_was_never_read_is_unknown(graph: Graph, tmp_path: Path) -> None:
    """It is no answer without matches."""
    found = graph.asked(lambda read: touched(read, tmp_path))
    assert [one.reason for one in found.unknown] == ["it was never read"]
