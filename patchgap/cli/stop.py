"""`patchgap stop`: the kill switch. While it is raised, nothing writes to a control plane, whoever runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from patchgap.cli.context import Cli
from patchgap.cli.output import Group, emit, safe

if TYPE_CHECKING:  # imported where it is used: SQLAlchemy is slow to import
    from patchgap.incident.stop import Stop

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
_WHY = click.option("--why", required=True, help="Why, in a sentence; it stands in every refusal.")
_WHO = click.option("--as", "who", required=True, metavar="NAME", help="Who decides; it is kept.")


@click.group(cls=Group)
def stop() -> None:
    """The kill switch: while it is raised, no control plane is written to."""


@stop.command("raise")
@_WHY
@_WHO
@_JSON
@click.pass_obj
def raise_(cli: Cli, why: str, who: str, as_json: bool) -> None:
    """Stop every write from now on: containment, releases and the mend's admission. Reading goes on.

    What is in place stays in place. It outlives restarts, and holds for every process on this database.
    """
    switch = _switch(cli)
    switch.raise_(why, who, cli.clock())
    _show(switch, as_json=as_json)


@stop.command()
@_WHY
@_WHO
@_JSON
@click.pass_obj
def lower(cli: Cli, why: str, who: str, as_json: bool) -> None:
    """Let writes go on. What was refused meanwhile is done when it is run again: `patchgap incident contain ID`."""
    switch = _switch(cli)
    switch.lower(why, who, cli.clock())
    _show(switch, as_json=as_json)


@stop.command()
@_JSON
@click.pass_obj
def show(cli: Cli, as_json: bool) -> None:
    """Whether it is raised, by whom, when and why."""
    _show(_switch(cli), as_json=as_json)


def _switch(cli: Cli) -> Stop:
    from patchgap.incident.stop import Stop
    from patchgap.storage import connect

    return Stop(connect(cli.database_url()))


def _show(switch: Stop, *, as_json: bool) -> None:
    raised = switch.raised()
    if as_json:
        emit({"raised": raised is not None, "by": raised})
    elif raised:
        click.echo(safe(f"raised by {raised.who} at {raised.at:%Y-%m-%d %H:%M:%S} UTC: {raised.why}"))
        click.echo("nothing is written to a control plane until `patchgap stop lower`")
    else:
        click.echo("lowered: writes are allowed")
