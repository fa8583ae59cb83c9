"""The drill's cluster by itself, with its fleet and nothing else: for whoever wants to try a command on a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from flows.drill.stage import cluster_settings
from integrations.rehearsal import RehearsalCluster, fleet


@contextmanager
def served(root: Path, now: datetime) -> Iterator[Path]:
    """A folder whose settings name the cluster, which answers on loopback as long as the context is open."""
    home = root / f"cluster-{now:%Y%m%d-%H%M%S}"
    home.mkdir(parents=True, mode=0o700)
    with RehearsalCluster.start(name=fleet.CLUSTER, objects=fleet.manifests(), step=0.15) as cluster:
        kubeconfig = cluster.write_kubeconfig(home / "kubeconfig.yaml")
        (home / "patchgap.toml").write_text(cluster_settings(kubeconfig), encoding="utf-8")
        cluster.settle()
        yield home
