"""`patchgap serve`: the webhook receiver alone, for a server and workers that run elsewhere."""

from __future__ import annotations

import os

import click

from flows.process import hand_over
from flows.runtime.local import address_of
from patchgap.errors import UnreachableError


@click.command()
@click.option("--host", help="The address to listen on; the settings' by default.")
@click.option("--port", type=click.IntRange(1, 65535), help="The port to listen on; the settings' by default.")
@click.option("--json", "as_json", is_flag=True, help="The address as one JSON document on stdout.")
@click.pass_context
def serve(context: click.Context, host: str | None, port: int | None, as_json: bool) -> None:
    """Receive webhooks and start `detect` for each new signal."""
    settings = context.obj.settings()
    address = address_of(settings.home)
    if address is None:
        raise UnreachableError("no Prefect API is configured", "Set PREFECT_API_URL, or use `patchgap up`.")
    os.environ.update(address.environ() | hand_over(settings))
    from flows.cli.output import put
    from flows.runtime.receiver import serve as receive

    where = host or settings.webhook.host, port or settings.webhook.port
    put({"receiver": f"http://{where[0]}:{where[1]}"}, as_json=as_json, text=f"receiver  http://{where[0]}:{where[1]}")
    receive(*where)
