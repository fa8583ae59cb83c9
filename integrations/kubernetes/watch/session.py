"""One cluster from one whole reading to the next: read, then each change told to the graph, gathered for a moment.

Owns when the graph is written to. A thread a kind listens; this one alone holds the objects and writes.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from integrations.kubernetes.answers import ForbiddenError, NotServedError
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.inventory.kept import keeping
from integrations.kubernetes.inventory.snapshot import EVERYTHING, untold_because
from integrations.kubernetes.resources import Json, Resource
from integrations.kubernetes.watch.objects import AWAITED, Objects
from integrations.kubernetes.watch.stream import Following, Lost, Message, Polled, Relisted, Told, Untold
from patchgap.graph.snapshots import Changes
from patchgap.graph.store import Graph
from patchgap.graph.watches import HEARD_EVERY
from patchgap.model.unknown import Unknown
from patchgap.ports import Clock
from patchgap.settings import ClusterSettings, KubernetesSettings

GATHERED = 0.2  # seconds from one write to the next, which holds all that came meanwhile
_AT_ONCE = 0.02  # seconds that a change after a quiet time waits for what comes with it
_JOINED = 2.0  # seconds that the threads are given to end


@dataclass(frozen=True, slots=True)
class Applied:
    """An event whose effect is in the graph."""

    cluster: str
    event: str
    kind: str
    namespace: str
    name: str
    workload: str  # that the object belongs to; "" where it is no part of one
    heard_at: datetime
    applied_at: datetime


@dataclass(frozen=True)
class Listener:
    """Who is told: `say` and `warn` in words, `applied` of each event."""

    say: Callable[[str], None]
    warn: Callable[[str], None]
    applied: Callable[[Applied], None]


@dataclass(frozen=True)
class Site:
    """What a cluster's watch is made with. `stop` ends it; `chance` gives a number from 0 to 1."""

    settings: KubernetesSettings
    configured: ClusterSettings
    graph: Graph
    clock: Clock
    listener: Listener
    stop: threading.Event
    chance: Callable[[], float]

    @property
    def name(self) -> str:
        """The cluster, as the settings name it."""
        return self.configured.name


