"""Git as the drill plays it: what it keeps of the fleet, and the team that commits there and syncs.

What a commit becomes in the cluster is the GitOps controllers' of the rehearsal cluster.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flows.drill.patience import settled
from flows.drill.scenario import Kept
from flows.drill.team import with_image
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.resources import of_kind
from integrations.rehearsal import RehearsalCluster
from patchgap.model.workload import WorkloadRef

_HOMES = {"Application": "argocd", "Kustomization": "flux-system", "HelmRelease": "flux-system"}


class Git:
    """The repository of the fleet, and the objects that keep the cluster as it has it."""

    def __init__(
        self, cluster: RehearsalCluster, seen: Cluster, kept: Sequence[Kept], running: Iterable[Mapping[str, Any]]
    ) -> None:
        self._cluster, self._seen = cluster, seen
        by_name = {_named(m): dict(m) for m in running}
        self._keepers = {what: keeper for keeper in kept for what in keeper.keeps}
        self._held = {what: by_name[what] for what in self._keepers}
        for keeper in kept:
            cluster.git.keep(keeper.kind, keeper.name, [self._held[what] for what in keeper.keeps])

    def keeper_of(self, ref: WorkloadRef) -> Kept | None:
        """Who keeps it, if anyone does."""
        return self._keepers.get(f"{ref.namespace}/{ref.kind}/{ref.name}")

    def commit(self, what: str, change: Mapping[str, Any]) -> None:
        """Sets those fields of the spec in Git, and no more."""
        held = self._held[what]
        self._held[what] = {**held, "spec": _merged(held["spec"], change)}
        self._cluster.git.commit(self._held[what])

    def roll_out(self, ref: WorkloadRef, image: str) -> str:
        """Commits the image and syncs: an Application by hand, what Flux keeps by resuming it. "" where the cluster took
        it, else what the keeper reports."""
        what = f"{ref.namespace}/{ref.kind}/{ref.name}"
        keeper = self._keepers[what]
        self.commit(what, with_image(self._held[what], image))
        if keeper.kind == "Application":
            self._cluster.git.sync(keeper.kind, keeper.name)
        else:
            self._seen.patch(of_kind(keeper.kind), _HOMES[keeper.kind], keeper.name, {"spec": {"suspend": False}})
        settled(self._cluster)
        return self._trouble(keeper)

    def _trouble(self, keeper: Kept) -> str:
        status = self._seen.get(of_kind(keeper.kind), _HOMES[keeper.kind], keeper.name).get("status") or {}
        return "; ".join(
            c["message"]
            for c in status.get("conditions") or ()
            if c["type"] == "SyncError" or (c["type"] == "Ready" and c["status"] != "True")
        )


def _named(manifest: Mapping[str, Any]) -> str:
    return f"{manifest['metadata'].get('namespace', '')}/{manifest['kind']}/{manifest['metadata']['name']}"


def _merged(held: Any, change: Mapping[str, Any]) -> Any:
    """The document with those fields set; a list takes the place of a list."""
    into = {
        name: _merged(held[name], v) if isinstance(v, Mapping) and name in held else v for name, v in change.items()
    }
    return {**held, **into}
