"""The drill's stand-in for the team that owns the fleet and rolls out the mend."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from integrations.kubernetes.clusters import Clusters
from integrations.kubernetes.resources import of_kind
from integrations.rehearsal import fleet
from patchgap.errors import RefusedError
from patchgap.settings import ClusterSettings, KubernetesSettings


class Team:
    """The people who own the workloads, with their own credentials and nobody else's."""

    def __init__(self, kubeconfig: Path) -> None:
        self._cluster = Clusters(alone(kubeconfig)).of(fleet.CLUSTER)

    def roll_out(self, namespace: str, kind: str, name: str, image: str) -> str:
        """Sets the image of the only container; "" where it was admitted, else the API server's own words."""
        held = self._cluster.get(of_kind(kind), namespace, name)
        body = with_image(held, image)
        try:
            self._cluster.patch(of_kind(kind), namespace, name, {"spec": body})
        except RefusedError as error:
            return error.problem
        return ""


def with_image(held: Mapping[str, Any], image: str) -> dict[str, Any]:
    """The part of a workload's spec that sets the image of its containers."""
    cron = "jobTemplate" in held["spec"]
    template = held["spec"]["jobTemplate"]["spec"]["template"] if cron else held["spec"]["template"]
    containers = [{**c, "image": image} for c in template["spec"]["containers"]]
    patched = {"template": {"spec": {"containers": containers}}}
    return {"jobTemplate": {"spec": patched}} if cron else patched


def alone(kubeconfig: Path) -> KubernetesSettings:
    """Settings that know the fleet's cluster by these credentials, and nothing else."""
    return KubernetesSettings(clusters=(ClusterSettings(name=fleet.CLUSTER, kubeconfig=kubeconfig),))
