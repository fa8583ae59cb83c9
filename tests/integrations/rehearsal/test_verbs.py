"""Writing, reading and watching on the rehearsal cluster, beyond what the record holds."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import pytest
from calls import Caller, Json, image, workload

from integrations.rehearsal import RehearsalCluster


def config(**data: str) -> Json:
    """A ConfigMap `c`."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data}


def apply(admin: Caller, document: Json, manager: str, **query: str) -> httpx.Response:
    """Apply a ConfigMap."""
    return admin.patch("configmaps", "c", document, "apply", fieldManager=manager, **query)


def test_apply_creates_then_owns_and_lets_go(admin: Caller) -> None:
    """An apply creates, owns what it names, and removes what it no longer names."""
    assert apply(admin, config(a="1", b="2"), "one").status_code == 201
    assert apply(admin, config(a="1"), "one").json()["data"] == {"a": "1"}


def test_apply_refuses_what_another_owns_and_force_takes_it(admin: Caller) -> None:
    """A conflict names the owner and each field; force takes the field over."""
    apply(admin, config(a="1", b="2"), "one").raise_for_status()
    refused = apply(admin, config(a="9", b="9"), "two")
    assert refused.status_code == 409
    assert refused.json()["message"] == ('Apply failed with 2 conflicts: conflicts with "one":\n- .data.a\n- .data.b')
    assert apply(admin, config(a="9", b="9"), "two", force="true").json()["data"] == {"a": "9", "b": "9"}
    managers = {one["manager"] for one in admin.get("configmaps", "c")["metadata"]["managedFields"]}
    assert managers == {"two"}


def test_apply_shares_a_field_of_the_same_value(admin: Caller) -> None:
    """Two managers that want the same own it together, and one leaving does not remove it."""
    apply(admin, config(a="1"), "one").raise_for_status()
    apply(admin, config(a="1"), "two").raise_for_status()
    assert apply(admin, {**config(), "data": {}}, "one").json()["data"] == {"a": "1"}


def test_an_apply_that_changes_nothing_is_no_write(cluster: RehearsalCluster, admin: Caller) -> None:
    """The same binding a second later, whose defaults the server had filled in, keeps its version."""
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "b"},
        "spec": {
            "policyName": "p",
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": {"matchLabels": {"a": "b"}}},
        },
    }
    path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/b"
    headers, query = {"Content-Type": "application/apply-patch+yaml"}, {"fieldManager": "one"}
    versions = []
    for seconds in (0, 5):
        cluster._machine.world.__dict__["clock"] = lambda late=seconds: time.time() + late
        answer = admin.http.patch(path, json=binding, headers=headers, params=query).raise_for_status()
        versions.append(answer.json()["metadata"]["resourceVersion"])
    assert versions[0] == versions[1]


def test_apply_changes_one_container_and_keeps_the_rest(admin: Caller) -> None:
    """Lists with keys are merged by them, by apply and by strategic merge alike."""
    document = workload("Deployment", "web", replicas=1)
    containers = document["spec"]["template"]["spec"]["containers"]
    containers.append({"name": "side", "image": image("b"), "env": [{"name": "A", "value": "1"}]})
    admin.create("deployments", document).raise_for_status()
    body = {"spec": {"template": {"spec": {"containers": [{"name": "side", "env": [{"name": "B", "value": "2"}]}]}}}}
    applied = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, **body}
    answer = admin.patch("deployments", "web", applied, "apply", fieldManager="one").raise_for_status()
    merged = admin.patch("deployments", "web", body, "strategic").raise_for_status()
    for found in (answer.json(), merged.json()):
        main, side = found["spec"]["template"]["spec"]["containers"]
        assert (main["name"], [one["name"] for one in side["env"]]) == ("main", ["A", "B"])


def test_a_dry_run_of_every_verb_stores_nothing(admin: Caller) -> None:
    """Create, update, patch, apply, delete and delete-collection, dry, leave no trace."""
    admin.create("configmaps", config(a="1")).raise_for_status()
    before = admin.get("configmaps", "c")
    other = {**config(), "metadata": {"name": "other"}}
    assert admin.create("configmaps", other, dryRun="All").status_code == 201
    changed = {**before, "data": {"a": "2"}}
    path = admin.path("configmaps", "c")
    assert admin.http.put(path, json=changed, params={"dryRun": "All"}).json()["data"] == {"a": "2"}
    admin.patch("configmaps", "c", {"data": {"a": "3"}}, dryRun="All").raise_for_status()
    apply(admin, config(z="1"), "one", dryRun="All").raise_for_status()
    admin.delete("configmaps", "c", dryRun=["All"]).raise_for_status()
    admin.http.request("DELETE", admin.path("configmaps"), params={"dryRun": "All"}).raise_for_status()
    assert admin.get("configmaps", "c") == before
    assert not [one for one in admin.cluster.requests if one.mutates and one.method == "DELETE"]


