"""A deployment event by webhook: signed, in the graph before it is answered, once, and never over a watched cluster."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from desk import NEW_SECRET, Desk

from patchgap.graph.question import Question
from patchgap.model.workload import Classification, ClusterInventory, RunState

DIGEST = "sha256:" + "a" * 64


def event(**changes: Any) -> dict[str, Any]:
    return {
        "source": "deployer",
        "platform": "vm-fleet",
        "cluster": "eu-vms",
        "state": "deployed",
        "workloads": [{"namespace": "scoring", "kind": "VirtualMachine", "name": "scorer"}],
        "image": f"registry.example.com/ml/scorer@{DIGEST}",
        "replicas": 3,
        "environment": "production",
        "region": "eu-central-1",
        "classification": "sensitive",
        "writes_to": ["feature-store"],
        **changes,
    }


def names(desk: Desk) -> set[str]:
    return {str(one.ref) for one in desk.graph.workloads()}


def test_what_is_deployed_is_in_the_graph_when_it_is_answered(desk: Desk) -> None:
    """With its image, replicas, place and data; what an event does not tell is unknown."""
    answer = desk.post(event(), to="/v1/deployments")
    assert (answer.status_code, answer.json()) == (
        202,
        {"delivery": "msg_1", "workloads": ["eu-vms/scoring/VirtualMachine/scorer"], "duplicate": False},
    )
    [found] = desk.graph.workloads()
    [container] = found.containers
    assert (container.digest, container.state, found.replicas, found.running) == (DIGEST, RunState.RUNNING, 3, 3)
    assert (found.environment, found.region) == ("production", "eu-central-1")
    assert found.data_scope.classification is Classification.SENSITIVE
    assert found.data_scope.writes_to == ("feature-store",)
    assert found.privileges.cluster_admin is None
    assert found.internet_exposed is None
    assert desk.graph.refreshed_at() == {"eu-vms": desk.clock.now}
    assert [u.what for u in desk.graph.exposure(Question.parse("x"), desk.clock.now).unknown] == [
        f"image registry.example.com/ml/scorer@{DIGEST}"
    ]


def test_a_change_and_a_removal_follow(desk: Desk) -> None:
    """The image is another from then on, and what was removed ran until then."""
    for n, body in enumerate([event(), event(replicas=0), event(state="removed", image=None)]):
        assert desk.post(body, to="/v1/deployments", delivery=f"msg_{n}").status_code == 202
        states = [c.state for one in desk.graph.workloads() for c in one.containers]
        assert states == [[RunState.RUNNING], [RunState.SCALED_TO_ZERO], []][n]
        desk.clock.advance(minutes=1)


def test_a_replay_changes_nothing(desk: Desk) -> None:
    """The same delivery again is answered as a duplicate and does not bring back what was removed since; with another
    content it is refused; and after five minutes its signature is too old."""
    first = desk.post(event(), to="/v1/deployments")
    desk.clock.advance(seconds=10)
    desk.post(event(state="removed"), to="/v1/deployments", delivery="msg_2")
    assert desk.post(event(), to="/v1/deployments").json()["duplicate"] is True
    assert names(desk) == set()
    assert desk.post(event(replicas=4), to="/v1/deployments").status_code == 409
    assert names(desk) == set()
    stale = str(int((desk.clock.now - timedelta(minutes=6)).timestamp()))
    assert desk.post(event(), to="/v1/deployments", delivery="msg_3", webhook_timestamp=stale).status_code == 401
    assert first.status_code == 202


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"platform": "kubernetes"}, 409, "read from its own control plane"),
        ({"cluster": "prod-ml-eu"}, 409, "read from its own control plane"),
        ({"cluster": "read-before"}, 409, "is of platform kubernetes"),
        (
            {"image": "registry.example.com/ml/scorer:latest"},
            400,
            "image: it names no digest; write REPOSITORY@sha256:",
        ),
        ({"image": None}, 400, "image: what is deployed has one"),
        ({"workloads": []}, 400, "workloads"),
        ({"workloads": [{"kind": "A/B", "name": "x"}]}, 400, "workloads.0.kind: write it without blanks, slashes"),
        ({"replicas": -1}, 400, "replicas"),
        ({"replicas": True}, 400, "replicas"),
        ({"state": "perhaps"}, 400, "state"),
        ({"classification": "secret"}, 400, "classification"),
        ({"surplus": 1}, 400, "surplus"),
    ],
)
def test_what_is_not_theirs_or_not_whole_is_refused_whole(
    desk: Desk, changes: dict[str, Any], status: int, words: str
) -> None:
    """A Kubernetes cluster, configured or once read, is nobody's to tell of; a field that does not fit is named."""
    desk.graph.record(ClusterInventory("read-before", "kubernetes", ()), desk.clock.now)
    answer = desk.post(event(**changes), to="/v1/deployments")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]
    assert names(desk) == set()
    assert desk.post(event(), to="/v1/deployments").json()["duplicate"] is False  # the delivery was not used up


def test_an_unsigned_event_is_refused(desk: Desk) -> None:
    """By another secret, or for another body."""
    assert desk.post(event(), to="/v1/deployments", secret=NEW_SECRET).status_code == 401
    signed = desk.post(event(), to="/v1/deployments", webhook_signature=None)
    assert signed.status_code == 401
    assert desk.post(json.dumps([event()]).encode(), to="/v1/deployments").status_code == 400
    assert names(desk) == set()


def test_many_workloads_are_one_event(desk: Desk) -> None:
    """Each is in the graph, one that is named twice once; a removal of some leaves the others."""
    workloads = [{"kind": "Function", "name": f"f{n}"} for n in (1, 2, 3, 3)]
    desk.post(event(workloads=workloads), to="/v1/deployments")
    assert names(desk) == {f"eu-vms//Function/f{n}" for n in (1, 2, 3)}
    desk.post(event(workloads=workloads[:1], state="removed"), to="/v1/deployments", delivery="msg_2")
    assert names(desk) == {f"eu-vms//Function/f{n}" for n in (2, 3)}
