"""`patchgap detect`: a signal by hand, through the same flow as a webhook's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from flows import osv_text
from flows.cli import standing
from flows.cli.output import listed, opened, plan_lines, put, run_flow
from flows.runtime.local import Ran
from patchgap.cli.output import JSON, parted
from patchgap.errors import BadInputError
from patchgap.model.signal import SignalId
from patchgap.stages import detect as stages
from patchgap.stages.engine import Engine
from patchgap.stages.foresee import foresee
from patchgap.stages.incidents import open_incidents
from patchgap.stages.situation import state_of

NOBODY = "nobody named"  # reports what is only foreseen


@click.command()
@click.option("--advisory", type=click.Path(path_type=Path), required=True, metavar="FILE", help="OSV, JSON or YAML.")
@click.option("--severity", type=click.Choice(["low", "medium", "high", "critical", "unknown"]), default="unknown")
@click.option("--known-exploited", is_flag=True, help="It has been seen exploited: counts as critical.")
@click.option("--malicious", is_flag=True, help="The package is malicious: counts as critical.")
@click.option("--epss", type=click.FloatRange(0, 1), help="The EPSS probability, 0 to 1.")
@click.option("--as", "who", default="", metavar="NAME", help="Who reports it: a yes to its plan is another person's.")
@click.option("--plan", "plan_only", is_flag=True, help="A dry run: what would be done; nothing is written.")
@JSON
@click.pass_context
def detect(
    context: click.Context,
    advisory: Path,
    severity: str,
    known_exploited: bool,
    malicious: bool,
    epss: float | None,
    who: str,
    plan_only: bool,
    as_json: bool,
) -> None:
    """Join an advisory with what runs here; where a playbook wakes, respond to it.

    Exit codes: 0, also where something waits for a yes; 1 where a containment that this began is refused or partial.
    """
    if not plan_only and not who.strip():
        raise BadInputError("--as", "who reports it is not said", "Name yourself: a yes to its plan must be another's.")
    claims = {"severity": severity, "malicious": malicious, "known_exploited": known_exploited, "epss": epss}
    document = {
        "kind": "advisory",
        "source": who or NOBODY,
        "claims": claims,
        "advisory": osv_text.document(_read(advisory), str(advisory)),
    }
    if plan_only:
        seen = foresee(opened(context), document, who or NOBODY)
        words = plan_lines(seen.plan) if seen.plan else ("no incident would be opened",)
        put(seen, as_json=as_json, text=listed([seen.reason, *words]))
        context.exit(1 if seen.plan and seen.plan.refusals else 0)
    signal = stages.receive(opened(context), document, who)
    run_flow(
        context,
        "detect",
        {"signal": signal},
        as_json=as_json,
        words=lambda engine, ran: _found(engine, signal, ran),
        once=signal,
    )


def _found(engine: Engine, signal: SignalId, ran: Ran) -> Iterator[str]:
    """What came of the signal, and how to answer the plan where its incident waits for a yes."""
    yield parted(ran.message)
    mine = (i for i in open_incidents(engine) if signal in state_of(engine, i).signals)
    for incident in mine:
        yield from standing.waiting(engine, incident)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(file, f"it cannot be read: {error}", "Name an OSV record in UTF-8.") from error
