"""An incident on a control plane, for the contract tests: objects, people, situations, and the engine's part.

It plays what surrounds an action: the exposures that the graph would give, the intent that the engine would store.
It knows neither the rehearsal nor a real server; `control_plane` gives kubeconfigs and users.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from integrations.kubernetes.actions.block_artifacts import BlockArtifacts
from integrations.kubernetes.actions.capture_forensics import CaptureForensics
from integrations.kubernetes.actions.cordon_nodes import CordonNodes
from integrations.kubernetes.actions.evict_workloads import EvictWorkloads
from integrations.kubernetes.actions.freeze_deployments import FreezeDeployments
from integrations.kubernetes.actions.isolate_workloads import IsolateWorkloads
from integrations.kubernetes.actions.promote_canary import PromoteCanary
from integrations.kubernetes.actions.rotate_credentials import RotateCredentials
from integrations.kubernetes.actions.scale_to_zero import ScaleToZero
from integrations.kubernetes.actions.start_patched_canary import StartPatchedCanary
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.clusters import Clusters
from integrations.kubernetes.inventory import KubernetesInventory
from integrations.kubernetes.resources import (
    CLUSTER_ROLES,
    CONFIG_MAPS,
    CRON_JOBS,
    DAEMON_SETS,
    DEPLOYMENTS,
    JOBS,
    NAMESPACES,
    NETWORK_POLICIES,
    PODS,
    POLICIES,
    POLICY_BINDINGS,
    SECRETS,
    SERVICE_ACCOUNTS,
    STATEFUL_SETS,
    of_kind,
)
from integrations.kubernetes.rules import permissions as parsed
from integrations.kubernetes.rules import roles
from patchgap.errors import PatchgapError
from patchgap.model.exposure import Artifact, Component, Exposure
from patchgap.model.finding import Finding, IncidentId
from patchgap.model.plan import ActionId, Control, Intent, PlannedAction, Receipt, Target, Uncovered
from patchgap.model.signal import Severity, Signal, SignalId, SignalKind
from patchgap.model.workload import ClusterInventory, Workload
from patchgap.ports import Connections, DigestStanding, Situation
from patchgap.settings import ClusterSettings, KubernetesSettings, RotatorSettings, Settings

CLUSTER = "contract"
NOW = datetime(2026, 11, 24, 7, 10, tzinfo=UTC)
INCIDENT = IncidentId("inc-20261124-7k3f")
HOME = "patchgap"
ACTIONS = (
    FreezeDeployments(),
    IsolateWorkloads(),
    ScaleToZero(),
    BlockArtifacts(),
    CaptureForensics(),
    RotateCredentials(),
    CordonNodes(),
    EvictWorkloads(),
    StartPatchedCanary(),
    PromoteCanary(),
)
BAD, GOOD, OTHER = (f"sha256:{letter * 64}" for letter in "abc")
_COUNTED = (
    NAMESPACES,
    CONFIG_MAPS,
    SECRETS,
    SERVICE_ACCOUNTS,
    NETWORK_POLICIES,
    POLICIES,
    POLICY_BINDINGS,
    DEPLOYMENTS,
    STATEFUL_SETS,
    DAEMON_SETS,
    JOBS,
    CRON_JOBS,
    PODS,
)


def image(digest: str, repository: str = "registry.example.com/ml/trainer") -> str:
    """A reference by digest."""
    return f"{repository}@{digest}"


def namespace(name: str = "training", **labels: str) -> dict[str, Any]:
    """A namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def template(name: str, picture: str, **spec: Any) -> dict[str, Any]:
    """A pod template labelled `app: <name>` with one container, `main`."""
    return {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "main", "image": picture}], **spec}}


def deployment(
    name: str = "trainer", picture: str = image(BAD), replicas: int = 2, space: str = "training", **spec: Any
) -> dict[str, Any]:
    """A Deployment."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": space, "labels": {"app": name}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template(name, picture, **spec),
        },
    }


def account(name: str = "trainer", space: str = "training", **fields: Any) -> dict[str, Any]:
    """A service account."""
    meta = {"name": name, "namespace": space, "labels": {"team": "ml"}}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta, **fields}


def policy(name: str, selector: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """Someone else's NetworkPolicy."""
    meta = {"name": name, "namespace": "training"}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": meta,
        "spec": {"podSelector": selector, **spec},
    }


