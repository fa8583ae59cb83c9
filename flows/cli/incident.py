"""`patchgap incident`: read what stands, decide what a person must decide, and start the stages."""

from __future__ import annotations

from collections.abc import Iterator

import click

from flows.cli import consent, standing
from flows.cli.output import ID, WHO, listed, opened, plan_lines, put, run_flow, span
from patchgap.cli.output import JSON, Group, emit, many, parted
from patchgap.incident import heading, lasting
from patchgap.incident.events import Closed, Dismissed
from patchgap.incident.ledger import Entry
from patchgap.incident.state import IncidentState
from patchgap.incident.story import Teller
from patchgap.model.finding import IncidentId
from patchgap.stages import contain as contain_stage
from patchgap.stages import lasting as lasting_stage
from patchgap.stages import patch as patch_stage
from patchgap.stages import recover as recover_stage
from patchgap.stages import waive as waive_stage
from patchgap.stages.engine import Engine
from patchgap.stages.situation import open_state_of, state_of


@click.group(cls=Group)
def incident() -> None:
    """Incidents: what stands, what is planned, what is proved."""


for _command in (consent.approve, consent.decline, consent.link, consent.break_glass):
    incident.add_command(_command)


@incident.command("list")
@click.option("--all", "everything", is_flag=True, help="Closed and dismissed ones too.")
@JSON
@click.pass_context
def list_(context: click.Context, everything: bool, as_json: bool) -> None:
    """Every open incident, oldest first: what it is about, how bad it is, and what it waits for."""
    engine = opened(context)
    states = [state_of(engine, r.id) for r in engine.ledger.incidents() if everything or r.status == "open"]
    if as_json:
        emit([standing.summary(engine, state) for state in states])
    else:
        click.echo("\n".join(standing.summed(engine, state) for state in states) or "no incident is open")


@incident.command()
@ID
@click.option("--story", "whole", is_flag=True, help="All that happened, as the ledger tells it, before how it stands.")
@JSON
@click.pass_context
def show(context: click.Context, incident_id: str, whole: bool, as_json: bool) -> None:
    """How an incident stands, what is proved, and what to type next."""
    engine = opened(context)
    entries = engine.ledger.read(IncidentId(incident_id))
    teller = Teller()
    told = [(entry, line) for entry in entries for line in teller.lines(entry)]
    state = state_of(engine, IncidentId(incident_id))
    if as_json:
        story = [f"{entry.at:%Y-%m-%d %H:%M:%S} UTC  {line}" for entry, line in told]
        ends = {c.intent.action.id: end for c, end in lasting.standing(state)}
        emit({"state": state, "story": story, "stands_until": ends, "waits": standing.waits(engine, state.id)})
        return
    if whole:
        click.echo("\n".join([*_by_day(incident_id, told), ""]))
    click.echo("\n".join(standing.lines(engine, state.id)))
    if not whole:
        click.echo(listed([f"`--story` tells all that happened, {many(len(told), 'line')}"]))


def _by_day(incident_id: str, told: list[tuple[Entry, str]]) -> Iterator[str]:
    """The story under a heading a day, so that a line begins with its time alone."""
    day = ""
    for entry, line in told:
        if day != f"{entry.at:%Y-%m-%d}":
            day = f"{entry.at:%Y-%m-%d}"
            yield f"{incident_id}, {day} (UTC)"
        yield listed([f"{entry.at:%H:%M:%S}  {line}"], "  ", " " * 12)


@incident.command()
@ID
@JSON
@click.pass_context
def plan(context: click.Context, incident_id: str, as_json: bool) -> None:
    """The recorded plan with every target named and how it stands; made and recorded where there is none yet."""
    engine = opened(context)
    held = state_of(engine, IncidentId(incident_id)).plan or contain_stage.plan(engine, IncidentId(incident_id))
    state = state_of(engine, IncidentId(incident_id))
    put(held, as_json=as_json, text=listed(plan_lines(held, lambda a: heading.step(state, a, engine.clock()))))
    if held.refusals:
        context.exit(1)


@incident.command()
@ID
@click.option("--for", "lasts", required=True, metavar="DURATION", help="For how long from now on: 4h; 7d at most.")
@click.option("--why", required=True, help="Why it has to stand on; it is in the ledger and the report.")
@WHO
@JSON
@click.pass_context
def extend(context: click.Context, incident_id: str, lasts: str, why: str, who: str, as_json: bool) -> None:
    """Let what stands (isolation, freezes, blocks) stand on before a person is called. Nothing releases itself."""
    engine = opened(context)
    said = lasting_stage.extend(engine, IncidentId(incident_id), span(lasts), why, who)
    until = f"{said.until:%Y-%m-%d %H:%M} UTC"
    told = f"{len(said.actions)} controls of {incident_id} stand; a person is called at {until}; they stay until they are released"
    put(said, as_json=as_json, text=parted(told))