def test_a_continued_list_shows_one_revision(admin: Caller) -> None:
    """Pages of one list are of one moment, whatever is written between them."""
    for name in ("a", "b", "c"):
        admin.create("secrets", {"metadata": {"name": name}}).raise_for_status()
    path = admin.path("secrets")
    first = admin.http.get(path, params={"limit": "1"}).json()
    admin.create("secrets", {"metadata": {"name": "aa"}}).raise_for_status()
    admin.delete("secrets", "c").raise_for_status()
    rest = admin.http.get(path, params={"limit": "5", "continue": first["metadata"]["continue"]}).json()
    assert [one["metadata"]["name"] for one in rest["items"]] == ["b", "c"]


def test_compacted_history_is_gone(admin: Caller) -> None:
    """A watch or a page from before the compaction is told so."""
    start = admin.http.get(admin.path("secrets"), params={"limit": "1"}).json()["metadata"]["resourceVersion"]
    admin.create("secrets", {"metadata": {"name": "a"}}).raise_for_status()
    admin.cluster.compact()
    query = {"watch": "1", "resourceVersion": start, "timeoutSeconds": "1"}
    events = [json.loads(line) for line in admin.http.get(admin.path("secrets"), params=query).text.splitlines()]
    assert [(one["type"], one["object"]["code"]) for one in events] == [("ERROR", 410)]


def test_a_watch_with_a_selector_sees_objects_come_and_go(admin: Caller) -> None:
    """An object that stops matching is deleted for that watcher, and added when it matches again."""
    admin.create("configmaps", config()).raise_for_status()
    start = admin.get("configmaps", "c")["metadata"]["resourceVersion"]
    for label in ("yes", "no", "yes"):
        admin.patch("configmaps", "c", {"metadata": {"labels": {"seen": label}}}).raise_for_status()
    query = {"watch": "1", "resourceVersion": start, "timeoutSeconds": "1", "labelSelector": "seen=yes"}
    lines = admin.http.get(admin.path("configmaps"), params=query).text.splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["ADDED", "DELETED", "ADDED"]


@pytest.mark.parametrize(
    ("document", "code", "words"),
    [
        (
            {"metadata": {"name": "c"}, "data": {"a": 1}},
            400,
            "cannot unmarshal number into Go struct field ConfigMap.data.a",
        ),
        ({"metadata": {"name": "c", "namespace": "other"}}, 400, "does not match the namespace"),
        ({"metadata": {"name": "-c"}}, 422, "RFC 1123 subdomain"),
        ({"metadata": {"name": "c", "labels": {"a": "b c"}}}, 422, "a valid label must be"),
        ({"metadata": {}}, 422, "name or generateName is required"),
    ],
)
def test_a_malformed_object_is_refused(admin: Caller, document: Json, code: int, words: str) -> None:
    """A wrong type is 400 and a wrong value 422, each with its words."""
    answer = admin.create("configmaps", document)
    assert (answer.status_code, words in answer.json()["message"]) == (code, True)


def test_a_missing_namespace_is_named(admin: Caller) -> None:
    """A create in a namespace that is not there is 404 about the namespace."""
    answer = admin.http.post("/api/v1/namespaces/none/configmaps", json=config())
    assert (answer.status_code, answer.json()["message"]) == (404, 'namespaces "none" not found')


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/persistentvolumes",
        "/apis/storage.k8s.io/v1/storageclasses",
        "/apis/autoscaling/v1",
        "/openapi/v3",
        "/api/v1/namespaces/work/pods/p/exec",
    ],
)
def test_what_is_not_served_is_said_to_be_missing(admin: Caller, path: str) -> None:
    """What a real server has and this one does not is 501, naming it."""
    answer = admin.http.get(path)
    assert (answer.status_code, answer.json()["reason"]) == (501, "NotImplemented")


