"""What every question to the graph takes: a package or an advisory, and filters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, TypeVar

import click

from patchgap.cli.context import Cli
from patchgap.cli.output import Story, many, safe, styled, wrapped
from patchgap.errors import BadInputError
from patchgap.graph.freshness import ReadAt, read_at
from patchgap.graph.question import Question
from patchgap.graph.reading import Run
from patchgap.graph.selection import DIMENSIONS, Missing, Selection
from patchgap.model.exposure import Exposure
from patchgap.model.signal import Advisory
from patchgap.model.unknown import Unknown

F = TypeVar("F", bound=Callable[..., Any])

_HELP = {
    "environment": "Only this environment. Workloads of which it is unknown stay, as for the two below.",
    "region": "Only this region.",
    "classification": "Only data of this classification: sensitive, internal, public.",
    "cluster": "Only this cluster; what is unknown of others is left out.",
    "namespace": "Only this namespace.",
    "ecosystem": "Only packages of this ecosystem: PyPI, npm, deb.",
}
_SUFFIXES = (".json", ".yaml", ".yml")
_SHOWN = 8  # values that an error lists
_DIGEST = re.compile(r"(image )(.*@)?(sha256:[0-9a-f]{64})")


def filtered(command: F) -> F:
    """The filters as options, each repeatable."""
    for dimension in reversed(_HELP):
        command = click.option(f"--{dimension}", multiple=True, metavar="NAME", help=_HELP[dimension])(command)
    return command


def selection_of(values: dict[str, Any]) -> Selection:
    """Takes the filters' values out of a command's own."""
    return Selection.of({dimension: values.pop(dimension) for dimension in DIMENSIONS})


def form_of(form: str | None, *, as_json: bool) -> str:
    """How to print the answer. Raises BadInputError where `--json` stands beside another format."""
    if as_json and form not in {None, "json"}:
        raise BadInputError("--json", f"it stands beside --format {form}", "Name one of the two.")
    return "json" if as_json else form or "table"


def question_of(cli: Cli, what: str | None, advisory: Path | None, selection: Selection) -> Question:
    """The question; raises BadInputError where it names neither or both. An advisory is named by its file, or by its id
    or alias in the mirror of the settings."""
    if (what is None) == (advisory is None):
        named = "neither a package nor an advisory" if what is None else "a package and an advisory"
        raise BadInputError("the question", f"it names {named}", "Name a package, or --advisory with a file or an id.")
    if advisory is None:
        return Question.parse(what or "").inside(selection.ecosystem)
    return Question.of_advisory(_advisory(cli, advisory)).inside(selection.ecosystem)


def _advisory(cli: Cli, named: Path) -> Advisory:
    from patchgap.graph.advisory import read_advisory  # imported late: most questions are names

    if named.exists():
        return read_advisory(named)
    if len(named.parts) > 1 or named.suffix in _SUFFIXES:
        fix = "Name an OSV record's file, or the id of one in the mirror of the settings."
        raise BadInputError("--advisory", f"there is no file {named}", fix)
    mirror = cli.settings().advisories.mirror
    if mirror is None:
        fix = "Name the OSV record's file, or a mirror that holds it: mirror under [advisories] in patchgap.toml."
        raise BadInputError("--advisory", f"{named} is no file, and no mirror is configured to look it up in", fix)
    from patchgap.graph.kept import advisory_named

    return cli.asked(lambda read: advisory_named(read, mirror, str(named)))


def check(selection: Selection, read: Run, seen: Iterable[Exposure], clusters: Iterable[str]) -> tuple[Missing, ...]:
    """The values that could be and that nothing has. Raises BadInputError for one that is misspelt or of elsewhere: an
    answer about nothing must not read as a good one."""
    if not selection.asked():
        return ()
    missing = tuple(selection.missing(read, seen, clusters))
    for one in missing:
        if not one.sound:
            near = f"Did you mean {one.nearest}? " if one.nearest else ""
            more = f" and {len(one.known) - _SHOWN} more" if len(one.known) > _SHOWN else ""
            fix = f"{near}There are: {', '.join(one.known[:_SHOWN])}{more}."
            raise BadInputError(f"--{one.dimension}", f"nothing has {one.value!r}", fix)
    return missing


def warn(missing: Iterable[Missing]) -> None:
    """Says what was asked for that nothing has."""
    for one in missing:
        Story().warn(
            f"patchgap: --{one.dimension}: nothing has {one.value!r}; there are: {', '.join(one.known[:_SHOWN])}."
        )


def readings(read: Run, selection: Selection, configured: Iterable[str]) -> tuple[ReadAt, tuple[Unknown, ...]]:
    """When each selected cluster was last read, and those that are configured and that the graph never heard of."""
    known = read_at(read, selection.cluster)
    unread = [name for name in configured if name not in known and name in (selection.cluster or {name})]
    told = "it is configured and was never read: patchgap inventory refresh"
    return known, tuple(Unknown(f"cluster {name}", told) for name in unread)


def untold(unknown: Sequence[Unknown], stream: IO[str]) -> Iterator[str]:
    """What could not be told, loudly: an image once, with all that is unknown of it."""
    yield styled(
        f"UNKNOWN: {many(things(unknown), 'thing')} could not be told. Unknown is not clean.",
        stream,
        bold=True,
        fg="yellow",
    )
    held: dict[object, list[Unknown]] = {}
    for one in unknown:
        held.setdefault(_thing(one), []).append(one)
    for same in held.values():
        what, reasons = safe(same[0].what), dict.fromkeys(safe(one.reason) for one in same)
        named = _DIGEST.fullmatch(what)
        if named is None and len(reasons) == 1:
            yield wrapped(f"{what}: {next(iter(reasons))}", "  ? ", "    ")
            continue
        first, *rest = (f"{named[1]}{named[2] or ''}".rstrip("@ "), named[3]) if named else (f"{what}:",)
        yield wrapped(first, "  ? ", "    ")
        yield from (f"    {one}" for one in rest)
        yield from (wrapped(one, "    ", "      ") for one in reasons)


def things(unknown: Iterable[Unknown]) -> int:
    """How many they are: an image of which several things are unknown is one."""
    return len({_thing(one) for one in unknown})


def _thing(one: Unknown) -> object:
    return one.what if one.what.startswith("image ") else one
