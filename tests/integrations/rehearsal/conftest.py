"""A rehearsal cluster of a test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from calls import Caller

from integrations.rehearsal import RehearsalCluster


@pytest.fixture
def cluster() -> Iterator[RehearsalCluster]:
    """A cluster with the namespace `work`."""
    work = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "work", "labels": {"environment": "prod"}}}
    with RehearsalCluster.start(objects=[work]) as running:
        running.settle()
        yield running


@pytest.fixture
def admin(cluster: RehearsalCluster) -> Iterator[Caller]:
    """The administrator's calls."""
    caller = Caller(cluster, cluster.kubeconfig()["users"][0]["user"]["token"])
    yield caller
    caller.http.close()
