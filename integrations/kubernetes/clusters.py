"""The configured clusters by name: the connection that actions, checks and the inventory ask for.

Owns which cluster a name means and the settings that go with it; each is connected when it is first asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Self

from integrations.kubernetes.cluster import SYSTEM, Cluster
from integrations.kubernetes.kubeconfig import client_of
from integrations.kubernetes.transport import OfficialTransport
from patchgap.errors import NotFoundError, UnreachableError
from patchgap.settings import ClusterSettings, KubernetesSettings, Settings


class Clusters:
    """Cluster name -> Cluster. Safe to share between threads."""

    def __init__(self, settings: KubernetesSettings) -> None:
        self.settings = settings
        self._configured = {c.name: c for c in settings.clusters}
        self._connected: dict[str, Cluster] = {}
        self._known: dict[str, str] = {}
        self._lock = Lock()

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """Reaches nothing yet: a cluster that is down must not keep the others from being read."""
        return cls(settings.kubernetes)

    @property
    def names(self) -> tuple[str, ...]:
        """The configured names, in the order of the settings."""
        return tuple(self._configured)

    @property
    def configured(self) -> Mapping[str, ClusterSettings]:
        """The settings of each cluster."""
        return self._configured

    def of(self, name: str) -> Cluster:
        """The cluster. Raises NotFoundError for a name that is not configured, BadInputError for its kubeconfig."""
        if name not in self._configured:
            known = ", ".join(self._configured) or "none"
            raise NotFoundError(f"no cluster {name!r} is configured", f"Use one of: {known}.")
        with self._lock:
            if name not in self._connected:
                transport = OfficialTransport(name, client_of(self._configured[name]), self.settings.timeout_seconds)
                self._connected[name] = Cluster(name, transport)
            return self._connected[name]

    def known(self, name: str, identity: str, *, anew: bool = False) -> Cluster:
        """The cluster, where it is still the one that was known by `identity` ("" asks for none): a context that was
        switched or a cluster that was built anew under the same name is another, and what is not there is not gone.
        `anew` asks the cluster itself, whatever it answered before. Raises UnreachableError for another one."""
        cluster = self.of(name)
        if identity and (anew or self._known.get(name) != identity):
            found = cluster.uid()
            if found != identity:
                raise UnreachableError(
                    f"cluster {name} is not the one that the incident knows: its {SYSTEM} has the uid"
                    f" {found or '(not told)'}, and had {identity}",
                    "Check the kubeconfig and the context that the settings name for it.",
                )
            self._known[name] = identity
        return cluster
