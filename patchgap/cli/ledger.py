"""`patchgap ledger`: whether the record of every incident is whole."""

from __future__ import annotations

import sys

import click

from patchgap.cli.context import Cli
from patchgap.cli.output import JSON, Group, emit, fitted, many, safe
from patchgap.model.finding import IncidentId

BROKEN = 1


@click.group(cls=Group)
def ledger() -> None:
    """Check the append-only, hash-chained record of incidents."""


@ledger.command()
@click.argument("incident", required=False)
@JSON
@click.pass_obj
@click.pass_context
def verify(ctx: click.Context, cli: Cli, incident: str | None, as_json: bool) -> None:
    """Verify every chain, or INCIDENT's: content, links, numbers, and the end recorded beside it.

    Exit codes: 0 where every chain holds, 1 with each break named, 2 for an incident that does not exist.
    """
    from patchgap.incident.ledger import Ledger  # imported late: --help must not wait for the database's libraries
    from patchgap.storage import connect

    book = Ledger(connect(cli.database_url()), cli.clock)
    problems = book.verify(IncidentId(incident) if incident else None)
    checked = 1 if incident else len(book.chains())
    if as_json:
        emit({"holds": not problems, "incidents": checked, "problems": problems})
    else:
        for problem in problems:
            click.echo(fitted(safe(str(problem)), sys.stdout))
        click.echo(f"{many(checked, 'chain')} checked: {'broken' if problems else 'all hold'}")
    if problems:
        ctx.exit(BROKEN)
