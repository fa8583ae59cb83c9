"""Bad playbooks: each is refused with the line, the words and the mended line; good ones load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playbook_world import verbs
from ruamel.yaml import YAML

from patchgap.playbook.loader import load, parse
from patchgap.playbook.problems import PlaybookProblems, Problem
from patchgap.playbook.source import read

HERE = Path(__file__).parent
GOOD = (HERE / "good.yaml").read_text(encoding="utf-8")
CASES: list[dict[str, Any]] = YAML(typ="safe", pure=True).load(HERE / "bad_cases.yaml")


def problems(text: str) -> tuple[Problem, ...]:
    try:
        parse(text, "good.yaml", verbs())
    except PlaybookProblems as error:
        return error.problems
    return ()


def changed(case: dict[str, Any]) -> list[str]:
    lines = GOOD.splitlines()
    lines[case["at"] - 1 : case["at"]] = case["put"].split("\n") if case["put"] else []
    return lines


def named(case: dict[str, Any]) -> str:
    return f"{case['at']}: {case['put']}"[:70]


def test_there_are_enough_cases() -> None:
    """The table covers more than a hundred ways to be wrong."""
    assert len(CASES) > 100


@pytest.mark.parametrize("case", CASES, ids=named)
def test_bad_playbook_is_told_at_its_line(case: dict[str, Any]) -> None:
    """Each mistake is one problem at its line, with its word, the nearest name and the corrected line."""
    found = problems("\n".join(changed(case)) + "\n")
    assert len(found) == case.get("count", 1), found
    if not found:
        return
    at = [p for p in found if p.line == case.get("line", case["at"]) and case["says"] in p.what]
    assert at, found
    assert at[0].suggestion == case.get("near", at[0].suggestion)
    assert at[0].corrected == case.get("mended", at[0].corrected)


@pytest.mark.parametrize("case", [c for c in CASES if c.get("count", 1) == 1], ids=named)
def test_the_corrected_line_mends_the_problem(case: dict[str, Any]) -> None:
    """Putting the corrected line in the place of the wrong one (or adding a missing one) takes the problem away."""
    lines = changed(case)
    (found,) = problems("\n".join(lines) + "\n")
    if not found.corrected:
        goes_on = lines[found.line : found.line + 1] and lines[found.line].startswith(" " * found.column)
        words = (
            "; move ",
            "not YAML",
            "alias",
            "directive",
            "deeper",
            "key must",
            "merge",
            "a step is",
            "never the value",
        )
        assert goes_on or any(w in found.what for w in words)
        return
    added = "is missing; add" in found.what and "{" not in found.corrected
    below = found.line if found.line > 1 or "playbook:" not in found.corrected else 0
    lines[below if added else found.line - 1 : found.line - 1 + (not added)] = [found.corrected]
    assert found.what not in {p.what for p in problems("\n".join(lines) + "\n")}


def test_all_problems_are_told_at_once() -> None:
    """Problems of the schema, of verbs and of order are all in one report, sorted by line."""
    text = GOOD.replace("version: 1", "version: one").replace("isolate_workloads", "isolate_workload")
    text = text.replace("tier: 3", "tier: 3\n    colour: red").replace("- package_absent", "- package_gone")
    assert [p.line for p in problems(text)] == [2, 22, 40, 48]


def test_the_error_names_the_first_problem_and_the_command() -> None:
    """The exception alone says where the first problem is, how many there are, and what to run."""
    with pytest.raises(PlaybookProblems) as raised:
        parse(GOOD.replace("version: 1", "version: one").replace("tier: 1", "tier: a"), "x.yaml", verbs())
    assert raised.value.exit_code == 2
    assert "x.yaml:2:10" in str(raised.value)
    assert "1 other problem" in str(raised.value)
    assert "patchgap playbook check x.yaml" in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.yaml", b"", "the file is empty"),
        ("comment.yaml", b"# only this\n", "the file is empty"),
        ("list.yaml", b"- a\n- b\n", "a playbook is"),
        ("word.yaml", b"good\n", "a playbook is"),
        ("latin.yaml", "playbook: caf\u00e9\n".encode("latin-1"), "not UTF-8"),
        ("nul.yaml", b"playbook: \x00\n", "not YAML"),
        ("large.yaml", b"#" * 70_000, "larger than 64 KiB"),
        ("wide.yaml", b"a: [" + b"x," * 9_000 + b"]", "more than 5000 values"),
        ("deep.yaml", b"[" * 60_000, "nested deeper"),
        ("bomb.yaml", b"a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "an alias"),
        ("other.yaml", GOOD.encode(), "give both one name"),
    ],
)
def test_a_file_that_is_no_playbook_is_one_clear_problem(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    """Whatever the file holds, the report names it and says what is wrong; nothing else escapes."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(PlaybookProblems) as raised:
        load(path, verbs())
    assert any(says in p.what and p.file == str(path) for p in raised.value.problems)


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    """A file that cannot be read is told as such, with its name."""
    with pytest.raises(PlaybookProblems, match="cannot be read"):
        load(tmp_path / "none.yaml", verbs())


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 12), st.text(max_size=6))
@settings(max_examples=150, deadline=None)
def test_no_edit_breaks_the_loader(at: int, cut: int, put: str) -> None:
    """Any small edit of a good playbook loads or is refused with problems that stand in the file."""
    text = GOOD[:at] + put + GOOD[at + cut :]
    for problem in problems(text):
        assert 1 <= problem.line <= len(text.splitlines()) + 1
        assert problem.what


def test_values_are_read_as_yaml_1_2() -> None:
    """Only true and false are truths, only decimal digits are numbers; everything else stays text."""
    source = read('a: [yes, on, 012, 12:30:45, 0x1F, 1_0, "1", 1.5, -3, TRUE, \uff12]\n', "f")
    assert source.document == {"a": ["yes", "on", "012", "12:30:45", "0x1F", "1_0", "1", 1.5, -3, True, "\uff12"]}
