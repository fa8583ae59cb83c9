"""The world around the loop: a cluster with its fleet, a metrics source that follows what the cluster does, a ticket
sink, and the team that owns the workloads. What it holds and does besides is the scenario's to say."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from flows.drill import inject
from flows.drill.git import Git
from flows.drill.patience import settled
from flows.drill.scenario import Anomaly, Deed, Scaled, Scenario
from flows.drill.team import Team, alone
from integrations.kubernetes.clusters import Clusters
from integrations.kubernetes.resources import of_kind
from integrations.kubernetes.role import manifests
from integrations.rehearsal import RehearsalCluster, fleet
from integrations.rehearsal.metrics import MetricsSource
from integrations.rehearsal.tickets import TicketSink
from patchgap import registry
from patchgap.errors import PatchgapError
from patchgap.model.workload import WorkloadRef
from patchgap.playbook.needs import needs

PATCHGAP = "patchgap"  # the user that it is in the cluster
HOME = "patchgap"  # the namespace that it keeps its own objects in
ANOMALY = "drill_anomaly"
TEAM_KUBECONFIG = "team.kubeconfig.yaml"  # in the drill's folder
_LOOK_EVERY = 0.2  # seconds
_Objects = Sequence[Mapping[str, Any]]


class World:
    """Started whole, stopped whole. `home` is where the kubeconfigs are written; `small` runs each workload of the fleet
    with two replicas at the most."""

    def __init__(self, home: Path, scenario: Scenario, *, small: bool = False) -> None:
        self._stack = ExitStack()
        self._over = threading.Event()
        self._stack.enter_context(_logged(home / "world.log"))
        running = list(fleet.manifests(most=2) if small else fleet.manifests())
        every = [*running, *fleet.network_plugin(), *scenario.objects, *_least_privilege()]
        self.cluster = self._stack.enter_context(RehearsalCluster.start(name=fleet.CLUSTER, objects=every, step=0.15))
        for tag, digest in scenario.tags.items():
            self.cluster.images[tag] = digest
        self.metrics = self._stack.enter_context(MetricsSource())
        self.tickets = self._stack.enter_context(TicketSink())
        self.cluster.add_user(PATCHGAP)
        self.kubeconfig = self.cluster.write_kubeconfig(home / "kubeconfig.yaml", user=PATCHGAP)
        self.cluster.add_user(fleet.TEAM)
        self.team = Team(self.cluster.write_kubeconfig(home / TEAM_KUBECONFIG, user=fleet.TEAM))
        eyes = self.cluster.write_kubeconfig(home / "world.kubeconfig.yaml")
        self._seen = Clusters(alone(eyes)).of(fleet.CLUSTER)
        self._git = Git(self.cluster, self._seen, scenario.git, running)
        settled(self.cluster)
        self.metrics.set(ANOMALY, 1.0)
        followed = {ANOMALY: scenario.anomaly, **scenario.signals}
        still = {name: _still(anomaly, self.cluster.objects()) for name, anomaly in followed.items()}
        self._watcher = threading.Thread(target=self._follow, args=(still,), name="drill-anomaly", daemon=True)
        self._watcher.start()

    def is_kept(self, ref: WorkloadRef) -> bool:
        """Whether Git says what it is."""
        return self._git.keeper_of(ref) is not None

    def roll_out(self, ref: WorkloadRef, image: str) -> str:
        """The team sets the image of the only container, through Git where that keeps the workload; "" where it was
        admitted, else the words of who refused."""
        if self._git.keeper_of(ref) is not None:
            return self._git.roll_out(ref, image)
        return self.team.roll_out(ref.namespace, ref.kind, ref.name, image)

    def do(self, deed: Deed) -> str:
        """Does what the scenario says; a sentence of what came of it, where there is one. Raises PatchgapError where
        something else came of it than the scenario says."""
        for tag, digest in deed.tag.items():
            self.cluster.images[tag] = digest
        if deed.restart:
            namespace, kind, name = deed.restart.split("/")
            mark = {"metadata": {"annotations": {"drill.patchgap.dev/restarted": deed.after}}}
            self._seen.patch(of_kind(kind), namespace, name, {"spec": {"template": mark}})
            settled(self.cluster)
        if deed.heal:
            self.cluster.heal()
        for spec in deed.inject:
            inject.read(spec).into(self.cluster)
        return self._scale(deed.scale) if deed.scale else ""

    def _scale(self, wanted: Scaled) -> str:
        namespace, kind, name = wanted.what.split("/")
        change = {"replicas": wanted.to}
        if wanted.by == "git":
            self._git.commit(wanted.what, change)
        else:
            self._seen.patch(of_kind(kind), namespace, name, {"spec": change})
        settled(self.cluster)
        stands = self._seen.get(of_kind(kind), namespace, name)["spec"]["replicas"]
        if stands != wanted.becomes:
            raise PatchgapError(
                f"{wanted.what} has {stands} replicas and not {wanted.becomes}", "See the drill's folder."
            )
        return f"scaled to {wanted.to}, {wanted.what} now has {stands} replicas"

    def _follow(self, still: Mapping[str, Callable[[_Objects], bool]]) -> None:
        """The metrics say what probes would see, whether or not the API server answers."""
        while not self._over.wait(_LOOK_EVERY):
            stored = self.cluster.objects()
            for name, goes_on in still.items():
                self.metrics.set(name, 1.0 if goes_on(stored) else 0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._watcher.join(timeout=5)
        self._stack.close()


@contextmanager
def _logged(path: Path) -> Iterator[None]:
    """What the cluster's controllers log goes into a file, and not between the lines of the story."""
    logger, handler = logging.getLogger("integrations.rehearsal"), logging.FileHandler(path, encoding="utf-8")
    before, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    yield
    logger.propagate = before
    logger.removeHandler(handler)
    handler.close()


def _still(anomaly: Anomaly, before: _Objects) -> Callable[[_Objects], bool]:
    """Whether it goes on."""
    if anomaly.account:
        first = _uids(before, anomaly)
        return lambda stored: bool(first & _uids(stored, anomaly))
    bad = digest_of(anomaly.image)

    def leaking(stored: _Objects) -> bool:
        here = [o for o in stored if anomaly.namespace in ("", o["metadata"].get("namespace"))]
        policies = [o for o in here if o["kind"] == "NetworkPolicy"]
        held = any("patchgap.dev/incident" in (p["metadata"].get("labels") or {}) for p in policies)
        pods = [o for o in here if o["kind"] == "Pod"]
        return not held and any(bad in s.get("imageID", "") for p in pods for s in _statuses(p))

    return leaking


def _uids(stored: _Objects, anomaly: Anomaly) -> set[str]:
    meant = ("ServiceAccount", anomaly.namespace, anomaly.account)
    return {
        o["metadata"]["uid"]
        for o in stored
        if (o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) == meant
    }


def reference_of(image: str) -> str:
    """The reference by digest that a scenario means: itself, or the fleet's image of that SBOM."""
    return image if "@" in image else fleet.image(image)


def digest_of(image: str) -> str:
    """The digest that a scenario means."""
    return image if image.startswith("sha256:") else reference_of(image).split("@")[1]


def _least_privilege() -> list[dict[str, Any]]:
    """What `patchgap permissions kubernetes --user patchgap` prints: the loop runs with this and no more."""
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": PATCHGAP}
    return manifests(needs(registry.load(), "kubernetes"), subject, PATCHGAP, HOME)


def _statuses(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list((pod.get("status") or {}).get("containerStatuses") or ())
