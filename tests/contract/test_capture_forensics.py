"""capture_forensics: what is kept, and that no secret is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from scene import CLUSTER, HOME, INCIDENT, NOW, Scene, account, deployment, namespace

from integrations.kubernetes.actions.capture_forensics import CaptureForensics
from integrations.kubernetes.resources import EVENTS
from patchgap.errors import ConflictError, RefusedError
from patchgap.model.plan import Control

CAPTURE = CaptureForensics()
RBAC = "rbac.authorization.k8s.io"
HIDDEN = "hunter2-very-secret"


@pytest.fixture
def scene(control_plane: Any, tmp_path: Path) -> Scene:
    """A trainer with a secret in its environment and arguments."""
    made = Scene(control_plane, tmp_path)
    trainer = deployment(serviceAccountName="trainer")
    [container] = trainer["spec"]["template"]["spec"]["containers"]
    container["env"] = [{"name": "DB_PASSWORD", "value": HIDDEN}, {"name": "EPOCHS", "value": "12"}]
    container["args"] = [f"--api-key={HIDDEN}", "--token", HIDDEN, "--epochs=12"]
    made.make(namespace(), namespace(HOME), account(), trainer)
    return made


def rule(resources: list[str], verbs: list[str], group: str = "", names: Sequence[str] = ()) -> dict[str, Any]:
    """A rule."""
    only = {"resourceNames": list(names)} if names else {}
    return {"apiGroups": [group], "resources": resources, "verbs": verbs, **only}


def role(name: str, kind: str, *rules: dict[str, Any]) -> dict[str, Any]:
    """A role of these rules."""
    inside = {"namespace": "training"} if kind == "Role" else {}
    return {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": {"name": name, **inside}, "rules": list(rules)}


def binding(name: str, role_kind: str, kind: str) -> dict[str, Any]:
    """The role of that name for the trainer's account."""
    inside = {"namespace": "training"} if kind == "RoleBinding" else {}
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": kind,
        "metadata": {"name": name, **inside},
        "roleRef": {"apiGroup": RBAC, "kind": role_kind, "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": "trainer", "namespace": "training"}],
    }


def captured(scene: Scene) -> tuple[Control, Path]:
    """The capture's control and folder."""
    [control] = scene.perform(CAPTURE, scene.situation(scene.workload("trainer")))
    return control, Path(control.receipt.result["folder"])


def test_the_workload_is_kept_whole(controllers: Any, scene: Scene) -> None:
    """Manifest, owner chain, pods, events and account are written, each with its digest, for the owner alone."""
    uid = scene.workload("trainer").ref.uid
    event = {
        "metadata": {"name": "rolled", "namespace": "training"},
        "involvedObject": {"kind": "Deployment", "name": "trainer", "namespace": "training", "uid": uid},
        "reason": "ScalingReplicaSet",
        "type": "Normal",
    }
    scene.admin.create(EVENTS, "training", {"apiVersion": "v1", "kind": "Event", **event})
    control, folder = captured(scene)
    assert folder.parts[-4:] == (INCIDENT, CLUSTER, "training", f"Deployment-trainer-{uid[:8]}")
    files = control.receipt.result["files"]
    assert {n for n in files if not n.startswith("log_")} == {
        f"{n}.json"
        for n in (
            "workload",
            "owners",
            "replicasets",
            "jobs",
            "pods",
            "events",
            "serviceaccount",
            "secrets",
            "reach",
            "logs",
            "captured",
        )
    }
    read = {p.stem: json.loads(p.read_text()) for p in folder.glob("*.json")}
    assert read["workload"]["metadata"]["uid"] == uid
    assert len(read["pods"]) == 2
    assert {o["object"].split("/")[0] for o in read["owners"]} == {"Deployment", "ReplicaSet", "Pod"}
    assert "ScalingReplicaSet" in {e["reason"] for e in read["events"]}
    assert read["serviceaccount"]["metadata"]["name"] == "trainer"
    assert read["captured"]["at"] == NOW.isoformat(timespec="seconds")
    assert {p.stat().st_mode & 0o777 for p in folder.iterdir()} == {0o600}
    assert {
        p.name: f"sha256:{sha256(p.read_bytes()).hexdigest()}" for p in folder.iterdir() if p.name in files
    } == files
    assert {p.name for p in folder.iterdir()} == {*files, "index.json"}


