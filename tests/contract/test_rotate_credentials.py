"""rotate_credentials: the old tokens are refused by the API server, and a cut-off run is finished by the next."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scene import CLUSTER, GOOD, Scene, account, deployment, image, namespace

from integrations.kubernetes.accounts import ROTATED, TOKEN_TYPE, is_believed, probe_of
from integrations.kubernetes.actions.block_artifacts import BlockArtifacts
from integrations.kubernetes.actions.rotate_credentials import RotateCredentials
from integrations.kubernetes.checks.credentials_rotated import CredentialsRotated
from integrations.kubernetes.resources import DEPLOYMENTS, PODS, SECRETS, SERVICE_ACCOUNTS
from integrations.kubernetes.restarts import restart_mark
from patchgap.errors import ConflictError, RefusedError
from patchgap.model.codec import canonical
from patchgap.model.evidence import Verdict
from patchgap.model.plan import Control, Outcome, Receipt, Uncovered

ROTATE = RotateCredentials()
CHECK = CredentialsRotated()


@pytest.fixture
def scene(control_plane: Any, tmp_path: Path) -> Scene:
    """A trainer whose account an unaffected workload shares, with a long-lived token."""
    made = Scene(control_plane, tmp_path)
    secret = {"apiVersion": "v1", "kind": "Secret", "type": TOKEN_TYPE}
    meta = {"name": "trainer-token", "namespace": "training", "labels": {"use": "ci"}}
    made.make(
        namespace(),
        account(imagePullSecrets=[{"name": "registry"}]),
        {**secret, "metadata": {**meta, "annotations": {"kubernetes.io/service-account.name": "trainer"}}},
        deployment(serviceAccountName="trainer"),
        deployment("reporter", image(GOOD), 1, serviceAccountName="trainer"),
        deployment("web", image(GOOD), 1),
    )
    return made


def test_every_token_of_the_old_account_is_refused(scene: Scene) -> None:
    """A bound token from before is refused after, the receipt says so with both uids, and nothing else of the
    account has changed."""
    probe = probe_of(scene.admin, "training", "trainer")
    assert is_believed(probe)
    old = scene.admin.get(SERVICE_ACCOUNTS, "training", "trainer")
    [control] = scene.perform(ROTATE, scene.situation(scene.workload("trainer")))
    new = scene.admin.get(SERVICE_ACCOUNTS, "training", "trainer")
    scene.eventually(lambda: not is_believed(probe))
    assert control.receipt.result["probe"] == "refused"
    assert control.receipt.result["uid"] == {"old": old["metadata"]["uid"], "new": new["metadata"]["uid"]}
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    assert new["metadata"]["labels"] == old["metadata"]["labels"]
    assert new["imagePullSecrets"] == old["imagePullSecrets"]


def test_the_plan_names_every_consumer_the_unaffected_too(scene: Scene) -> None:
    """A shared account is one target, and its changes name who else is restarted."""
    situation = scene.situation(scene.workload("trainer"))
    [target] = scene.targets(ROTATE, situation)
    lines = ROTATE.preview(ROTATE.parameters(), target, situation)
    assert "Deployment/reporter: restarted (it is not affected)" in lines
    assert "Deployment/trainer: restarted" in lines
    assert not any("web" in line for line in lines)
    assert any("trainer-token" in line for line in lines)


def test_the_consumers_get_new_pods_and_others_do_not(controllers: Any, scene: Scene) -> None:
    """Each consumer is rolled once; a workload of another account keeps its pods."""
    pods = {p["metadata"]["uid"]: p["metadata"]["labels"]["app"] for p in scene.admin.all_of(PODS, "training")}
    scene.perform(ROTATE, scene.situation(scene.workload("trainer")))

    def rolled() -> bool:
        scene.settle()
        left = [pods[u] for p in scene.admin.all_of(PODS, "training") if (u := p["metadata"]["uid"]) in pods]
        return left == ["web"]

    scene.eventually(rolled)
    marked = scene.admin.get(DEPLOYMENTS, "training", "trainer")["spec"]["template"]["metadata"]["annotations"]
    assert restart_mark("inc-20261124-7k3f") in marked


def test_a_restart_that_the_block_refuses_is_told_as_such(controllers: Any, scene: Scene) -> None:
    """Whose new pods a block refuses is not called restarted: the receipt says that its rollout stands still and why, and is
    no proof; the other consumer's pods are new. A look later says how it is by then."""
    situation = scene.situation(scene.workload("trainer"))
    block = scene.perform(BlockArtifacts(), situation)
    [control] = scene.perform(ROTATE, situation)
    said = {line.partition(":")[0]: line for line in control.receipt.detail}
    assert "NOT restarted, its rollout stands still" in said["Deployment/trainer"]
    assert "ReplicaSetCreateError: Failed to create new replica set" in said["Deployment/trainer"]
    assert "blocked by incident" in said["Deployment/trainer"]
    assert said["Deployment/reporter"] == "Deployment/reporter: restarted; every pod of it is new"
    assert control.receipt.result["probe"] == "refused"
    assert not control.receipt.proved
    BlockArtifacts().release(block[0], situation)
    scene.admin.patch(DEPLOYMENTS, "training", "trainer", {"metadata": {"labels": {"looked": "again"}}})

    def goes_on() -> bool:
        scene.settle()
        later = ROTATE.observe(control.intent, situation)
        return later is not None and "Deployment/trainer: restarted; every pod of it is new" in later.detail

    scene.eventually(goes_on)


