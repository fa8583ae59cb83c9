"""`patchgap drill`: the rehearsal on the command line."""

from __future__ import annotations

import shlex
import shutil
import sys
from dataclasses import asdict
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
    home, patchgap = shlex.quote(str(done.home)), "patchgap" if shutil.which("patchgap") else shlex.quote(sys.argv[0])
    click.echo(
        f"\nClosed {done.incident} in {done.seconds:.0f} s. Nothing is left running.\n\n"
        f"The drill's folder\n  {done.home}\n"
        f"The report\n  {done.report}\n"
        f"The signed evidence\n  {done.bundle}\n\n"
        "To explore further:\n"
        f"  export PATCHGAP_HOME={home}\n"
        f"  {patchgap} incident show {done.incident}\n"
        f'  {patchgap} evidence verify "$PATCHGAP_HOME/{done.bundle.relative_to(done.home)}"\n'
        f"  {patchgap} ledger verify\n"
        f"  {patchgap} exposure pytorch-lightning"
    )
