"""One kind of a cluster's objects, followed: watched from a resource version on, and listed again where that is too old.

Owns the order of watching, resuming and listing, and the pauses between attempts. It hands on what it was told; what
that means to a workload it does not know.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from integrations.kubernetes.answers import ExpiredError, ForbiddenError, NotServedError, trimmed
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.inventory.kept import Keep
from integrations.kubernetes.inventory.snapshot import untold_because
from integrations.kubernetes.resources import Json, Resource
from integrations.kubernetes.transport import Stream
from patchgap.errors import PatchgapError, UnreachableError

_SHORTEST, _LONGEST = 0.2, 30.0  # seconds between attempts
_ATTEMPTS = 3  # in a row, before the cluster counts as one that does not answer
_BRIEF = 1.0  # seconds: a watch that ends sooner is not begun again at once
_POLL = 30.0  # seconds between lists of a kind that may be listed and not watched
_SECONDS = 300  # of one watch, and up to as much again: the server ends it, and all kinds must not end at once


@dataclass(frozen=True, slots=True)
class Told:
    """One object as it is now, or its end."""

    event: str  # ADDED, MODIFIED, DELETED
    manifest: Json  # cut down


@dataclass(frozen=True, slots=True)
class Relisted:
    """Every object of a kind: what is not among them is no more."""

    resource: Resource
    manifests: tuple[Json, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Untold:
    """A kind that may not be read, and why."""

    resource: Resource
    reason: str


@dataclass(frozen=True, slots=True)
class Polled:
    """A kind that may be listed and not watched, and why: its changes come late."""

    resource: Resource
    reason: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The cluster does not answer."""

    error: PatchgapError


Message = Told | Relisted | Untold | Polled | Lost


class Pause:
    """How long to wait before the next attempt: ever longer, and never the same for all who wait."""

    def __init__(self, chance: Callable[[], float], shortest: float = _SHORTEST, longest: float = _LONGEST) -> None:
        self._chance = chance
        self._shortest = shortest
        self._longest = longest
        self.attempts = 0

    def next(self) -> float:
        """Seconds: between a half and the whole of what doubles with each attempt."""
        whole = min(self._shortest * float(1 << min(self.attempts, 16)), self._longest)
        self.attempts += 1
        return whole * (0.5 + self._chance() / 2)

    def reset(self) -> None:
        """It went well."""
        self.attempts = 0


class Following:
    """One kind in a thread of its own, from the resource version of its list; `version` is "" where it has none."""

    def __init__(
        self,
        cluster: Cluster,
        resource: Resource,
        version: str,
        keep: Keep,
        put: Callable[[Message], None],
        chance: Callable[[], float],
    ) -> None:
        self._cluster = cluster
        self._resource = resource
        self._version = version
        self._keep = keep
        self._put = put
        self._chance = chance
        self._pause = Pause(chance)
        self._failures = 0
        self._why = "it had not been listed"
        self._ending = threading.Event()
        self._stream: Stream | None = None
        self._thread = threading.Thread(target=self._run, name=f"watch {cluster.name} {resource.plural}", daemon=True)

    def start(self) -> None:
        """Begins to follow."""
        self._thread.start()

    def end(self) -> None:
        """Ends the stream, also where it waits for a line."""
        self._ending.set()
        if stream := self._stream:
            stream.close()

    def join(self, seconds: float) -> None:
        """Waits for the thread; one that waits for a server to answer is left to end with the process."""
        self._thread.join(seconds)

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                self._once()
            except ExpiredError as error:
                self._list_next("its resource version is too old (410)")
                if self._is_lost(error):
                    return
            except (ForbiddenError, NotServedError) as error:
                self._refused(error)
            except UnreachableError as error:
                if self._is_lost(error):
                    return
            except Exception as error:  # noqa: BLE001  (told whole: a thread that ends in silence leaves the graph stale)
                what = f"cluster {self._cluster.name}: what it tells of {self._resource.plural} cannot be read"
                self._tell(Lost(unforeseen(what, error)))
                return

    def _is_lost(self, error: UnreachableError) -> bool:
        """Whether that was one attempt too many, which is told; else it waits for the next one."""
        self._failures += 1
        if self._failures >= _ATTEMPTS:
            self._tell(Lost(error))
            return True
        self._ending.wait(self._pause.next())
        return False

    def _list_next(self, why: str) -> None:
        self._version, self._why = "", why

    def _once(self) -> None:
        if not self._version:
            listed, self._version = self._cluster.listed(self._resource, self._keep)
            self._tell(Relisted(self._resource, tuple(listed), self._why))
        stream = self._cluster.watch(self._resource, self._version, _SECONDS + int(self._chance() * _SECONDS))
        self._stream, self._failures, begun = stream, 0, time.monotonic()
        try:
            if not self._ending.is_set():  # it may have been set before the stream could be closed
                self._read(stream)
        finally:
            self._stream = None
            stream.release()
        if time.monotonic() - begun > _BRIEF:
            self._pause.reset()
        else:
            self._ending.wait(self._pause.next())

    def _read(self, stream: Stream) -> None:
        """Hands the stream's events on until it ends; one that is cut goes on from the last resource version."""
        with suppress(UnreachableError):
            for line in stream.lines():
                if not self._take(line):
                    return

    def _take(self, line: bytes) -> bool:
        """Hands one event on; False where the stream is over."""
        try:
            event: dict[str, Any] = json.loads(line)
            kind, manifest = str(event["type"]), event["object"]
            if kind == "ERROR":
                self._list_next(f"the watch was ended: {trimmed(str(manifest.get('message') or manifest.get('code')))}")
                return False
            version = str(manifest["metadata"]["resourceVersion"])
        except (ValueError, KeyError, TypeError, AttributeError):
            self._list_next("the watch told what is no event")
            return False
        if kind != "BOOKMARK":
            said = {"apiVersion": self._resource.api_version, "kind": self._resource.kind}
            self._tell(Told(kind, self._keep({**manifest, **said})))
        self._version = version
        self._pause.reset()
        return True

    def _refused(self, error: ForbiddenError | NotServedError) -> None:
        """What may be listed and not watched is listed again and again; what may be neither is untold."""
        is_listed, reason = bool(self._version), untold_because(self._resource, error)
        self._list_next("it may not be watched")
        if reason:
            self._tell(Polled(self._resource, reason) if is_listed else Untold(self._resource, reason))
        self._ending.wait(_POLL * (0.5 + self._chance() / 2))

    def _tell(self, message: Message) -> None:
        if not self._ending.is_set():
            self._put(message)


def unforeseen(what: str, error: Exception) -> UnreachableError:
    """What failed, with an error that nobody foresaw: told whole, for ending would leave the graph stale in silence."""
    return UnreachableError(
        f"{what} ({type(error).__name__}: {trimmed(str(error))})",
        "It is read again; where that goes on, report it with that sentence.",
    )
