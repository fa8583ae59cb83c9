"""The case files beside the shipped playbooks, and `patchgap playbook test`, which plays them without a cluster."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from patchgap import registry
from patchgap.cli.context import Cli
from patchgap.cli.playbook import playbook
from patchgap.playbook.cases import SUFFIX, beside, play
from patchgap.playbook.loader import in_folder, load, shipped

KNOWN = registry.load()
SHIPPED = in_folder(shipped())
RUNTIME = shipped() / "suspicious-runtime.yaml"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(playbook, ["test", *map(str, arguments)], obj=Cli(environ={}))


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A shipped playbook with its cases, in a folder of the test's own; the case file."""
    shutil.copy(RUNTIME, tmp_path)
    return Path(shutil.copy(beside(RUNTIME), tmp_path))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_every_case_of_a_shipped_playbook_holds(path: Path) -> None:
    """The playbook wakes, chooses tiers, plans steps, asks approval and requires checks as its rows say; a playbook
    without rows would be a promise that nothing holds."""
    played = play(beside(path), load(path, KNOWN), KNOWN)
    assert played
    assert [m for p in played for m in p.missed] == []


def test_every_shipped_case_file_is_played_by_the_command() -> None:
    """Without paths: the shipped playbooks, a line each, and exit code 0."""
    done = run()
    assert done.exit_code == 0
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == [p.stem for p in SHIPPED]
    assert "cases hold" in done.stdout


@pytest.mark.parametrize(
    ("key", "was", "put", "says"),
    [
        ("woken", "woken: true", "woken: false", "wakes someone"),
        ("tiers", "tiers: {trainer-v2: 1}", "tiers: {trainer-v2: 2}", "trainer-v2 gets 1 (tier 1"),
        ("because", "data scope unknown", "data scope guessed", "stray gets its tier for another reason"),
        (
            "steps",
            "steps: [capture_forensics, open_ticket]",
            "steps: [open_ticket]",
            "[capture_forensics, open_ticket]",
        ),
        ("approval", "approval: true", "approval: false", "waits for a yes"),
        ("checks", "checks: [signals_at_baseline, policy_in_sync]", "checks: [policy_in_sync]", "signals_at_baseline"),
        ("reason", "reason: not running", "reason: not walking", "not running anywhere known"),
        ("refused", "    approval: false", "    refused: share", "the plan is not refused"),
    ],
)
def test_an_expectation_that_does_not_hold_is_shown_with_its_line(
    copied: Path, key: str, was: str, put: str, says: str
) -> None:
    """Each kind of expectation can fail: file, line, the case and what came instead; exit code 1."""
    text = copied.read_text(encoding="utf-8")
    assert was in text
    copied.write_text(text.replace(was, put, 1), encoding="utf-8")
    line = text[: text.index(was.lstrip())].count("\n") + 1
    done = run(copied.parent)
    assert done.exit_code == 1, done.stdout
    assert f"{copied}:{line}:" in done.stdout, key
    assert says in done.stdout.replace("\n  ", " ")


def test_a_limit_that_refuses_is_an_expectation_too(copied: Path) -> None:
    """With nothing else known the share is whole: the plan is refused, and a case may say in which words."""
    text = copied.read_text(encoding="utf-8")
    copied.write_text(
        text.replace("    signal: runtime\n", "    signal: runtime\n    others: 0\n", 1), encoding="utf-8"
    )
    done = run("--json", copied)
    assert done.exit_code == 1
    [failed] = [c for c in json.loads(done.stdout)["playbooks"][0]["cases"] if not c["holds"]]
    assert "the plan is refused" in failed["missed"][0]["what"]


@pytest.mark.parametrize(
    ("put", "says"),
    [
        ("- case: one\n  given: {workloads: []}\n  expect: {wokn: true}\n", "there is no key `wokn`"),
        ("- case: one\n  given: {workloads: [{name: a, data: secret}]}\n  expect: {woken: true}\n", "cannot be secret"),
        ("- case: one\n  given: {workloads: []}\n", "the key `expect`"),
        ("case: one\n", "a list of cases"),
        ("- case: one\n  given:\n  expect: {woken: true}\n", "has no value"),
        ("- &a case\n", "anchor"),
    ],
)
def test_an_unsound_case_file_is_refused_with_its_line(copied: Path, put: str, says: str) -> None:
    """A slip in the case file is no case that holds: file, line, the fix, and exit code 2."""
    copied.write_text(put, encoding="utf-8")
    done = run(copied)
    assert done.exit_code == 2
    assert f"{copied}:" in done.stdout
    assert says in done.stdout.replace("\n  ", " ")


def test_a_playbook_without_cases_is_told(copied: Path) -> None:
    """Nothing holds it, so it does not pass; the file to write is named."""
    copied.unlink()
    done = run(copied.parent)
    assert done.exit_code == 2
    assert f"suspicious-runtime{SUFFIX}" in done.stdout
