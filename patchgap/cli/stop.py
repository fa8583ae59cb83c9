"""`patchgap stop` and `patchgap resume`: the kill switch. While it is raised, nothing writes to a control plane, whoever
runs it."""

from __future__ import annotations

import os
import pwd
import sys
from typing import TYPE_CHECKING

import click

from patchgap.cli.context import Cli
from patchgap.cli.output import JSON, emit, fitted, safe

if TYPE_CHECKING:  # imported where it is used: SQLAlchemy is slow to import
    from patchgap.incident.stop import Stop


@click.command()
@click.option("--why", metavar="TEXT", help="Why, in a sentence; it stands in every refusal.")
@click.option("--as", "who", metavar="NAME", help="Who decides; it is kept. Else the user of this machine.")
@JSON
@click.pass_obj
def stop(cli: Cli, why: str | None, who: str | None, as_json: bool) -> None:
    """The kill switch: stop every write to a control plane from now on.

    With --why it is raised, by the user of this machine where --as names nobody: containment, releases and the mend's admission stop before their next write, in
    every process on this database, and after a restart. Detecting, scoping, planning and verifying go on; what is in place
    stays in place. Without --why it is told whether it is raised, by whom, when and why.
    """
    if why is None and who is not None:
        raise click.UsageError("give --why too, to stop every write, or neither to see what stands")
    switch = _switch(cli)
    if why is not None:
        switch.raise_(_said(why, "--why"), _said(_user() if who is None else who, "--as"), cli.clock())
    _show(switch, as_json=as_json)


@click.command()
@click.option("--why", required=True, metavar="TEXT", help="Why, in a sentence; it is kept.")
@click.option("--as", "who", required=True, metavar="NAME", help="Who decides; it is kept.")
@JSON
@click.pass_obj
def resume(cli: Cli, why: str, who: str, as_json: bool) -> None:
    """Let writes go on after `patchgap stop`.

    What was refused meanwhile is done by the next scheduled round, or when it is run again."""
    switch = _switch(cli)
    switch.lower(_said(why, "--why"), _said(who, "--as"), cli.clock())
    _show(switch, as_json=as_json)


def _user() -> str:
    """Who types this, as the machine knows them: a name must not hold up the kill switch."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user need not have a name
        return f"uid {os.getuid()}"


def _said(text: str, option: str) -> str:
    if not text.strip():
        raise click.UsageError(f"{option} says nothing")
    return text.strip()


def _switch(cli: Cli) -> Stop:
    from patchgap.incident.stop import Stop
    from patchgap.storage import connect

    return Stop(connect(cli.database_url()))


def _show(switch: Stop, *, as_json: bool) -> None:
    raised = switch.raised()
    if as_json:
        emit({"raised": raised is not None, "by": raised})
    elif raised:
        told = f"raised by {raised.who} at {raised.at:%Y-%m-%d %H:%M:%S} UTC: {raised.why}"
        click.echo(fitted(safe(told), sys.stdout))
        click.echo("nothing is written to a control plane until `patchgap resume --why … --as …`")
    else:
        click.echo("lowered: writes are allowed")
