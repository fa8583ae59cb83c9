"""The world around the loop: a cluster with its fleet, a metrics source that follows what the cluster does, a ticket
sink, and the team that owns the workloads."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from flows.drill.team import Team, alone
from integrations.kubernetes.clusters import Clusters
from integrations.kubernetes.resources import of_kind
from integrations.kubernetes.role import manifests
from integrations.rehearsal import RehearsalCluster, fleet
from integrations.rehearsal.metrics import MetricsSource
from integrations.rehearsal.tickets import TicketSink
from patchgap import registry

PATCHGAP = "patchgap"  # the user that it is in the cluster
ANOMALY = "training_egress_anomaly"
_LOOK_EVERY = 0.2  # seconds


class World:
    """Started whole, stopped whole. `home` is where the kubeconfigs are written."""

    def __init__(self, home: Path) -> None:
        self._stack = ExitStack()
        self._over = threading.Event()
        self.cluster = self._stack.enter_context(
            RehearsalCluster.start(name=fleet.CLUSTER, objects=[*fleet.manifests(), *_least_privilege()], step=0.15)
        )
        self.metrics = self._stack.enter_context(MetricsSource())
        self.tickets = self._stack.enter_context(TicketSink())
        self.cluster.add_user(PATCHGAP)
        self.kubeconfig = self.cluster.write_kubeconfig(home / "kubeconfig.yaml", user=PATCHGAP)
        self.cluster.add_user(fleet.TEAM)
        self.team = Team(self.cluster.write_kubeconfig(home / "team.kubeconfig.yaml", user=fleet.TEAM))
        self.cluster.settle()
        self.metrics.set(ANOMALY, 1.0)
        self._watcher = threading.Thread(target=self._follow, name="drill-egress", daemon=True)
        self._watcher.start()

    def _follow(self) -> None:
        """Odd traffic leaves while pods of an affected image run unheld: the metric says what a probe would see."""
        cluster = Clusters(alone(self.kubeconfig)).of(fleet.CLUSTER)
        bad = fleet.image("trainer-v2").split("@")[1]
        while not self._over.wait(_LOOK_EVERY):
            held = cluster.all_of(of_kind("NetworkPolicy"), "training", labels="patchgap.dev/incident")
            pods = cluster.all_of(of_kind("Pod"), "training")
            leaking = not held and any(bad in s.get("imageID", "") for p in pods for s in _statuses(p))
            self.metrics.set(ANOMALY, 1.0 if leaking else 0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._watcher.join(timeout=5)
        self._stack.close()


def _least_privilege() -> list[dict[str, Any]]:
    """What `patchgap permissions --user patchgap` prints: the loop runs with this and no more."""
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": PATCHGAP}
    return manifests(registry.load(), subject, PATCHGAP)


def _statuses(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list((pod.get("status") or {}).get("containerStatuses") or ())
