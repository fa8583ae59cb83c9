"""`patchgap incident approve`, `decline`, `link` and `break-glass`: a second person's yes or no, and doing without it."""

from __future__ import annotations

import sys
from typing import TextIO

import click

from flows.cli.output import ID, WHO, listed, opened, put, span
from patchgap.cli.output import JSON, parted
from patchgap.incident.events import Approved
from patchgap.model.finding import IncidentId
from patchgap.stages import consent as consent_stage
from patchgap.stages.consent import Answer, Desk
from patchgap.stages.situation import open_state_of

_PLAN = click.option(
    "--plan", "digest", required=True, metavar="DIGEST", help="Of the plan that was read; 8 hex digits of it or more."
)
_CODE = click.option(
    "--code-file",
    type=click.File(),
    metavar="FILE",
    help="Holds your code; `-` for stdin. Else you are asked for it; in a pipe stdin holds it.",
)


@click.command()
@ID
@_PLAN
@_CODE
@JSON
@click.pass_context
def approve(context: click.Context, incident_id: str, digest: str, code_file: TextIO | None, as_json: bool) -> None:
    """Say yes to one plan, as another person than the one who reported the signal.

    A code of one use, which `patchgap approver issue` gave you, says who you are; it is asked for where no file holds it.
    """
    desk, whole = _asked(context, incident_id, digest)
    said = desk.by_code(Answer(IncidentId(incident_id), whole, yes=True), _code(code_file))
    if isinstance(said, Approved):
        until = f"{said.expires_at:%Y-%m-%d %H:%M} UTC"
        told = f"approved by {said.approver} until {until}; now run `patchgap incident contain {incident_id}`"
        put(said, as_json=as_json, text=parted(told))


@click.command()
@ID
@_PLAN
@_CODE
@click.option("--why", required=True, help="Why not, in a sentence.")
@JSON
@click.pass_context
def decline(
    context: click.Context, incident_id: str, digest: str, code_file: TextIO | None, why: str, as_json: bool
) -> None:
    """Say no to one plan: what waits in it does not run, until it is planned and approved again."""
    desk, whole = _asked(context, incident_id, digest)
    said = desk.by_code(Answer(IncidentId(incident_id), whole, yes=False, why=why), _code(code_file))
    put(said, as_json=as_json, text=listed([f"declined: {why}"]))


def _asked(context: click.Context, incident_id: str, digest: str) -> tuple[Desk, str]:
    """Where the answer is given, and the whole digest of the plan that it is to. Raises what makes an answer be refused
    whoever gives it, before a code is asked for."""
    engine = opened(context)
    state = open_state_of(engine, IncidentId(incident_id))
    whole = engine.consent.meant(state.id, digest)
    click.echo(f"plan {whole}", err=True)
    return engine.consent, whole


def _code(file: TextIO | None) -> str:
    if file is None and sys.stdin.isatty():
        return str(click.prompt("code", hide_input=True, err=True))
    return (file or sys.stdin).read().strip()


@click.command()
@ID
@click.option("--to", "person", default="", metavar="NAME", help="Whose yes it is: send it to them alone.")
@click.pass_context
def link(context: click.Context, incident_id: str, person: str) -> None:
    """A signed link to the plan that waits: it shows the plan and takes an answer.

    With --to it answers for that person, who must be one of `approvers` in the settings and no requester. Without --to it may stand in a channel: whoever answers there gives a code of theirs.
    """
    engine = opened(context)
    open_state_of(engine, IncidentId(incident_id))
    click.echo(consent_stage.address(engine.settings, engine.consent, IncidentId(incident_id), person))


@click.command("break-glass")
@ID
@click.option("--why", required=True, help="Why nobody else can be asked; it stands in the ledger and the report.")
@click.option("--for", "lasts", required=True, metavar="TIME", help="For how long, such as 30m; 12h at most.")
@click.option("--plan", "digest", default="", metavar="DIGEST", help="For this plan alone, and none made later.")
@WHO
@JSON
@click.pass_context
def break_glass(
    context: click.Context, incident_id: str, why: str, lasts: str, digest: str, who: str, as_json: bool
) -> None:
    """Do without the second person's yes for a time, in this incident alone. Limits, protected objects and the kill switch
    stand as they do.

    It is loud: a person is called, and the story, the report and the metrics show it. Without --plan it opens plans that
    are made later in that time too; each of those calls a person again.
    """
    engine = opened(context)
    open_state_of(engine, IncidentId(incident_id))
    broken = consent_stage.break_glass(
        engine.ledger, IncidentId(incident_id), who, why, span(lasts), engine.clock(), digest
    )
    until = f"{broken.expires_at:%Y-%m-%d %H:%M} UTC"
    told = f"GLASS BROKEN by {who} until {until}; now run `patchgap incident contain {incident_id}`"
    put(broken, as_json=as_json, text=parted(told))
