"""Deployment events in the store, on both databases: one delivery once, and a cluster has one owner."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from graph_fleet import NOW, ask, cluster, container, names, workload

from patchgap.errors import ConflictError
from patchgap.graph.claims import parse_claim
from patchgap.graph.deployments import DeploymentEvent, parse_deployment
from patchgap.graph.sources import put
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


@pytest.mark.parametrize("first", ["the claim", "the event"])
def test_a_fleets_events_hide_no_documents_claim(graph: Graph, first: str) -> None:
    """An event tells of one workload and not of the fleet: what a document says to run there stays in the answer,
    whichever came first."""
    digest = IMAGE.partition("@")[2]
    claim = {
        "artifact": {"image_digest": digest},
        "dependencies": [{"name": "torch", "version": "1.13.0"}],
        "runtime": {"clusters": [{"name": "eu-vms", "namespace": "scoring", "deployment": "ranker"}]},
    }
    if first == "the event":
        graph.record_deployment("d1", "one", event(image=IMAGE.replace("a" * 64, "c" * 64)), NOW)
    assert put(graph, parse_claim(json.dumps(claim).encode(), "ranker.json"), NOW) == ()
    if first == "the claim":
        graph.record_deployment("d1", "one", event(image=IMAGE.replace("a" * 64, "c" * 64)), NOW)
    assert names(ask(graph, "torch")) == ["ranker"]
