"""`patchgap detect`: a signal by hand, through the same flow as a webhook's."""

from __future__ import annotations

from pathlib import Path

import click

from flows import osv_text
from flows.cli.output import listed, opened, plan_lines, put, run_flow
from patchgap.errors import BadInputError
from patchgap.stages import detect as stages
from patchgap.stages.foresee import foresee


@click.command()
@click.option("--advisory", type=click.Path(path_type=Path), required=True, metavar="FILE", help="OSV, JSON or YAML.")
@click.option("--severity", type=click.Choice(["low", "medium", "high", "critical", "unknown"]), default="unknown")
@click.option("--known-exploited", is_flag=True, help="It has been seen exploited: counts as critical.")
@click.option("--malicious", is_flag=True, help="The package is malicious: counts as critical.")
@click.option("--epss", type=click.FloatRange(0, 1), help="The EPSS probability, 0 to 1.")
@click.option("--source", default="by hand", show_default=True, help="Who says so; it stands in the ledger.")
@click.option("--plan", "plan_only", is_flag=True, help="A dry run: what would be done; nothing is written.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@click.pass_context
def detect(
    context: click.Context,
    advisory: Path,
    severity: str,
    known_exploited: bool,
    malicious: bool,
    epss: float | None,
    source: str,
    plan_only: bool,
    as_json: bool,
) -> None:
    """Join an advisory with what runs here; where a playbook wakes, respond to it."""
    claims = {"severity": severity, "malicious": malicious, "known_exploited": known_exploited, "epss": epss}
    document = {
        "kind": "advisory",
        "source": source,
        "claims": claims,
        "advisory": osv_text.document(_read(advisory), str(advisory)),
    }
    if plan_only:
        seen = foresee(opened(context), document, source)
        words = plan_lines(seen.plan) if seen.plan else ("no incident would be opened",)
        put(seen, as_json=as_json, text=listed([seen.reason, *words]))
        context.exit(1 if seen.plan and seen.plan.refusals else 0)
    signal = stages.receive(opened(context), document, source)
    run_flow(context, "detect", {"signal": signal}, as_json=as_json)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(file, f"it cannot be read: {error}", "Name an OSV record in UTF-8.") from error
