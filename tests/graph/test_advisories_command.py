"""`patchgap advisories`: from an argument or the settings, in every format, with the exit codes of a question."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from graph_fleet import IMAGE, NOW, bom, cluster, container, workload
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
