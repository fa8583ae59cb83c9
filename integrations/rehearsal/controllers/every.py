"""Every controller of a cluster, in the order in which they look at a change."""

from __future__ import annotations

from integrations.rehearsal.controllers.accounts import NamespaceDefaults, TokenSecrets
from integrations.rehearsal.controllers.daemonset import DaemonSets
from integrations.rehearsal.controllers.deployment import Deployments
from integrations.rehearsal.controllers.garbage import Garbage, Namespaces
from integrations.rehearsal.controllers.job import Jobs
from integrations.rehearsal.controllers.replicaset import ReplicaSets
from integrations.rehearsal.controllers.scheduler import Scheduler
from integrations.rehearsal.controllers.standing import Aggregation, Budgets, PolicyStatus
from integrations.rehearsal.controllers.statefulset import StatefulSets
from integrations.rehearsal.controllers.work import Controller
from integrations.rehearsal.kubelet import Kubelet
from integrations.rehearsal.machine import Machine


def controllers(
    machine: Machine, kubelets: tuple[Kubelet, ...], others: tuple[Controller, ...]
) -> tuple[Controller, ...]:
    """The controllers over one machine; `others` are not Kubernetes' own."""
    return (
        NamespaceDefaults(machine),
        TokenSecrets(machine),
        Deployments(machine),
        ReplicaSets(machine),
        StatefulSets(machine),
        DaemonSets(machine),
        Jobs(machine),
        Scheduler(machine),
        *kubelets,
        Garbage(machine),
        Namespaces(machine),
        Budgets(machine),
        PolicyStatus(machine),
        Aggregation(machine),
        *others,
    )
