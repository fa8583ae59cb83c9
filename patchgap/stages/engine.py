"""All that a stage needs, put together once a process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from patchgap import registry as registry_of
from patchgap import storage
from patchgap.graph.store import Graph
from patchgap.incident.approvers import Approvers
from patchgap.incident.inbox import Inbox
from patchgap.incident.lease import Leases
from patchgap.incident.ledger import Ledger
from patchgap.incident.links import Links
from patchgap.incident.stop import Stop
from patchgap.model.finding import IncidentId
from patchgap.playbook.language import Playbook
from patchgap.ports import Clock, Connection, Connections
from patchgap.registry import Registry
from patchgap.settings import Settings
from patchgap.stages.consent import Desk

OWNER = "patchgap"  # the field manager and the label value of everything that patchgap makes


@dataclass(frozen=True, slots=True)
class Acting:
    """The right to change the world for one incident: its ledger, which takes entries only while the lease is held, and
    `may_write`, which raises where the kill switch stands or another engine took over."""

    ledger: Ledger
    may_write: Callable[[], None]


@dataclass(frozen=True)
class Engine:
    """Settings, stores, verbs and connections. Holds no state of an incident: that is the ledger's."""

    settings: Settings
    graph: Graph
    ledger: Ledger
    inbox: Inbox
    stop: Stop
    leases: Leases
    consent: Desk
    registry: Registry
    connections: Connections
    clock: Clock
    pinned: dict[str, Playbook] = field(default_factory=dict, compare=False)  # by its text: read once a process

    @contextmanager
    def acting(self, incident: IncidentId) -> Iterator[Acting]:
        """What a stage that changes the world for the incident holds: its lease. Raises RefusedError where another engine
        has it and does not come to an end."""
        with self.leases.hold(incident) as token:

            def may_write() -> None:
                self.stop.may_write()
                self.leases.must_hold(incident, token)

            yield Acting(self.ledger.under(token), may_write)

    @classmethod
    def open(cls, settings: Settings, clock: Clock, given: Iterable[Connection] = ()) -> Engine:
        """Opens the database (creating or migrating it) and finds the verbs; reaches no control plane yet."""
        database = storage.connect(settings.database_url)
        ledger = Ledger(database, clock, settings.limits.per_hour)
        return cls(
            settings=settings,
            graph=Graph(database),
            ledger=ledger,
            inbox=Inbox(database, clock),
            stop=Stop(database),
            leases=Leases(database),
            consent=Desk(
                ledger, Approvers(database, clock), Links(settings.home), clock, settings.approvers, settings.linked
            ),
            registry=registry_of.load(),
            connections=Connections(settings, given),
            clock=clock,
        )
