"""Workloads: what runs artifacts, where, with which reach and near which data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from patchgap.model.unknown import Unknown

READ_WHOLE = ("aws", "kubernetes")  # whose control planes tell all that they run; of a fleet events tell parts


@dataclass(frozen=True, slots=True, order=True)
class WorkloadRef:
    """One workload by name and identity; the same name with another `uid` is another workload."""

    platform: str  # "kubernetes", "aws"
    cluster: str  # an AWS account is one
    namespace: str
    kind: str  # Deployment, StatefulSet, DaemonSet, Job, CronJob, ReplicaSet, Pod
    name: str
    uid: str

    def __str__(self) -> str:
        return f"{self.cluster}/{self.namespace}/{self.kind}/{self.name}"


class ContainerRole(StrEnum):
    """Which list of the pod a container stands in."""

    MAIN = "main"
    INIT = "init"
    EPHEMERAL = "ephemeral"


class RunState(StrEnum):
    """Whether a container of this image runs now, would run by schedule or scale, or ran before."""

    RUNNING = "running"
    SCHEDULED = "scheduled"  # a CronJob's template, suspended ones included
    SCALED_TO_ZERO = "scaled_to_zero"
    ROLLBACK = "rollback"  # an old ReplicaSet at zero
    ENDED = "ended"  # completed pods and Jobs
    PENDING = "pending"  # accepted, not running: pulling, unschedulable, backing off


@dataclass(frozen=True, slots=True)
class Container:
    """An image in a workload. `digest` is `sha256:…` as the runtime (or the reference itself) gives it, else Unknown.
    A workload whose pods run different digests of one container has one entry a digest. `pods` counts those pods."""

    name: str
    role: ContainerRole
    image: str
    digest: str | Unknown
    state: RunState
    pods: int = 0


@dataclass(frozen=True, slots=True)
class Privileges:
    """The privilege profile. `reach` lists what the service account may do beyond discovery, as
    "verb resource in namespace" lines; `cluster_admin` is None where RBAC could not be read (unknown: worst), and
    `cloud_admin` where nobody told what the cloud grants it. On AWS the account is the role that it runs as."""

    service_account: str
    cluster_admin: bool | None = None
    privileged: bool = False
    host_namespace: bool = False
    capabilities: tuple[str, ...] = ()
    token_mounted: bool = True
    reach: tuple[str, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    cloud_admin: bool | None = None


class Classification(StrEnum):
    """How sensitive the data is that a workload handles; UNKNOWN counts as the worst and is shown as unknown."""

    SENSITIVE = "sensitive"
    INTERNAL = "internal"
    PUBLIC = "public"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class DataScope:
    """The data a workload touches: its classification and the stores that it writes to."""

    classification: Classification = Classification.UNKNOWN
    writes_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload as the inventory saw it. `replicas` is what is asked for, `running` what runs now (pods).
    `environment` and `region` are "unknown" where nothing says. `selector` is the pod selector as the control plane
    holds it (a Kubernetes LabelSelector)."""

    ref: WorkloadRef
    containers: tuple[Container, ...]
    environment: str = "unknown"
    region: str = "unknown"
    replicas: int = 0
    running: int = 0
    nodes: tuple[str, ...] = ()
    privileges: Privileges = Privileges(service_account="unknown")
    data_scope: DataScope = DataScope()
    internet_exposed: bool | None = None
    selector: Mapping[str, Any] = field(default_factory=dict)
    owners: tuple[str, ...] = ()  # the owner chain above it, nearest first: "Kind/name"
    annotations: Mapping[str, str] = field(default_factory=dict)  # only those that patchgap is configured to read


@dataclass(frozen=True, slots=True)
class ClusterInventory:
    """What one cluster's control plane answered, whole. `unknown` names what it would not tell. `identity` is what no
    other control plane has, whatever it is called in the settings; "" where it does not tell."""

    cluster: str
    platform: str
    workloads: tuple[Workload, ...]
    unknown: tuple[Unknown, ...] = ()
    identity: str = ""
