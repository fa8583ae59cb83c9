"""A world on paper: the verbs that exist, with targets that nobody asks a control plane for, and made-up workloads.

Owns what a case file's row stands for. Nothing here reaches anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from patchgap.model.exposure import Artifact, Component, Exposure
from patchgap.model.finding import Finding, IncidentId
from patchgap.model.plan import Effect, Target
from patchgap.model.signal import Advisory, AffectedPackage, Claims, RuntimeSignal, Signal, SignalId, SignalKind
from patchgap.model.unknown import Unknown
from patchgap.model.workload import Container, ContainerRole, DataScope, Privileges, RunState, Workload, WorkloadRef
from patchgap.ports import Action, Connections, Situation
from patchgap.registry import Registry
from patchgap.settings import Settings

NOW = datetime(2026, 3, 4, 7, 10, tzinfo=UTC)
_CLUSTER, _INCIDENT = "prod", IncidentId("inc-20260304-case")


class OnPaper:
    """A real action whose targets are the workloads themselves, or one message where it only notifies."""

    def __init__(self, real: Action) -> None:
        self.verb, self.platform, self.effect, self.inverse = real.verb, real.platform, real.effect, real.inverse
        self.permissions, self.parameters = real.permissions, real.parameters

    def targets(self, _parameters: Any, situation: Situation) -> Iterable[Target]:
        """Each workload of its platform."""
        if self.effect is Effect.NOTIFIES:
            names = tuple(str(w.ref) for w in situation.workloads)
            return [Target(self.platform, "", "", "Ticket", f"{situation.incident}-{self.verb}", "", names)]
        return [Target.of(w.ref) for w in situation.on(self.platform)]

    def preview(self, _parameters: Any, target: Target, _situation: Situation) -> tuple[str, ...]:
        """One line: nobody is asked what would change."""
        return (f"{self.verb} {target}",)


def registry(real: Registry) -> Registry:
    """The same verbs and checks, where no action reaches anything."""
    actions: Any = {verb: {p: OnPaper(a) for p, a in by.items()} for verb, by in real.actions.items()}
    return Registry(actions, real.checks)


def finding(given: Mapping[str, Any]) -> Finding:
    """What a row's `given` is: the advisory states `severity`, the sender `claimed`; any other signal's is the
    sender's alone."""
    kind, about_package = given["signal"], given["signal"] is SignalKind.ADVISORY
    affected = (AffectedPackage("PyPI", "pytorch-lightning"),)
    signal = Signal(
        id=SignalId("sig-0000000000000000"),
        kind=kind,
        source="a case file",
        received_at=NOW,
        claims=Claims(severity=given["claimed"] if about_package else given["severity"]),
        advisory=Advisory("CASE-1", "", affected, severity=given["severity"]) if about_package else None,
        runtime=None if about_package else RuntimeSignal(_CLUSTER, "training", "Deployment", "case", "a case file"),
    )
    return Finding(
        key="case",
        signal=signal,
        severity=given["severity"],
        malicious=given["malicious"],
        known_exploited=given["known_exploited"],
        epss=given["epss"],
        exposures=tuple(_exposure(w) for w in given["workloads"]),
        unknown=tuple(Unknown(what, "it did not answer") for what in given["unknown"]),
    )


def others(count: int) -> Iterator[Workload]:
    """Workloads that nothing is wrong with."""
    for number in range(count):
        yield _workload({"name": f"other-{number}", "namespace": "elsewhere", "platform": "kubernetes"})


def situation(about: Finding) -> Callable[[tuple[Exposure, ...]], Situation]:
    """What the planner is handed: situations that reach nothing."""
    connections = Connections(Settings(home=Path("/nowhere"), database_url="sqlite://"))

    def make(exposures: tuple[Exposure, ...]) -> Situation:
        return Situation(
            incident=_INCIDENT,
            finding=about,
            exposures=exposures,
            controls=(),
            affected_digests=frozenset(),
            patched=frozenset(),
            judge=lambda _digests: {},
            connections=connections,
            clock=lambda: NOW,
            owner="patchgap",
        )

    return make


def _exposure(given: Mapping[str, Any]) -> Exposure:
    return Exposure(
        component=Component("pkg:pypi/pytorch-lightning@1.5.2", "pytorch-lightning", "1.5.2"),
        direct=None,
        chains=(),
        artifact=Artifact("sha256:" + "a" * 64),
        workload=_workload(given),
        container=_container(given["state"]),
        standing=given["standing"],
    )


def _workload(given: Mapping[str, Any]) -> Workload:
    name, namespace = given["name"], given["namespace"]
    return Workload(
        ref=WorkloadRef(given["platform"], _CLUSTER, namespace, "Deployment", name, f"uid-{namespace}-{name}"),
        containers=(_container(given.get("state", RunState.RUNNING)),),
        environment=given.get("environment", "production"),
        running=1,
        data_scope=DataScope(given.get("data", "internal")),
        privileges=Privileges(
            "default", cluster_admin=given.get("cluster_admin", False), privileged=given.get("privileged", False)
        ),
        internet_exposed=given.get("internet", False),
        selector={"matchLabels": {"app": name}},
    )


def _container(state: RunState) -> Container:
    return Container("main", ContainerRole.MAIN, "registry.example/app:1", "sha256:" + "a" * 64, state, 1)
