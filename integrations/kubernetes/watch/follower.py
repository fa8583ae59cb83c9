"""One cluster, followed for as long as it is asked for: what fails is told, recorded, and tried again.

Owns what the graph is told where the cluster does not answer, and when it is asked again.
"""

from __future__ import annotations

from collections.abc import Callable

from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.reach import PLATFORM
from integrations.kubernetes.watch.outage import Outage
from integrations.kubernetes.watch.session import Session, Site
from integrations.kubernetes.watch.stream import Pause, unforeseen
from patchgap.errors import PatchgapError
from patchgap.storage import StorageError


class Follower:
    """One cluster's watch; `run` lasts until the site's `stop` is set. `reached` connects to it."""

    def __init__(self, site: Site, reached: Callable[[], Cluster]) -> None:
        self._site = site
        self._reached = reached
        self._outage = Outage(site.name, site.clock)

    def run(self) -> None:
        """Reads the cluster and follows it, again and again until told to stop."""
        pause = Pause(self._site.chance, shortest=0.5)
        while not self._site.stop.is_set():
            try:
                self._session(pause)
            except StorageError as error:
                self._warn(str(error))
            except PatchgapError as error:
                self._unreachable(error)
            except Exception as error:  # noqa: BLE001  (told whole: ending would leave the graph stale in silence)
                self._unreachable(unforeseen(f"cluster {self._site.name}: watching it failed", error))
            self._site.stop.wait(pause.next())

    def _session(self, pause: Pause) -> None:
        session = Session(self._site, self._reached())
        try:
            session.begin()
            pause.reset()
            if told := self._outage.over():
                self._site.listener.say(told)
            while not self._site.stop.is_set():
                session.step()
            self._site.graph.watches.ended(self._site.name)
        finally:
            session.end()

    def _unreachable(self, error: PatchgapError) -> None:
        name, graph = self._site.name, self._site.graph
        self._warn(error.problem, "; it is unknown until it answers")
        try:
            graph.watches.ended(name)
            graph.record_unreachable(name, PLATFORM, error.problem, self._site.clock())
        except StorageError as broken:
            self._warn(str(broken))

    def _warn(self, problem: str, meanwhile: str = "") -> None:
        if told := self._outage.failed(problem, meanwhile):
            self._site.listener.warn(told)
