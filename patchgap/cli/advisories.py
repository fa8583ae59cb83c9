"""`patchgap advisories`: what a mirror of advisories touches of what runs, judged as far as something is new."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import IO, Any, NamedTuple

import click

from patchgap.cli import asking
from patchgap.cli.context import Cli
from patchgap.cli.exposure import CANNOT_TELL, EXPOSED, inventory
from patchgap.cli.exposure_text import readings
from patchgap.cli.output import Story, emit, many, safe, styled, wrapped
from patchgap.cli.rows import table
from patchgap.cli.times import moment
from patchgap.cli.times import told as time_told
from patchgap.errors import BadInputError
from patchgap.graph.advisories import Refreshed
from patchgap.graph.reading import Run
from patchgap.graph.records import key_of
from patchgap.graph.selection import Missing
from patchgap.graph.touched import Asked, Touch, Touched, touched
from patchgap.model.codec import plain
from patchgap.model.exposure import Standing
from patchgap.model.unknown import Unknown

FORMATS = ("table", "json", "csv")
_NOTES = {Standing.UNKNOWN: " (may be affected)", Standing.NOT_AFFECTED: " (VEX clears it)"}
_NO_MIRROR = "Name one: patchgap advisories /var/lib/osv, or mirror under [advisories] in patchgap.toml."
_COLUMNS = (
    "row", "standing", "advisory", "aliases", "severity", "malicious", "component", "version", "purl", "workloads",
    "cleared", "images_running", "images", "found_at", "summary", "what", "reason",
)  # fmt: skip


@click.command()
@click.argument("mirror", required=False, type=click.Path(path_type=Path))
@click.option("--all-images", is_flag=True, help="Images that do not run, too.")
@click.option("--since", metavar="TIME", help="Only what is known since then: 2026-11-24T07:10Z, or 36h (ago).")
@asking.filtered
@click.option("--format", "form", type=click.Choice(FORMATS), help="How to print it; table is words for a person.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document: --format json.")
@click.option("--exit-code", is_flag=True, help="Exit 1 where an advisory touches something, 3 where it cannot tell.")
@click.pass_obj
@click.pass_context
def advisories(
    ctx: click.Context,
    cli: Cli,
    /,
    mirror: Path | None,
    all_images: bool,
    since: str | None,
    form: str | None,
    as_json: bool,
    exit_code: bool,
    **filters: Any,
) -> None:
    """Which advisories of a local OSV mirror touch what runs.

    MIRROR is a folder of OSV records, or of the zips that OSV publishes, or one of those; without it, the mirror of the
    settings. What is new or changed in it is judged against the whole graph, and what is new in the graph against all of
    it; the rest is remembered. Records that cannot be read are named as unknown.

    Exit codes: 0; with --exit-code 1 where an advisory touches something that is asked for (or may, VEX aside), 3 where
    none is known to but something could not be told.
    """
    printed = asking.form_of(form, as_json=as_json)
    place = mirror or _configured(cli)
    now = cli.clock()
    asked = Asked(asking.selection_of(filters), all_images, moment(since, "--since", now) if since else None)
    told = _ask(cli, place, asked, now)
    asking.warn(told.missing)
    if printed == "json":
        emit(_document(told))
    elif printed == "csv":
        from patchgap.cli.exposure_rows import untold  # imported late: most answers are read
        from patchgap.cli.rows import csv_of

        click.echo(csv_of(_COLUMNS, (*map(_row, told.answer.touches), *untold(told.answer.unknown))), nl=False)
    else:
        click.echo("\n\n".join(_text(told, sys.stdout)))
    if exit_code:
        exposed = any(one.standing is not Standing.NOT_AFFECTED for one in told.answer.touches)
        ctx.exit(EXPOSED if exposed else CANNOT_TELL if told.answer.unknown else 0)


def _configured(cli: Cli) -> Path:
    found = cli.settings().advisories.mirror
    if found is None:
        raise BadInputError("the mirror", "none is named, and none is set", _NO_MIRROR)
    return found


def _is_configured(cli: Cli, mirror: Path) -> bool:
    """Whether it is the mirror in which other commands look an id up."""
    found = cli.settings().advisories.mirror
    return found is not None and key_of(found) == key_of(mirror)


class _Told(NamedTuple):
    """An answer and what it is of."""

    mirror: Path
    asked: Asked
    now: datetime
    refreshed: Refreshed
    answer: Touched
    read_at: Mapping[str, datetime | Unknown]
    missing: tuple[Missing, ...]
    is_configured: bool


def _ask(cli: Cli, mirror: Path, asked: Asked, now: datetime) -> _Told:
    graph, configured = cli.graph(), cli.clusters()
    is_configured = _is_configured(cli, mirror)
    Story().progress(f"reading what is new in {mirror} …")
    refreshed = graph.advisories(mirror).refresh(now)
    Story().done()

    def of(read: Run) -> _Told:
        missing = asking.check(asked.selection, read, (), configured)
        answer = touched(read, mirror, asked)
        read_at, unread = asking.readings(read, asked.selection, configured)
        answer = Touched(answer.touches, (*unread, *answer.unknown), answer.records, answer.withdrawn)
        return _Told(mirror, asked, now, refreshed, answer, read_at, missing, is_configured)

    return graph.asked(of)


def _document(told: _Told) -> dict[str, Any]:
    answer = told.answer
    return {
        "mirror": str(told.mirror),
        "asked_at": plain(told.now),
        "records": answer.records,
        "withdrawn": answer.withdrawn,
        "refreshed": plain(told.refreshed),
        "all_images": told.asked.all_images,
        "since": plain(told.asked.since),
        "filters": told.asked.selection.asked(),
        "advisories": [_touch(one) for one in answer.touches],
        "unknown": plain(answer.unknown),
        "inventory": inventory(told.read_at, told.now),
    }


def _touch(one: Touch) -> dict[str, Any]:
    return {
        "advisory": {
            "id": one.advisory.id,
            "aliases": list(one.aliases),
            "severity": one.severity.value,
            "malicious": one.advisory.malicious,
            "summary": one.advisory.summary,
            "modified": plain(one.advisory.modified),
        },
        "component": plain(one.component),
        "standing": one.standing.value,
        "reason": one.reason,
        "workloads": one.workloads,
        "cleared": one.cleared,
        "images_running": one.running,
        "images": one.images,
        "found_at": plain(one.found_at),
    }


def _row(one: Touch) -> dict[str, Any]:
    shown = _touch(one)
    return {
        "row": "advisory",
        **{key: value for key, value in shown.items() if key in _COLUMNS},
        **shown["advisory"],
        "advisory": one.advisory.id,
        "component": one.component.name,
        "version": one.component.version,
        "purl": one.component.purl,
    }


def _text(told: _Told, stream: IO[str]) -> Iterator[str]:
    answer = told.answer
    yield styled(wrapped(safe(_headline(told))), stream, bold=True, fg=_colour(answer))
    if answer.touches:
        headings = ("ADVISORY", "SEVERITY", "WORKLOADS", "IMAGES", "PACKAGE")
        yield "\n".join(table(headings, [_line(one) for one in answer.touches]))
        yield wrapped("Workloads run it, by schedule or at scale zero too; images hold it, running or not.")
        yield from _next_step(told)
    if answer.unknown:
        yield "\n".join(asking.untold(answer.unknown, stream))
    if read := list(readings(told.read_at, told.now)):
        yield "\n".join(read)


def _next_step(told: _Told) -> Iterator[str]:
    """The command that names the workloads of the first that has any."""
    first = next((one.advisory.id for one in told.answer.touches if one.workloads), None)
    if first is None:
        return
    filters = [
        word for name, held in told.asked.selection.asked().items() for one in held for word in (f"--{name}", one)
    ]
    once = (
        "" if told.is_configured else "\n(by its id once mirror under [advisories] in patchgap.toml names this mirror)"
    )
    yield f"Which workloads: {shlex.join(['patchgap', 'exposure', '--advisory', safe(first), *filters])}{once}"


def _headline(told: _Told) -> str:
    answer, asked = told.answer, told.asked
    kept = f" (only {asked.selection})" if asked.selection.asked() else ""
    since = f", known since {time_told(asked.since)}" if asked.since else ""
    runs = "is in an image" if asked.all_images else "runs"
    head = f"{told.mirror}, {many(answer.records, 'advisory', 'advisories')}{since}{kept}"
    if not answer.touches:
        more = ", but not everything could be told" if answer.unknown else ""
        return f"{head}: none touches what {runs}{more}."
    ids = [{one.advisory.id for one in answer.touches if one.standing is standing} for standing in Standing]
    sure, cleared, doubtful = ids[0], ids[1], ids[2]
    text = f"{head}: {len(sure)} {'touches' if len(sure) == 1 else 'touch'} what {runs}"
    text += f", {len(doubtful - sure)} may" if doubtful - sure else ""
    text += f"; VEX clears {len(cleared - sure - doubtful)}" if cleared - sure - doubtful else ""
    told_not = f"; {many(asking.things(answer.unknown), 'thing')} could not be told" if answer.unknown else ""
    return f"{text}{told_not}."


def _colour(answer: Touched) -> str:
    if any(one.standing is Standing.AFFECTED for one in answer.touches):
        return "red"
    may = any(one.standing is Standing.UNKNOWN for one in answer.touches)
    return "yellow" if may or answer.unknown else "green"


def _line(one: Touch) -> tuple[object, ...]:
    severity = "UNKNOWN" if one.severity.value == "unknown" else one.severity.value
    name = " ".join(part for part in (one.component.name, one.component.version) if part)
    also = f"; also {', '.join(one.aliases)}" if one.aliases else ""
    cleared = (
        f" (VEX clears {one.cleared} of them)" if one.cleared and one.standing is not Standing.NOT_AFFECTED else ""
    )
    return one.advisory.id, severity, one.workloads, one.images, f"{name}{_NOTES.get(one.standing, '')}{cleared}{also}"
