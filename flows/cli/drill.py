"""`patchgap drill`: the rehearsal on the command line."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from patchgap.cli.output import emit


@click.command()
@click.argument("scenario", default="compromised-dependency")
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), help="Where the drill's folder is made.")
@click.option("--json", "as_json", is_flag=True, help="What the drill left, as one JSON document on stdout.")
@click.pass_context
def drill(context: click.Context, scenario: str, output: Path | None, as_json: bool) -> None:
    """Rehearse an incident from signal to closing; leaves a report and nothing running.

    It uses a cluster, a database and a Prefect server of its own, never the ones that are configured.
    """
    from flows.drill import scenario as scenarios  # imported late: the help needs none of it
    from flows.drill.rehearse import rehearse

    played = scenarios.load(scenario)
    root = output or context.obj.settings().home / "drills"
    done = rehearse(played, root.resolve())
    if as_json:
        emit({name: str(v) if isinstance(v, Path) else v for name, v in asdict(done).items()})
        return
    here = f"patchgap --home {done.home} --config {done.home / 'patchgap.toml'}"
    click.echo(
        f"\nClosed {done.incident} in {done.seconds:.0f} s, {datetime.now(UTC):%H:%M} UTC. Nothing is left running.\n\n"
        f"The report        {done.report}\n"
        f"The evidence      {done.bundle}\n\n"
        "To explore further:\n"
        f"  {here} incident show {done.incident}\n"
        f"  {here} ledger verify\n"
        f"  {here} evidence verify {done.bundle}\n"
        f"  {here} exposure pytorch-lightning\n"
    )
