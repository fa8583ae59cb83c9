"""What kubectl prints: tables with a real server's columns."""

from __future__ import annotations

import json
from typing import Any

import pytest
from calls import Caller, Json, image, workload

from integrations.rehearsal.cells import printed_age, selected

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
KUBECTL = f"{TABLE},{TABLE.replace('v1;', 'v1beta1;')},application/json"


def asked(admin: Caller, path: str, accept: str = KUBECTL, **query: str) -> Json:
    """The answer to a get in that form."""
    answer = admin.http.get(path, params=query, headers={"Accept": accept})
    return dict(answer.raise_for_status().json())


def printed(table: Json, *, wide: bool = False) -> list[dict[str, Any]]:
    """The rows, by the heads of the columns; the age left out, which is the moment's."""
    heads = [(one["name"], one["priority"] > 0) for one in table["columnDefinitions"]]
    rows = [dict(zip([name for name, _ in heads], row["cells"], strict=True)) for row in table["rows"]]
    hidden = {name for name, is_wide in heads if is_wide and not wide} | {"Age"}
    return [{name: cell for name, cell in row.items() if name not in hidden} for row in rows]


def test_workloads_are_printed_as_a_real_server_prints_them(admin: Caller) -> None:
    """A Deployment with all its columns, its ReplicaSet, and the pods of both in words."""
    admin.create("deployments", workload("Deployment", "web", replicas=2)).raise_for_status()
    admin.settle()
    assert printed(asked(admin, admin.path("deployments", "web")), wide=True) == [
        {
            "Name": "web",
            "Ready": "2/2",
            "Up-to-date": 2,
            "Available": 2,
            "Containers": "main",
            "Images": image("a"),
            "Selector": "app=web",
        }
    ]
    (row,) = printed(asked(admin, admin.path("replicasets")))
    assert (row["Desired"], row["Current"], row["Ready"]) == (2, 2, 2)
    pods = printed(asked(admin, admin.path("pods")))
    assert [(one["Ready"], one["Status"], one["Restarts"]) for one in pods] == [("1/1", "Running", "0")] * 2


def test_a_stateful_set_and_a_job_say_how_far_they_are(admin: Caller) -> None:
    """The one by its ready replicas, the other by its completions."""
    admin.create("statefulsets", workload("StatefulSet", "db", replicas=1)).raise_for_status()
    admin.create("jobs", workload("Job", "once")).raise_for_status()
    admin.settle()
    assert printed(asked(admin, admin.path("statefulsets"))) == [{"Name": "db", "Ready": "1/1"}]
    (job,) = printed(asked(admin, admin.path("jobs")))
    assert (job["Status"], job["Completions"]) == ("Running", "0/1")


def test_a_cordoned_node_says_so(admin: Caller) -> None:
    """As `kubectl get nodes` is read by a person."""
    node = printed(asked(admin, "/api/v1/nodes"))[0]
    assert (node["Status"], node["Roles"]) == ("Ready", "<none>")
    body, kind = {"spec": {"unschedulable": True}}, {"Content-Type": "application/merge-patch+json"}
    admin.http.patch(f"/api/v1/nodes/{node['Name']}", json=body, headers=kind).raise_for_status()
    assert printed(asked(admin, f"/api/v1/nodes/{node['Name']}"))[0]["Status"] == "Ready,SchedulingDisabled"


def test_roles_events_and_policies_have_columns_of_their_own(admin: Caller) -> None:
    """Kinds that share nothing but a name, or not even that."""
    admin.create("deployments", workload("Deployment", "web", replicas=1)).raise_for_status()
    isolated = {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"]}
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "no"},
        "spec": isolated,
    }
    admin.create("networkpolicies", policy).raise_for_status()
    admin.settle()
    (row,) = printed(asked(admin, admin.path("networkpolicies")))
    assert row == {"Name": "no", "Pod-Selector": "app=web"}
    events = printed(asked(admin, admin.path("events")))
    assert {"Last Seen", "Type", "Reason", "Object", "Message"} == set(events[0])
    assert any(one["Object"].startswith("pod/web-") and one["Reason"] == "Scheduled" for one in events)
    bound = printed(asked(admin, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"))
    assert {"Name": "cluster-admin", "Role": "ClusterRole/cluster-admin"} in bound


def test_a_watch_shows_each_change_as_a_row(admin: Caller) -> None:
    """`kubectl get --watch` goes on in the columns that it began with."""
    admin.create("deployments", workload("Deployment", "web", replicas=1)).raise_for_status()
    admin.settle()
    query = {"watch": "1", "timeoutSeconds": "1"}
    text = admin.http.get(admin.path("deployments"), params=query, headers={"Accept": KUBECTL}).text
    told = [json.loads(line) for line in text.splitlines()]
    assert [(one["type"], printed(one["object"])[0]["Ready"]) for one in told] == [("ADDED", "1/1")]


def test_a_row_holds_of_the_object_what_was_asked_for(admin: Caller) -> None:
    """Its metadata, all of it (to sort by), or nothing."""
    admin.create("deployments", workload("Deployment", "web", replicas=1)).raise_for_status()
    path = admin.path("deployments", "web")
    held = {
        said: asked(admin, path, includeObject=said)["rows"][0]["object"] for said in ("Metadata", "Object", "None")
    }
    assert held["Metadata"]["kind"] == "PartialObjectMetadata"
    assert held["Object"]["spec"]["replicas"] == 1
    assert held["None"] is None


def test_a_kind_without_known_columns_is_told(admin: Caller) -> None:
    """The object itself for who takes that too, else 501: no column is made up."""
    path = "/apis/autoscaling/v2/namespaces/work/horizontalpodautoscalers"
    assert asked(admin, path)["kind"] == "HorizontalPodAutoscalerList"
    assert admin.http.get(path, headers={"Accept": TABLE}).status_code == 501


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (150, "2m30s"),
        (4000, "66m"),
        (3 * 3600 + 60, "3h1m"),
        (9 * 3600 + 60, "9h"),
        (50 * 3600, "2d2h"),
        (9 * 86400 + 3600, "9d"),
    ],
)
def test_ages_are_printed_in_two_units_at_the_most(seconds: int, told: str) -> None:
    """As Kubernetes' HumanDuration."""
    assert printed_age(seconds) == told


def test_a_selector_is_printed_as_a_query_has_it() -> None:
    """With its expressions, in the order of the keys."""
    expressions = [{"key": "b", "operator": "In", "values": ["y", "x"]}, {"key": "a", "operator": "DoesNotExist"}]
    assert selected({"matchLabels": {"c": "1"}, "matchExpressions": expressions}) == "!a,b in (x,y),c=1"
    assert selected({}) == "<none>"
