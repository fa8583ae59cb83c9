"""`patchgap inventory`: what runs where, read again."""

from __future__ import annotations

from pathlib import Path

import click

from flows.cli.output import run_flow
from patchgap.cli.context import one_cluster
from patchgap.cli.output import Group


@click.group(cls=Group)
def inventory() -> None:
    """The inventory of running workloads."""


@inventory.command()
@one_cluster
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@click.pass_context
def refresh(ctx: click.Context, kubeconfig: Path | None, context: str | None, as_json: bool) -> None:
    """Read every configured cluster, or the one that is named, into the exposure graph."""
    ctx.obj = ctx.obj.narrowed(kubeconfig, context)
    run_flow(ctx, "refresh-inventory", {}, as_json=as_json)
