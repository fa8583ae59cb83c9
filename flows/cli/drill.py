"""`patchgap drill`: the rehearsal on the command line."""

from __future__ import annotations

import shlex
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from patchgap.cli.context import Cli
from patchgap.cli.output import emit, safe, wrapped
from patchgap.errors import BadInputError

if TYPE_CHECKING:  # imported where they are used: the help needs none of it
    from flows.drill.scenario import Scenario
    from patchgap.registry import Registry


_DEFAULT = "compromised-dependency"


@click.command()
@click.argument("scenario", default=_DEFAULT)
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), help="Where the drill's folder is made.")
@click.option("--list", "listing", is_flag=True, help="The scenarios there are, and no more.")
@click.option("--quick", is_flag=True, help="The stages in this process, without a Prefect server: in half the time.")
@click.option(
    "--inject",
    "faults",
    multiple=True,
    metavar="KIND@WHERE",
    help="Spoil a request: 'reset@isolate_workloads', '500@POST/.*secrets#2x3'; docs/drill.md has them all.",
)
@click.option("--json", "as_json", is_flag=True, help="What the drill left, as one JSON document on stdout.")
@click.option(
    "--cluster-only", is_flag=True, help="Serve the drill's cluster and its metrics, to try commands on, until Ctrl-C."
)
@click.pass_context
def drill(
    context: click.Context,
    scenario: str,
    output: Path | None,
    listing: bool,
    quick: bool,
    faults: tuple[str, ...],
    as_json: bool,
    cluster_only: bool,
) -> None:
    """Rehearse an incident from signal to closing; leaves a report and nothing running.

    SCENARIO is one of those that --list names, or a file of yours.

    It uses a cluster, a database and a Prefect server of its own, never the ones that are configured.
    """
    root = output or context.obj.settings().home / "drills"
    if cluster_only:
        if scenario != _DEFAULT:
            raise BadInputError("--cluster-only", "it serves the world of no other scenario", "Leave SCENARIO out.")
        _serve(root.resolve(), context.obj)
        return
    from flows.drill import scenario as scenarios  # imported late: the help needs none of it

    if listing:
        _list(scenarios.names(), scenarios.load, as_json=as_json)
        return
    from flows.drill import inject
    from flows.drill.rehearse import rehearse
    from patchgap import registry

    played = scenarios.load(scenario)
    injected = [inject.read(spec, lambda: _verbs(registry.load())) for spec in faults]
    done = rehearse(played, root.resolve(), faults=injected, quick=quick)
    if as_json:
        emit({name: str(v) if isinstance(v, Path) else v for name, v in asdict(done).items()})
        return
    home, patchgap = shlex.quote(str(done.home)), _patchgap()
    if not done.closed:
        click.echo(
            f"\n{done.incident} stays open, as its scenario says, after {done.seconds:.0f} s. Nothing is left running.\n\n"
            f"  export PATCHGAP_HOME={home}\n  {patchgap} incident show {done.incident}"
        )
        return
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


def _list(names: Iterable[str], load: Callable[[str], Scenario], *, as_json: bool) -> None:
    played = [load(name) for name in names]
    if as_json:
        emit([{"scenario": s.scenario, "summary": s.summary, "ends": s.ends.state} for s in played])
        return
    for one in played:
        click.echo(one.scenario)
        click.echo(wrapped(safe(one.summary), "  "))


def _verbs(known: Registry) -> frozenset[str]:
    """What a step of a containment or of a release may be called."""
    return frozenset(known.actions) | frozenset(known.inverses())


def _patchgap() -> str:
    """The command as it can be called here."""
    return "patchgap" if shutil.which("patchgap") else shlex.quote(sys.argv[0])


def _serve(root: Path, cli: Cli) -> None:
    from flows.drill import alone, scenario  # imported late, as above

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    played = scenario.load(_DEFAULT)
    with alone.served(root, played, cli.clock()) as home:
        click.echo("\n".join(alone.told(home, played, _patchgap())))
        stop.wait()
