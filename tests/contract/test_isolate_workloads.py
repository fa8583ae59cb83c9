"""isolate_workloads: which pods the policy selects, what leaks, and what is left alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scene import GOOD, Scene, deployment, image, namespace, policy, template

from integrations.kubernetes import selectors
from integrations.kubernetes.actions.isolate_workloads import QUARANTINE, IsolateWorkloads
from integrations.kubernetes.resources import NETWORK_POLICIES, PODS
from patchgap.errors import ConflictError, RefusedError
from patchgap.model.plan import Uncovered

ISOLATE = IsolateWorkloads()


@pytest.fixture
def scene(control_plane: Any, tmp_path: Path) -> Scene:
    """A trainer in its namespace."""
    made = Scene(control_plane, tmp_path)
    made.make(namespace(), deployment())
    return made


def pods(scene: Scene, name: str) -> list[dict[str, Any]]:
    """The pods of an app."""
    return scene.admin.all_of(PODS, "training", labels=f"app={name}")


def test_the_policy_holds_the_pods_to_come_and_rolls_none(controllers: Any, scene: Scene) -> None:
    """The workload's own selector is denied both ways; its pods stay the ones that ran, without a new label."""
    before = {p["metadata"]["uid"] for p in pods(scene, "trainer")}
    situation = scene.situation(scene.workload("trainer"))
    [control] = scene.perform(ISOLATE, situation)
    [made] = scene.admin.all_of(NETWORK_POLICIES, "training")
    assert made["spec"]["podSelector"] == {"matchLabels": {"app": "trainer"}}
    assert sorted(made["spec"]["policyTypes"]) == ["Egress", "Ingress"]
    assert not made["spec"].get("ingress")
    assert not made["spec"].get("egress")
    assert {p["metadata"]["uid"] for p in pods(scene, "trainer")} == before
    assert not any(QUARANTINE in label for p in pods(scene, "trainer") for label in p["metadata"]["labels"])
    assert control.receipt.result["leaks"] == []


def test_a_shared_selector_gets_a_quarantine_label_on_the_targets_pods_alone(controllers: Any, scene: Scene) -> None:
    """Where the selector also selects an unaffected pod, only the target's pods are selected, and a release takes
    the label off."""
    shell = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "shell", "namespace": "training"}}
    scene.make(
        {**shell, **template("trainer", image(GOOD)), "metadata": {**shell["metadata"], "labels": {"app": "trainer"}}}
    )
    situation = scene.situation(scene.workload("trainer"))
    [target] = scene.targets(ISOLATE, situation)
    lines = ISOLATE.preview(ISOLATE.parameters(), target, situation)
    assert sum(QUARANTINE in line for line in lines) == 2
    [control] = scene.perform(ISOLATE, situation)
    [made] = scene.admin.all_of(NETWORK_POLICIES, "training")
    selected = [
        p["metadata"]
        for p in pods(scene, "trainer")
        if selectors.selects(made["spec"]["podSelector"], p["metadata"]["labels"])
    ]
    assert len(selected) == 2
    assert all(m["name"].startswith("trainer-") for m in selected)
    assert control.receipt.result["by_label"] is True
    ISOLATE.release(control, situation)
    assert not any(QUARANTINE in label for p in pods(scene, "trainer") for label in p["metadata"]["labels"])


