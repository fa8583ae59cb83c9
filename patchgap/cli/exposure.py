"""`patchgap exposure`: the question, and its answer for a person or a program.

Imports little: the whole command has half a second. An SQLite file is read by the standard library alone; another
database is opened by SQLAlchemy.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import click

from patchgap.cli import asking
from patchgap.cli.context import Cli
from patchgap.cli.exposure_text import render
from patchgap.cli.output import Story, emit
from patchgap.cli.times import moment
from patchgap.graph.freshness import ReadAt
from patchgap.graph.memory import Memory
from patchgap.graph.query import Query
from patchgap.graph.question import Question
from patchgap.graph.reading import Run
from patchgap.graph.selection import EVERYTHING, Missing, Selection
from patchgap.model.claimed import is_claimed
from patchgap.model.codec import plain
from patchgap.model.exposure import Exposure, ExposureAnswer, Standing
from patchgap.model.unknown import Unknown

EXPOSED, CANNOT_TELL = 1, 3
FORMATS = ("table", "json", "csv", "dot", "mermaid")


@click.command()
@click.argument("what", required=False)
@click.option(
    "--advisory",
    type=click.Path(path_type=Path),
    metavar="FILE|ID",
    help="Ask for what an OSV advisory affects: its file (JSON, YAML), or its id or alias in the mirror of the settings.",
)
@click.option("--at", metavar="TIME", help="What ran then: --at 2026-11-24T07:10Z, or --at 36h for 36 hours ago.")
@click.option("--why", is_flag=True, help="Draw every shortest chain from the image to the package.")
@asking.filtered
@click.option("--format", "form", type=click.Choice(FORMATS), help="How to print it; table is words for a person.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document: --format json.")
@click.option("--exit-code", is_flag=True, help="Exit 1 where exposed, 3 where it cannot tell.")
@click.pass_obj
@click.pass_context
def exposure(
    ctx: click.Context,
    cli: Cli,
    /,
    what: str | None,
    advisory: Path | None,
    at: str | None,
    why: bool,
    form: str | None,
    as_json: bool,
    exit_code: bool,
    **filters: Any,
) -> None:
    """Which running workloads include a package.

    WHAT is a name, name@version, or a purl with or without a version. What could not be told is named as unknown:
    an answer without exposures but with unknowns is not "clean".

    A filter can be given several times. It takes nothing away that may be what is asked for: a workload whose
    environment nobody declared stays.

    VEX changes the standing of what an advisory touches and removes nothing.

    Exit codes: 0; with --exit-code 1 where a workload is exposed (or may be, VEX aside), 3 where none is known to be but
    something could not be told.
    """
    printed = asking.form_of(form, as_json=as_json)
    selection = asking.selection_of(filters)
    question = asking.question_of(cli, what, advisory, selection)
    then = moment(at, "--at", cli.clock()) if at else None
    asked = ask(cli, question, selection, then, at_rest=True)
    _warn(question, asked)
    _print(asked, printed, why=why)
    if exit_code:
        exposed = any(one.standing is not Standing.NOT_AFFECTED for one in asked.answer.exposures)
        ctx.exit(EXPOSED if exposed else CANNOT_TELL if asked.answer.unknown else 0)


class Asked(NamedTuple):
    """An answer, what was asked, and when each cluster was last read. `not_running` are images that hold it too and run
    nowhere known; of a part of the fleet, and of another time, that is not told."""

    answer: ExposureAnswer
    not_running: tuple[str, ...]
    selection: Selection
    at: datetime | None
    read_at: Mapping[str, datetime | Unknown]
    missing: tuple[Missing, ...]


def ask(
    cli: Cli, question: Question, selection: Selection, at: datetime | None = None, *, at_rest: bool = False
) -> Asked:
    """The answer about the part of the fleet that is selected; with `at_rest` the images that run nowhere too. Raises
    BadInputError for a filter that nothing has."""
    configured = cli.clusters()

    def of(read: Run) -> Asked:
        query = Query(read, Memory(), at, selection.cluster)
        answer = query.answer(question, cli.clock())
        idle = query.not_running(question) if at_rest and at is None and selection == EVERYTHING else ()
        missing = asking.check(selection, read, answer.exposures, configured)
        read_at, unread = asking.readings(read, selection, configured)
        kept = tuple(one for one in answer.exposures if selection.keeps(one.workload))
        told = replace(answer, exposures=kept, unknown=(*unread, *answer.unknown))
        return Asked(told, idle, selection, at, read_at, missing)

    return cli.asked(of)


def _warn(question: Question, asked: Asked) -> None:
    asking.warn(asked.missing)
    if question.advisory and question.advisory.withdrawn:
        day = question.advisory.withdrawn.date().isoformat()
        Story().warn(f"patchgap: {question} was withdrawn on {day}; what it names is answered all the same.")


def _print(asked: Asked, form: str, *, why: bool) -> None:
    if form == "json":
        emit(document(asked))
    elif form == "csv":
        # Imported late, as are the drawings: most answers are read by a person.
        from patchgap.cli.exposure_rows import COLUMNS, rows
        from patchgap.cli.rows import csv_of

        click.echo(csv_of(COLUMNS, rows(asked.answer)), nl=False)
    elif form in {"dot", "mermaid"}:
        from patchgap.cli import drawing

        draw = drawing.dot if form == "dot" else drawing.mermaid
        click.echo(draw(asked.answer), nl=False)
    else:
        click.echo(
            render(
                asked.answer,
                asked.read_at,
                sys.stdout,
                asked.not_running,
                selection=asked.selection,
                at=asked.at,
                why=why,
            )
        )


def document(asked: Asked) -> dict[str, Any]:
    """The answer as plain JSON, in the shape that scripts may rely on. `inventory` says how old what it rests on is."""
    answer = asked.answer
    return {
        "query": answer.query,
        "asked_at": plain(answer.asked_at),
        "exposures": [exposed(one) for one in answer.exposures],
        "not_running": list(asked.not_running),
        "unknown": plain(answer.unknown),
        "inventory": inventory(asked.read_at, answer.asked_at),
        **({"at": plain(asked.at)} if asked.at else {}),
        **({"filters": asked.selection.asked()} if asked.selection.asked() else {}),
    }


def inventory(read_at: Mapping[str, datetime | Unknown], asked_at: datetime) -> list[dict[str, Any]]:
    """How old what each cluster told is; `by_events` where deployment events alone tell of it."""
    by_events = read_at.by_events if isinstance(read_at, ReadAt) else frozenset()
    return [_read(cluster, when, asked_at) | {"by_events": cluster in by_events} for cluster, when in read_at.items()]


def _read(cluster: str, when: datetime | Unknown, asked_at: datetime) -> dict[str, Any]:
    """When the cluster was last read and how many seconds ago; both null where it does not answer (`unknown` says why)."""
    if isinstance(when, Unknown):
        return {"cluster": cluster, "read_at": None, "age_seconds": None}
    age = max(0, int((asked_at - when).total_seconds()))
    return {"cluster": cluster, "read_at": plain(when), "age_seconds": age}


def exposed(one: Exposure) -> dict[str, Any]:
    """One exposure as plain JSON. How many of a claim's replicas run, nobody has counted: null."""
    workload = one.workload
    ref = workload.ref
    return {
        "component": plain(one.component),
        "direct": one.direct,
        "chains": plain(one.chains),
        "more_chains": one.more_chains,
        "artifact": plain(one.artifact),
        "workload": {
            "platform": ref.platform,
            "cluster": ref.cluster,
            "namespace": ref.namespace,
            "kind": ref.kind,
            "name": ref.name,
            "nodes": list(workload.nodes),
            "environment": workload.environment,
            "region": workload.region,
            "replicas": workload.replicas,
            "running": None if is_claimed(workload) else workload.running,
        },
        "privileges": plain(workload.privileges),
        "data_scope": plain(workload.data_scope),
        "standing": one.standing.value,
        "vex": one.vex,
    }