class Session:
    """From one whole reading of the cluster to the next."""

    def __init__(self, site: Site, cluster: Cluster) -> None:
        self._site = site
        self._clock, self._listener = site.clock, site.listener
        self._cluster = cluster
        self._keep = keeping(site.settings)
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._objects = Objects(site.name, site.settings, site.configured)
        self._followings: list[Following] = []
        self._events: list[tuple[str, Json, datetime]] = []  # that have changed something since the last write
        self._late: set[str] = set()  # the kinds that are listed now and then, which was told
        self._due: float | None = None
        self._written = float("-inf")
        self._since = self._heard = site.clock()
        self._is_new_whole = False  # a kind is told of that was not, or the other way round

    def begin(self) -> None:
        """Reads the cluster whole, records it, and listens to each kind from there on."""
        for resource in EVERYTHING:
            self._list(resource)
        changes = self._record_whole()
        self._listener.say(
            f"{self._site.name}: watching {self._objects.count:,} objects of {len(self._followings)} kinds;"
            f" {_many(changes.count, 'workload')} {'was' if changes.count == 1 else 'were'} not as the graph had"
            f" {'it' if changes.count == 1 else 'them'}"
        )
        for following in self._followings:
            following.start()

    def _list(self, resource: Resource) -> None:
        version = ""
        try:
            listed, version = self._cluster.listed(resource, self._keep)
        except (ForbiddenError, NotServedError) as error:
            if reason := untold_because(resource, error):
                self._objects.untold[resource.kind] = reason
                self._listener.warn(f"{self._site.name}: {resource.plural} are unknown: {reason}")
            if isinstance(error, NotServedError):
                return  # nothing will be told of it
            listed = []
        for one in listed:
            self._objects.put(one)
        self._followings.append(
            Following(self._cluster, resource, version, self._keep, self._messages.put, self._site.chance)
        )

    def end(self) -> None:
        """Ends every stream and its thread."""
        for following in self._followings:
            following.end()
        ends = time.monotonic() + _JOINED
        for following in self._followings:
            following.join(max(ends - time.monotonic(), 0))

    def step(self) -> None:
        """Waits for the next message, or for the time to write."""
        message = self._next()
        if isinstance(message, Lost):
            if not self._site.stop.is_set():
                raise message.error
        elif message is not None:
            self._take(message)
        if self._due is not None and time.monotonic() >= self._due:
            self._write()
        if not self._events and self._clock() - self._heard >= HEARD_EVERY:
            self._hear()

    def _next(self) -> Message | None:
        left = 1.0 if self._due is None else max(self._due - time.monotonic(), 0)
        try:
            return self._messages.get(timeout=left) if left else self._messages.get_nowait()
        except queue.Empty:
            return None

    def _take(self, message: Message) -> None:
        at = self._clock()
        if isinstance(message, Told):
            events: Iterator[tuple[str, Json]] = iter([(message.event, message.manifest)])
        elif isinstance(message, Relisted):
            if message.resource.plural not in self._late:
                self._listener.say(f"{self._site.name}: {message.resource.plural} were listed again: {message.why}")
            self._is_new_whole |= self._objects.untold.pop(message.resource.kind, None) is not None
            events = self._relisted(message)
        elif isinstance(message, Polled):
            self._polled(message)
            return
        elif isinstance(message, Untold):
            events = iter(())
            self._is_new_whole |= self._objects.untold.get(message.resource.kind) != message.reason
            self._objects.untold[message.resource.kind] = message.reason
        for event, manifest in events:
            kind, uid = manifest["kind"], manifest["metadata"]["uid"]
            if self._objects.drop(kind, uid) if event == "DELETED" else self._objects.put(manifest):
                self._events.append((event, manifest, at))
        if (self._events or self._is_new_whole) and self._due is None:
            self._due = max(time.monotonic() + _AT_ONCE, self._written + GATHERED)

    def _polled(self, message: Polled) -> None:
        name = message.resource.plural
        if name not in self._late:
            self._late.add(name)
            self._listener.warn(f"{self._site.name}: {name} are listed now and then: {message.reason}")

    def _relisted(self, message: Relisted) -> Iterator[tuple[str, Json]]:
        """What the list tells besides what is held: it may be that a deletion was missed."""
        for one in self._objects.missing(message.resource.kind, message.manifests):
            yield "DELETED", one
        for one in message.manifests:
            yield "MODIFIED", one

    def _write(self) -> None:
        events, self._events, self._due, self._written = self._events, [], None, time.monotonic()
        before = [self._objects.workload_of(manifest) for _, manifest, _ in events]
        changes = self._record_whole() if self._is_new_whole else self._record_difference()
        at = self._clock()
        for (event, manifest, heard), old in zip(events, before, strict=True):
            meta = manifest["metadata"]
            self._listener.applied(
                Applied(
                    self._site.name,
                    event,
                    manifest["kind"],
                    meta.get("namespace", ""),
                    meta["name"],
                    self._objects.workload_of(manifest) or old,
                    heard,
                    at,
                )
            )
        if changes.count:
            self._listener.say(f"{self._site.name}: {told(changes)} ({_many(len(events), 'event')})")

    def _record_difference(self) -> Changes:
        found = self._objects.difference(time.monotonic())
        if self._objects.waits():
            self._due = time.monotonic() + AWAITED
        if not (found.seen or found.gone):
            return Changes()
        return self._site.graph.record_changes(self._site.name, found.seen, found.gone, self._clock())

    def _record_whole(self) -> Changes:
        self._is_new_whole = False
        changes = self._site.graph.replace(self._objects.inventory(), self._clock())
        self._hear()
        return changes

    def _hear(self) -> None:
        self._heard = self._clock()
        if isinstance(self._site.graph.refreshed_at().get(self._site.name), Unknown):
            # Another reading got no answer; here the cluster does answer, and all of it is known.
            self._site.graph.replace(self._objects.inventory(), self._heard)
        self._site.graph.watches.whole(self._site.name, self._since, self._heard)


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def told(changes: Changes, most: int = 3) -> str:
    """The changes in words, naming the first of each."""
    parts = (("began", changes.began), ("changed", changes.changed), ("ended", changes.ended))
    return "; ".join(
        f"{len(names)} {word}: {', '.join(names[:most])}{', …' if len(names) > most else ''}"
        for word, names in parts
        if names
    )
