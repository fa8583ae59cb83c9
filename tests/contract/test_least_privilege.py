"""What an action declares is what it needs: it does with that alone, and takes none of it for nothing.

On the rehearsal cluster and on a real API server: both enforce RBAC.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scene import ACTIONS, BAD, GOOD, HOME, NOW, Scene, account, deployment, image, namespace, template

from integrations.kubernetes.accounts import TOKEN_OF, TOKEN_TYPE
from integrations.kubernetes.resources import DEPLOYMENTS
from integrations.kubernetes.rules import Permission, permissions
from integrations.rehearsal import custom
from patchgap.errors import PatchgapError
from patchgap.model.plan import Control, Effect, Outcome, Receipt, Target, Uncovered
from patchgap.ports import Situation

VARIANTS: dict[str, tuple[dict[str, Any], ...]] = {"freeze_deployments": ({}, {"reach": "affected_workloads"})}
KINDS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Pod")
EVERY = pytest.mark.parametrize("action", ACTIONS, ids=lambda a: a.verb)


@pytest.fixture
def scene(control_plane: Any, tmp_path: Path) -> Scene:
    """One workload of each kind that runs the affected image as the trainer, whose token a Secret holds as well; an
    unaffected pod that the Deployment's selector selects too."""
    made = Scene(control_plane, tmp_path)
    secret = {"name": "trainer-token", "namespace": "training", "annotations": {TOKEN_OF: "trainer"}}
    beside = template("deployment", image(GOOD))
    beside["metadata"] |= {"name": "beside", "namespace": "training"}
    made.make(namespace(), namespace(HOME), account())
    made.make({"apiVersion": "v1", "kind": "Secret", "type": TOKEN_TYPE, "metadata": secret})
    made.make({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": "training"}})
    made.make(*(workload(kind) for kind in KINDS), {"apiVersion": "v1", "kind": "Pod", **beside})
    return made


def workload(kind: str) -> dict[str, Any]:
    """One that the control plane keeps, named after its kind."""
    if kind == "Deployment":
        pull = [{"name": "db"}]
        return deployment("deployment", serviceAccountName="trainer", imagePullSecrets=pull)
    name, picture = kind.lower(), image(BAD)
    group = {"Pod": "v1", "Job": "batch/v1", "CronJob": "batch/v1"}.get(kind, "apps/v1")
    pod = template(name, picture, serviceAccountName="trainer")
    spec: dict[str, Any] = {"selector": {"matchLabels": {"app": name}}, "template": pod}
    if kind == "StatefulSet":
        spec["serviceName"] = name
    if kind in ("Job", "CronJob"):
        pod["spec"]["restartPolicy"] = "Never"
        spec = {"template": pod}
    if kind == "CronJob":
        spec = {"schedule": "0 3 * * *", "jobTemplate": {"spec": spec}}
    metadata = {"name": name, "namespace": "training", "labels": {"app": name}}
    return {"apiVersion": group, "kind": kind, "metadata": metadata, "spec": pod["spec"] if kind == "Pod" else spec}


def told(scene: Scene, action: Any, user: str, kinds: Iterable[str]) -> set[str]:
    """Everything that planning, applying, observing and releasing says as that user, in an incident of its own; what
    it may not undo or finish, the administrator does."""
    if action.verb == "promote_canary":  # it leaves the mend where it promoted it
        body = deployment("deployment", serviceAccountName="trainer", imagePullSecrets=[{"name": "db"}])
        scene.admin.patch(DEPLOYMENTS, "training", "deployment", {"spec": {"template": body["spec"]["template"]}})
        scene.settle()
    workloads = [scene.workload(k.lower(), k) for k in kinds]
    theirs = scene.ready_for(action, *workloads, user=user, incident=f"inc-{user}")
    said: set[str] = set()
    for parameters in VARIANTS.get(action.verb, ({},)):
        for target in action.targets(action.parameters.model_validate(parameters), theirs):
            if isinstance(target, Uncovered):
                said.add(target.reason)
            else:
                said |= set(_cycle(scene, action, target, parameters, theirs))
    scene.settle()
    return said


def _cycle(scene: Scene, action: Any, target: Target, parameters: dict[str, Any], theirs: Situation) -> Iterator[str]:
    try:
        action.preview(action.parameters.model_validate(parameters), target, theirs)
        intent = scene.intent(action, target, theirs, **parameters)
    except PatchgapError as error:
        yield str(error)
        return
    try:
        receipt = action.apply(intent, theirs)
    except PatchgapError as error:
        yield str(error)
        receipt = Receipt(intent.action.id, Outcome.FAILED)
    yield from receipt.detail
    yield from (f.read_text() for f in Path(receipt.result.get("folder", "/nowhere")).glob("*.json"))
    control = Control(intent, receipt, NOW)
    for attempt in (lambda: action.observe(intent, theirs), lambda: action.release(control, theirs)):
        try:
            done = attempt()
            yield from done.detail if done else ()
        except PatchgapError as error:
            yield str(error)
    back = action.release if action.effect is Effect.REVERSIBLE else lambda _, ours: action.apply(intent, ours)
    back(control, replace(theirs, connections=scene.connections()))


def needing(permission: Permission) -> Iterator[tuple[str, ...]]:
    """The workloads that may show a permission at work, those first that do so sooner."""
    own = {"jobs": ("Job", "CronJob")}.get(permission.plural)
    yield own or tuple(k for k in KINDS if f"{k.lower()}s" == permission.plural) or ("Deployment",)
    yield ("Deployment",)


@EVERY
def test_a_permission_that_is_taken_away_is_missed(scene: Scene, action: Any) -> None:
    """With all of them nothing is said to be missing; without any one of them the action fails or says what it may not
    do: none is declared for nothing. What is asked of a product's own kinds is held beside that product's other tests."""
    declared = sorted(permissions(action.permissions), key=line)
    scene.person("whole", *map(line, declared))
    assert not [s for s in told(scene, action, "whole", KINDS) if "may not" in s]
    idle = []
    for number, one in enumerate(p for p in declared if p.group not in custom.GROUPS):
        user = f"without-{number}"
        scene.person(user, *(line(p) for p in declared if p != one))
        if not any("may not" in s for kinds in needing(one) for s in told(scene, action, user, kinds)):
            idle.append(line(one))
    assert not idle, f"{action.verb} does without: {', '.join(idle)}"


def line(permission: Permission) -> str:
    """The permission as an action declares it."""
    where = " in home" if permission.home else ""
    return f"{permission.verb} {permission.group or 'core'}/{permission.plural}{where}"