def test_what_the_account_may_do_is_told_with_each_rule(scene: Scene) -> None:
    """Every rule with its role and binding, and a sentence for each that is dangerous."""
    scene.make(
        role("ops", "Role", rule(["secrets"], ["get", "list"]), rule(["pods/exec"], ["create"])),
        role("wide", "ClusterRole", rule(["roles", "clusterroles"], ["bind"], RBAC), rule(["configmaps"], ["get"])),
        role("named", "Role", rule(["secrets"], ["get"], names=["db"]), rule(["*"], ["get"], "apps")),
        binding("ops", "Role", "RoleBinding"),
        binding("named", "Role", "RoleBinding"),
        binding("wide", "ClusterRole", "ClusterRoleBinding"),
    )
    control, folder = captured(scene)
    reach = json.loads((folder / "reach.json").read_text())
    assert len(reach["grants"]) == 6
    assert reach["dangerous"] == [
        "may get * in training: a wildcard stands for every resource, by Role/named through RoleBinding/named",
        "may give itself any ClusterRole's rights in all namespaces, by ClusterRole/wide through ClusterRoleBinding/wide",
        "may give itself any Role's rights in all namespaces, by ClusterRole/wide through ClusterRoleBinding/wide",
        "may read every Secret in training, by Role/ops through RoleBinding/ops",
        "may read every Secret named db in training, by Role/named through RoleBinding/named",
        "may run commands in the pods in training, by Role/ops through RoleBinding/ops",
    ]
    assert f"ServiceAccount trainer {reach['dangerous'][3]}" in control.receipt.detail


def test_secrets_are_named_with_their_type_and_never_read(scene: Scene) -> None:
    """What the pods use, how, and what is not there; the value is nowhere."""
    db = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": "training"}}
    user = deployment("user", serviceAccountName="trainer")
    [container] = user["spec"]["template"]["spec"]["containers"]
    container["env"] = [{"name": "DB", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}]
    container["envFrom"] = [{"secretRef": {"name": "gone", "optional": True}}]
    scene.make({**db, "stringData": {"password": HIDDEN}, "type": "kubernetes.io/basic-auth"}, user)
    [control] = scene.perform(CAPTURE, scene.situation(scene.workload("user")))
    folder = Path(control.receipt.result["folder"])
    first, second = json.loads((folder / "secrets.json").read_text())
    assert (first["name"], first["type"], first["used_by"]) == ("db", "kubernetes.io/basic-auth", ["env"])
    assert second == {"name": "gone", "used_by": ["envFrom", "optional"], "untold": "there is no Secret gone"}
    assert "a Secret's type is missing: there is no Secret gone" in control.receipt.detail
    assert HIDDEN not in "".join(p.read_text() for p in folder.iterdir())


def test_no_secret_is_kept(scene: Scene) -> None:
    """A value that looks secret is redacted by name in environment and arguments; the others stay."""
    _, folder = captured(scene)
    text = "".join(p.read_text() for p in folder.iterdir())
    assert HIDDEN not in text
    [container] = json.loads((folder / "workload.json").read_text())["spec"]["template"]["spec"]["containers"]
    assert container["env"][1] == {"name": "EPOCHS", "value": "12"}
    assert container["args"] == ["--api-key=[redacted]", "--token", "[redacted]", "--epochs=12"]


def test_the_first_capture_is_kept(scene: Scene) -> None:
    """A second run leaves the files of the first, and a file that was tampered with is told."""
    control, folder = captured(scene)
    situation = scene.situation(scene.workload("trainer"))
    before = (folder / "workload.json").read_bytes()
    assert CAPTURE.apply(control.intent, situation).result == control.receipt.result
    assert (folder / "workload.json").read_bytes() == before
    (folder / "workload.json").write_text("{}")
    for attempt in (CAPTURE.observe, CAPTURE.apply):
        with pytest.raises(ConflictError, match=r"workload\.json is not what was captured"):
            attempt(control.intent, situation)


def test_a_capture_that_was_cut_off_is_made_anew(scene: Scene) -> None:
    """Files without their index are no capture: nothing is observed, and the next run writes them all."""
    control, folder = captured(scene)
    (folder / "index.json").unlink()
    (folder / "pods.json").write_text("[")
    situation = scene.situation(scene.workload("trainer"))
    assert CAPTURE.observe(control.intent, situation) is None
    assert CAPTURE.apply(control.intent, situation).result["files"] == control.receipt.result["files"]


def test_a_capture_cannot_be_released(scene: Scene) -> None:
    """There is nothing to undo."""
    control, _ = captured(scene)
    with pytest.raises(RefusedError, match="changes nothing"):
        CAPTURE.release(control, scene.situation())