def test_faults_come_as_planned_and_end(cluster: RehearsalCluster, admin: Caller) -> None:
    """A planned fault spoils the calls it names, as often as asked, and no others."""
    cluster.fail("error", method="GET", path="/pods$", times=2)
    cluster.fail("throttle", path="/secrets$")
    cluster.fail("close", path="/configmaps$")
    codes = [admin.http.get(admin.path("pods")).status_code for _ in range(3)]
    throttled = admin.http.get(admin.path("secrets"))
    assert (codes, throttled.status_code, throttled.headers["retry-after"]) == ([500, 500, 200], 429, "1")
    with pytest.raises(httpx.RemoteProtocolError):
        admin.http.get(admin.path("configmaps"))


@pytest.mark.parametrize(
    ("fault", "seen"),
    [("reset", httpx.TransportError), ("truncate", httpx.RemoteProtocolError), ("drip", httpx.ReadTimeout)],
)
def test_a_spoilt_answer_comes_after_the_write(
    cluster: RehearsalCluster, admin: Caller, fault: Any, seen: type[Exception]
) -> None:
    """The server does what it was asked for, the caller cannot know, and the record says that something changed; a
    fault waits for the caller, the kind of call and the turn that it was planned for."""
    cluster.fail(fault, method="WRITE", path="/configmaps", agent="isolate", skip=1)
    for name in ("first", "second"):
        admin.create("configmaps", {"metadata": {"name": name}}).raise_for_status()
    agent = {"User-Agent": "patchgap (inc-1; isolate_workloads)"}
    admin.http.get(admin.path("configmaps"), headers=agent).raise_for_status()
    admin.http.post(admin.path("configmaps"), json={"metadata": {"name": "third"}}, headers=agent).raise_for_status()
    with pytest.raises(seen):
        admin.http.post(admin.path("configmaps"), json={"metadata": {"name": "fourth"}}, headers=agent, timeout=0.15)
    assert admin.get("configmaps", "fourth")
    [logged] = [r for r in cluster.requests if r.agent == agent["User-Agent"] and r.changes][1:]
    assert (logged.method, logged.changes, cluster.faults_left) == ("POST", 1, 0)


def test_a_cluster_is_brought_back_to_how_it_was_saved(cluster: RehearsalCluster, admin: Caller) -> None:
    """What was made since goes, what was deleted is the same object again, and a patch that changes nothing is
    recorded as no change."""
    admin.create("configmaps", {"metadata": {"name": "kept"}, "data": {"a": "1"}}).raise_for_status()
    restore, before = cluster.save(), admin.get("configmaps", "kept")
    for value in ("2", "2"):
        admin.patch("configmaps", "kept", {"data": {"a": value}}).raise_for_status()
    assert [r.changes for r in cluster.requests if r.method == "PATCH"] == [1, 0]
    admin.http.delete(admin.path("configmaps", "kept")).raise_for_status()
    admin.create("configmaps", {"metadata": {"name": "later"}}).raise_for_status()
    restore()
    cluster.settle()
    after = admin.get("configmaps", "kept")
    assert (after["metadata"]["uid"], after["data"]) == (before["metadata"]["uid"], {"a": "1"})
    assert [c["metadata"]["name"] for c in admin.list("configmaps") if c["metadata"]["name"] == "later"] == []


def test_a_hanging_call_hangs_no_other(cluster: RehearsalCluster, admin: Caller) -> None:
    """A cluster that hangs on some calls answers the others, and those too once it is healed."""
    cluster.fail("hang", path="/pods$", times=9)
    with pytest.raises(httpx.ReadTimeout):
        admin.http.get(admin.path("pods"), timeout=0.1)
    assert admin.http.get(admin.path("secrets")).status_code == 200
    cluster.heal()
    assert admin.http.get(admin.path("pods")).status_code == 200


def test_an_ephemeral_container_is_added_by_its_subresource_alone(admin: Caller) -> None:
    """The pod's own endpoint leaves ephemeral containers as they are; the subresource adds one that then runs."""
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "main", "image": image("a")}]}}
    admin.create("pods", pod).raise_for_status()
    admin.settle()
    body = {"spec": {"ephemeralContainers": [{"name": "debug", "image": image("b")}]}}
    admin.patch("pods", "p", body, "strategic").raise_for_status()
    assert "ephemeralContainers" not in admin.get("pods", "p")["spec"]
    admin.patch("pods", "p/ephemeralcontainers", body, "strategic").raise_for_status()
    admin.settle()
    statuses = admin.get("pods", "p")["status"]["ephemeralContainerStatuses"]
    assert [one["imageID"] for one in statuses] == [image("b")]
