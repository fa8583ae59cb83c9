"""`patchgap up`: one command for a team's machine. Starts what is missing, follows, and stops what it started."""

from __future__ import annotations

import signal
import threading
from functools import partial

import click

from flows.cli.output import STORY_INDENT, opened, put
from flows.runtime.follow import EVERY_SECONDS, Story
from flows.runtime.stack import Stack
from patchgap.cli import output
from patchgap.cli.output import safe, wrapped
from patchgap.settings import NO_CLUSTER
from patchgap.stages.scope import clusters

_TEXT_AT = 11  # column


class _Asked(BaseException):
    """Someone asked us to end: Ctrl-C or SIGTERM, also while the parts are still starting."""


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=4200,
    show_default=True,
    help="Prefect's port; another where it is taken.",
)
@click.option("--json", "as_json", is_flag=True, help="The addresses as one JSON document on stdout.")
@click.pass_context
def up(context: click.Context, port: int, as_json: bool) -> None:
    """A Prefect server, a warm worker and the webhook receiver on this machine, until Ctrl-C."""
    engine = opened(context)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _ask)
    try:
        click.echo("starting Prefect's server, the worker and the receiver …", err=True)
        with Stack(engine.settings, port=port) as stack:
            known = clusters(engine)
            put(_where(stack, known), as_json=as_json, text=_told(stack, known))
            told = Story(engine, partial(output.Story().say, hanging=STORY_INDENT))
            while True:
                threading.Event().wait(EVERY_SECONDS)
                told.tell_new()
                stack.check()
    except _Asked:
        click.echo("stopped what was started here", err=True)


def _ask(_number: int, _frame: object) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # once is enough: what was started must be stopped in peace
    raise _Asked


def _where(stack: Stack, known: tuple[str, ...]) -> dict[str, object]:
    return {
        "prefect": stack.address.ui_url,
        "prefect_api": stack.address.api_url,
        "sign_in": str(stack.sign_in_file) if stack.sign_in_file else "",
        "receiver": stack.receiver_url,
        "webhook_secret": stack.webhook_secret_at,
        "data": str(stack.settings.home),
        "clusters": known,
        "started": stack.started,
    }


def _told(stack: Stack, known: tuple[str, ...]) -> str:
    sign_in = f"with the line in {stack.sign_in_file}" if stack.sign_in_file else "as its administrator set it up"
    said = (
        ("Prefect", stack.address.ui_url),
        ("", f"sign in {sign_in}"),
        ("receiver", stack.receiver_url),
        ("", f"secret: {stack.webhook_secret_at}"),
        ("data", str(stack.settings.home)),
        ("logs", f"{stack.settings.home / 'prefect'}/*.log"),
        ("clusters", ", ".join(known) or f"{'. '.join(NO_CLUSTER)} Until then the hourly refresh fails."),
        ("started", f"{', '.join(stack.started)}; Ctrl-C stops these"),
    )
    return "\n".join(wrapped(safe(text), f"{name:<{_TEXT_AT}}", " " * _TEXT_AT) for name, text in said)
