"""`patchgap exposure`: the question, and its answer for a person or a program.

Imports little: the whole command has half a second. An SQLite file is read by the standard library alone; another
database is opened by SQLAlchemy.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from patchgap.cli.context import Cli
from patchgap.cli.exposure_text import render
from patchgap.cli.output import Story, emit
from patchgap.errors import BadInputError
from patchgap.graph.query import Memory, Query, refreshed
from patchgap.graph.question import Question
from patchgap.graph.reading import open_file
from patchgap.model.codec import plain
from patchgap.model.exposure import Exposure, ExposureAnswer, Standing
from patchgap.model.unknown import Unknown

EXPOSED, CANNOT_TELL = 1, 3


@click.command()
@click.argument("what", required=False)
@click.option("--advisory", type=click.Path(path_type=Path), help="Ask for what an OSV advisory (JSON, YAML) affects.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--exit-code", is_flag=True, help="Exit 1 where exposed, 3 where it cannot tell.")
@click.pass_obj
@click.pass_context
def exposure(
    ctx: click.Context, cli: Cli, what: str | None, advisory: Path | None, as_json: bool, exit_code: bool
) -> None:
    """Which running workloads include a package.

    WHAT is a name, name@version, or a purl with or without a version. What could not be told is named as unknown:
    an answer without exposures but with unknowns is not "clean".

    VEX changes the standing of what an advisory touches and removes nothing.

    Exit codes: 0; with --exit-code 1 where a workload is exposed (or may be, VEX aside), 3 where none is known to be but
    something could not be told.
    """
    question = _question(what, advisory)
    answer, read_at = _ask(cli, question)
    answer = replace(answer, unknown=(*_never_read(cli, read_at), *answer.unknown))
    if question.advisory and question.advisory.withdrawn:
        day = question.advisory.withdrawn.date().isoformat()
        Story().warn(f"{question} was withdrawn on {day}; what it names is answered all the same.")
    if as_json:
        emit(document(answer, read_at))
    else:
        click.echo(render(answer, read_at, sys.stdout))
    if exit_code:
        exposed = any(one.standing is not Standing.NOT_AFFECTED for one in answer.exposures)
        ctx.exit(EXPOSED if exposed else CANNOT_TELL if answer.unknown else 0)


def _question(what: str | None, advisory: Path | None) -> Question:
    if (what is None) == (advisory is None):
        raise BadInputError("the question", "name a package or an advisory, one of the two", "See --help.")
    if advisory is None:
        return Question.parse(what or "")
    from patchgap.graph.advisory import read_advisory  # imported late: most questions are names

    return Question.of_advisory(read_advisory(advisory))


def _ask(cli: Cli, question: Question) -> tuple[ExposureAnswer, Mapping[str, datetime | Unknown]]:
    with open_file(cli.database_url()) as read:
        if read is not None:
            return Query(read, Memory()).answer(question, cli.clock()), refreshed(read)
    graph = cli.graph()
    return graph.exposure(question, cli.clock()), graph.refreshed_at()


def _never_read(cli: Cli, read_at: Mapping[str, datetime | Unknown]) -> Iterator[Unknown]:
    """The configured clusters that the graph has never heard of. They are configured in a file and nowhere else;
    without one, the settings (pydantic, 0.2 s) are not even imported."""
    if not cli.has_settings_file():
        return
    for cluster in cli.settings().kubernetes.clusters:
        if cluster.name not in read_at:
            yield Unknown(f"cluster {cluster.name}", "it is configured and was never read: patchgap inventory refresh")


def document(answer: ExposureAnswer, read_at: Mapping[str, datetime | Unknown]) -> dict[str, Any]:
    """The answer as plain JSON, in the shape that scripts may rely on. `inventory` says how old what it rests on is."""
    return {
        "query": answer.query,
        "asked_at": plain(answer.asked_at),
        "exposures": [_exposure(one) for one in answer.exposures],
        "unknown": plain(answer.unknown),
        "inventory": [_read(cluster, when, answer.asked_at) for cluster, when in read_at.items()],
    }


def _read(cluster: str, when: datetime | Unknown, asked_at: datetime) -> dict[str, Any]:
    """When the cluster was last read and how many seconds ago; both null where it does not answer (`unknown` says why)."""
    if isinstance(when, Unknown):
        return {"cluster": cluster, "read_at": None, "age_seconds": None}
    age = max(0, int((asked_at - when).total_seconds()))
    return {"cluster": cluster, "read_at": plain(when), "age_seconds": age}


def _exposure(one: Exposure) -> dict[str, Any]:
    workload = one.workload
    ref = workload.ref
    return {
        "component": plain(one.component),
        "direct": one.direct,
        "chains": plain(one.chains),
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
            "running": workload.running,
        },
        "privileges": plain(workload.privileges),
        "data_scope": plain(workload.data_scope),
        "standing": one.standing.value,
        "vex": one.vex,
    }