def test_a_long_lived_token_secret_is_made_again(scene: Scene) -> None:
    """The Secret keeps its name and labels and is another object for the new account."""
    old = scene.admin.get(SECRETS, "training", "trainer-token")["metadata"]
    scene.perform(ROTATE, scene.situation(scene.workload("trainer")))
    scene.settle()
    new = scene.admin.get(SECRETS, "training", "trainer-token")["metadata"]
    assert new["uid"] != old["uid"]
    assert new["labels"]["use"] == "ci"
    assert new["annotations"]["kubernetes.io/service-account.name"] == "trainer"
    assert new["annotations"][ROTATED] == "inc-20261124-7k3f"


def test_no_token_reaches_intent_receipt_or_error(scene: Scene) -> None:
    """What is stored of a rotation holds no token and no Secret's data."""
    [control] = scene.perform(ROTATE, scene.situation(scene.workload("trainer")))
    text = canonical(control).decode()
    data = scene.admin.get(SECRETS, "training", "trainer-token").get("data") or {}
    assert "eyJ" not in text
    assert not any(value in text for value in data.values())


def test_a_run_that_was_cut_off_is_finished_by_the_next(scene: Scene) -> None:
    """With the old account gone and no new one, apply makes it from the intent, and says that nothing was tried."""
    situation = scene.situation(scene.workload("trainer"))
    [target] = scene.targets(ROTATE, situation)
    intent = scene.intent(ROTATE, target, situation)
    assert json.loads(canonical(intent))["found"]["manifest"]["metadata"]["labels"] == {"team": "ml"}
    scene.admin.delete(SERVICE_ACCOUNTS, "training", "trainer", target.uid)
    assert ROTATE.observe(intent, situation) is None
    receipt = ROTATE.apply(intent, situation)
    assert receipt.result["probe"] == "unproved"
    made = scene.admin.get(SERVICE_ACCOUNTS, "training", "trainer")
    assert made["imagePullSecrets"] == [{"name": "registry"}]
    assert ROTATE.observe(intent, situation)


def test_an_account_that_a_cut_off_run_replaced_is_still_the_planned_one(scene: Scene) -> None:
    """Killed between the new account and the receipt, the next run finds the state that the intent holds, and not
    another object of that name; an account that nobody's intent knows stays another one."""
    situation = scene.situation(scene.workload("trainer"))
    [target] = scene.targets(ROTATE, situation)
    intent, planned = scene.intent(ROTATE, target, situation), ROTATE.seen(target, situation)
    ROTATE.apply(intent, situation)
    with pytest.raises(ConflictError, match="another object"):
        ROTATE.find(intent.action, situation)
    cut = Control(intent, Receipt(intent.action.id, Outcome.UNSETTLED), situation.clock())
    assert ROTATE.find(intent.action, replace(situation, halves=(cut,))) == intent.found
    assert ROTATE.seen(target, replace(situation, halves=(cut,))) == planned
    assert ROTATE.seen(target, situation).keys() == planned.keys()
    assert ROTATE.seen(target, situation) != planned, "its token Secret is another one"


def test_patchgaps_own_account_is_never_rotated(scene: Scene) -> None:
    """A patchgap that runs as the affected account names it as uncovered."""
    for user in ("system:serviceaccount:training:trainer",):
        scene.person(user.replace(":", "-"), *ROTATE.permissions)
    own = scene.seen_by("system-serviceaccount-training-trainer")
    own._identity[:] = ["system:serviceaccount:training:trainer"]
    situation = scene.situation(scene.workload("trainer"), user="system-serviceaccount-training-trainer")
    [uncovered] = ROTATE.targets(ROTATE.parameters(), situation)
    assert isinstance(uncovered, Uncovered)
    assert "lock itself out" in uncovered.reason


def test_a_rotation_cannot_be_released(scene: Scene) -> None:
    """Nothing brings an old token back."""
    situation = scene.situation(scene.workload("trainer"))
    [control] = scene.perform(ROTATE, situation)
    with pytest.raises(RefusedError, match="cannot be released"):
        ROTATE.release(control, situation)


def test_the_check_passes_once_every_pod_is_newer(controllers: Any, scene: Scene) -> None:
    """credentials_rotated is unknown without a rotation, and passes when the pods of the account were replaced."""
    parameters = CHECK.parameters()
    [nothing] = CHECK.observe(parameters, scene.situation(scene.workload("trainer")))
    assert nothing.verdict is Verdict.UNKNOWN
    [control] = scene.perform(ROTATE, scene.situation(scene.workload("trainer")))

    def passes() -> bool:
        scene.settle()
        [seen] = CHECK.observe(parameters, scene.situation(scene.workload("trainer"), controls=[control]))
        return seen.verdict is Verdict.PASS

    scene.eventually(passes)


def test_the_check_fails_while_a_pod_holds_an_old_token(scene: Scene) -> None:
    """A bare pod that nobody restarts is named."""
    from scene import template

    bare = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare", "namespace": "training"}}
    scene.make({**bare, "spec": template("x", image(GOOD), serviceAccountName="trainer")["spec"]})
    [control] = scene.perform(ROTATE, scene.situation(scene.workload("trainer")))
    scene.settle()
    assert any("Pod/bare: patchgap cannot restart it" in line for line in control.receipt.detail)
    [seen] = CHECK.observe(CHECK.parameters(), scene.situation(scene.workload("trainer"), controls=[control]))
    assert seen.verdict is Verdict.FAIL
    assert any("Pod training/bare runs with a token from before" in r for r in seen.reasons)
    assert seen.source.startswith(CLUSTER)
