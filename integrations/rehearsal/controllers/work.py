"""The controllers' work: one queue, one thread, and the hands that controllers write with.

Owns ordering, delays and retries; what is to be done is each controller's.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from integrations.rehearsal.call import Call
from integrations.rehearsal.deletion import DeleteOptions
from integrations.rehearsal.document import Json, dig
from integrations.rehearsal.machine import Machine
from integrations.rehearsal.rbac import User
from integrations.rehearsal.resources import BY_KEY, BY_KIND, Resource
from integrations.rehearsal.status import ApiError
from integrations.rehearsal.storage import Change, Key
from integrations.rehearsal.tokens import account_user

_log = logging.getLogger(__name__)
_FIRST_RETRY, _LAST_RETRY = 0.02, 2.0


class RetryError(Exception):
    """The sync could not finish and is to be tried again later; settling does not wait for it."""


class Controller(Protocol):
    """One controller: which of its keys a change touches, and how a key is brought up to date."""

    def keys(self, change: Change) -> Iterable[Hashable]:
        """The keys to look at after a change."""

    def sync(self, key: Any) -> float | None:
        """Bring one key up to date; returns in how many seconds to look again, or None."""


Task = tuple[Controller, Hashable]


class Work:
    """Runs controllers on one thread until stopped."""

    def __init__(self, machine: Machine, monotonic: Callable[[], float]) -> None:
        self._machine = machine
        self._monotonic = monotonic
        self._ready: deque[Task] = deque()
        self._queued: set[Task] = set()
        self._later: list[tuple[float, int, Task, bool]] = []
        self._due: dict[Task, float] = {}
        self._order = itertools.count()
        self._failures: dict[Task, int] = {}
        self._told: dict[Task, str] = {}
        self._changed = threading.Condition()
        self._busy = False
        self._stopped = False
        self._controllers: Sequence[Controller] = ()
        self._thread = threading.Thread(target=self._run, name="rehearsal-controllers", daemon=True)
        self._unlisten: Callable[[], None] = lambda: None

    def start(self, controllers: Sequence[Controller]) -> None:
        """Begin: every later change is worked on."""
        self._controllers = controllers
        self._unlisten = self._machine.storage.listen(self._seen)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._unlisten()
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def settle(self, timeout: float) -> None:
        """Wait until nothing is left to do but retries; raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(self._is_settled, timeout):
                waiting = [f"{type(task[0]).__name__} {task[1]}" for task in self._queued][:5]
                message = f"the rehearsal cluster did not settle within {timeout:g} s; still at: {waiting}"
                raise TimeoutError(message)

    def add(self, task: Task) -> None:
        """Queue a task, once."""
        with self._changed:
            if task not in self._queued:
                self._queued.add(task)
                self._ready.append(task)
                self._changed.notify_all()

    def _is_settled(self) -> bool:
        return not self._ready and not self._busy and all(background for *_, background in self._later)

    def _seen(self, change: Change) -> None:
        for controller in self._controllers:
            for key in controller.keys(change):
                self.add((controller, key))

    def _run(self) -> None:
        while (task := self._next()) is not None:
            delay, background = self._sync(task)
            with self._changed:
                if delay is not None:
                    heapq.heappush(self._later, (self._monotonic() + delay, next(self._order), task, background))
                self._busy = False
                self._changed.notify_all()

    def _next(self) -> Task | None:
        with self._changed:
            while True:
                if self._stopped:
                    return None
                now = self._monotonic()
                while self._later and self._later[0][0] <= now:
                    task = heapq.heappop(self._later)[2]
                    if task not in self._queued:
                        self._queued.add(task)
                        self._ready.append(task)
                if self._ready:
                    task = self._ready.popleft()
                    self._queued.discard(task)
                    self._busy = True
                    return task
                self._changed.wait(self._later[0][0] - now if self._later else None)

    def _sync(self, task: Task) -> tuple[float | None, bool]:
        """Sync one task; returns the delay until the next look and whether settling may ignore it."""
        controller, key = task
        try:
            delay = controller.sync(key)
        except ApiError as failure:
            if failure.code not in (404, 409) and self._told.get(task) != str(failure):
                self._told[task] = str(failure)  # once, and not at each retry
                _log.warning("%s %s: %s", type(controller).__name__, key, failure)
            return self._backoff(task), failure.code not in (404, 409)
        except RetryError:
            return self._backoff(task), True
        self._failures.pop(task, None)
        self._told.pop(task, None)
        return delay, False

    def _backoff(self, task: Task) -> float:
        failures = self._failures[task] = self._failures.get(task, 0) + 1
        return min(_FIRST_RETRY * 2.0 ** min(failures - 1, 10), _LAST_RETRY)


