"""cordon_nodes and evict_workloads: which nodes and pods they touch, what holds them back, and what they leave alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from counting import counted
from scene import BAD, GOOD, HOME, Scene, account, deployment, image, namespace, released

from integrations.kubernetes.actions.cordon_nodes import CordonNodes
from integrations.kubernetes.actions.evict_workloads import EvictWorkloads
from integrations.kubernetes.resources import DEPLOYMENTS, NODES, PODS
from patchgap.errors import ConflictError
from patchgap.model.plan import Outcome, Target, Uncovered
from patchgap.ports import Situation

CORDON, EVICT = CordonNodes(), EvictWorkloads()
BUDGETS = "/apis/policy/v1/namespaces/training/poddisruptionbudgets"
CONTROL_PLANE = "node-role.kubernetes.io/control-plane"


@pytest.fixture
def scene(control_plane: Any, tmp_path: Path) -> Scene:
    """An affected trainer of two replicas."""
    made = Scene(control_plane, tmp_path)
    made.make(namespace(), namespace(HOME), account(), deployment(serviceAccountName="trainer"))
    return made


def cordoned(scene: Scene) -> dict[str, bool]:
    """Each node, and whether it is cordoned."""
    return {n["metadata"]["name"]: bool(n["spec"].get("unschedulable")) for n in scene.admin.all_of(NODES)}


def why_not(scene: Scene, *names: str) -> list[str]:
    """Why nodes are not cordoned for these workloads."""
    situation = scene.situation(*(scene.workload(n) for n in names))
    return [t.reason for t in CORDON.targets(CORDON.parameters(), situation) if isinstance(t, Uncovered)]


def pods(scene: Scene) -> set[str]:
    """The uids of the trainer's pods."""
    return {p["metadata"]["uid"] for p in scene.admin.all_of(PODS, "training", labels="app=trainer")}


def budget(scene: Scene, **spec: Any) -> None:
    """A disruption budget over the trainer."""
    meta = {"name": "keep", "namespace": "training"}
    body = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta}
    selected = {"selector": {"matchLabels": {"app": "trainer"}}, **spec}
    scene.admin.request("POST", BUDGETS, body={**body, "spec": selected})
    scene.settle()


def hurried(scene: Scene) -> Situation:
    """The trainer's situation, on a cluster whose waits take no time."""
    scene.admin._sleep = lambda _: scene.settle()
    return scene.situation(scene.workload("trainer"))


def test_a_cordon_is_planned_for_a_node_that_takes_pods_with_its_taints(scene: Scene) -> None:
    """Somebody's taint is seen; its own cordon and a taint of the node's condition, the cluster's own, are not."""
    situation = scene.situation(scene.workload("trainer"))
    target = scene.targets(CORDON, situation)[0]
    planned = CORDON.seen(target, situation)
    [control, *_] = scene.perform(CORDON, situation)
    taint = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    for taints, same in (([taint], True), ([taint, {**taint, "key": "gpu", "value": "a"}], False)):
        scene.admin.patch(NODES, "", target.name, {"spec": {"taints": taints}})
        assert (CORDON.seen(target, situation) == planned) is same
    assert planned["spec.unschedulable"] == "false"
    assert control.intent.action.verb == CORDON.verb


def test_the_nodes_of_affected_pods_are_cordoned_and_given_back(scene: Scene) -> None:
    """Each is a target with its UID; one that was cordoned before stays so, and none keeps a mark of patchgap's."""
    situation = scene.situation(scene.workload("trainer"))
    first, second = scene.targets(CORDON, situation)
    assert first.uid == scene.admin.get(NODES, "", first.name)["metadata"]["uid"]
    scene.admin.patch(NODES, "", first.name, {"spec": {"unschedulable": True}})
    assert "true, as it was before: it stays so" in CORDON.preview(CORDON.parameters(), first, situation)[0]
    controls = scene.perform(CORDON, situation)
    assert {n for n, is_off in cordoned(scene).items() if is_off} == {first.name, second.name}
    released(CORDON, controls, situation)
    assert {n for n, is_off in cordoned(scene).items() if is_off} == {first.name}
    notes = [k for n in scene.admin.all_of(NODES) for k in n["metadata"].get("annotations") or {} if "patchgap" in k]
    assert notes == []


def test_a_node_stays_cordoned_while_another_incident_holds_it(scene: Scene) -> None:
    """Of two incidents the last one uncordons; an uncordoning by somebody else is drift, by the server's word for who."""
    workload = scene.workload("trainer")
    mine, other = scene.situation(workload), scene.situation(workload, incident="inc-20261124-0000")
    [control, *_], [theirs, *_] = scene.perform(CORDON, mine), scene.perform(CORDON, other)
    node = control.intent.action.target.name
    assert "holds it too" in CORDON.release(control, mine).detail[0]
    assert cordoned(scene)[node]
    scene.admin.patch(NODES, "", node, {"spec": {"unschedulable": None}})
    assert "spec.unschedulable is false" in CORDON.differences(theirs.intent, other)[0]
    assert CORDON.observe(theirs.intent, other) is None
    CORDON.release(theirs, other)
    assert not cordoned(scene)[node]


