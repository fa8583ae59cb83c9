"""What the commands of this folder have in common: the engine, a document or its words, and running a flow."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import click

from flows.process import hand_over
from flows.runtime import local
from flows.runtime.follow import following
from patchgap.cli.context import Cli
from patchgap.cli.output import Story, emit, safe, wrapped
from patchgap.stages.engine import Engine


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


def listed(lines: Iterable[str], indent: str = "", hanging: str = "    ") -> str:
    """Lines for a terminal, each wrapped under its own beginning; foreign text cannot rewrite the screen."""
    return "\n".join(wrapped(safe(line), indent, indent + hanging) for line in lines)


def run_flow(context: click.Context, flow: str, parameters: Mapping[str, object], *, as_json: bool) -> None:
    """Runs a flow to its end with its story on stderr; exit code 1 where it did not complete.

    A cluster named by a flag is this process's alone: then the flow runs here, whatever workers there are."""
    cli: Cli = context.obj
    engine = opened(context)
    incident = str(parameters.get("incident", ""))
    os.environ.update(hand_over(engine.settings))
    with following(engine, Story().say):
        ran = local.run(
            flow,
            parameters,
            engine.settings.home,
            tags=(incident,) if incident else (),
            here=bool(cli.kubeconfig or cli.context),
        )
    put(ran, as_json=as_json, text=listed(ran.message.split("; ")))
    if not ran.completed:
        context.exit(1)
