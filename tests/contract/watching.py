"""A cluster's watch in a thread, on a graph of its own, through a transport that tests can spoil.

Owns the faults that a network or a server makes of a stream; it knows neither the rehearsal nor a real server.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scene import CLUSTER, Scene

from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.clusters import Clusters
from integrations.kubernetes.transport import HttpAnswer, Stream
from integrations.kubernetes.watch.follower import Follower
from integrations.kubernetes.watch.session import Applied, Listener, Site
from patchgap.errors import UnreachableError
from patchgap.graph.store import Graph
from patchgap.model.workload import Workload
from patchgap.storage import connect

PODS = "/api/v1/pods?"


class Line:
    """A transport with every request and stream kept, which loses, cuts or replaces what a test names."""

    def __init__(self, held: Any) -> None:
        self._held = held
        self.asked: list[str] = []  # the URLs, in order
        self.streams: list[tuple[str, Tampered]] = []
        self.is_down = False
        self.swallow: Callable[[str, dict[str, Any]], bool] = lambda _url, _event: False
        self.answer: dict[str, tuple[int, bytes]] = {}  # a part of a watch's URL -> what is answered instead, once

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> HttpAnswer:
        self._check(url)
        answer: HttpAnswer = self._held.send(method, url, headers, body)
        return answer

    def stream(self, url: str, headers: Mapping[str, str], quiet: float) -> Stream:
        self._check(url)
        for part in [one for one in self.answer if one in url]:
            return Answer(*self.answer.pop(part))
        made = Tampered(self._held.stream(url, headers, quiet), lambda event: self.swallow(url, event))
        self.streams.append((url, made))
        return made

    def bearer(self, token: str) -> Any:
        return self._held.bearer(token)

    def _check(self, url: str) -> None:
        self.asked.append(url)
        if self.is_down:
            raise UnreachableError(f"cluster {CLUSTER} did not answer: refused", "Check the network.")

    def of(self, path: str) -> list[str]:
        """The watches of a kind that were begun, as their URLs."""
        return [url for url in self.asked if url.startswith(path) and "watch=1" in url]

    def lists(self, path: str) -> list[str]:
        """The lists of a kind that were asked for."""
        return [url for url in self.asked if url.startswith(path) and "watch=1" not in url]

    def newest(self, path: str) -> Tampered:
        """The stream of a kind that is open now."""
        return next(stream for url, stream in reversed(self.streams) if url.startswith(path))


class Tampered:
    """A stream that a test can write into, cut, and keep lines from."""

    def __init__(self, held: Stream, is_swallowed: Callable[[dict[str, Any]], bool]) -> None:
        self.code = held.code
        self._held = held
        self._is_swallowed = is_swallowed
        self._injected: list[bytes] = []
        self._is_cut = False
        self.last = ""  # resource version that was handed on

    def lines(self) -> Iterator[bytes]:
        for line in self._held.lines():
            event = json.loads(line)
            if not self._is_swallowed(event):
                self.last = event["object"]["metadata"]["resourceVersion"]
                yield line
        yield from self._injected
        if self._is_cut:
            raise UnreachableError("cut", "Go on.")

    def end_with(self, *events: Mapping[str, Any]) -> None:
        """The stream's last lines; then it is cut."""
        self._injected = [json.dumps(one).encode() for one in events]
        self.cut()

    def cut(self) -> None:
        """Cuts it in mid-stream."""
        self._is_cut = True
        self._held.close()

    def whole(self) -> bytes:
        return self._held.whole()

    def close(self) -> None:
        self._held.close()

    def release(self) -> None:
        self._held.release()


class Answer:
    """A stream that is a refusal or a few lines."""

    def __init__(self, code: int, body: bytes) -> None:
        self.code = code
        self._body = body

    def lines(self) -> Iterator[bytes]:
        yield from self._body.splitlines()

    def whole(self) -> bytes:
        return self._body

    def close(self) -> None: ...

    def release(self) -> None: ...


class Watching:
    """The watch of the scene's cluster while the block lasts."""

    def __init__(self, scene: Scene, folder: Path, user: str = "admin") -> None:
        self._scene = scene
        connections = scene.connections(user)
        clusters = connections.of(Clusters)
        self.line = Line(clusters.of(CLUSTER)._transport)
        self._engine = connect(f"sqlite:///{folder / 'watch.db'}")
        self.graph = Graph(self._engine)
        self.said: list[str] = []
        self.applied: list[Applied] = []
        self._stop = threading.Event()
        listener = Listener(self.said.append, self.said.append, self.applied.append)
        settings = clusters.settings
        site = Site(settings, settings.clusters[0], self.graph, _now, listener, self._stop, lambda: 0.0)
        follower = Follower(site, lambda: Cluster(CLUSTER, self.line, self._stop.wait))  # type: ignore[arg-type]
        self._thread = threading.Thread(target=follower.run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.until(lambda: any("watching" in one for one in self.said))
        self.until(lambda: len(self.line.streams) > 10)  # the watches are begun
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive()
        self._engine.dispose()

    def until(self, condition: Callable[[], Any]) -> Any:
        """What the condition answers once it is true."""
        return self._scene.eventually(condition)

    def workload(self, name: str, kind: str = "Deployment") -> Workload | None:
        """The workload as the graph has it now."""
        found = [w for w in self.graph.workloads() if (w.ref.kind, w.ref.name) == (kind, name)]
        return found[0] if found else None

    def agrees(self) -> bool:
        """Whether the graph holds what a reading of the cluster finds now."""
        self._scene.settle()
        return set(map(str, self.graph.workloads())) == set(map(str, self._scene.inventory().workloads))


def _now() -> datetime:
    return datetime.now(UTC)