@pytest.mark.parametrize("neighbour", ["cron", "zero"])
def test_pods_that_an_unaffected_workload_has_yet_to_make_are_left_alone(
    controllers: Any, scene: Scene, neighbour: str
) -> None:
    """A CronJob between two runs, or a Deployment at zero, with the target's labels: its next pods are not isolated."""
    shared = template("trainer", image(GOOD), restartPolicy="Never" if neighbour == "cron" else "Always")
    if neighbour == "cron":
        meta = {"name": "report", "namespace": "training"}
        spec = {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": shared}}}
        scene.make({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": meta, "spec": spec})
    else:
        shared["metadata"]["labels"]["part"] = "server"
        idle = deployment("server", image(GOOD), replicas=0)
        idle["spec"] |= {"selector": {"matchLabels": {"part": "server"}}, "template": shared}
        scene.make(idle)
    scene.perform(ISOLATE, scene.situation(scene.workload("trainer")))
    [made] = scene.admin.all_of(NETWORK_POLICIES, "training")
    assert not selectors.selects(made["spec"]["podSelector"], shared["metadata"]["labels"])
    held = pods(scene, "trainer")
    assert len(held) == 2
    assert all(selectors.selects(made["spec"]["podSelector"], p["metadata"]["labels"]) for p in held)


def test_a_neighbour_that_appears_since_the_plan_is_left_alone(controllers: Any, scene: Scene) -> None:
    """Also right after it: what was read to make the plan is not what its action is given."""
    planned = scene.situation(scene.workload("trainer"))
    [target] = scene.targets(ISOLATE, planned)
    assert not any(QUARANTINE in line for line in ISOLATE.preview(ISOLATE.parameters(), target, planned))
    idle = deployment("server", image(GOOD), replicas=0)
    labels = {"app": "trainer", "part": "server"}
    idle["spec"] |= {"selector": {"matchLabels": {"part": "server"}}, "template": template("x", image(GOOD))}
    idle["spec"]["template"]["metadata"]["labels"] = labels
    scene.make(idle)
    [control] = scene.perform(ISOLATE, replace(planned, plan_digest="sha256:1"))
    assert control.intent.found["others"] == ["Deployment/server"]
    assert control.receipt.result["by_label"] is True


def test_a_neighbour_that_appears_before_the_write_is_told(controllers: Any, scene: Scene) -> None:
    """The receipt looks at what the policy selects after it was put, and names what it holds besides."""
    situation = scene.situation(scene.workload("trainer"))
    [target] = scene.targets(ISOLATE, situation)
    intent = scene.intent(ISOLATE, target, situation)
    shell = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "shell", "namespace": "training"}}
    shell["metadata"]["labels"] = {"app": "trainer"}
    scene.make({**shell, "spec": template("x", image(GOOD))["spec"]})
    receipt = ISOLATE.apply(intent, situation)
    assert any("came since it was planned, and is not affected: shell" in line for line in receipt.detail)


def test_a_pod_without_the_quarantine_label_is_drift(controllers: Any, scene: Scene) -> None:
    """A new pod of a labelled isolation is told as drift, and the next run labels it."""
    shell = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "shell", "namespace": "training", "labels": {"app": "trainer"}},
    }
    scene.make({**shell, "spec": template("x", image(GOOD))["spec"]})
    situation = scene.situation(scene.workload("trainer"))
    [control] = scene.perform(ISOLATE, situation)
    old = next(p for p in pods(scene, "trainer") if p["metadata"]["name"].startswith("trainer-"))
    scene.admin.delete(PODS, "training", old["metadata"]["name"], old["metadata"]["uid"])

    def drifted() -> bool:
        scene.settle()
        return any("lacks the label" in d for d in ISOLATE.differences(control.intent, situation))

    scene.eventually(drifted)
    ISOLATE.apply(control.intent, situation)
    assert ISOLATE.observe(control.intent, situation)


def test_another_policy_that_allows_traffic_is_named_as_a_leak(scene: Scene) -> None:
    """Policies add up: one that selects the pods and allows something is named; one that allows nothing, or selects
    others, is not."""
    scene.make(
        policy("allow-dns", {"matchLabels": {"app": "trainer"}}, egress=[{"ports": [{"port": 53, "protocol": "UDP"}]}]),
        policy("deny", {}, policyTypes=["Ingress"]),
        policy("others", {"matchLabels": {"app": "web"}}, ingress=[{}]),
    )
    situation = scene.situation(scene.workload("trainer"))
    [target] = scene.targets(ISOLATE, situation)
    assert any("allow-dns" in line for line in ISOLATE.preview(ISOLATE.parameters(), target, situation))
    [control] = scene.perform(ISOLATE, situation)
    assert control.receipt.result["leaks"] == ["allow-dns"]
    assert any("allow-dns" in line for line in control.receipt.detail)


