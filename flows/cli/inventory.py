"""`patchgap inventory`: what runs where, read again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from flows.cli.output import run_flow
from patchgap.cli.output import Group


@click.group(cls=Group)
def inventory() -> None:
    """The inventory of running workloads."""


@inventory.command()
@click.option("--kubeconfig", type=click.Path(path_type=Path), metavar="FILE", help="One cluster by its kubeconfig.")
@click.option(
    "--context",
    "context_name",
    metavar="NAME",
    help="The kubeconfig's context; also where it is not configured, the cluster's name.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@click.pass_context
def refresh(context: click.Context, kubeconfig: Path | None, context_name: str | None, as_json: bool) -> None:
    """Read every configured cluster, or the one that is named, into the exposure graph."""
    if kubeconfig or context_name:
        context.obj = replace(context.obj, kubeconfig=kubeconfig, context=context_name)
    run_flow(context, "refresh-inventory", {}, as_json=as_json)
