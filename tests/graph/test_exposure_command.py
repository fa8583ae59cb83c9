"""`patchgap exposure`: words at 80 columns, one JSON document, exit codes, and what it must not import."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from graph_fleet import ADVISORY, NOW, NOWHERE, cluster, container, digest_of, sbom, workload

from patchgap.cli import QUESTIONS, main
from patchgap.cli.context import Cli
from patchgap.cli.exposure import exposure
from patchgap.graph.sbom.read import read_sbom
from patchgap.graph.store import Graph
from patchgap.model.unknown import NO_CLUSTER, Unknown
from patchgap.model.workload import ClusterInventory, DataScope, Privileges, RunState
from patchgap.storage import connect

TRAINER = digest_of("trainer-v2")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fill(home: Path, *inventories: ClusterInventory) -> Graph:
    graph = Graph(connect(f"sqlite:///{home / 'patchgap.db'}"))
    graph.add_sbom(read_sbom(sbom("trainer-v2")), NOW)
    for one in inventories:
        graph.record(one, NOW)
    return graph


@pytest.fixture
def fleet(home: Path) -> Graph:
    return fill(home, cluster(workload("trainer-v2", container(TRAINER))))


def run(home: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home), "exposure", *words])


def asked(home: Path, *words: str) -> dict[str, Any]:
    told = run(home, *words, "--json")
    assert told.exit_code == 0, told.output
    document: dict[str, Any] = json.loads(told.stdout)
    return document


ASKED = ["pytorch-lightning", "pytorch-lightning@1.5.2", "pkg:pypi/pytorch-lightning@1.5.2", "Pytorch_Lightning"]


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize("what", ASKED)
def test_a_name_a_version_a_purl_and_an_advisory_find_the_trainer(home: Path, what: str) -> None:
    """However it is asked, the answer is the same."""
    assert asked(home, what)["exposures"] == asked(home, "--advisory", str(ADVISORY))["exposures"] != []


def test_images_that_nothing_runs_are_told_of_the_whole_fleet_now_alone(home: Path) -> None:
    """Of a part of it, or of another time, nobody can say so: what runs elsewhere would be among them."""
    fill(home, cluster(workload("other", container(NOWHERE))))
    (image,) = asked(home, "pytorch-lightning@1.5.2")["not_running"]
    assert image.endswith(TRAINER)
    assert f"nothing known runs:\n  {image.partition('@')[0]}" in run(home, "pytorch-lightning@1.5.2").stdout
    for part in (("--at", "1h"), ("--cluster", "prod-ml-eu"), ("--namespace", "training")):
        assert asked(home, "pytorch-lightning@1.5.2", *part)["not_running"] == []


@pytest.mark.usefixtures("fleet")
def test_the_json_has_the_shape_that_scripts_rely_on(home: Path) -> None:
    """Every field of the design, with its value."""
    document = asked(home, "pytorch-lightning@1.5.2")
    assert list(document) == ["query", "asked_at", "exposures", "not_running", "unknown", "inventory"]
    (one,) = document["exposures"]
    assert one["component"] == {
        "purl": "pkg:pypi/pytorch-lightning@1.5.2",
        "name": "pytorch-lightning",
        "version": "1.5.2",
        "source": "",
    }
    assert (one["direct"], one["standing"]) == (False, "affected")
    assert [chain[-1] for chain in one["chains"]] == ["pkg:pypi/pytorch-lightning@1.5.2"]
    assert set(one["artifact"]) == {"digest", "repository", "commit", "provenance", "sbom_ref", "gaps"}
    assert (one["artifact"]["digest"], one["artifact"]["commit"]) == (
        TRAINER,
        "f9676d83590d403ef37eb06a4497f8b9a611983a",
    )
    assert one["workload"] == {
        "platform": "kubernetes",
        "cluster": "prod-ml-eu",
        "namespace": "training",
        "kind": "Deployment",
        "name": "trainer-v2",
        "nodes": ["node-1", "node-2"],
        "environment": "production",
        "region": "eu-west-1",
        "replicas": 8,
        "running": 8,
    }
    assert one["privileges"]["service_account"] == "trainer"
    assert one["privileges"]["reach"] == ["get secrets in training"]
    assert one["data_scope"] == {"classification": "sensitive", "writes_to": ["model-registry", "feature-store"]}
    assert document["unknown"] == []


def test_the_json_says_how_old_the_inventory_is(home: Path) -> None:
    """Each cluster with when it was read and how long ago; null for one that does not answer."""
    graph = fill(home, cluster())
    graph.record_unreachable("prod-ml-us", "kubernetes", "timed out", NOW)
    context = Cli(home=home, clock=lambda: NOW + timedelta(hours=3))
    told = CliRunner().invoke(exposure, ["a", "--json"], obj=context)
    assert json.loads(told.stdout)["inventory"] == [
        {
            "cluster": "prod-ml-eu",
            "read_at": NOW.isoformat().replace("+00:00", "Z"),
            "age_seconds": 10_800,
            "by_events": False,
        },
        {"cluster": "prod-ml-us", "read_at": None, "age_seconds": None, "by_events": False},
    ]


@pytest.mark.usefixtures("fleet")
def test_words_name_all_that_an_engineer_asks_for_first(home: Path) -> None:
    """Where, how many, which data, which rights, which image and commit, and the chain."""
    told = run(home, "pytorch-lightning").stdout
    for words in (
        "pytorch-lightning: 1 workload includes it.",
        "prod-ml-eu  training  Deployment/trainer-v2",
        "production environment, region eu-west-1",
        "8 of 8 replicas, on 2 nodes",
        "sensitive; writes to model-registry, feature-store",
        "service account trainer; may get secrets in training",
        f"    {TRAINER}",
        "f9676d83590d403ef37eb06a4497f8b9a611983a",
        "pytorch-lightning 1.5.2 (transitive dependency)",
        "trainer-v2 -> pytorch-forecasting 0.9.2 -> pytorch-lightning 1.5.2",
        "cluster prod-ml-eu was read at 2026-11-24 07:10 UTC",
    ):
        assert words in told, words
    assert "UNKNOWN" not in told


EXITS = [("pytorch-lightning", True, 1), ("pytorch-lightning", False, 1), ("left-pad", True, 3), ("left-pad", False, 0)]


@pytest.mark.parametrize(("what", "blind", "code"), EXITS)
def test_the_exit_code_is_the_answer_where_it_is_asked_for(home: Path, what: str, blind: bool, code: int) -> None:
    """1 exposed, 3 cannot tell, 0 neither; and always 0 without the flag."""
    more = (workload("dark", container(NOWHERE)),) if blind else ()
    fill(home, cluster(workload("trainer-v2", container(TRAINER)), *more))
    assert run(home, what, "--exit-code").exit_code == code
    assert run(home, what).exit_code == 0


@pytest.mark.usefixtures("fleet")
def test_an_answer_without_exposures_is_calm_only_where_all_could_be_told(home: Path) -> None:
    """The words "no running workload" are said where nothing is unknown, and only there."""
    assert "left-pad: no running workload includes it." in run(home, "left-pad").stdout
    fill(home, replace(cluster(name="prod-ml-us"), unknown=(Unknown("namespace x", "forbidden"),)))
    told = run(home, "left-pad").stdout
    assert "left-pad: not found, but not everything could be told." in told
    assert "UNKNOWN: 1 thing could not be told. Unknown is not clean." in told
    assert "? namespace x: forbidden" in told


def test_what_does_not_run_now_is_not_shown_as_running(home: Path) -> None:
    """Scaled to zero and suspended ones are named, with no replica that runs."""
    idle = replace(workload("idle", container(TRAINER, RunState.SCALED_TO_ZERO)), replicas=0, running=0)
    nightly = replace(workload("nightly", container(TRAINER, RunState.SCHEDULED)), replicas=1, running=0)
    stuck = replace(workload("stuck", container(TRAINER, RunState.PENDING)), running=0)
    fill(home, cluster(idle, nightly, stuck))
    told = run(home, "pytorch-lightning").stdout
    for words in ("scaled to zero", "by schedule; none now", "0 of 8 replicas"):
        assert f"  running     {words}" in told
    assert [one["workload"]["running"] for one in asked(home, "pytorch-lightning")["exposures"]] == [0, 0, 0]


def test_what_is_not_known_of_a_workload_is_shown_as_the_worst(home: Path) -> None:
    """Unknown RBAC, an unknown classification and an unknown commit say so."""
    dark = replace(workload("dark", container(TRAINER)), privileges=Privileges("x"), data_scope=DataScope())
    powerful = Privileges("root", True, True, True, ("SYS_ADMIN",), True, tuple(f"get {n}" for n in "abcde"))
    fill(home, cluster(dark, replace(workload("strong", container(TRAINER)), privileges=powerful)))
    told = " ".join(run(home, "pytorch-lightning").stdout.split())
    assert "RBAC UNKNOWN (counts as cluster admin)" in told
    assert "UNKNOWN classification (counts as sensitive); writes to nothing that is declared" in told
    assert (
        "CLUSTER ADMIN; PRIVILEGED; HOST NAMESPACE; adds SYS_ADMIN; may get a; may get b; may get c; and 2 more" in told
    )


def test_a_component_that_may_be_it_is_shown_apart(home: Path) -> None:
    """A version that cannot be compared may be it: MAY INCLUDE, counted apart, and the reason named."""
    trainer = read_sbom(sbom("trainer-v2"))
    odd = tuple(
        p._replace(version="latest", purl="pkg:pypi/pytorch-lightning@latest") if p.name == "pytorch-lightning" else p
        for p in trainer.packages
    )
    graph = fill(home)
    graph.add_sbom(
        replace(trainer, packages=odd, digests=(NOWHERE,), artifact=replace(trainer.artifact, digest=NOWHERE)), NOW
    )
    graph.record(cluster(workload("app", container(NOWHERE))), NOW)
    told = run(home, "--advisory", str(ADVISORY), "--exit-code")
    assert told.exit_code == 1
    assert "0 workloads include it, 1 may include it" in told.stdout
    assert "MAY INCLUDE pytorch-lightning latest" in told.stdout
    assert "it cannot be compared" in " ".join(told.stdout.split())


def test_a_line_is_never_wider_than_80_columns(home: Path) -> None:
    """Long names wrap; only a word that is longer by itself stays whole."""
    far = ClusterInventory(
        "arn:aws:eks:eu-central-1:111122223333:cluster/production-machine-learning", "kubernetes", ()
    )
    long = workload("w" * 60, container(NOWHERE), container(TRAINER), namespace="n" * 40)
    fill(home, cluster(long), far)
    told = run(home, "pytorch-lightning").stdout + run(home, "pkg:pypi/" + "a" * 60).stdout
    assert [line for line in told.splitlines() if len(line) > 80 and " " in line.strip(" ?")] == []


def test_foreign_text_cannot_rewrite_the_screen(home: Path) -> None:
    """Control characters in names come out as escapes."""
    fill(home, replace(cluster(), unknown=(Unknown("\x1b[2Jall clear", "\r\x1b[31mnothing"),)))
    told = run(home, "left-pad").stdout
    assert "\x1b" not in told
    assert r"\x1b[2Jall clear: \r\x1b[31mnothing" in told


def test_a_cluster_that_was_never_read_is_named(home: Path) -> None:
    """No cluster at all; one whose read failed; and one that is configured and that nobody has read."""
    assert asked(home, "a")["unknown"] == [{"what": "every cluster", "reason": NO_CLUSTER}]
    graph = fill(home, cluster())
    graph.record_unreachable("prod-ml-us", "kubernetes", "timed out", NOW)
    names = ("prod-ml-eu", "prod-ml-us", "edge")
    (home / "patchgap.toml").write_text("".join(f'[[kubernetes.clusters]]\nname = "{name}"\n' for name in names))
    assert [one["what"] for one in asked(home, "a")["unknown"]] == ["cluster edge", "cluster prod-ml-us"]
    assert run(home, "a", "--exit-code").exit_code == 3


REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "nothing": ((), "it names neither a package nor an advisory. Name a package, or --advisory"),
    "both": (("a", "--advisory", "x.yaml"), "it names a package and an advisory. Name a package, or --advisory"),
    "no package": (("@",), "names no package"),
    "an advisory's id": (("CVE-2021-44228",), "Ask with --advisory, by its OSV file or its id."),
    "a requirement": (("pytorch-lightning==1.5.2",), "Write it as name@version."),
    "no file": (("--advisory", "nowhere.yaml"), "--advisory: there is no file nowhere.yaml"),
    "no advisory": (("--advisory", "bad.yaml"), "bad.yaml: affected[0].versions[0] is float, not text. Quote it."),
    "no YAML": (("--advisory", "worse.yaml"), "worse.yaml: it is neither JSON nor YAML"),
}


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_question_is_one_clear_error(home: Path, name: str) -> None:
    """Exit 2, one line that names the file or field and the fix, nothing on stdout, no traceback."""
    (home / "bad.yaml").write_text("id: X\naffected:\n- package: {name: a, ecosystem: PyPI}\n  versions: [1.10]\n")
    (home / "worse.yaml").write_text("id: X\naffected: [\n")
    words, problem = REFUSED[name]
    told = run(home, *words)
    assert (told.exit_code, told.stdout) == (2, "")
    assert problem in told.stderr
    assert told.stderr.startswith("patchgap: ")
    assert len(told.stderr.splitlines()) == 1


@pytest.mark.usefixtures("fleet")
def test_a_withdrawn_advisory_is_answered_and_said_to_be_withdrawn(home: Path) -> None:
    """The answer stands; the story on stderr says when it was withdrawn."""
    path = home / "advisory.yaml"
    path.write_text(ADVISORY.read_text() + "withdrawn: '2024-01-02T03:04:05Z'\n")
    told = run(home, "--advisory", str(path), "--json")
    assert "PYSEC-2021-874 was withdrawn on 2024-01-02" in told.stderr
    assert len(json.loads(told.stdout)["exposures"]) == 1


def test_a_broken_database_is_one_clear_error(home: Path) -> None:
    """What is no database is named, with what to do."""
    (home / "patchgap.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 4096)
    told = run(home, "a")
    assert told.exit_code == 2
    assert "patchgap.db cannot be read" in told.stderr
    assert "PATCHGAP_DATABASE_URL" in told.stderr


QUICK = [
    ["exposure", "pytorch-lightning@1.5.2", "--json"],
    ["exposure", "--advisory", str(ADVISORY)],
    ["exposure", "pytorch-lightning", "--why", "--at", "1m", "--environment", "production", "--cluster", "prod-ml-eu"],
    ["exposure", "pytorch-lightning", "--format", "csv"],
    ["exposure", "pytorch-lightning", "--format", "dot"],
    ["blast-radius", "pytorch-lightning"],
    ["runs", "--since", "9000d", "--component", "pytorch-lightning"],
    ["graph", "path", "pytorch-lightning"],
    ["graph", "diff", TRAINER, TRAINER],
    ["graph", "stats"],
]


def test_the_commands_that_are_found_at_once_are_where_the_installation_says() -> None:
    assert QUESTIONS.items() <= {(one.name, one.value) for one in entry_points(group="patchgap.commands")}
    assert {words[0] for words in QUICK} == QUESTIONS.keys()


@pytest.mark.parametrize("words", QUICK, ids=" ".join)
def test_a_question_imports_nothing_slow(home: Path, words: list[str]) -> None:
    """Neither Prefect nor Kubernetes, nor what else takes more than its answer: the whole command has half a second."""
    then = datetime.now(UTC) - timedelta(hours=1)  # the process has its own clock
    Graph(connect(f"sqlite:///{home / 'patchgap.db'}")).add_sbom(read_sbom(sbom("trainer-v2")), then)
    Graph(connect(f"sqlite:///{home / 'patchgap.db'}")).record(
        cluster(workload("trainer-v2", container(TRAINER))), then
    )
    script = (
        "import sys, json\n"
        "from patchgap.cli import main\n"
        "main(sys.argv[1:], standalone_mode=False)\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})), file=sys.stderr)\n"
    )
    told = subprocess.run(  # noqa: S603  (this interpreter)
        [sys.executable, "-c", script, "--home", str(home), *words],
        capture_output=True, text=True, check=True, cwd=home,
    )  # fmt: skip
    loaded = set(json.loads(told.stderr.splitlines()[-1]))
    assert any(one in told.stdout for one in ("pytorch-lightning", "trainer-v2", "images"))
    slow = {
        "prefect",
        "kubernetes",
        "boto3",
        "httpx",
        "fastapi",
        "sqlalchemy",
        "alembic",
        "pydantic",
        "univers",
        "email",
    }
    assert loaded & slow == set()
