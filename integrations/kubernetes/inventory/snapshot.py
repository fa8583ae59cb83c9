"""What one cluster's API lists, whole: the raw material of the inventory and of the live checks.

Owns which kinds are read, and that what may not be listed is named; it does not interpret any object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from integrations.kubernetes.answers import ForbiddenError, NotServedError
from integrations.kubernetes.cluster import SYSTEM, Cluster
from integrations.kubernetes.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    CONTROLLER_REVISIONS,
    INGRESSES,
    NAMESPACES,
    NODES,
    ROLE_BINDINGS,
    ROLES,
    SERVICE_ACCOUNTS,
    SERVICES,
    WORKLOADS,
    Json,
    Resource,
)
from patchgap.model.unknown import Unknown

RBAC = (ROLES, ROLE_BINDINGS, CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS)
HISTORY = (*WORKLOADS, CONTROLLER_REVISIONS)  # what runs, and what it can be rolled back to
EVERYTHING = (*HISTORY, NAMESPACES, NODES, SERVICES, INGRESSES, SERVICE_ACCOUNTS, *RBAC)
OPTIONAL = (INGRESSES,)
PERMISSIONS = tuple(f"list {r.permission}" for r in EVERYTHING)
WATCH_PERMISSIONS = tuple(f"list,watch {r.permission}" for r in EVERYTHING)
LIVE_PERMISSIONS = tuple(f"list {r.permission}" for r in WORKLOADS)
HISTORY_PERMISSIONS = tuple(f"list {r.permission}" for r in HISTORY)


@dataclass(frozen=True)
class Snapshot:
    """The objects by kind. A kind that could not be listed is in `untold` with its reason, and has no objects."""

    cluster: str
    objects: Mapping[str, tuple[Json, ...]]
    untold: Mapping[str, str]

    def of(self, resource: Resource) -> tuple[Json, ...]:
        """The objects of a kind; () where there are none or it was not told (`untold`)."""
        return self.objects.get(resource.kind, ())

    def why_not(self, resources: Sequence[Resource]) -> str:
        """Why these kinds could not be read whole, as a sentence's part; "" where they were."""
        return "; ".join(self.untold[r.kind] for r in resources if r.kind in self.untold)

    @property
    def identity(self) -> str:
        """The UID of kube-system: it lives as long as the cluster, and no other cluster has it. "" where untold."""
        return next((o["metadata"]["uid"] for o in self.of(NAMESPACES) if o["metadata"]["name"] == SYSTEM), "")

    @property
    def unknown(self) -> tuple[Unknown, ...]:
        """What the cluster would not tell."""
        return tuple(Unknown(f"cluster {self.cluster}: {kind}", reason) for kind, reason in self.untold.items())


def read(
    cluster: Cluster,
    resources: Sequence[Resource] = EVERYTHING,
    namespace: str = "",
    keep: Callable[[Json], Json] = lambda manifest: manifest,
    labels: str = "",
) -> Snapshot:
    """Lists each kind once, with `labels` what that selector selects; `keep` cuts each object down as its page comes. Raises UnreachableError where the cluster
    does not answer."""
    objects: dict[str, tuple[Json, ...]] = {}
    untold: dict[str, str] = {}
    for resource in resources:
        try:
            listed = cluster.all_of(resource, namespace if resource.namespaced else "", labels=labels, keep=keep)
            objects[resource.kind] = tuple(listed)
        except (ForbiddenError, NotServedError) as error:
            if reason := untold_because(resource, error):
                untold[resource.kind] = reason
    return Snapshot(cluster.name, objects, untold)


def untold_because(resource: Resource, error: ForbiddenError | NotServedError) -> str:
    """Why a kind is not told of; "" where there can be none of it."""
    if isinstance(error, ForbiddenError):
        return f"patchgap may not {error.permission}"
    # A cluster without an optional API has none of its objects.
    return "" if resource in OPTIONAL else f"the API does not serve {resource.permission}"
