"""A small world for the playbook's tests: verbs without a control plane, workloads, findings.

The verbs keep the protocols and the shipped playbooks' names; what they would do is nobody's business here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

from pydantic import Field

from integrations.kubernetes.actions.capture_forensics import CaptureForensics
from patchgap.errors import PatchgapError, RefusedError, UnreachableError
from patchgap.model.exposure import Artifact, Component, Exposure, Standing
from patchgap.model.finding import Finding, IncidentId
from patchgap.model.plan import Effect, Target, Uncovered
from patchgap.model.signal import (
    Advisory,
    AffectedPackage,
    Claims,
    RuntimeSignal,
    Severity,
    Signal,
    SignalId,
    SignalKind,
)
from patchgap.model.unknown import Unknown
from patchgap.model.workload import (
    Classification,
    Container,
    ContainerRole,
    DataScope,
    Privileges,
    RunState,
    Workload,
    WorkloadRef,
)
from patchgap.playbook.quantities import Duration, Share
from patchgap.ports import Connections, IrreversibleParameters, Parameters, Situation
from patchgap.registry import Registry
from patchgap.settings import Settings

NOW = datetime(2026, 3, 4, 7, 10, tzinfo=UTC)


class Reach(Parameters):
    reach: Literal["affected_namespaces", "affected_workloads"] = Field(
        default="affected_workloads", description="What is frozen."
    )


class Canary(Parameters):
    """How large a canary is."""

    share: Share = Field(default=0.1, description="A share of the replicas.")


class Promotion(Parameters):
    """When a canary is promoted."""

    after: Duration = Field(description="How long it must hold out.")


class Block(Parameters):
    expires: Duration = Field(default="30d", validate_default=True, description="When it ends.")


class Queued(Parameters):
    """Which window."""

    window: str = "weekly"


class Incident(Parameters):
    severity: Literal["sev1", "sev2", "sev3", "sev4"] = Field(description="How bad.", examples=["sev2"])


class Quiet(Parameters):
    quiet_for: Duration = Field(default="30m", validate_default=True, description="How long nothing is seen.")
    queries: tuple[str, ...] = Field(default=(), description="Which queries; all without it.")


class Verb:
    """An action that names its workloads, its clusters, namespaces or itself, as `grain` says."""

    permissions: ClassVar[tuple[str, ...]] = ("get,patch apps/deployments",)

    def __init__(
        self,
        verb: str,
        effect: Effect,
        inverse: str = "",
        grain: str = "workload",
        parameters: type[Parameters] = Parameters,
        platform: str = "kubernetes",
        fails: Mapping[str, PatchgapError] | None = None,
        silent: Iterable[str] = (),
    ) -> None:
        self.verb, self.effect, self.inverse, self.grain = verb, effect, inverse, grain
        self.parameters, self.platform = parameters, platform
        self.fails, self.silent = dict(fails or {}), set(silent)
        self.previewed: list[str] = []
        self.__doc__ = f"Does {verb}.\n\nExample::\n\n    - {verb}\n"

    def targets(self, parameters: Any, situation: Situation) -> Iterable[Target | Uncovered]:
        if self.grain == "one":
            names = tuple(str(w.ref) for w in situation.workloads)
            yield Target(self.platform, "", "", "Ticket", situation.incident, "", names)
            return
        grouped: dict[Target, list[str]] = {}
        for w in situation.workloads:
            if w.ref.platform != self.platform or str(w.ref) in self.silent:
                continue
            if f"targets {w.ref.cluster}" in self.fails:
                raise self.fails[f"targets {w.ref.cluster}"]
            grouped.setdefault(self._target(w.ref), []).append(str(w.ref))
        for t, names in grouped.items():
            yield Target(t.platform, t.cluster, t.namespace, t.kind, t.name, t.uid, tuple(names))

    def _target(self, ref: WorkloadRef) -> Target:
        if self.grain == "namespace":
            return Target(self.platform, ref.cluster, ref.namespace, "Namespace", ref.namespace, "u-ns")
        if self.grain == "cluster":
            return Target(self.platform, ref.cluster, "", "ValidatingAdmissionPolicy", "patchgap", "")
        if self.grain == "node":
            return Target(self.platform, ref.cluster, "", "Node", "node-1", "u-node")
        return Target.of(ref)

    def preview(self, parameters: Any, target: Target, situation: Situation) -> tuple[str, ...]:
        self.previewed.append(str(target))
        if str(target) in self.fails:
            raise self.fails[str(target)]
        return (f"{self.verb} {target}",)


class Sees:
    """A check that is only named here."""

    permissions: ClassVar[tuple[str, ...]] = ("list pods",)

    def __init__(self, verb: str, about: str = "", parameters: type[Parameters] = Parameters) -> None:
        self.verb, self.about, self.parameters, self.platform = verb, about, parameters, "kubernetes"
        self.__doc__ = f"Sees {verb}."


def verbs(**changed: Verb) -> Registry:
    """The verbs of the shipped playbooks; `changed` replaces some by name."""
    promotion = Verb("promote_canary", Effect.REVERSIBLE, "withdraw_promotion", parameters=Promotion)
    promotion.follows = "start_patched_canary"
    capture = Verb("capture_forensics", Effect.READS)
    capture.precedes = CaptureForensics.precedes
    actions = [
        capture,
        Verb("cordon_nodes", Effect.REVERSIBLE, "uncordon_nodes"),
        Verb("freeze_deployments", Effect.REVERSIBLE, "unfreeze_deployments", "namespace", Reach),
        Verb("isolate_workloads", Effect.REVERSIBLE, "release_isolation"),
        Verb("scale_to_zero", Effect.REVERSIBLE, "restore_scale"),
        Verb("block_artifacts", Effect.REVERSIBLE, "unblock_artifacts", "cluster", Block),
        Verb("start_patched_canary", Effect.REVERSIBLE, "withdraw_canary", parameters=Canary),
        promotion,
        Verb("rotate_credentials", Effect.IRREVERSIBLE, parameters=IrreversibleParameters),
        Verb("open_incident", Effect.NOTIFIES, grain="one", parameters=Incident, platform="tickets"),
        Verb("queue_for_patch_window", Effect.NOTIFIES, "cancel_patch_window", "one", Queued, platform="patching"),
        Verb("open_ticket", Effect.NOTIFIES, grain="one", parameters=Incident, platform="tickets"),
    ]
    checks = [
        Sees("package_absent"),
        Sees("digests_retired"),
        Sees("policy_in_sync"),
        Sees("credentials_rotated", about="rotate_credentials"),
        Sees("containment_effective", about="isolate_workloads"),
        Sees("signals_at_baseline", parameters=Quiet),
    ]
    by_verb = {a.verb: {a.platform: a} for a in actions} | {n: {a.platform: a} for n, a in changed.items()}
    return Registry(by_verb, {c.verb: {c.platform: c} for c in checks})


def workload(
    name: str = "trainer-v2",
    namespace: str = "training",
    cluster: str = "prod-ml-eu",
    data: Classification = Classification.SENSITIVE,
    environment: str = "production",
    platform: str = "kubernetes",
    kind: str = "Deployment",
    privileges: Privileges | None = None,
    internet: bool | None = False,
    nodes: tuple[str, ...] = (),
) -> Workload:
    """A workload that runs; what is not given is known and harmless."""
    return Workload(
        ref=WorkloadRef(platform, cluster, namespace, kind, name, f"u-{name}"),
        containers=(container(),),
        environment=environment,
        data_scope=DataScope(data),
        privileges=privileges or Privileges("default", cluster_admin=False),
        internet_exposed=internet,
        nodes=nodes,
        selector={"matchLabels": {"app": name}},
    )


def container(state: RunState = RunState.RUNNING) -> Container:
    return Container("main", ContainerRole.MAIN, "registry/trainer:1", "sha256:aa", state, 1)


def exposure(
    of: Workload | None = None,
    standing: Standing = Standing.AFFECTED,
    state: RunState = RunState.RUNNING,
    purl: str = "pkg:pypi/pytorch-lightning@1.5.2",
    direct: bool | None = None,
) -> Exposure:
    return Exposure(
        component=Component(purl, "pytorch-lightning", "1.5.2"),
        direct=direct,
        chains=(),
        artifact=Artifact("sha256:aa"),
        workload=of or workload(),
        container=container(state),
        standing=standing,
    )


def finding(
    *exposures: Exposure,
    severity: Severity = Severity.CRITICAL,
    claimed: Severity = Severity.UNKNOWN,
    malicious: bool = False,
    known_exploited: bool = False,
    epss: float | None = None,
    kind: SignalKind = SignalKind.ADVISORY,
    unknown: tuple[Unknown, ...] = (),
) -> Finding:
    """A finding; the advisory states `severity`, the sender `claimed`."""
    advisory = Advisory(
        "PYSEC-2021-874", "sha256:00", (AffectedPackage("PyPI", "pytorch-lightning"),), severity=severity
    )
    runtime = RuntimeSignal("prod-ml-eu", "training", "Deployment", "trainer-v2", "egress to a new address")
    about_package = kind is not SignalKind.RUNTIME
    signal = Signal(
        id=SignalId("sig-0123456789abcdef"),
        kind=kind,
        source="test",
        received_at=NOW,
        claims=Claims(severity=claimed if about_package else severity),
        advisory=advisory if about_package else None,
        runtime=None if about_package else runtime,
    )
    return Finding("k", signal, severity, malicious, known_exploited, epss, exposures, unknown)


def situation_for(about: Finding, home: Any) -> Any:
    """What the planner is handed: situations without connections."""
    settings = Settings(home=home, database_url="sqlite://")

    def make(exposures: tuple[Exposure, ...]) -> Situation:
        return Situation(
            incident=IncidentId("inc-20260304-abcd"),
            finding=about,
            exposures=exposures,
            controls=(),
            affected_digests=frozenset(),
            patched=frozenset(),
            judge=lambda digests: {},
            connections=Connections(settings),
            clock=lambda: NOW,
            owner="patchgap",
        )

    return make


UNREACHABLE = UnreachableError("prod-ml-us did not answer in 10 s", "Reach it again.")
REFUSED = RefusedError("the object is immutable", "Choose another.")
