"""`patchgap approver`: who may say yes to a plan, each by codes of one use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from patchgap.cli.context import Cli
from patchgap.cli.output import JSON, Group, Story, emit, many, safe
from patchgap.errors import BadInputError

if TYPE_CHECKING:  # imported where it is used: SQLAlchemy is slow to import
    from patchgap.incident.approvers import Approvers

_WHO = click.option("--as", "who", required=True, metavar="NAME", help="Who decides; it is kept.")


@click.group(cls=Group)
def approver() -> None:
    """The people who may approve a plan, each by codes of one use."""


@approver.command()
@click.argument("person", metavar="NAME")
@click.option("--count", default=1, show_default=True, metavar="N", help="How many codes; each serves for one answer.")
@click.option("--for", "lasts", default="90d", show_default=True, metavar="TIME", help="For how long they serve.")
@_WHO
@JSON
@click.pass_obj
def issue(cli: Cli, person: str, count: int, lasts: str, who: str, as_json: bool) -> None:
    """Issue codes to a person. They are shown this once: patchgap keeps their hashes alone.

    Whoever gives a code is taken for that person. Hand it over as you would a password, ahead of the bad morning.
    """
    from patchgap.incident.shape import same_person
    from patchgap.playbook.quantities import duration

    named = cli.settings().approvers
    if named and not any(same_person(person, one) for one in named):
        raise BadInputError("NAME", f"{person!r} is no approver of the settings", "Name them under `approvers` first.")
    try:
        time = duration(lasts)
    except ValueError as error:
        raise BadInputError("--for", f"{lasts!r} {error}", "Give for how long they serve, such as 90d.") from error
    until = cli.clock() + time
    codes = _approvers(cli).issue(person, who, count, time)
    if not named:
        Story().warn(
            "No `approvers` are named in the settings: whoever issues a code may say yes in any name, also to what they"
            " asked for themselves. Name those whose yes counts: `approvers` in patchgap.toml."
        )
    if as_json:
        emit({"person": person, "codes": codes, "until": until})
        return
    serves = "each serves once" if count > 1 else "it serves once"
    Story().say(f"for {person}; {serves}, until {until:%Y-%m-%d %H:%M} UTC, and is not shown again:")
    click.echo("\n".join(codes))


@approver.command("list")
@JSON
@click.pass_obj
def list_(cli: Cli, as_json: bool) -> None:
    """Who was given codes, and how many are left."""
    everyone = _approvers(cli).all()
    if as_json:
        emit(everyone)
        return
    for one in everyone:
        until = f", the last until {one.until:%Y-%m-%d}" if one.until else ""
        click.echo(safe(f"{one.person}  {many(one.left, 'code')} left{until}"))
    if not everyone:
        click.echo("nobody has codes: `patchgap approver issue NAME --as YOU`")


@approver.command()
@click.argument("person", metavar="NAME")
@click.pass_obj
def revoke(cli: Cli, person: str) -> None:
    """Take back every code of a person that is not spent."""
    gone = _approvers(cli).revoke(person)
    click.echo(f"{many(gone, 'code')} of {safe(person)} serve no more")


def _approvers(cli: Cli) -> Approvers:
    from patchgap.incident.approvers import Approvers
    from patchgap.storage import connect

    return Approvers(connect(cli.database_url()), cli.clock)
