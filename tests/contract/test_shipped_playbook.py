"""The shipped playbook through the engine on a control plane: its dry run writes nothing, and its containment is whole."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from counting import counted
from scene import BAD, CLUSTER, GOOD, HOME, NOW, Scene, account, deployment, image, namespace

from integrations.kubernetes.clusters import Clusters
from integrations.kubernetes.resources import APPLICATIONS, NODES, PODS
from patchgap.graph.sbom.read import read_sbom
from patchgap.model.finding import IncidentId
from patchgap.model.plan import Outcome
from patchgap.settings import Settings
from patchgap.stages import contain, detect, patch, recover, scope
from patchgap.stages.engine import Engine
from patchgap.stages.situation import state_of


@pytest.fixture
def scene(control_plane: Any, tmp_path: Path) -> Scene:
    """A sensitive trainer with its account."""
    made = Scene(control_plane, tmp_path)
    labels = {"patchgap.dev/environment": "production", "patchgap.dev/classification": "sensitive"}
    made.make(namespace(**labels), namespace(HOME), account(), deployment(serviceAccountName="trainer"))
    made.make(*(deployment(f"other-{n}", "r.example/other@sha256:" + "c" * 64, 0) for n in range(4)))
    return made


@pytest.fixture
def engine(scene: Scene, tmp_path: Path) -> Engine:
    """An engine that knows what is in the trainer's image."""
    home = tmp_path / "engine"
    home.mkdir()
    url = f"sqlite:///{home / 'p.db'}"
    settings = Settings(home=home, database_url=url, kubernetes=scene.connections().settings.kubernetes)
    now = [NOW]

    def clock() -> Any:
        now[0] += timedelta(milliseconds=1)
        return now[0]

    made = Engine.open(settings, clock)
    for digest, version in ((BAD, "1.5.2"), (GOOD, "1.6.5")):
        purl = f"pkg:pypi/pytorch-lightning@{version}"
        document = {
            "bomFormat": "CycloneDX",
            "specVersion": "1.5",
            "metadata": {
                "component": {"type": "container", "name": "ml/trainer", "version": digest, "bom-ref": "root"}
            },
            "components": [{"type": "library", "name": "pytorch-lightning", "version": version, "purl": purl}],
        }
        path = tmp_path / f"trainer-{version}.cdx.json"
        path.write_text(json.dumps(document))
        made.graph.add_sbom(read_sbom(path, None), clock())
    return made


def opened(engine: Engine) -> IncidentId:
    """The incident of an exploited advisory, scoped."""
    affected = {"package": {"ecosystem": "PyPI", "name": "pytorch-lightning"}, "versions": ["1.5.2"]}
    osv = {"id": "PYSEC-2021-874", "modified": "2023-05-25T05:07:00Z", "affected": [affected]}
    signal = {"kind": "advisory", "source": "test", "claims": {"known_exploited": True}, "advisory": osv}
    found = detect.detect(engine, detect.receive(engine, signal, "test"))
    assert found.incident is not None, found.reason
    scope.refresh(engine, CLUSTER)
    scope.scope(engine, found.incident)
    return found.incident


def test_a_dry_run_writes_nothing_in_any_control_plane_or_incident(scene: Scene, engine: Engine) -> None:
    """Planning the shipped playbook asks the server's own dry run for every target: no write is sent, no object
    changes, the ledger's head stays, and no file of the incident is made."""
    incident = opened(engine)
    head, before = state_of(engine, incident).head, scene.versions()
    files = {p for p in engine.settings.home.rglob("*") if p.suffix not in {".db-wal", ".db-shm"}}
    writes = counted(engine.connections.of(Clusters).of(CLUSTER))
    plan = contain.plan(engine, incident, record=False)
    verbs = {a.verb for a in plan.actions}
    assert {"freeze_deployments", "isolate_workloads", "block_artifacts", "rotate_credentials"} <= verbs
    assert plan.refusals == ()
    assert writes() == []
    assert scene.versions() == before
    assert state_of(engine, incident).head == head
    assert {p for p in engine.settings.home.rglob("*") if p.suffix not in {".db-wal", ".db-shm"}} == files


