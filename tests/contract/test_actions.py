"""What holds for every Kubernetes action, on the rehearsal cluster and on a real API server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scene import ACTIONS, CLUSTER, HOME, Scene, account, deployment, namespace

from integrations.kubernetes.resources import DEPLOYMENTS, NAMESPACES
from patchgap.errors import ConflictError, RefusedError
from patchgap.model.plan import Effect, Outcome

EVERY = pytest.mark.parametrize("action", ACTIONS, ids=lambda a: a.verb)


@pytest.fixture
def scene(control_plane: Any, tmp_path: Path) -> Scene:
    """A sensitive trainer in its namespace, with its own service account, next to an unaffected workload."""
    made = Scene(control_plane, tmp_path)
    made.make(namespace(), namespace(HOME), account(), deployment(serviceAccountName="trainer"))
    made.make(deployment("web", "registry.example.com/web@sha256:" + "c" * 64, 1))
    return made


@EVERY
def test_a_preview_names_the_changes_and_writes_nothing(scene: Scene, action: Any) -> None:
    """A preview leaves every object of the cluster at its version."""
    situation = scene.ready_for(action, scene.workload("trainer"))
    before = scene.versions()
    parameters = action.parameters()
    lines = [line for t in scene.targets(action, situation) for line in action.preview(parameters, t, situation)]
    assert lines
    assert scene.versions() == before


@EVERY
def test_an_action_does_with_its_declared_permissions_alone(scene: Scene, action: Any) -> None:
    """A user who holds just the permissions that the action declares can plan, apply, observe and release it."""
    scene.person("least", *action.permissions)
    situation = scene.ready_for(action, scene.workload("trainer"), user="least")
    for target in scene.targets(action, situation):
        action.preview(action.parameters(), target, situation)
    controls = scene.perform(action, situation)
    assert {c.receipt.outcome for c in controls} == {Outcome.DONE}
    scene.settle()
    assert all(action.observe(c.intent, situation) for c in controls)
    if action.effect is Effect.REVERSIBLE:
        assert {action.release(c, situation).outcome for c in controls} == {Outcome.DONE}


@EVERY
def test_an_action_without_permission_says_which_one_is_missing(scene: Scene, action: Any) -> None:
    """What a user may not do is named in the error or the uncovered target, with the fix."""
    scene.person("nobody")
    situation = scene.ready_for(action, scene.workload("trainer"), user="nobody")
    said = []
    for target in action.targets(action.parameters(), situation):
        try:
            action.preview(action.parameters(), target, situation)
        except RefusedError as error:
            said.append(str(error))
        except AttributeError:
            said.append(target.reason)
    assert said
    assert all("may not get" in s or "may not list" in s for s in said), said


@EVERY
def test_an_action_applied_twice_has_one_effect(scene: Scene, action: Any) -> None:
    """A second apply of the same intent changes no object."""
    situation = scene.ready_for(action, scene.workload("trainer"))
    intents = [scene.intent(action, target, situation) for target in scene.targets(action, situation)]
    for intent in intents:
        action.apply(intent, situation)
    scene.settle()
    before = scene.versions()
    assert {action.apply(intent, situation).outcome for intent in intents} == {Outcome.DONE}
    scene.settle()
    assert scene.versions() == before


@EVERY
def test_an_effect_is_observed_only_where_it_stands(scene: Scene, action: Any) -> None:
    """Before the effect nothing is observed; after it a receipt is."""
    situation = scene.ready_for(action, scene.workload("trainer"))
    for target in scene.targets(action, situation):
        intent = scene.intent(action, target, situation)
        assert action.observe(intent, situation) is None
        action.apply(intent, situation)
        scene.settle()
        observed = action.observe(intent, situation)
        assert observed
        assert observed.outcome is Outcome.DONE


@pytest.mark.parametrize(
    "action", [a for a in ACTIONS if a.verb not in {"block_artifacts", "rotate_credentials"}], ids=lambda a: a.verb
)
def test_the_same_name_with_another_uid_is_another_target(scene: Scene, action: Any) -> None:
    """A workload or namespace that was replaced after the plan is not touched."""
    situation = scene.ready_for(action, scene.workload("trainer"))
    target = scene.targets(action, situation)[0]
    if target.kind != "Deployment":
        other = type(target)(target.platform, CLUSTER, target.namespace, target.kind, target.name, "another-uid")
    else:
        uid = target.uid
        scene.admin.delete(DEPLOYMENTS, "training", "trainer", uid)
        scene.settle()
        scene.make(deployment(serviceAccountName="trainer"))
        other = target
    before = scene.versions()
    with pytest.raises(ConflictError, match="another object"):
        scene.intent(action, other, situation)
    assert scene.versions() == before
    assert scene.admin.get(NAMESPACES, "", "training")


UNDONE = [
    a for a in ACTIONS if a.effect is Effect.REVERSIBLE and a.verb != "promote_canary"
]  # it brings nothing bad back


@pytest.mark.parametrize("action", UNDONE, ids=lambda a: a.verb)
def test_a_release_leaves_nothing_behind_and_may_be_repeated(scene: Scene, action: Any) -> None:
    """After a release the cluster's specs are those of before, and releasing again is a success."""
    situation = scene.ready_for(action, scene.workload("trainer"))
    before = _specs(scene)
    controls = scene.perform(action, situation)
    scene.settle()
    assert _specs(scene) != before
    for _ in range(2):
        assert {action.release(c, situation).outcome for c in controls} == {Outcome.DONE}
        scene.settle()
        assert _specs(scene) == before


def _specs(scene: Scene) -> dict[str, Any]:
    from integrations.kubernetes.resources import CONFIG_MAPS, NETWORK_POLICIES, NODES, POLICIES, POLICY_BINDINGS

    kinds = (NODES, DEPLOYMENTS, NETWORK_POLICIES, POLICIES, POLICY_BINDINGS, CONFIG_MAPS)
    return {
        f"{m['kind']}/{m['metadata'].get('namespace')}/{m['metadata']['name']}": m.get("spec") or m.get("data")
        for k in kinds
        for m in scene.admin.all_of(k)
        if m["metadata"]["name"] != "kube-root-ca.crt"
    }