class Hands:
    """How one controller reads and writes: under its own user, through the same verbs as everyone."""

    def __init__(self, machine: Machine, name: str, *, user: User | None = None, manager: str = "") -> None:
        self.machine = machine
        self.world = machine.world
        self.storage = machine.storage
        self.name = name
        self._last_tick = 0
        self._call = Call(
            user=user or account_user("kube-system", name),
            manager=manager or "kube-controller-manager",
            field_validation="Ignore",
        )

    def get(self, resource: str, key: Key) -> Json | None:
        """One object, or None."""
        return self.storage.get(resource, key)

    def owned(self, resource: str, owner: Json) -> list[Json]:
        """The objects of a kind that the owner controls."""
        uid, namespace = owner["metadata"]["uid"], owner["metadata"].get("namespace", "")
        return [one for one in self.storage.all(resource, namespace) if controller_uid(one) == uid]

    def create(self, resource: str, namespace: str, document: Json) -> Json:
        """Create an object; raises ApiError."""
        return self.machine.writer.create(self._call, BY_KEY[resource], namespace, document)

    def apply(self, resource: Resource, key: Key, document: Json) -> Json:
        """Server-side apply, taking what others own; raises ApiError."""
        call = replace(self._call, force=True)
        return self.machine.writer.apply(call, resource, key, document)[0]

    def edit(self, resource: str, live: Json, edit: Callable[[Json], None], subresource: str = "") -> Json:
        """Change an object in place; gone or replaced meanwhile is ApiError 404 or 409."""
        uid = live["metadata"]["uid"]

        def change(document: Json) -> Json:
            if document["metadata"]["uid"] == uid:
                edit(document)
            document["metadata"]["uid"] = uid
            return document

        return self.machine.writer.change(self._call, BY_KEY[resource], key_of(live), change, subresource)

    def set_status(self, resource: str, live: Json, status: Json) -> Json:
        """Write an object's status."""
        if live.get("status") == status:
            return live
        return self.edit(resource, live, lambda document: document.update(status=status), "status")

    def delete(self, resource: str, live: Json, policy: str = "Background", grace: int | None = None) -> None:
        """Delete exactly this object; one that is gone or replaced is left."""
        options = DeleteOptions(grace=grace, policy=policy, uid=live["metadata"]["uid"])
        try:
            self.machine.deleter.delete(self._call, BY_KEY[resource], key_of(live), options)
        except ApiError as failure:
            if failure.code not in (404, 409):
                raise

    def bind(self, pod: Json, node: str) -> None:
        """Put a pod on a node."""
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod["metadata"]["name"]},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        self.machine.subresources.bind(self._call, key_of(pod), body)

    def _tick(self) -> int:
        """A number that grows with time, as events' names end in."""
        now = int(self.world.clock() * 1e9)
        self._last_tick = max(now, self._last_tick + 1)
        return self._last_tick

    def event(self, about: Json, reason: str, message: str, kind: str = "Normal", host: str = "") -> None:
        """Record an event about an object; one refused (a namespace going away) is dropped, as real ones are."""
        metadata = about["metadata"]
        namespace = metadata.get("namespace") or "default"
        now = self.world.now()
        involved = {
            "kind": about["kind"],
            "namespace": namespace,
            "name": metadata["name"],
            "uid": metadata["uid"],
            "apiVersion": about["apiVersion"],
            "resourceVersion": metadata["resourceVersion"],
        }
        source = {"component": self.name} | ({"host": host} if host else {})
        document: Json = {
            "metadata": {"name": f"{metadata['name']}.{self._tick():016x}"},
            "involvedObject": involved,
            "reason": reason,
            "message": message,
            "source": source,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "type": kind,
            "reportingComponent": self.name,
        }
        if self.name == "default-scheduler":
            del document["count"]
            document |= {
                "source": {},
                "firstTimestamp": None,
                "lastTimestamp": None,
                "eventTime": self.world.precise(),
                "action": "Binding",
                "reportingInstance": self.name,
            }
        try:
            self.create("events", namespace, document)
        except ApiError as failure:
            _log.debug("event %s on %s dropped: %s", reason, metadata["name"], failure)


def key_of(document: Json) -> Key:
    """An object's storage key."""
    return (document["metadata"].get("namespace", ""), document["metadata"]["name"])


def controller_of(document: Json) -> Json | None:
    """The owner reference that controls an object, or None."""
    references = document["metadata"].get("ownerReferences") or ()
    return next((reference for reference in references if reference.get("controller")), None)


def controller_uid(document: Json) -> str:
    """The uid of the controlling owner, or an empty string."""
    reference = controller_of(document)
    return reference["uid"] if reference else ""


def owner_reference(owner: Json) -> Json:
    """A controlling reference to an owner."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def own_and_owner(change: Change, resource: str, kind: str) -> Iterable[Key]:
    """The keys of a workload's own changes and of changes to what it controls."""
    if change.resource == resource:
        yield change.key
        return
    for document in (change.new, change.old):
        if document is not None:
            reference = controller_of(document)
            if reference is not None and reference["kind"] == kind:
                yield (change.key[0], reference["name"])
                return


def resource_of(reference: Json) -> Resource | None:
    """The served resource that an owner reference names."""
    group, _, version = reference["apiVersion"].rpartition("/")
    return BY_KIND.get((group, version, reference["kind"]))


def is_ready(pod: Json) -> bool:
    """Whether a pod's Ready condition is true."""
    conditions = dig(pod, "status", "conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def is_active(pod: Json) -> bool:
    """Whether a pod neither finished nor is being deleted."""
    return not pod["metadata"].get("deletionTimestamp") and dig(pod, "status", "phase") not in ("Succeeded", "Failed")
