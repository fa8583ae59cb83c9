"""`patchgap watch`: the exposure graph kept live, until it is told to end.

Owns the process: a thread a cluster, the signals, and how what happens is told.
"""

from __future__ import annotations

import json
import signal
import threading
from functools import partial
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING

import click

from patchgap.cli.context import Cli, one_cluster
from patchgap.cli.output import Story
from patchgap.errors import NotFoundError
from patchgap.model.codec import plain

if TYPE_CHECKING:  # imported where it is used: SQLAlchemy is slow to import
    from integrations.kubernetes.watch.follower import Follower
    from integrations.kubernetes.watch.session import Applied, Listener

_ENDED_WITHIN = 5.0  # seconds that the clusters' threads are given


@click.command()
@one_cluster
@click.option("--json", "as_json", is_flag=True, help="One JSON line on stdout for each event that is in the graph.")
@click.pass_obj
def watch(cli: Cli, kubeconfig: Path | None, context: str | None, *, as_json: bool) -> None:
    """Keep the exposure graph live: follow every configured cluster, or the one that is named.

    Ends on SIGINT (Ctrl-C) or SIGTERM, and not before: a cluster that does not answer is recorded as unknown and tried
    again. What happens is told on stderr. Needs `list` and `watch`, as in `patchgap permissions kubernetes --read-only`.
    """
    stop = threading.Event()
    followers = _followers(cli.narrowed(kubeconfig, context), stop, _listener(as_json=as_json))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    threads = [threading.Thread(target=one.run, daemon=True) for one in followers]
    for thread in threads:
        thread.start()
    while not stop.wait(1.0):
        pass
    for thread in threads:
        thread.join(_ENDED_WITHIN)


def _followers(cli: Cli, stop: threading.Event, listener: Listener) -> list[Follower]:
    from integrations.kubernetes.clusters import Clusters  # imported late: `--help` needs none of it
    from integrations.kubernetes.watch.follower import Follower
    from integrations.kubernetes.watch.session import Site
    from patchgap.graph.store import Graph
    from patchgap.settings import NO_CLUSTER
    from patchgap.storage import connect

    settings = cli.settings()
    clusters = Clusters.connect(settings)
    if not clusters.names:
        raise NotFoundError(*NO_CLUSTER)
    graph, chance = Graph(connect(settings.database_url)), SystemRandom().random
    return [
        Follower(
            Site(settings.kubernetes, configured, graph, cli.clock, listener, stop, chance), partial(clusters.of, name)
        )
        for name, configured in clusters.configured.items()
    ]


def _listener(*, as_json: bool) -> Listener:
    from integrations.kubernetes.watch.session import Listener

    story, one_at_a_time = Story(), threading.Lock()

    def say(text: str) -> None:
        with one_at_a_time:
            story.say(text)

    def warn(text: str) -> None:
        with one_at_a_time:
            story.warn(text)

    def applied(event: Applied) -> None:
        if as_json:
            with one_at_a_time:
                click.echo(json.dumps(plain(event), ensure_ascii=False))

    return Listener(say, warn, applied)
