"""`patchgap blast-radius`: the order is the sentence that it prints, and unknown counts as the worst."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from graph_fleet import IMAGE, NOW, NOWHERE, bom, cluster, container, workload

from patchgap.cli.blast_radius import blast_radius
from patchgap.cli.context import Cli
from patchgap.graph.radius import Privilege, privilege_of, ranked, total
from patchgap.graph.store import Graph
from patchgap.model.exposure import Artifact, Component, Exposure, Standing
from patchgap.model.unknown import Unknown
from patchgap.model.workload import Classification, DataScope, Privileges, Workload
from patchgap.storage import connect

SAFE = Privileges("x", cluster_admin=False)


def made(
    name: str, scope: str = "public", net: bool | None = False, held: Privileges = SAFE, running: int = 1
) -> Workload:
    return replace(
        workload(name, container(IMAGE)), data_scope=DataScope(Classification(scope)), internet_exposed=net,
        privileges=held, running=running,
    )  # fmt: skip


def exposed(one: Workload, standing: Standing = Standing.AFFECTED) -> Exposure:
    return Exposure(Component("pkg:npm/a@1", "a", "1"), None, (), Artifact(IMAGE), one, one.containers[0], standing)


ORDERED = [
    ("scope before exposure", made("a", "sensitive"), made("b", "internal", net=True)),
    ("sensitive before internal", made("b", "sensitive"), made("a", "internal")),
    ("internal before public", made("b", "internal"), made("a", "public")),
    ("unknown scope as sensitive", made("a", "unknown"), made("b", "sensitive")),
    ("sensitive as unknown scope", made("a", "sensitive"), made("b", "unknown")),
    ("unknown scope before internal", made("b", "unknown"), made("a", "internal")),
    ("exposure before privilege", made("b", net=True), made("a", held=Privileges("x", True))),
    ("unknown exposure as exposed", made("a", net=None), made("b", net=True)),
    ("unknown exposure before none", made("b", net=None), made("a")),
    ("admin before privileged", made("b", held=Privileges("x", True)), made("a", held=Privileges("x", False, True))),
    ("unknown rights as admin", made("a", held=Privileges("x")), made("b", held=Privileges("x", True))),
    ("privileged before host", made("b", held=Privileges("x", False, True)), made("a", held=Privileges("x", False, False, True))),
    ("host before capabilities", made("b", held=Privileges("x", False, False, True)), made("a", held=Privileges("x", False, capabilities=("NET_RAW",)))),
    ("capabilities before rights", made("b", held=Privileges("x", False, capabilities=("NET_RAW",))), made("a", held=Privileges("x", False, reach=("get secrets in a",)))),
    ("granted rights before none", made("b", held=Privileges("x", False, reach=("get secrets in a",))), made("a", running=9)),
    ("privilege before replicas", made("b", held=Privileges("x", False, True)), made("a", running=9)),
    ("replicas before names", made("b", running=9), made("a", running=2)),
    ("names last", made("a"), made("b")),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second"), [row[1:] for row in ORDERED], ids=[row[0] for row in ORDERED])
def test_the_order_is_lexicographic(first: Workload, second: Workload) -> None:
    """Each step decides only where all before it are the same; the order in which they come does not matter."""
    for given in ((first, second), (second, first)):
        assert [one.workload.ref.name for one in ranked(map(exposed, given))] == [first.ref.name, second.ref.name]


def test_what_vex_clears_comes_last_and_counts_apart() -> None:
    """One component that VEX does not clear is enough for its workload to stay in the order."""
    cleared, half = made("a", "sensitive", net=True), made("b")
    exposures = [exposed(cleared, Standing.NOT_AFFECTED), exposed(half, Standing.NOT_AFFECTED), exposed(half)]
    reached = ranked(exposures)
    assert [(one.workload.ref.name, one.standing) for one in reached] == [
        ("b", Standing.AFFECTED),
        ("a", Standing.NOT_AFFECTED),
    ]
    sums = total(reached)
    assert (sums.workloads, sums.sensitive, sums.internet, sums.cleared) == (1, 0, 0, 1)


def test_rights_that_could_not_all_be_read_are_unknown() -> None:
    """A role that could not be listed may be the worst one."""
    assert privilege_of(Privileges("x", False, unknown=(Unknown("RBAC", "forbidden"),))) == (
        Privilege.CLUSTER_ADMIN,
        False,
    )
    assert privilege_of(Privileges("x", True, unknown=(Unknown("RBAC", "forbidden"),))) == (
        Privilege.CLUSTER_ADMIN,
        True,
    )


def test_the_total_counts_each_thing_once() -> None:
    """A namespace of the same name in another cluster is another; a store that two write to is one."""
    scope = DataScope(Classification.SENSITIVE, ("registry", "store"))
    one = replace(made("a", running=3), data_scope=scope)
    far = replace(
        one, ref=replace(one.ref, cluster="us"), data_scope=DataScope(writes_to=("store",)), internet_exposed=None
    )
    sums = total(ranked([exposed(one), exposed(one), exposed(far)]))
    assert (sums.workloads, sums.replicas, sums.namespaces, sums.clusters) == (2, 6, 2, 2)
    assert (sums.sensitive, sums.unknown_scope, sums.internet, sums.unknown_internet) == (2, 1, 1, 1)
    assert sums.writes_to == ("registry", "store")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    graph = Graph(connect(f"sqlite:///{tmp_path / 'patchgap.db'}"))
    graph.add_sbom(bom("pkg:npm/a@1.0.0"), NOW)
    dark = made("dark", "unknown", None, Privileges("x"), 2)
    graph.record(cluster(made("w" * 70, "internal", True), dark, workload("blind", container(NOWHERE))), NOW)
    return tmp_path


def run(home: Path, *words: str) -> str:
    return CliRunner().invoke(blast_radius, words, obj=Cli(home=home, clock=lambda: NOW), catch_exceptions=False).stdout


def test_words_show_the_unknown_as_unknown(home: Path) -> None:
    """A table within 80 columns, its total, its order and what could not be told."""
    told = run(home, "a")
    assert " ".join(told.split()).startswith(
        "a: 2 workloads include it; 3 running replicas, 1 namespace, 1 cluster; data: 0 sensitive, 1 unknown and counted "
        "as sensitive; internet: 1 exposed, 1 unknown and counted as exposed; 1 thing could not be told."
    )
    lines = told.splitlines()
    assert "1  UNKNOWN   UNKNOWN   UNKNOWN    2 of 8   training/Deployment/dark" in lines
    assert [line for line in lines if len(line) > 80 and "w" * 70 not in line] == []
    assert "UNKNOWN: 1 thing could not be told. Unknown is not clean." in lines


def test_json_has_the_rank_and_the_total(home: Path) -> None:
    """For a program; filters as in `patchgap exposure`."""
    document: dict[str, Any] = json.loads(run(home, "a", "--classification", "sensitive", "--json"))
    (one,) = document["workloads"]
    assert (one["rank"], one["workload"]["name"], one["privilege"], one["internet_exposed"]) == (
        1,
        "dark",
        "unknown",
        None,
    )
    assert document["total"]["workloads"] == 1
    assert len(document["unknown"]) == 1


def test_nothing_is_calm_only_where_all_could_be_told(home: Path) -> None:
    """As in `patchgap exposure`."""
    assert "zzz: not found, but not everything could be told." in run(home, "zzz")