def test_a_workload_on_the_hosts_network_is_uncovered(scene: Scene) -> None:
    """What no NetworkPolicy reaches is named with the reason and refused if applied all the same."""
    scene.make(deployment("agent", replicas=1, hostNetwork=True))
    situation = scene.situation(scene.workload("agent"), scene.workload("trainer"))
    found = list(ISOLATE.targets(ISOLATE.parameters(), situation))
    [uncovered] = [f for f in found if isinstance(f, Uncovered)]
    assert uncovered.target.endswith("Deployment/agent")
    assert "host's network" in uncovered.reason
    assert len(found) == 2


def test_an_opened_policy_is_drift_and_is_left_to_who_opened_it(scene: Scene) -> None:
    """A rule that someone adds is drift naming field and owner; apply and release leave it alone."""
    situation = scene.situation(scene.workload("trainer"))
    [control] = scene.perform(ISOLATE, situation)
    name = control.receipt.result["objects"][0]["name"]
    scene.admin.request(
        "PATCH",
        NETWORK_POLICIES.path("training", name),
        query={"fieldManager": "kubectl-edit"},
        body={"spec": {"ingress": [{}]}},
        content_type="application/merge-patch+json",
    )
    assert any(".spec.ingress is held by kubectl-edit" in d for d in ISOLATE.differences(control.intent, situation))
    assert ISOLATE.observe(control.intent, situation) is None
    for attempt in (lambda: ISOLATE.apply(control.intent, situation), lambda: ISOLATE.release(control, situation)):
        with pytest.raises(ConflictError, match="kubectl-edit"):
            attempt()


def test_someone_elses_object_of_that_name_is_not_taken_over(scene: Scene) -> None:
    """A NetworkPolicy that happens to bear the name is a conflict, and stays as it was."""
    situation = scene.situation(scene.workload("trainer"))
    [target] = scene.targets(ISOLATE, situation)
    name = "patchgap-inc-20261124-7k3f-isolate-deployment-trainer"
    scene.make(policy(name, {"matchLabels": {"app": "web"}}))
    with pytest.raises(ConflictError, match="is not this incident's"):
        ISOLATE.preview(ISOLATE.parameters(), target, situation)
    assert scene.admin.get(NETWORK_POLICIES, "training", name)["spec"]["podSelector"] == {"matchLabels": {"app": "web"}}


def test_an_empty_selector_never_becomes_a_policy(scene: Scene) -> None:
    """A bare pod without labels is held by a label of its own, never by an empty selector."""
    bare = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare", "namespace": "training"}}
    scene.make({**bare, "spec": template("x", image(GOOD))["spec"]})
    situation = scene.situation(scene.workload("bare", "Pod"))
    scene.perform(ISOLATE, situation)
    [made] = scene.admin.all_of(NETWORK_POLICIES, "training")
    [label] = made["spec"]["podSelector"]["matchLabels"]
    assert label.startswith(QUARANTINE)


def test_a_deleted_workload_keeps_its_policy_in_sync(scene: Scene) -> None:
    """A team that deletes the workload has not broken the isolation; a deleted policy has."""
    situation = scene.situation(scene.workload("trainer"))
    [control] = scene.perform(ISOLATE, situation)
    from integrations.kubernetes.resources import DEPLOYMENTS

    scene.admin.delete(DEPLOYMENTS, "training", "trainer", control.intent.action.target.uid)
    scene.settle()
    assert ISOLATE.observe(control.intent, situation)
    ISOLATE.release(control, situation)
    assert ISOLATE.differences(control.intent, situation)


def test_an_unlisted_namespace_is_refused(scene: Scene) -> None:
    """Without the permission to list pods the neighbours cannot be told, and nothing is written."""
    allowed = [p for p in ISOLATE.permissions if p != "list core/pods"]
    scene.person("blind", *allowed)
    situation = scene.situation(scene.workload("trainer"), user="blind")
    [target] = scene.targets(ISOLATE, situation)
    with pytest.raises(RefusedError, match="list core/pods"):
        ISOLATE.preview(ISOLATE.parameters(), target, situation)
