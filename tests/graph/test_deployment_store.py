"""Deployment events in the store, on both databases: one delivery once, and a cluster has one owner."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from graph_fleet import NOW, cluster, container, workload

from patchgap.errors import ConflictError
from patchgap.graph.deployments import DeploymentEvent, parse_deployment
from patchgap.graph.store import Graph

IMAGE = "registry.example.com/ml/scorer@sha256:" + "a" * 64


def event(**changes: Any) -> DeploymentEvent:
    told = {"source": "deployer", "platform": "vm-fleet", "cluster": "eu-vms", "state": "deployed", "image": IMAGE}
    return parse_deployment({**told, "workloads": [{"kind": "Service", "name": "scorer"}], **changes})


def test_a_delivery_is_taken_once(graph: Graph) -> None:
    """The second time nothing is written; with another content it is refused."""
    assert graph.record_deployment("d1", "one", event(), NOW)
    assert not graph.record_deployment("d1", "one", event(), NOW + timedelta(minutes=1))
    assert graph.refreshed_at() == {"eu-vms": NOW}
    with pytest.raises(ConflictError, match="the delivery d1 came before"):
        graph.record_deployment("d1", "two", event(replicas=2), NOW)
    [found] = graph.workloads()
    assert found.replicas == 1


def test_a_cluster_that_is_read_is_not_told_of(graph: Graph) -> None:
    """Nothing of the event is written, not even that it came."""
    graph.record(cluster(workload("app", container(IMAGE.partition("@")[2]))), NOW)
    held = graph.workloads()
    told = event(cluster=held[0].ref.cluster)
    for _ in range(2):
        with pytest.raises(ConflictError, match="is of platform kubernetes"):
            graph.record_deployment("d1", "one", told, NOW)
    assert graph.workloads() == held
    assert graph.record_deployment("d1", "one", event(), NOW)
