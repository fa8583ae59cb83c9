"""`patchgap blast-radius`: the exposed workloads, the worst first, and what they come to."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import click

from patchgap.cli import asking
from patchgap.cli.context import Cli
from patchgap.cli.exposure import Asked, ask, exposed, inventory
from patchgap.cli.exposure_text import included, readings
from patchgap.cli.output import emit, many, safe, styled, wrapped
from patchgap.cli.rows import table
from patchgap.cli.times import moment
from patchgap.graph.radius import Privilege, Reach, Total, ranked, total
from patchgap.model.claimed import is_claimed, running_now
from patchgap.model.codec import plain
from patchgap.model.exposure import Standing
from patchgap.model.workload import Classification

_WORDS = {
    Privilege.CLUSTER_ADMIN: "cluster admin",
    Privilege.PRIVILEGED: "privileged",
    Privilege.HOST_NAMESPACE: "host namespace",
    Privilege.CAPABILITIES: "capabilities",
    Privilege.RIGHTS: "rights",
    Privilege.NONE: "none",
}
UNKNOWN = "unknown"
_COLUMNS = (
    "row", "rank", "standing", "classification", "writes_to", "internet_exposed", "privilege", "service_account",
    "platform", "cluster", "namespace", "kind", "name", "environment", "region", "replicas", "running", "components",
    "digests", "what", "reason",
)  # fmt: skip
_ORDER = (
    "Ordered by data (sensitive or unknown first), then internet exposure, then privilege, then running replicas; "
    "what is unknown counts as the worst, and what VEX clears comes last."
)


@click.command("blast-radius")
@click.argument("what", required=False)
@click.option(
    "--advisory",
    type=click.Path(path_type=Path),
    metavar="FILE|ID",
    help="Ask for what an OSV advisory affects: its file, or its id in the mirror.",
)
@click.option("--at", metavar="TIME", help="What ran then: --at 2026-11-24T07:10Z, or --at 36h for 36 hours ago.")
@asking.filtered
@click.option("--format", "form", type=click.Choice(("table", "json", "csv")), help="How to print it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document: --format json.")
@click.pass_obj
def blast_radius(
    cli: Cli,
    /,
    what: str | None,
    advisory: Path | None,
    at: str | None,
    form: str | None,
    as_json: bool,
    **filters: Any,
) -> None:
    """Rank the workloads that include a package by what they reach.

    WHAT is a name, name@version, or a purl. The order: data scope, internet exposure, privilege, running replicas; what
    is unknown counts as the worst and is shown as unknown.
    """
    printed = asking.form_of(form, as_json=as_json)
    selection = asking.selection_of(filters)
    question = asking.question_of(cli, what, advisory, selection)
    asked = ask(cli, question, selection, moment(at, "--at", cli.clock()) if at else None)
    asking.warn(asked.missing)
    reached = ranked(asked.answer.exposures)
    if printed == "json":
        emit(_document(asked, reached))
    elif printed == "csv":
        from patchgap.cli.exposure_rows import untold  # imported late, as the tables are
        from patchgap.cli.rows import csv_of

        ranked_rows = (_csv_row(n, one) for n, one in enumerate(reached, 1))
        click.echo(csv_of(_COLUMNS, (*ranked_rows, *untold(asked.answer.unknown))), nl=False)
    else:
        click.echo("\n\n".join(_text(asked, reached, sys.stdout)))


def _document(asked: Asked, reached: Sequence[Reach]) -> dict[str, Any]:
    return {
        "query": asked.answer.query,
        "asked_at": plain(asked.answer.asked_at),
        "at": plain(asked.at),
        "filters": asked.selection.asked(),
        "order": _ORDER,
        "total": plain(total(reached)),
        "workloads": [_workload(n, one) for n, one in enumerate(reached, 1)],
        "unknown": plain(asked.answer.unknown),
        "inventory": inventory(asked.read_at, asked.answer.asked_at),
    }


def _workload(rank: int, one: Reach) -> dict[str, Any]:
    shown = exposed(one.exposures[0])
    return {
        "rank": rank,
        "standing": one.standing.value,
        "data_scope": shown["data_scope"],
        "internet_exposed": one.workload.internet_exposed,
        "privilege": _WORDS[one.privilege] if one.privilege_known else "unknown",
        "privileges": shown["privileges"],
        "workload": shown["workload"],
        "components": sorted({e.component.label for e in one.exposures}),
        "digests": sorted({e.artifact.digest for e in one.exposures}),
    }


def _csv_row(rank: int, one: Reach) -> dict[str, Any]:
    shown = _workload(rank, one)
    exposed_ = shown["internet_exposed"]
    return {
        "row": "workload",
        **{key: value for key, value in shown.items() if key in _COLUMNS},
        **shown["workload"],
        **shown["data_scope"],
        "running": running_now(one.workload),
        "internet_exposed": UNKNOWN if exposed_ is None else exposed_,
        "service_account": one.workload.privileges.service_account,
    }


def _text(asked: Asked, reached: Sequence[Reach], stream: IO[str]) -> Iterator[str]:
    answer, sums = asked.answer, total(reached)
    yield styled(wrapped(_headline(asked, sums)), stream, bold=True, fg=_colour(asked, reached))
    if reached:
        headings = ("#", "DATA", "INTERNET", "PRIVILEGE", "RUNNING", "WORKLOAD")
        several = len({one.workload.ref.cluster for one in reached}) > 1
        yield "\n".join(table(headings, [_row(n, one, several) for n, one in enumerate(reached, 1)]))
        stores = ", ".join(sums.writes_to) or "nothing that is declared"
        yield wrapped(safe(f"They write to {stores}."))
        yield wrapped(_ORDER)
    if answer.unknown:
        yield "\n".join(asking.untold(answer.unknown, stream))
    if read := list(readings(asked.read_at, answer.asked_at)):
        yield "\n".join(read)


def _headline(asked: Asked, sums: Total) -> str:
    query = safe(asked.answer.query) + (f" (only {safe(str(asked.selection))})" if asked.selection.asked() else "")
    if not sums.workloads and not sums.cleared:
        more = "not found, but not everything could be told" if asked.answer.unknown else "no running workload has it"
        return f"{query}: {more}."
    claimed = f", {sums.claimed_replicas} that exposure documents claim" if sums.claimed_replicas else ""
    text = (
        f"{query}: {included(sums.workloads - sums.may_include, sums.may_include)}; "
        f"{many(sums.replicas, 'running replica')}{claimed}, "
        f"{many(sums.namespaces, 'namespace')}, {many(sums.clusters, 'cluster')}; "
        f"data: {_known(sums.sensitive, sums.unknown_scope, 'sensitive')}; "
        f"internet: {_known(sums.internet, sums.unknown_internet, 'exposed')}"
    )
    text += f"; VEX clears {sums.cleared} more" if sums.cleared else ""
    text += f"; {many(asking.things(asked.answer.unknown), 'thing')} could not be told" if asked.answer.unknown else ""
    return f"{text}."


def _known(number: int, unknown: int, word: str) -> str:
    """Apart, since a count that holds what is unknown reads as if all of it were known."""
    return f"{number - unknown} {word}" + (f", {unknown} unknown and counted as {word}" if unknown else "")


def _colour(asked: Asked, reached: Sequence[Reach]) -> str:
    if any(one.standing is not Standing.NOT_AFFECTED for one in reached):
        return "red"
    return "yellow" if asked.answer.unknown else "green"


def _row(rank: int, one: Reach, with_cluster: bool) -> tuple[object, ...]:
    workload, ref = one.workload, one.workload.ref
    scope = workload.data_scope.classification
    notes = {Standing.UNKNOWN: " (may include it)", Standing.NOT_AFFECTED: " (VEX clears it)"}.get(one.standing, "")
    return (
        rank,
        "UNKNOWN" if scope is Classification.UNKNOWN else scope.value,
        {True: "exposed", False: "no", None: "UNKNOWN"}[workload.internet_exposed],
        _WORDS[one.privilege] if one.privilege_known else "UNKNOWN",
        f"{workload.replicas} claimed" if is_claimed(workload) else f"{workload.running} of {workload.replicas}",
        f"{ref.namespace}/{ref.kind}/{ref.name}{f' in {ref.cluster}' if with_cluster else ''}{notes}",
    )
