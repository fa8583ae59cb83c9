"""All that a stage needs, put together once a process."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from patchgap import registry as registry_of
from patchgap import storage
from patchgap.graph.store import Graph
from patchgap.incident.inbox import Inbox
from patchgap.incident.ledger import Ledger
from patchgap.incident.stop import Stop
from patchgap.ports import Clock, Connection, Connections
from patchgap.registry import Registry
from patchgap.settings import Settings

OWNER = "patchgap"  # the field manager and the label value of everything that patchgap makes


@dataclass(frozen=True)
class Engine:
    """Settings, stores, verbs and connections. Holds no state of an incident: that is the ledger's."""

    settings: Settings
    graph: Graph
    ledger: Ledger
    inbox: Inbox
    stop: Stop
    registry: Registry
    connections: Connections
    clock: Clock

    @classmethod
    def open(cls, settings: Settings, clock: Clock, given: Iterable[Connection] = ()) -> Engine:
        """Opens the database (creating or migrating it) and finds the verbs; reaches no control plane yet."""
        database = storage.connect(settings.database_url)
        return cls(
            settings=settings,
            graph=Graph(database),
            ledger=Ledger(database, clock),
            inbox=Inbox(database, clock),
            stop=Stop(database),
            registry=registry_of.load(),
            connections=Connections(settings, given),
            clock=clock,
        )
