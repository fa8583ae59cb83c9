"""`patchgap playbook`: what a person sees, and what a script reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from playbook_world import verbs

from patchgap import registry
from patchgap.cli.context import Cli
from patchgap.cli.playbook import playbook

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _verbs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "load", verbs)


def run(tmp_path: Path, *arguments: str | Path) -> Result:
    cli = Cli(home=tmp_path, environ={})
    return CliRunner().invoke(playbook, [str(a) for a in arguments], obj=cli)


def test_check_without_paths_checks_the_shipped_ones(tmp_path: Path) -> None:
    """With nothing named, the shipped and configured playbooks are checked, and sound ones end with 0."""
    result = run(tmp_path, "check")
    assert result.exit_code == 0
    assert "compromised-dependency@3 is sound" in result.stdout
    assert "suspicious-runtime@3 is sound" in result.stdout


def test_check_shows_each_problem_with_its_mended_line(tmp_path: Path) -> None:
    """A problem is shown with file:line:column, what is wrong within 80 columns, and the corrected line."""
    bad = tmp_path / "good.yaml"
    bad.write_text((HERE / "good.yaml").read_text(encoding="utf-8").replace("isolate_workloads", "isolate_workload"))
    result = run(tmp_path, "check", tmp_path)
    assert result.exit_code == 2
    assert f"{bad}:22:9\n" in result.stdout
    assert "Did you mean isolate_workloads?" in result.stdout.replace("\n  ", " ")
    assert "    |       - isolate_workloads\n" in result.stdout
    assert max(len(line) for line in result.stdout.splitlines() if str(tmp_path) not in line) <= 80


def test_check_tells_scripts_in_json(tmp_path: Path) -> None:
    """`--json` is one document with the sound playbooks and every problem's fields."""
    bad = tmp_path / "bad.yaml"
    bad.write_text("playbook: \x1b[2Jbad\n", encoding="utf-8")
    result = run(tmp_path, "check", "--json", HERE / "good.yaml", bad)
    document = json.loads(result.stdout)
    assert result.exit_code == 2
    assert [p["playbook"] for p in document["playbooks"]] == ["good"]
    assert set(document["problems"][0]) == {"file", "line", "column", "what", "suggestion", "corrected"}


def test_foreign_text_cannot_rewrite_the_screen(tmp_path: Path) -> None:
    """Control characters of a bad file are shown as escapes."""
    bad = tmp_path / "bad.yaml"
    bad.write_text('playbook: "a\\e[2Jb"\nversion: "\\e[2J"\n', encoding="utf-8")
    assert "\x1b" not in run(tmp_path, "check", bad).stdout


@pytest.mark.parametrize("named", ["compromised-dependency", HERE / "good.yaml"])
def test_explain_tells_by_name_and_by_path(tmp_path: Path, named: str | Path) -> None:
    """A playbook is told in sections, from what wakes it to what stays, within 80 columns."""
    result = run(tmp_path, "explain", named)
    assert result.exit_code == 0
    for heading in ("What wakes it", "Tier 1:", "What proves that it is over", "What stays"):
        assert heading in result.stdout
    assert max(len(line) for line in result.stdout.splitlines()) <= 80
    assert len(result.stdout.splitlines()) < 100
    told, more = result.stdout.split("\nWhat each step does on each platform:")
    assert "`patchgap permissions`" in more.replace("\n", " ")
    assert run(tmp_path, "explain", "--verbs", named).stdout.startswith(told + "\nWhat each step does\n")
    sections = json.loads(run(tmp_path, "explain", "--json", named).stdout)
    assert sections[1]["heading"] == "What wakes it"


def test_schema_is_one_json_document(tmp_path: Path) -> None:
    """The schema names the installed verbs."""
    document = json.loads(run(tmp_path, "schema").stdout)
    assert "capture_forensics" in json.dumps(document["$defs"]["Tier"])


def test_a_folder_without_playbooks_is_not_sound(tmp_path: Path) -> None:
    """A wrong folder in a CI job is bad input, not a pass."""
    (tmp_path / "x.cases.yaml").write_text("[]", encoding="utf-8")
    result = run(tmp_path, "check", tmp_path)
    assert "the folder holds no playbook" in str(result.exception)
    assert result.exit_code != 0


def test_help_has_whole_sentences(tmp_path: Path) -> None:
    """A group's help cuts no command's sentence short."""
    shown = " ".join(run(tmp_path, "--help").stdout.split())
    assert "Print the JSON Schema of playbooks, with the verbs installed here, for editors" in shown
    assert "..." not in shown.partition("Commands:")[2]
