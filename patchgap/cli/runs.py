"""`patchgap runs`: which workloads ran which image when."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import IO, Any

import click

from patchgap.cli import asking
from patchgap.cli.context import Cli
from patchgap.cli.exposure import inventory
from patchgap.cli.exposure_text import readings
from patchgap.cli.output import emit, many, safe, styled, wrapped
from patchgap.cli.times import moment, told
from patchgap.errors import BadInputError
from patchgap.graph.freshness import is_told_of
from patchgap.graph.question import Question
from patchgap.graph.reading import Run
from patchgap.graph.runs import Answer, Manner, Seen
from patchgap.graph.runs import runs as ran
from patchgap.graph.selection import Missing, Selection
from patchgap.model.codec import plain
from patchgap.model.exposure import named
from patchgap.model.unknown import Unknown

_COLOURS = {Manner.RAN: "red", Manner.ENDED: "red", Manner.MAY: "yellow"}
_COLUMNS = (
    "row", "how", "from", "from_first_reading", "to", "cluster", "namespace", "kind", "name", "uid", "environment",
    "region", "replicas", "classification", "writes_to", "container", "image", "digest", "why", "what", "reason",
    "components",
)  # fmt: skip


@click.command()
@click.option("--since", required=True, metavar="TIME", help="From then on: 2026-11-24T07:10Z, or 36h (ago).")
@click.option("--until", metavar="TIME", help="And before then; now where it is left out.")
@click.option("--component", metavar="WHAT", help="Only images that hold it: name, name@version or purl.")
@click.option(
    "--advisory",
    type=click.Path(path_type=Path),
    metavar="FILE|ID",
    help="Only images that an OSV advisory affects: its file, or its id in the mirror.",
)
@asking.filtered
@click.option("--format", "form", type=click.Choice(("table", "json", "csv")), help="How to print it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document: --format json.")
@click.pass_obj
def runs(
    cli: Cli,
    /,
    since: str,
    until: str | None,
    component: str | None,
    advisory: Path | None,
    form: str | None,
    as_json: bool,
    **filters: Any,
) -> None:
    """Which workloads ran which image when.

    An interval lasts from the reading of the cluster that saw it first to the reading that saw it otherwise. What ended
    before it was seen (a Job, a Pod) counts as what ran, with when it was seen; what was scheduled or pending may have
    run. Times in which a cluster did not answer are unknown, and so is what came and went between two readings.
    """
    printed = asking.form_of(form, as_json=as_json)
    now = cli.clock()
    start, end = moment(since, "--since", now), moment(until, "--until", now) if until else now
    if start >= end:
        raise BadInputError("--since", "it is not before --until", "Name an earlier time.")
    selection = asking.selection_of(filters)
    question = asking.question_of(cli, component, advisory, selection) if component or advisory else None
    if question is None and selection.ecosystem:
        raise BadInputError("--ecosystem", "it stands without a package", "Name one with --component or --advisory.")
    answer, read_at, missing = _ask(cli, question, selection, start, end)
    asking.warn(missing)
    if printed == "json":
        emit(_document(answer, question, selection, start, end, now) | {"inventory": inventory(read_at, now)})
    elif printed == "csv":
        from patchgap.cli.exposure_rows import untold  # imported late, as the tables are
        from patchgap.cli.rows import csv_of

        click.echo(csv_of(_COLUMNS, (*map(_row, answer.runs), *untold(answer.unknown))), nl=False)
    else:
        click.echo(_text(answer, question, selection, start, end, sys.stdout))
        click.echo("\n".join(readings(read_at, now)))


_Asked = tuple[Answer, Mapping[str, datetime | Unknown], tuple[Missing, ...]]


def _ask(cli: Cli, question: Question | None, selection: Selection, start: datetime, end: datetime) -> _Asked:
    configured = cli.clusters()

    def of(read: Run) -> _Asked:
        missing = asking.check(selection, read, (), configured)
        answer = ran(read, question, selection, start, end)
        read_at, unread = asking.readings(read, selection, configured)
        return Answer(answer.runs, (*unread, *answer.unknown)), read_at, missing

    return cli.asked(of)


def _document(
    answer: Answer, question: Question | None, selection: Selection, start: datetime, end: datetime, now: datetime
) -> dict[str, Any]:
    return {
        "query": str(question) if question else None,
        "asked_at": plain(now),
        "since": plain(start),
        "until": plain(end),
        "filters": selection.asked(),
        "runs": [_run(one) for one in answer.runs],
        "unknown": plain(answer.unknown),
    }


def _run(one: Seen) -> dict[str, Any]:
    workload = one.workload
    return {
        "how": one.manner.value,
        "from": plain(one.since),
        "from_first_reading": one.from_start,
        "to": plain(one.until),
        "workload": {
            **plain(workload.ref),
            "environment": workload.environment,
            "region": workload.region,
            "replicas": workload.replicas,
        },
        "data_scope": plain(workload.data_scope),
        "container": one.container.name,
        "artifact": {"digest": one.digest, "repository": one.repository, "image": one.container.image},
        "why": one.verdict.reason if one.verdict else "",
        "components": plain(one.verdict.components if one.verdict else ()),
    }


def _row(one: Seen) -> dict[str, Any]:
    told_ = _run(one)
    return {
        "row": "run",
        **{key: value for key, value in told_.items() if key in _COLUMNS},
        **told_["workload"],
        **told_["data_scope"],
        "image": one.container.image,
        "digest": one.digest,
        "components": [component.label for component in one.verdict.components] if one.verdict else (),
    }


def _text(
    answer: Answer, question: Question | None, selection: Selection, start: datetime, end: datetime, stream: IO[str]
) -> str:
    ordered = sorted(answer.runs, key=lambda one: (one.workload.ref, one.since))
    groups = [list(group) for _, group in groupby(ordered, key=lambda one: one.workload.ref)]
    parts = [_headline(answer, groups, question, selection, start, end, stream)]
    parts += ["\n".join(_workload(group, stream)) for group in groups]
    if answer.unknown:
        parts.append("\n".join(asking.untold(answer.unknown, stream)))
    events = ", and of deployment events" if any(is_told_of(one.workload.ref) for one in answer.runs) else ""
    times = f"Times are of the cluster's readings{events}; what came and went between two of them is not seen."
    parts.append(wrapped(times))
    return "\n\n".join(parts)


def _headline(
    answer: Answer, groups: Sequence[Sequence[Seen]], question: Question | None, selection: Selection,
    start: datetime, end: datetime, stream: IO[str],
) -> str:  # fmt: skip
    what = safe(f"an image with {question}" if question else "an image")
    only = safe(f" (only {selection})") if selection.asked() else ""
    sure = sum(any(one.manner is not Manner.MAY for one in group) for group in groups)
    count = f"{many(sure, 'workload')} ran {what}{only}"
    if len(groups) > sure:
        count += f", {len(groups) - sure} may have"
    if not groups and answer.unknown:
        count = f"no workload is known to have run {what}{only}, but not everything could be told"
    elif not groups:
        count = f"no workload ran {what}{only}"
    text = wrapped(f"From {told(start)} to {told(end)}, {count}.")
    return styled(text, stream, bold=True, fg="red" if groups else "yellow" if answer.unknown else "green")


def _workload(group: Sequence[Seen], stream: IO[str]) -> Iterator[str]:
    last = group[-1].workload
    place = safe(f"{last.ref.cluster}  {last.ref.namespace}  {last.ref.kind}/{last.ref.name}")
    yield styled(wrapped(place, hanging="  "), stream, bold=True)
    scope = last.data_scope
    stores = f"; writes to {', '.join(scope.writes_to)}" if scope.writes_to else ""
    facts = f"{last.environment} environment, {scope.classification.value} data{stores}"
    yield wrapped(safe(facts), "  ", "    ")
    for one in group:
        yield styled(wrapped(_when(one), "  ", "    "), stream, fg=_COLOURS[one.manner])
        image = named(one.repository, one.digest[:19]) if one.digest else f"{one.repository} (its digest is UNKNOWN)"
        yield wrapped(safe(image), "    ", "      ")
        if one.verdict:
            yield wrapped(safe(one.verdict.reason), "    ", "      ")


def _when(one: Seen) -> str:
    events = is_told_of(one.workload.ref)
    first = "the first event of its fleet" if events else "the first reading"
    start = told(one.since) + (f" or earlier ({first})" if one.from_start else "")
    if one.manner is Manner.ENDED:
        end = f"to {told(one.until)}" if one.until else "on"
        return f"ran before {told(one.since)}: seen ended from then {end}"
    if one.until is None:
        return f"{one.manner.value} since {start}; it stands {'as last told' if events else 'at the last reading'}"
    return f"{one.manner.value} from {start} to {told(one.until)}"
