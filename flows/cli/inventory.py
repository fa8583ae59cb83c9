"""`patchgap inventory`: what runs where, read again."""

from __future__ import annotations

from pathlib import Path

import click

from flows.cli.output import opened, run_flow, runs_here
from patchgap.cli.context import one_cluster
from patchgap.cli.output import JSON, Group
from patchgap.errors import NotFoundError
from patchgap.settings import NO_CLUSTER
from patchgap.stages.scope import clusters


@click.group(cls=Group)
def inventory() -> None:
    """The inventory of running workloads."""


@inventory.command()
@one_cluster
@JSON
@click.pass_context
def refresh(ctx: click.Context, kubeconfig: Path | None, context: str | None, as_json: bool) -> None:
    """Read every configured cluster, or the one that is named, into the exposure graph.

    A flow: without a Prefect server (`patchgap up`, or PREFECT_API_URL) it starts one for this run, which takes longer
    than the reading. Where a server is, its worker reads the clusters that are configured for the worker.
    """
    ctx.obj = ctx.obj.narrowed(kubeconfig, context)
    engine = opened(ctx)
    if runs_here(ctx.obj, engine.settings.home) and not clusters(engine):  # before Prefect is started for nothing
        raise NotFoundError(*NO_CLUSTER)
    run_flow(ctx, "refresh-inventory", {}, as_json=as_json)