def test_a_node_that_the_inventory_does_not_know_is_said(scene: Scene) -> None:
    """Pods that moved since the inventory was read leave their new node uncovered, and the known ones are cordoned."""
    workload = scene.workload("trainer")
    known = replace(workload, nodes=workload.nodes[:1])
    [left, target] = CORDON.targets(CORDON.parameters(), scene.situation(known))
    assert isinstance(left, Uncovered)
    assert f"it runs on {workload.nodes[1]} since the inventory was read" in left.reason
    assert isinstance(target, Target)
    assert target.name == workload.nodes[0]


def test_a_node_of_the_same_name_is_another_node(scene: Scene) -> None:
    """A node that was replaced after the plan is not cordoned."""
    situation = scene.situation(scene.workload("trainer"))
    [target, *_] = scene.targets(CORDON, situation)
    other = Target(target.platform, target.cluster, "", target.kind, target.name, "another-uid", target.workloads)
    with pytest.raises(ConflictError, match="another object"):
        scene.intent(CORDON, other, situation)


def test_control_plane_nodes_and_the_last_node_are_never_cordoned(scene: Scene) -> None:
    """A control-plane node is named and left, the others go on; where nothing would be left for pods to start on, no
    node is cordoned at all."""
    situation = scene.situation(scene.workload("trainer"))
    [first, second] = scene.targets(CORDON, situation)
    [third] = set(cordoned(scene)) - {first.name, second.name}
    label = {"metadata": {"labels": {CONTROL_PLANE: ""}}}
    scene.admin.patch(NODES, "", first.name, label)
    try:
        assert why_not(scene, "trainer") == [f"node {first.name} is a control-plane node: it is protected"]
        scene.admin.patch(NODES, "", third, {"spec": {"unschedulable": True}})
        reasons = why_not(scene, "trainer")
        assert reasons[1] == f"cordoning {second.name} would leave no node where pods can start"
        assert len(reasons) == 2
    finally:
        scene.admin.patch(NODES, "", first.name, {"metadata": {"labels": {CONTROL_PLANE: None}}})


def test_an_eviction_waits_for_its_budget_and_says_so(scene: Scene) -> None:
    """Held back by a disruption budget no pod goes, and the receipt names the budget; when it allows one at a time the
    next run evicts them all."""
    budget(scene, minAvailable=2)
    situation, old = hurried(scene), pods(scene)
    [target] = scene.targets(EVICT, situation)
    words = "The disruption budget keep needs 2 healthy pods and has 2 currently"
    assert words in EVICT.preview(EVICT.parameters(), target, situation)[0]
    intent = scene.intent(EVICT, target, situation)
    receipt = EVICT.apply(intent, situation)
    assert receipt.outcome is Outcome.FAILED
    assert words in receipt.detail[0]
    assert pods(scene) == old
    assert EVICT.observe(intent, situation) is None
    scene.admin.request("DELETE", f"{BUDGETS}/keep")
    budget(scene, maxUnavailable=1)
    assert EVICT.apply(intent, situation).outcome is Outcome.DONE
    scene.settle()
    assert len(pods(scene)) == 2
    assert not pods(scene) & old


def test_what_came_after_the_plan_is_not_evicted(scene: Scene) -> None:
    """The pods of the intent alone go: what their controller made since stays, and what ended needs no eviction."""
    situation = scene.situation(scene.workload("trainer"))
    [target] = scene.targets(EVICT, situation)
    intent = scene.intent(EVICT, target, situation)
    template = {"spec": {"containers": [{"name": "main", "image": image(GOOD)}]}}
    scene.admin.patch(DEPLOYMENTS, "training", "trainer", {"spec": {"template": template}})
    scene.settle()
    new, writes = pods(scene), counted(scene.admin)
    assert EVICT.apply(intent, situation).outcome is Outcome.DONE
    assert writes() == []
    assert pods(scene) == new


def test_a_bare_pod_goes_only_where_the_step_says_so(scene: Scene) -> None:
    """Without the word it is uncovered; with it, it is evicted and stays away."""
    spec = {"containers": [{"name": "main", "image": image(BAD)}]}
    meta = {"name": "shell", "namespace": "training"}
    scene.make({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
    situation = scene.situation(scene.workload("shell", "Pod"))
    [left] = EVICT.targets(EVICT.parameters(), situation)
    assert isinstance(left, Uncovered)
    scene.perform(EVICT, situation, bare_pods="evict")
    scene.settle()
    assert scene.admin.find(PODS, "training", "shell") is None