class Scene:
    """A control plane with an incident on it. `admin` is the cluster as its administrator sees it."""

    def __init__(self, control_plane: Any, folder: Path) -> None:
        self.plane = control_plane
        self.folder = folder
        self._connections: dict[str, Connections] = {}
        self._rotators: tuple[RotatorSettings, ...] = ()
        self.admin = self.seen_by("admin")

    def connections(self, user: str = "admin") -> Connections:
        """The connections of a patchgap that runs as that user."""
        if user not in self._connections:
            file = self.plane.write_kubeconfig(self.folder / f"{user}.kubeconfig", user)
            reached = ClusterSettings(name=CLUSTER, kubeconfig=file)
            kubernetes = KubernetesSettings(clusters=(reached,), namespace=HOME, rotators=self._rotators)
            settings = Settings(home=self.folder / "home", database_url="sqlite://", kubernetes=kubernetes)
            self._connections[user] = Connections(settings)
        return self._connections[user]

    def rotated_by(self, *rotators: RotatorSettings) -> None:
        """Secrets have these rotators from now on."""
        self._rotators = rotators
        self._connections.clear()

    def seen_by(self, user: str) -> Cluster:
        """The cluster as a user reaches it."""
        return self.connections(user).of(Clusters).of(CLUSTER)

    def person(self, name: str, *permissions: str) -> Cluster:
        """A user who may do just that (`get,list apps/deployments`): everywhere, or `in home` where that is said."""
        self.plane.add_user(name)
        subject = {"apiGroup": CLUSTER_ROLES.group, "kind": "User", "name": name}
        made = roles(parsed(permissions), (), subject, f"role-{name}", HOME)
        if any("namespace" in m["metadata"] for m in made) and not self.admin.find(NAMESPACES, "", HOME):
            self.make(namespace(HOME))
        for manifest in made:
            self.admin.create(of_kind(manifest["kind"]), manifest["metadata"].get("namespace", ""), manifest)
        seen = self.seen_by(name)
        if anywhere := [r for r in made[0]["rules"] if "resourceNames" not in r]:
            self.eventually(lambda: _may(seen, anywhere[-1]))
        return seen

    def make(self, *manifests: Mapping[str, Any]) -> None:
        """Creates objects as the administrator, and waits for the controllers."""
        for manifest in manifests:
            meta = manifest["metadata"]
            self.admin.create(of_kind(manifest["kind"]), meta.get("namespace", ""), manifest)
            if manifest["kind"] == "Namespace" and self.plane.has_controllers:
                self.eventually(partial(self.admin.find, SERVICE_ACCOUNTS, meta["name"], "default"))
        self.settle()

    def settle(self) -> None:
        """Waits until the controllers and the kubelet have nothing left to do."""
        self.plane.settle()

    def inventory(self, user: str = "admin") -> ClusterInventory:
        """The inventory, read now."""
        return KubernetesInventory().read(CLUSTER, self.connections(user))

    def workload(self, name: str, kind: str = "Deployment") -> Workload:
        """One workload of the inventory."""
        return next(w for w in self.inventory().workloads if (w.ref.kind, w.ref.name) == (kind, name))

    def situation(
        self,
        *workloads: Workload,
        user: str = "admin",
        controls: Sequence[Control] = (),
        affected: Iterable[str] = (BAD,),
        patched: Iterable[str] = (),
        clean: Iterable[str] = (GOOD, OTHER),
        incident: str = INCIDENT,
    ) -> Situation:
        """What the engine would hand an action: each workload is exposed by its first container."""
        affected, clean = frozenset(affected), frozenset(clean)
        exposures = tuple(_exposure(w) for w in workloads)

        def judge(digests: Sequence[str]) -> Mapping[str, DigestStanding]:
            known = {d: "affected" if d in affected else "clean" for d in affected | clean}
            return {d: DigestStanding(d, known[d], f"{known[d]} by its SBOM") for d in digests if d in known}

        signal = Signal(SignalId("sig-0000000000000000"), SignalKind.ADVISORY, "test", NOW)
        finding = Finding("PYSEC-2021-874", signal, Severity.CRITICAL, False, True, None, exposures, ())
        return Situation(
            incident=IncidentId(incident),
            finding=finding,
            exposures=exposures,
            controls=tuple(controls),
            affected_digests=affected,
            patched=frozenset(patched),
            mends=tuple(image(d) for d in sorted(patched)),
            judge=judge,
            connections=self.connections(user),
            clock=lambda: NOW,
            owner="patchgap",
        )

    def ready_for(self, action: Any, *workloads: Workload, **given: Any) -> Situation:
        """A situation in which the action waits for nothing: a canary has its mend, and one that is to be promoted has
        been ready for an hour."""
        if action.verb not in {"start_patched_canary", "promote_canary"}:
            return self.situation(*workloads, **given)
        if action.verb == "promote_canary":
            named = {k: v for k, v in given.items() if k == "incident"}
            started = [w for w in workloads if w.ref.kind == "Deployment"]
            self.perform(StartPatchedCanary(), self.situation(*started, patched=[GOOD], **named))
            self.settle()
        later = datetime.now(UTC) + timedelta(hours=1)
        return replace(self.situation(*workloads, patched=[GOOD], **given), clock=lambda: later)

    def intent(self, action: Any, target: Target, situation: Situation, **parameters: Any) -> Intent:
        """The intent that the engine would store: the plan's action with the state that was found."""
        parsed = action.parameters.model_validate(parameters)
        planned = PlannedAction(
            ActionId("act-000000000000"),
            0,
            1,
            action.verb,
            action.platform,
            action.effect,
            target,
            parsed.model_dump(mode="json"),
            inverse=action.inverse,
        )
        return Intent(planned, dict(action.find(planned, situation)))

    def perform(self, action: Any, situation: Situation, **parameters: Any) -> tuple[Control, ...]:
        """Runs the action on each of its targets."""
        return tuple(
            Control(intent, action.apply(intent, situation), NOW)
            for target in self.targets(action, situation, **parameters)
            for intent in [self.intent(action, target, situation, **parameters)]
        )

    def targets(self, action: Any, situation: Situation, **parameters: Any) -> list[Target]:
        """The action's targets; fails where anything is uncovered."""
        found = list(action.targets(action.parameters.model_validate(parameters), situation))
        assert not [f for f in found if isinstance(f, Uncovered)], found
        return found

    def versions(self) -> dict[tuple[str, str, str], str]:
        """The resource version of every object that an action might touch."""
        found = {}
        for resource in _COUNTED:
            for manifest in self.admin.all_of(resource):
                meta = manifest["metadata"]
                # A real server writes its type check into a policy's status some time later.
                version = str(meta["generation"]) if resource is POLICIES else meta["resourceVersion"]
                if meta["name"] != "kube-root-ca.crt":  # published into a new namespace some time later
                    found[resource.kind, meta.get("namespace", ""), meta["name"]] = version
        return found

    def eventually(self, condition: Any, seconds: float = 30) -> Any:
        """What the condition answers once it is true; fails where it never is."""
        answer = self.admin.until(seconds, lambda: condition() or None)
        assert answer, f"{condition} did not come true within {seconds} s"
        return answer

    def refused(self, attempt: Any, words: str = "", seconds: float = 30) -> None:
        """The attempt (made by its dry run) comes to be refused, in these words: policies load within seconds."""
        answer = "admitted"

        def is_refused() -> bool:
            nonlocal answer
            try:
                attempt()
            except PatchgapError as error:
                answer = str(error)
                return words in answer
            return False

        assert self.admin.until(seconds, lambda: is_refused() or None), answer

    def admitted(self, attempt: Any, seconds: float = 30) -> None:
        """The attempt comes to be admitted."""
        last: list[PatchgapError] = []

        def is_admitted() -> bool:
            try:
                attempt()
            except PatchgapError as error:
                last[:] = [error]
                return False
            return True

        assert self.admin.until(seconds, lambda: is_admitted() or None), str(last[0])


def released(action: Any, controls: Iterable[Control], situation: Situation) -> tuple[Receipt, ...]:
    """The receipts of releasing each control."""
    return tuple(action.release(c, situation) for c in controls)


def _exposure(workload: Workload) -> Exposure:
    container = workload.containers[0]
    digest = container.digest if isinstance(container.digest, str) else ""
    artifact = Artifact(digest, container.image.split("@")[0])
    component = Component("pkg:pypi/pytorch-lightning@1.5.2", "pytorch-lightning", "1.5.2")
    return Exposure(component, None, (), artifact, workload, container)


def _may(seen: Cluster, rule: Mapping[str, Any]) -> bool:
    """Whether the server has taken note of the rule: its authorizer follows within moments."""
    resource, _, subresource = rule["resources"][0].partition("/")
    asked = {"group": rule["apiGroups"][0], "resource": resource, "subresource": subresource, "verb": rule["verbs"][0]}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answer = seen.request("POST", path, body={**body, "spec": {"resourceAttributes": asked}})
    return bool(answer["status"]["allowed"])
