"""`patchgap advisories`: from an argument or the settings, in every format, with the exit codes of a question."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from graph_fleet import IMAGE, NOW, OTHER, bom, cluster, container, workload
from test_advisories import record

from patchgap.cli import main
from patchgap.graph.store import Graph
from patchgap.storage import connect


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Torch runs, a mirror names it, and the settings name the mirror."""
    monkeypatch.chdir(tmp_path)
    graph = Graph(connect(f"sqlite:///{tmp_path / 'patchgap.db'}"))
    graph.add_sbom(bom("pkg:pypi/torch@1.5.0"), NOW)
    graph.record(cluster(workload("app", container(IMAGE))), NOW)
    (tmp_path / "osv").mkdir()
    found = record(
        "PYSEC-1", ("PyPI", "torch"), aliases=["CVE-1"], database_specific={"severity": "HIGH"}, summary="=1"
    )
    (tmp_path / "osv" / "a.json").write_bytes(found)
    (tmp_path / "patchgap.toml").write_text('[advisories]\nmirror = "osv"\n')
    return tmp_path


def run(home: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home), "advisories", *words])


def test_a_person_reads_what_runs_first(home: Path) -> None:
    """The headline, a line an advisory with its aliases, within 80 columns; the mirror is the setting's."""
    told = run(home)
    assert told.exit_code == 0, told.output
    lines = told.stdout.splitlines()
    assert lines[0] == "osv, 1 advisory: 1 touches what runs."
    assert lines[3].split() == ["PYSEC-1", "high", "1", "1", "torch", "1.5.0;", "also", "CVE-1"]
    assert max(map(len, lines)) <= 80


def test_a_program_reads_one_document(home: Path) -> None:
    """What the refresh did, every advisory with its component, and how old the inventory is; the second run reads nothing."""
    document = json.loads(run(home, "osv", "--json").stdout)
    assert document["refreshed"] == {"changed": 1, "gone": 0, "components": 0}
    (one,) = document["advisories"]
    assert one["advisory"]["id"] == "PYSEC-1"
    assert (one["standing"], one["workloads"], one["images_running"], one["images"]) == ("affected", 1, 1, 1)
    assert one["component"]["purl"] == "pkg:pypi/torch@1.5.0"
    assert document["inventory"][0]["cluster"] == "prod-ml-eu"
    assert json.loads(run(home, "--format", "json").stdout)["refreshed"]["changed"] == 0
    (row,) = csv.DictReader(run(home, "--format", "csv").stdout.splitlines())
    assert (row["row"], row["advisory"], row["severity"], row["summary"]) == ("advisory", "PYSEC-1", "high", "'=1")


@pytest.mark.parametrize(
    ("content", "words", "code"),
    [
        (record("A-1", ("PyPI", "torch")), (), 1),
        (record("A-1", ("PyPI", "torch")), ("--namespace", "training"), 1),
        (record("A-1", ("PyPI", "torch"), fixed="later"), (), 1),
        (record("A-1", ("PyPI", "torch"), fixed="1.0.0"), (), 0),
        (b'{"id": 7}', (), 3),
    ],
)
def test_the_exit_code_tells(home: Path, content: bytes, words: tuple[str, ...], code: int) -> None:
    """1 where something that runs is or may be affected, 3 where only something could not be told; 0 without the option."""
    (home / "osv" / "a.json").write_bytes(content)
    assert run(home, *words).exit_code == 0
    assert run(home, *words, "--exit-code").exit_code == code


def test_what_is_asked_wrongly_is_refused(home: Path) -> None:
    """No mirror, one that is not there, a filter that nothing has, two formats."""
    for words, problem in (
        (("nowhere",), "there is no mirror"),
        (("osv", "--namespace", "trainin"), "Did you mean training?"),
        (("osv", "--json", "--format", "csv"), "stands beside"),
    ):
        told = run(home, *words)
        assert (told.exit_code, problem in told.stderr) == (2, True)
    (home / "patchgap.toml").unlink()
    told = run(home)
    assert (told.exit_code, "none is named" in told.stderr) == (2, True)


@pytest.fixture
def records(home: Path) -> Path:
    """One more record of the same vulnerability, of a package that the first does not name."""
    other = record("GHSA-aaaa-bbbb-cccc", ("PyPI", "numpy"), aliases=["CVE-1"])
    (home / "osv" / "b.json").write_bytes(other)
    graph = Graph(connect(f"sqlite:///{home / 'patchgap.db'}"))
    graph.add_sbom(bom("pkg:pypi/numpy@1.0.0", digest=OTHER), NOW)
    graph.record(cluster(workload("app", container(IMAGE)), workload("other", container(OTHER))), NOW)
    return home


def exposed(home: Path, advisory: str, *command: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home), *(command or ("exposure", "--json")), "--advisory", advisory])


@pytest.mark.parametrize(
    ("name", "query", "workloads"),
    [
        ("PYSEC-1", "PYSEC-1", ["app"]),
        ("pysec-1", "PYSEC-1", ["app"]),
        ("ghsa-AAAA-bbbb-cccc", "GHSA-aaaa-bbbb-cccc", ["other"]),
        ("CVE-1", "CVE-1", ["app", "other"]),  # what several records tell under one name
    ],
)
def test_an_advisory_of_the_mirror_is_asked_about_by_name(
    records: Path, name: str, query: str, workloads: list[str]
) -> None:
    """By its id or its alias, in the mirror of the settings as it was last read, without its file."""
    assert run(records).exit_code == 0
    told = exposed(records, name)
    assert told.exit_code == 0, told.output
    document = json.loads(told.stdout)
    assert document["query"] == query
    assert sorted(one["workload"]["name"] for one in document["exposures"]) == workloads


def test_the_next_step_is_a_command_that_names_the_workloads(home: Path) -> None:
    """Below the table, with the filters that were given; it runs as it stands where the mirror is the setting's."""
    told = run(home, "--namespace", "training").stdout
    (line,) = [one for one in told.splitlines() if one.startswith("Which workloads: ")]
    assert line == "Which workloads: patchgap exposure --advisory PYSEC-1 --namespace training"
    words = line.partition("patchgap ")[2].split()
    assert "app" in CliRunner().invoke(main, ["--home", str(home), *words]).stdout
    (home / "patchgap.toml").write_text("")
    assert "names this mirror" in run(home, "osv").stdout


@pytest.mark.parametrize("command", [("exposure",), ("blast-radius",), ("runs", "--since", "1d")])
def test_an_advisory_that_cannot_be_had_is_told_with_the_fix(home: Path, command: tuple[str, ...]) -> None:
    """A folder, a file that is not there, a mirror that was never read, an id that is not in it, and no mirror at all."""
    told = {
        "osv": "osv: it is a folder, and one advisory is asked for. Name the file of one",
        "x/CVE-9": "--advisory: there is no file x/CVE-9. ",
        "CVE-9.json": "--advisory: there is no file CVE-9.json. ",
        "CVE-9": "CVE-9: the mirror osv was never read. Read it with `patchgap advisories`",
    }
    for name, words in told.items():
        done = exposed(home, name, *command)
        assert (done.exit_code, words in done.stderr) == (2, True), done.output
    assert run(home).exit_code == 0
    assert "no advisory of the mirror osv has the id or the alias CVE-9." in exposed(home, "CVE-9", *command).stderr
    (home / "patchgap.toml").write_text("")
    assert "CVE-9 is no file, and no mirror is configured" in exposed(home, "CVE-9", *command).stderr
