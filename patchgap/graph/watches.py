"""Which clusters are being watched: since when without a gap, and when each watch last said that it is whole.

Owns the table of watches. A watch that has not been heard of lately is none; it says nothing of what a cluster runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa

from patchgap.graph.tables import watch
from patchgap.storage import writing

HEARD_EVERY = timedelta(seconds=15)
SILENT_AFTER = timedelta(seconds=60)


class Watches:
    """The watches on one engine. What they write voids no answer: none depends on it."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def whole(self, cluster: str, since: datetime, at: datetime) -> None:
        """The cluster has been watched since then without a gap, and all that it told until `at` is in the graph."""
        row = {"since": since.isoformat(), "heard_at": at.isoformat()}
        with writing(self._engine) as connection:
            if connection.execute(sa.update(watch).where(watch.c.cluster == cluster).values(row)).rowcount == 0:
                connection.execute(sa.insert(watch).values(cluster=cluster, **row))

    def ended(self, cluster: str) -> None:
        """The cluster is not being watched any more: what changes there from now on, the next reading tells."""
        with writing(self._engine) as connection:
            connection.execute(sa.delete(watch).where(watch.c.cluster == cluster))

    def live(self, at: datetime) -> Mapping[str, datetime]:
        """The clusters that are being watched at that time, and since when."""
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(watch.c.cluster, watch.c.since, watch.c.heard_at)).all()
        return {
            cluster: datetime.fromisoformat(since)
            for cluster, since, heard in rows
            if at - datetime.fromisoformat(heard) <= SILENT_AFTER
        }
