"""`patchgap metrics`: how good the response is."""

from __future__ import annotations

import click

from patchgap.cli.context import Cli
from patchgap.cli.output import JSON, emit


@click.command()
@JSON
@click.pass_obj
def metrics(cli: Cli, as_json: bool) -> None:
    """Show how soon incidents are scoped, contained and converged, and how many close on evidence alone."""
    from patchgap.incident.ledger import Ledger  # imported late: --help must not wait for the database's libraries
    from patchgap.incident.metrics import measures
    from patchgap.incident.state import fold
    from patchgap.storage import connect

    book = Ledger(connect(cli.database_url()), cli.clock)
    made = measures(fold(book.read(row.id)) for row in book.incidents())
    if as_json:
        emit(made)
        return
    for line in made.lines():
        click.echo(line)
