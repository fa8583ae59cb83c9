"""`patchgap playbook`: hold playbooks to the language and to their cases, tell them in plain words, print the schema for editors."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from patchgap.cli.context import Cli
from patchgap.cli.output import JSON, Group, emit, fitted, safe, wrapped
from patchgap.errors import BadInputError

if TYPE_CHECKING:  # imported where they are used: pydantic and the integrations are slow to import
    from patchgap.playbook.problems import Problem
    from patchgap.registry import Registry


@click.group(cls=Group)
def playbook() -> None:
    """Playbooks: check them, test them, read them in plain words, get their schema."""


@playbook.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@JSON
@click.pass_obj
@click.pass_context
def check(ctx: click.Context, cli: Cli, paths: tuple[Path, ...], as_json: bool) -> None:
    """Check playbooks: files or folders, else those shipped and configured.

    Each problem is a line with file, line and column, and the line as it should read below it.

    Exit codes: 0 all are sound, 2 at least one is not.
    """
    from patchgap.playbook.loader import files, load
    from patchgap.playbook.problems import PlaybookProblems

    registry = _registry()
    named = [p for path in paths for p in _in(path)] if paths else list(files(cli.settings()))
    sound: list[dict[str, Any]] = []
    problems: list[Problem] = []
    for path in named:
        try:
            made = load(path, registry)
            sound.append({"file": str(path), "playbook": made.playbook, "version": made.version})
        except PlaybookProblems as error:
            problems += error.problems
    if as_json:
        emit({"playbooks": sound, "problems": problems})
    else:
        for problem in problems:
            _show(problem)
        for one in sound:
            click.echo(fitted(safe(f"{one['playbook']}@{one['version']} is sound ({one['file']})"), sys.stdout))
    ctx.exit(2 if problems else 0)


def _in(path: Path) -> list[Path]:
    from patchgap.playbook.loader import in_folder

    if not path.is_dir():
        return [path]
    found = list(in_folder(path))
    if not found:
        raise BadInputError(str(path), "the folder holds no playbook", "A playbook is a file NAME.yaml right in it.")
    return found


def _show(problem: Problem) -> None:
    hint = f" Did you mean {problem.suggestion}?" if problem.suggestion else ""
    click.echo(f"{safe(problem.file)}:{problem.line}:{problem.column}")
    click.echo(wrapped(f"{safe(problem.what)}.{hint}", "  "))
    if problem.corrected:
        click.echo(f"    | {safe(problem.corrected)}")


@playbook.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@JSON
@click.pass_obj
@click.pass_context
def test(ctx: click.Context, cli: Cli, paths: tuple[Path, ...], as_json: bool) -> None:
    """Play the case files beside playbooks (NAME.cases.yaml), without any cluster.

    PATHS are playbooks, case files or folders; without them, what is shipped and configured. Each case says who is
    woken, the tiers, the steps, the approval and the checks; one that does not hold is shown with its line.

    Exit codes: 0 every case holds, 1 one does not, 2 a file is missing or unsound.
    """
    from patchgap.playbook.cases import SUFFIX
    from patchgap.playbook.loader import files

    meant = [p.with_name(p.name.removesuffix(SUFFIX) + ".yaml") if p.name.endswith(SUFFIX) else p for p in paths]
    named = [p for path in meant for p in _in(path)] if paths else list(files(cli.settings()))
    registry = _registry()
    results = [_played(path, registry) for path in named]
    if as_json:
        emit({"playbooks": [r for r, _ in results], "problems": [p for _, found in results for p in found]})
    else:
        for result, problems in results:
            _show_played(result, problems)
    held = all(case["holds"] for result, _ in results for case in result["cases"])
    ctx.exit(2 if any(problems for _, problems in results) else 0 if held else 1)


def _played(path: Path, registry: Registry) -> tuple[dict[str, Any], list[Problem]]:
    """What came of one playbook's cases, and the problems that keep them from being played."""
    from patchgap.playbook.cases import beside, play
    from patchgap.playbook.loader import load
    from patchgap.playbook.problems import PlaybookProblems, Problem

    file = beside(path)
    result: dict[str, Any] = {"playbook": path.stem, "file": str(path), "case_file": str(file), "cases": []}
    try:
        playbook = load(path, registry)
        if not file.is_file():
            what = f"the playbook has no case file; write {file.name} beside it, a list of `- case:`"
            return result, [Problem(str(path), 1, 1, what)]
        result["cases"] = [
            {"case": p.case, "line": p.line, "holds": not p.missed, "missed": p.missed}
            for p in play(file, playbook, registry)
        ]
    except PlaybookProblems as error:
        return result, list(error.problems)
    return result, []


def _show_played(result: dict[str, Any], problems: list[Problem]) -> None:
    cases = result["cases"]
    failed = [case for case in cases if not case["holds"]]
    for problem in problems:
        _show(problem)
    for case in failed:
        for missed in case["missed"]:
            click.echo(f"{safe(result['case_file'])}:{missed.line}:{missed.column}")
            click.echo(wrapped(f"{safe(case['case'])}: {safe(missed.what)}.", "  "))
    if not problems:
        told = f"{len(cases) - len(failed)} of {len(cases)} cases hold" if failed else f"all {len(cases)} cases hold"
        click.echo(fitted(safe(f"{result['playbook']}: {told} ({result['case_file']})"), sys.stdout))


_MORE = "What each step does on each platform: --verbs. What patchgap must be allowed for it: `patchgap permissions`."


@playbook.command()
@click.argument("name")
@click.option("--verbs", is_flag=True, help="What each step and check does on each platform, and needs, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, with what --verbs adds.")
@click.pass_obj
def explain(cli: Cli, name: str, verbs: bool, as_json: bool) -> None:
    """Tell a playbook in plain words: by NAME, or the PATH of its file.

    What wakes it, who gets which tier, what each tier does in order and how that is undone, what proves that it is
    over, what recover releases and what stays. `patchgap permissions` prints what it must be allowed.
    """
    from patchgap.playbook.loader import SUFFIXES, find, load
    from patchgap.playbook.telling import tell, tell_verbs

    registry = _registry()
    path = Path(name) if name.endswith(SUFFIXES) or "/" in name else find(name, cli.settings())
    playbook = load(path, registry)
    told = (*tell(playbook, registry), *(tell_verbs(playbook, registry) if verbs or as_json else ()))
    if as_json:
        emit([{"heading": s.heading, "lines": [line for _, line in s.lines]} for s in told])
        return
    for number, section in enumerate(told):
        click.echo(("\n" if number else "") + wrapped(safe(section.heading)))
        for depth, line in section.lines:
            indent = "  " + "    " * depth
            click.echo(wrapped(safe(line), indent, indent + ("   " if line[:1].isdigit() else "")))
    if not verbs:
        click.echo("\n" + wrapped(_MORE))


@playbook.command()
@click.option("--json", "_as_json", is_flag=True, help="The same: the schema is one JSON document.")
def schema(_as_json: bool) -> None:
    """Print the JSON Schema of playbooks, with the verbs installed here, for editors.

    With the YAML language server: `# yaml-language-server: $schema=playbook.schema.json` as the file's first line.
    """
    from patchgap.playbook.schema import json_schema

    emit(json_schema(_registry()))


def _registry() -> Registry:
    from patchgap import registry

    return registry.load()
