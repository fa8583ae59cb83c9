"""The cluster's memory: objects by kind and key, one revision counter, and the log of what changed.

Owns revisions, history (for watches and for paging at one revision) and compaction.
It knows nothing of users, validation or controllers; stored documents are never changed in place.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from integrations.rehearsal.document import Json

Key = tuple[str, str]


@dataclass(frozen=True)
class Change:
    """One write: `new` is None for a removal (then `final` is the object as it was when removed)."""

    revision: int
    resource: str
    key: Key
    old: Json | None
    new: Json | None
    final: Json | None = None


class CompactedError(Exception):
    """The asked revision is older than the oldest kept."""


class FutureError(Exception):
    """The asked revision has not been reached."""


class Storage:
    """Objects of every kind. Every method holds `lock`, which callers may hold across several of them."""

    def __init__(self, *, keep: int = 20_000) -> None:
        self.lock = threading.RLock()
        self.revision = 1
        self._keep = keep
        self._objects: dict[str, dict[Key, Json]] = {}
        self._log: list[Change] = []
        self._compacted = 0
        self._listeners: list[Callable[[Change], None]] = []

    def listen(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Call `listener` with each later change, under the lock; returns what ends that."""
        with self.lock:
            self._listeners.append(listener)

        def stop() -> None:
            with self.lock:
                self._listeners.remove(listener)

        return stop

    def get(self, resource: str, key: Key) -> Json | None:
        """The stored object, or None."""
        with self.lock:
            return self._objects.get(resource, {}).get(key)

    def all(self, resource: str, namespace: str = "") -> list[Json]:
        """Every object of a kind (in one namespace where given), by key."""
        with self.lock:
            stored = self._objects.get(resource, {})
            return [stored[key] for key in sorted(stored) if not namespace or key[0] == namespace]

    def at(self, resource: str, revision: int) -> list[tuple[Key, Json]]:
        """Every object of a kind as it was at a revision, by key; raises CompactedError or FutureError."""
        with self.lock:
            if revision > self.revision:
                raise FutureError
            if revision < self._compacted:
                raise CompactedError
            state: dict[Key, Json] = dict(self._objects.get(resource, {}))
            for change in reversed(self._log):
                if change.revision <= revision:
                    break
                if change.resource != resource:
                    continue
                if change.old is None:
                    state.pop(change.key, None)
                else:
                    state[change.key] = change.old
            return sorted(state.items())

    def put(self, resource: str, key: Key, document: Json) -> Json:
        """Store a document under a new revision, which is written into its metadata; returns it."""
        with self.lock:
            self.revision += 1
            document["metadata"]["resourceVersion"] = str(self.revision)
            kept = self._objects.setdefault(resource, {})
            change = Change(self.revision, resource, key, kept.get(key), document)
            kept[key] = document
            self._record(change)
            return document

    def remove(self, resource: str, key: Key) -> Json:
        """Take an object out; returns its last form, at the revision of the removal. Raises KeyError."""
        with self.lock:
            old = self._objects[resource].pop(key)
            self.revision += 1
            last = {**old, "metadata": {**old["metadata"], "resourceVersion": str(self.revision)}}
            self._record(Change(self.revision, resource, key, old, None, last))
            return last

    def saved(self) -> dict[str, dict[Key, Json]]:
        """What is stored now, for `restore`."""
        with self.lock:
            return {resource: dict(kept) for resource, kept in self._objects.items()}

    def restore(self, saved: Mapping[str, Mapping[Key, Json]]) -> None:
        """Makes everything as it was saved, uids and versions included, as writes and removals that the listeners are told
        of."""
        with self.lock:
            for resource in tuple(self._objects):
                for key in self._objects[resource].keys() - saved.get(resource, {}).keys():
                    self.remove(resource, key)
            for resource, kept in saved.items():
                for key, document in kept.items():
                    if self._objects.get(resource, {}).get(key) is not document:
                        version = document["metadata"]["resourceVersion"]
                        stored = self.put(resource, key, {**document, "metadata": dict(document["metadata"])})
                        stored["metadata"]["resourceVersion"] = version  # a plan may stand on it

    def since(self, resource: str, revision: int) -> Iterator[Change]:
        """The changes of a kind after a revision; raises CompactedError or FutureError."""
        with self.lock:
            if revision > self.revision:
                raise FutureError
            if revision < self._compacted:
                raise CompactedError
            start = bisect_right(self._log, revision, key=lambda change: change.revision)
            return iter([change for change in self._log[start:] if change.resource == resource])

    def compact(self, revision: int | None = None) -> None:
        """Forget the history before a revision (the current one by default)."""
        with self.lock:
            self._compacted = self.revision if revision is None else revision
            start = bisect_right(self._log, self._compacted, key=lambda change: change.revision)
            del self._log[:start]

    def _record(self, change: Change) -> None:
        self._log.append(change)
        if len(self._log) > 2 * self._keep:
            self.compact(self._log[-self._keep].revision)
        for listener in tuple(self._listeners):
            listener(change)
