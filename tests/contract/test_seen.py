"""What a plan on Kubernetes stands on: a change by somebody else is seen, the verb's own effect is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from scene import GOOD, HOME, OTHER, Scene, account, deployment, image, namespace

from integrations.kubernetes.actions.cordon_nodes import CordonNodes
from integrations.kubernetes.actions.freeze_deployments import FreezeDeployments
from integrations.kubernetes.actions.promote_canary import PromoteCanary
from integrations.kubernetes.actions.rotate_credentials import RotateCredentials
from integrations.kubernetes.actions.start_patched_canary import StartPatchedCanary
from integrations.kubernetes.resources import DEPLOYMENTS, NODES, SERVICE_ACCOUNTS
from patchgap.model.plan import Target
from patchgap.ports import Watched


@pytest.fixture
def scene(control_plane: Any, tmp_path: Path) -> Scene:
    """An affected trainer."""
    made = Scene(control_plane, tmp_path)
    made.make(namespace(), namespace(HOME), account(), deployment(serviceAccountName="trainer"))
    return made


def reimage(scene: Scene, _target: Target) -> None:
    """Somebody rolls out another image."""
    containers = [{"name": "main", "image": image(OTHER)}]
    scene.admin.patch(DEPLOYMENTS, "training", "trainer", {"spec": {"template": {"spec": {"containers": containers}}}})


def pause(scene: Scene, _target: Target) -> None:
    """Somebody pauses the rollout."""
    scene.admin.patch(DEPLOYMENTS, "training", "trainer", {"spec": {"paused": True}})


def taint(scene: Scene, target: Target) -> None:
    """Somebody keeps pods off the node, beside what the cluster itself says of its condition."""
    told = [
        {"key": "team", "value": "ml", "effect": "NoSchedule"},
        {"key": "node.kubernetes.io/memory-pressure", "effect": "NoSchedule"},
    ]
    scene.admin.patch(NODES, "", target.name, {"spec": {"taints": told}})


def cordon(scene: Scene, target: Target) -> None:
    """Somebody cordons the node."""
    scene.admin.patch(NODES, "", target.name, {"spec": {"unschedulable": True}})


def annotate(scene: Scene, _target: Target) -> None:
    """Somebody gives the account another role at the cloud."""
    meta = {"metadata": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/other"}}}
    scene.admin.patch(SERVICE_ACCOUNTS, "training", "trainer", meta)


@dataclass(frozen=True)
class Change:
    """A verb on one kind of target, what somebody else does to it, and the fields by which it is seen."""

    action: Any
    kind: str
    change: Callable[[Scene, Target], None]
    fields: set[str]
    performs: bool = True  # where the verb has an effect of its own on what is seen


MAIN = "container main"
CHANGES = (
    Change(FreezeDeployments(), "Deployment", reimage, {MAIN}),
    Change(FreezeDeployments(), "Deployment", pause, {"spec.paused"}),
    Change(StartPatchedCanary(), "Deployment", reimage, {MAIN}),
    Change(PromoteCanary(), "Deployment", reimage, {MAIN}, performs=False),
    Change(CordonNodes(), "Node", taint, {"spec.taints"}),
    Change(CordonNodes(), "Node", cordon, {"spec.unschedulable"}),
    Change(RotateCredentials(), "ServiceAccount", annotate, {"manifest"}, performs=False),
)


@pytest.mark.parametrize("case", CHANGES, ids=lambda c: f"{c.action.verb}, {c.change.__name__}")
def test_a_plan_stands_on_what_it_changes(scene: Scene, case: Change) -> None:
    """Read without a write; the same while the verb holds it and after; another once somebody has changed it."""
    assert isinstance(case.action, Watched)
    situation = scene.situation(scene.workload("trainer"), patched=[GOOD])
    target = next(t for t in scene.targets(case.action, situation) if t.kind == case.kind)
    before = scene.versions()
    planned = case.action.seen(target, situation)
    assert scene.versions() == before
    assert planned
    if case.performs:
        controls = scene.perform(case.action, situation)
        scene.settle()
        assert case.action.seen(target, situation) == planned
        for control in controls:
            case.action.release(control, situation)
        scene.settle()
        assert case.action.seen(target, situation) == planned
    case.change(scene, target)
    now = case.action.seen(target, situation)
    assert {k for k in {*now, *planned} if now.get(k) != planned.get(k)} == case.fields


def test_a_rotation_that_was_begun_keeps_what_it_was_planned_for(scene: Scene) -> None:
    """The new account is no change of the plan that made it."""
    action = RotateCredentials()
    situation = scene.ready_for(action, scene.workload("trainer"))
    [target] = scene.targets(action, situation)
    planned = action.seen(target, situation)
    [control] = scene.perform(action, situation)
    begun = replace(control.intent, action=replace(control.intent.action, seen=planned))
    later = replace(situation, controls=(replace(control, intent=begun),))
    assert action.seen(target, later) == planned