def test_the_shipped_containment_is_dismissed_whole(scene: Scene, engine: Engine) -> None:
    """A false positive that was contained by every verb, a capture and a rotation among them, is dismissed, and no
    object of the incident is left in the cluster."""
    incident = opened(engine)
    contain.plan(engine, incident)
    for step in contain.ready(engine, incident):
        for action in step:
            if action.platform == "kubernetes":
                receipt = contain.carry_out(engine, incident, action.id)
                assert receipt.outcome is Outcome.DONE, receipt
    assert {c.intent.action.verb for c in state_of(engine, incident).to_release} == {
        "freeze_deployments",
        "isolate_workloads",
        "block_artifacts",
    }
    recover.dismiss(engine, incident, "test traffic", "dana")
    left = [key for key in scene.versions() if str(incident) in key[2]]
    assert left == []
    assert state_of(engine, incident).status.value == "dismissed"


def test_a_workload_that_git_keeps_is_contained_mended_and_let_go(
    control_plane: Any, scene: Scene, engine: Engine
) -> None:
    """The plan names the Application with its UID and diff; contained, Argo CD does not argue; the mend that is named is
    synced by hand under the freeze; released, the Application syncs by itself as before, and Git has the last word."""
    if not hasattr(control_plane, "cluster"):
        pytest.skip("real binaries run no GitOps controller")
    git = control_plane.cluster.git
    git.keep("Application", "ml", [deployment(serviceAccountName="trainer")])
    scene.settle()
    try:
        before = scene.admin.get(APPLICATIONS, "argocd", "ml")
        incident = opened(engine)
        [paused] = [a for a in contain.plan(engine, incident).actions if a.target.kind == "Application"]
        assert (paused.verb, paused.target.uid) == ("freeze_deployments", before["metadata"]["uid"])
        assert 'automated: {"prune": true, "selfHeal": true} -> none' in paused.changes[0]
        for action in (a for step in contain.ready(engine, incident) for a in step if a.platform == "kubernetes"):
            assert contain.carry_out(engine, incident, action.id).outcome is Outcome.DONE
        scene.settle()
        git.commit(deployment(picture=image(GOOD), serviceAccountName="trainer"))
        patch.name_patch(engine, incident, image(GOOD), "ci")
        git.sync("Application", "ml")

        def is_mended() -> bool:
            scene.settle()
            pods = scene.admin.all_of(PODS, "training", labels="app=trainer")
            return len(pods) == 2 and {p["spec"]["containers"][0]["image"] for p in pods} == {image(GOOD)}

        scene.eventually(is_mended)
        recover.dismiss(engine, incident, "test traffic", "dana")
        scene.settle()
        assert scene.admin.get(APPLICATIONS, "argocd", "ml")["spec"] == before["spec"]
        assert is_mended()
    finally:
        control_plane.cluster.uninstall("argocd")


def test_an_anomaly_cordons_the_nodes_where_it_was_seen(scene: Scene, engine: Engine) -> None:
    """The shipped playbook for anomalies plans the nodes of the affected pods, each with its UID, and no guard refuses."""
    scope.refresh(engine, CLUSTER)
    seen = {"cluster": CLUSTER, "namespace": "training", "kind": "Deployment", "name": "trainer", "observed": "egress"}
    found = detect.detect(engine, detect.receive(engine, {"kind": "runtime", "source": "x", "runtime": seen}, "test"))
    assert found.incident is not None, found.reason
    scope.scope(engine, found.incident)
    plan = contain.plan(engine, found.incident)
    nodes = {a.target.name: a for a in plan.actions if a.verb == "cordon_nodes"}
    assert plan.refusals == ()
    assert set(nodes) == set(scene.workload("trainer").nodes)
    for name, action in nodes.items():
        assert action.target.uid == scene.admin.get(NODES, "", name)["metadata"]["uid"]
        assert contain.carry_out(engine, found.incident, action.id).outcome is Outcome.DONE
        assert scene.admin.get(NODES, "", name)["spec"]["unschedulable"] is True
    recover.dismiss(engine, found.incident, "test traffic", "dana")
    assert not any(n["spec"].get("unschedulable") for n in scene.admin.all_of(NODES))
