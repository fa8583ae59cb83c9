"""What the commands of this folder have in common: the engine, a document or its words, and running a flow."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import click

from flows.process import hand_over
from flows.runtime import local
from flows.runtime.follow import following
from flows.runtime.local import Ran
from patchgap.cli.context import Cli
from patchgap.cli.output import Story, emit, parted, safe, wrapped
from patchgap.errors import BadInputError
from patchgap.incident import difference
from patchgap.incident.story import shortened
from patchgap.model.plan import Effect, Plan, PlannedAction
from patchgap.playbook.quantities import duration
from patchgap.stages.engine import Engine

ID = click.argument("incident_id", metavar="ID")
WHO = click.option("--as", "who", required=True, metavar="NAME", help="Who decides; it stands in the ledger.")
STORY_INDENT = " " * 10  # under what follows a line's time


def opened(context: click.Context) -> Engine:
    """The engine, on the settings that the command line resolved."""
    cli: Cli = context.obj
    return Engine.open(cli.settings(), cli.clock)


def put(document: Any, *, as_json: bool, text: str) -> None:
    """One document on stdout, or the same in words."""
    if as_json:
        emit(document)
    else:
        click.echo(text)


def span(lasts: str) -> timedelta:
    """The time of `--for`. Raises BadInputError where it is none."""
    try:
        return duration(lasts)
    except ValueError as error:
        raise BadInputError("--for", f"{lasts!r} {error}", "Give how long it holds.") from error


def listed(lines: Iterable[str], indent: str = "", hanging: str = "    ") -> str:
    """Lines for a terminal, each wrapped under its own beginning; foreign text cannot rewrite the screen."""
    return "\n".join(wrapped(safe(line), indent, indent + hanging) for line in lines)


def plan_lines(held: Plan, stands: Callable[[PlannedAction], str] | None = None) -> Iterator[str]:
    """A plan in words: every target, what would change on it, how it stands, and what is in the way."""
    yield f"plan {held.digest}"
    yield f"of {held.incident}, playbook {held.playbook}"
    for action in held.actions:
        undone = (
            f" (undone by {action.inverse})" if action.inverse else " (nothing undoes it)" if _changes(action) else ""
        )
        yield f"tier {action.tier}  {action.verb}{undone}{f': {shortened(stands(action))}' if stands else ''}"
        yield f"    {difference.named(action.target)}"
        yield from (f"    {sign} {shortened(text)}" for sign, text in difference.lines(action))
    yield from (f"not covered  {u.verb} {u.target}: {u.reason}" for u in held.uncovered)
    yield from (f"unknown  {u.what}: {u.reason}" for u in held.unknown)
    yield from (f"needs approval  {why}" for why in held.needs_approval)
    yield from (f"refused  {why}" for why in held.refusals)


def _changes(action: PlannedAction) -> bool:
    return action.effect in (Effect.REVERSIBLE, Effect.IRREVERSIBLE)


def runs_here(cli: Cli, home: Path) -> bool:
    """Whether a flow of this command runs in this process, on the settings of this process."""
    return _is_named_here(cli) or local.address_of(home) is None


def _is_named_here(cli: Cli) -> bool:
    return bool(cli.kubeconfig or cli.context or cli.config or cli.database)


def _as_it_ended(_engine: Engine, ran: Ran) -> Iterable[str]:
    return [parted(ran.message)]


def run_flow(
    context: click.Context,
    flow: str,
    parameters: Mapping[str, object],
    *,
    as_json: bool,
    words: Callable[[Engine, Ran], Iterable[str]] = _as_it_ended,
    missing: bool = True,
    once: str = "",
) -> None:
    """Runs a flow to its end with its story on stderr; exit code 1 where it did not complete. `words` are the lines of its
    result; where they name the missing proofs, the story beside them does not (`missing` False). Where `once` names what
    the run is for, one that is under way for the same is followed.

    What a flag names (a cluster, a settings file, a database) is this process's alone: then the flow runs here,
    whatever workers there are."""
    engine = opened(context)
    about = str(parameters.get("incident") or parameters.get("signal") or "")
    os.environ.update(hand_over(engine.settings))
    story = Story()
    if local.address_of(engine.settings.home) is None:
        story.progress("starting Prefect for this run; `patchgap up`, or PREFECT_API_URL, spares it")
    try:
        with following(engine, partial(story.say, hanging=STORY_INDENT), missing=missing or as_json):
            ran = local.run(
                flow,
                parameters,
                engine.settings.home,
                tags=(about,) if about else (),
                here=_is_named_here(context.obj),
                once=once,
            )
    finally:
        story.done()
    put(ran, as_json=as_json, text="" if as_json else "\n".join(words(engine, ran)))
    if not ran.completed:
        context.exit(1)
