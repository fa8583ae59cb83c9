"""capture_forensics: what is kept, and that no secret is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from scene import CLUSTER, HOME, INCIDENT, NOW, Scene, account, deployment, namespace

from integrations.kubernetes.actions.capture_forensics import CaptureForensics
from integrations.kubernetes.resources import EVENTS
from patchgap.errors import RefusedError
from patchgap.model.plan import Control

CAPTURE = CaptureForensics()
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
    assert folder.parts[-4:] == (INCIDENT, CLUSTER, "training", "Deployment-trainer")
    assert set(control.receipt.result["files"]) == {
        f"{n}.json"
        for n in (
            "workload",
            "owners",
            "replicasets",
            "jobs",
            "pods",
            "events",
            "serviceaccount",
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
    assert {p.stat().st_mode & 0o777 for p in folder.glob("*.json")} == {0o600}


def test_no_secret_is_kept(scene: Scene) -> None:
    """A value that looks secret is redacted by name in environment and arguments; the others stay."""
    _, folder = captured(scene)
    text = "".join(p.read_text() for p in folder.glob("*.json"))
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
    assert CAPTURE.observe(control.intent, situation) is None


def test_a_capture_cannot_be_released(scene: Scene) -> None:
    """There is nothing to undo."""
    control, _ = captured(scene)
    with pytest.raises(RefusedError, match="changes nothing"):
        CAPTURE.release(control, scene.situation())