@incident.command()
@ID
@click.option("--plan", "plan_only", is_flag=True, help="A dry run: nothing is written anywhere.")
@JSON
@click.pass_context
def contain(context: click.Context, incident_id: str, plan_only: bool, as_json: bool) -> None:
    """Carry out the plan, or only show what it would do. Of a closed incident it says so; that is no failure."""
    engine = opened(context)
    if _closed_before(engine, incident_id, as_json=as_json):
        return
    if not plan_only:
        engine.stop.may_write()  # before Prefect is started for nothing
    run_flow(
        context,
        "contain",
        {"incident": incident_id, "plan_only": plan_only},
        as_json=as_json,
        words=lambda engine, ran: [
            parted(ran.message),
            *(() if plan_only else standing.waiting(engine, IncidentId(incident_id))),
        ],
    )


@incident.command()
@ID
@click.option("--image", required=True, metavar="REF@DIGEST", help="The patched image.")
@WHO
@JSON
@click.pass_context
def patch(context: click.Context, incident_id: str, image: str, who: str, as_json: bool) -> None:
    """Name the mend; accepted only when its SBOM proves that the affected versions are not in it."""
    named = patch_stage.name_patch(opened(context), IncidentId(incident_id), image, who)
    told = f"{named.reference} is the mend; freezes and blocks let it through, and what waits for it goes on in the next round"
    put(named, as_json=as_json, text=parted(told))


@incident.command()
@ID
@JSON
@click.pass_context
def verify(context: click.Context, incident_id: str, as_json: bool) -> None:
    """One round of live checks, and the gate's verdict. Of a closed incident it says so; that is no failure."""
    if _closed_before(opened(context), incident_id, as_json=as_json):
        return
    run_flow(
        context,
        "verify",
        {"incident": incident_id},
        as_json=as_json,
        words=lambda engine, ran: standing.verified(engine, IncidentId(incident_id), ran),
        missing=False,
    )


@incident.command()
@ID
@click.option("--check", required=True, help="The check to do without.")
@click.option("--for", "lasts", required=True, metavar="DURATION", help="How long it holds: 30m, 24h, 7d.")
@click.option("--why", required=True, help="Why, in a sentence.")
@WHO
@JSON
@click.pass_context
def waive(context: click.Context, incident_id: str, check: str, lasts: str, why: str, who: str, as_json: bool) -> None:
    """Do without one check's proof for a time. It is counted, and shown in the report; never do without all of them."""
    waived = waive_stage.waive(opened(context), IncidentId(incident_id), check, span(lasts), why, who)
    until = f"{waived.expires_at:%Y-%m-%d %H:%M} UTC"
    told = f"{check} is waived until {until}; now run `patchgap incident verify {incident_id}`"
    put(waived, as_json=as_json, text=parted(told))


def _finish(context: click.Context, incident_id: str, *, as_json: bool) -> None:
    """Recovers and closes; of an incident that has ended it says so, and where its report is."""
    engine = opened(context)
    state = state_of(engine, IncidentId(incident_id))
    if state.ending is None:
        run_flow(
            context,
            "recover",
            {"incident": incident_id},
            as_json=as_json,
            words=lambda engine, ran: standing.closed(engine, state, ran),
            missing=False,
        )
        return
    _tell_end(engine, state, as_json=as_json)


def _closed_before(engine: Engine, incident_id: str, *, as_json: bool) -> bool:
    """Whether it is closed, by the scheduled round for one, and there is nothing to do: then it says so. Raises
    RefusedError for one that was dismissed."""
    state = state_of(engine, IncidentId(incident_id))
    if isinstance(state.ending, Closed):
        _tell_end(engine, state, as_json=as_json)
        return True
    open_state_of(engine, state.id)
    return False


def _tell_end(engine: Engine, state: IncidentState, *, as_json: bool) -> None:
    papers = recover_stage.papers(engine, state.id)
    told = f"{heading.ended(state)}; its report is {papers.report}"
    put(
        {"status": state.status, "report": str(papers.report), "bundle": str(papers.bundle)},
        as_json=as_json,
        text=parted(told),
    )


@incident.command()
@ID
@JSON
@click.pass_context
def recover(context: click.Context, incident_id: str, as_json: bool) -> None:
    """Release what the gate allows, then close."""
    _finish(context, incident_id, as_json=as_json)


@incident.command()
@ID
@JSON
@click.pass_context
def close(context: click.Context, incident_id: str, as_json: bool) -> None:
    """Close on passing evidence alone; what is missing is named and the exit code is 1."""
    _finish(context, incident_id, as_json=as_json)


@incident.command()
@ID
@click.option("--why", required=True, help="Why it was none, in a sentence.")
@WHO
@JSON
@click.pass_context
def dismiss(context: click.Context, incident_id: str, why: str, who: str, as_json: bool) -> None:
    """A false positive: every control is released and the incident ends as dismissed."""
    engine = opened(context)
    ending = state_of(engine, IncidentId(incident_id)).ending
    if isinstance(ending, Dismissed):
        told = f"{incident_id} is dismissed already, by {ending.who}: {ending.why}; nothing was done"
        put((), as_json=as_json, text=parted(told))
        return
    receipts = recover_stage.dismiss(engine, IncidentId(incident_id), why, who)
    put(receipts, as_json=as_json, text=parted(f"{incident_id} is dismissed; {len(receipts)} controls released"))
