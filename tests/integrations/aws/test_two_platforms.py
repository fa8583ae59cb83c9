"""One incident in a cluster and an account: one playbook contains both, closes on what both run, and releases both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aws_estate import BAD, ECR, GOOD, NAME, NOW, REGION, Estate

from integrations.kubernetes.clusters import Clusters
from integrations.kubernetes.resources import DEPLOYMENTS, NETWORK_POLICIES, POLICIES
from integrations.rehearsal import RehearsalCluster
from patchgap.graph.sbom.read import read_sbom
from patchgap.model.plan import Outcome
from patchgap.settings import AwsAccount, AwsSettings, ClusterSettings, KubernetesSettings, Settings
from patchgap.stages import contain, detect, patch, recover, scope, verify
from patchgap.stages.engine import Engine
from patchgap.stages.situation import state_of

PLAYBOOK = """\
playbook: both
version: 1
summary: An affected package runs in a cluster and in an account.
owner: platform-security
detect:
  on: [advisory]
  only_if: {known_exploited: true}
tiers:
  - tier: 1
    contain:
      - capture_forensics
      - freeze_deployments: {reach: affected_workloads}
      - isolate_workloads
      - block_artifacts
verify:
  every: 1m
  within: 24h
  fresh_within: 5m
  all_of: [package_absent, policy_in_sync]
recover: [unblock_artifacts, release_isolation, unfreeze_deployments]
"""
VERBS = ("capture_forensics", "freeze_deployments", "isolate_workloads", "block_artifacts")


def deployment(digest: str) -> dict[str, Any]:
    pod = {"containers": [{"name": "main", "image": f"{ECR}/checkout@{digest}"}]}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "trainer"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "trainer", "namespace": "work"},
        "spec": {**spec, "template": {"metadata": {"labels": {"app": "trainer"}}, "spec": pod}},
    }


@pytest.fixture
def cluster() -> Iterator[RehearsalCluster]:
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "work"}}
    home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "patchgap"}}
    with RehearsalCluster.start(objects=[space, home, deployment(BAD)]) as running:
        running.settle()
        yield running


@pytest.fixture
def engine(estate: Estate, cluster: RehearsalCluster, tmp_path: Path) -> Engine:
    """An engine that is configured for both, and knows what is in the images."""
    folder = tmp_path / "playbooks"
    folder.mkdir()
    (folder / "both.yaml").write_text(PLAYBOOK)
    one = ClusterSettings(name="prod-eu", kubeconfig=cluster.write_kubeconfig(tmp_path / "kubeconfig"))
    account = AwsAccount(name=NAME, regions=(REGION,), endpoint=estate.endpoint, deployers=("ci-deploy",))
    settings = Settings(
        home=tmp_path / "home",
        database_url=f"sqlite:///{tmp_path / 'p.db'}",
        playbooks=(folder,),
        kubernetes=KubernetesSettings(clusters=(one,)),
        aws=AwsSettings(accounts=(account,)),
    )
    now = [NOW]

    def clock() -> Any:
        now[0] += timedelta(milliseconds=1)
        return now[0]

    made = Engine.open(settings, clock)
    for digest, version in ((BAD, "1.5.2"), (GOOD, "1.6.5")):
        root = {"type": "container", "name": "checkout", "version": digest, "bom-ref": "root"}
        component = {
            "type": "library",
            "name": "lightning",
            "version": version,
            "purl": f"pkg:pypi/lightning@{version}",
        }
        told = {
            "bomFormat": "CycloneDX",
            "specVersion": "1.5",
            "metadata": {"component": root},
            "components": [component],
        }
        path = tmp_path / f"{version}.cdx.json"
        path.write_text(json.dumps(told))
        made.graph.add_sbom(read_sbom(path, None), clock())
    return made


def opened(engine: Engine) -> Any:
    """The incident, scoped in both."""
    affected = {"package": {"ecosystem": "PyPI", "name": "lightning"}, "versions": ["1.5.2"]}
    osv = {"id": "PYSEC-1", "modified": "2023-05-25T05:07:00Z", "affected": [affected]}
    signal = {"kind": "advisory", "source": "test", "claims": {"known_exploited": True}, "advisory": osv}
    for name in ("prod-eu", NAME):
        scope.refresh(engine, name)
    found = detect.detect(engine, detect.receive(engine, signal, "test"))
    assert found.incident, found.reason
    scope.scope(engine, found.incident)
    return found.incident


def contained(engine: Engine, incident: Any) -> None:
    for step in contain.ready(engine, incident):
        for action in step:
            receipt = contain.carry_out(engine, incident, action.id)
            assert receipt.outcome is Outcome.DONE, (action.verb, str(action.target), receipt.detail)


def test_one_playbook_contains_and_releases_both(estate: Estate, cluster: RehearsalCluster, engine: Engine) -> None:
    """Each verb has targets on both platforms; run again it writes nothing; the mend of both closes the incident, and what
    is released leaves neither policy nor tag behind."""
    estate.service()
    estate.repository()
    estate.role("ci-deploy")
    before = estate.facts()
    incident = opened(engine)
    plan = contain.plan(engine, incident)
    assert plan.refusals == plan.uncovered == ()
    assert {(a.verb, a.platform) for a in plan.actions} == {(v, p) for v in VERBS for p in ("kubernetes", "aws")}
    contained(engine, incident)
    stands, head = estate.facts(), state_of(engine, incident).head
    contained(engine, incident)
    assert (estate.facts(), state_of(engine, incident).head) == (stands, head)
    assert not verify.judge(engine, incident).passed

    image = f"{ECR}/checkout@{GOOD}"
    ecs = estate.client("ecs")
    ecs.register_task_definition(
        family="checkout", containerDefinitions=[{"name": "main", "image": image, "memory": 64}]
    )
    patch.name_patch(engine, incident, image, "dana")
    ecs.update_service(cluster="shop", service="checkout", taskDefinition="checkout:2")
    for task in estate.tasks("service:checkout"):
        task.containers[0].image_digest = GOOD
    admin = engine.connections.of(Clusters).of("prod-eu")
    admin.patch(DEPLOYMENTS, "work", "trainer", deployment(GOOD))
    cluster.settle()
    for verb, platform in verify.checks(engine, incident):
        verify.observe(engine, incident, verb, platform)
    verdict = verify.judge(engine, incident)
    assert verdict.passed, verdict.reasons
    for control in recover.releases(engine, incident):
        receipt = recover.release(engine, incident, control.intent.action.id)
        assert receipt.outcome is Outcome.DONE, receipt.detail
    after = estate.facts()
    assert {k: v for k, v in after.items() if k != "checkout"} == {k: v for k, v in before.items() if k != "checkout"}
    assert {k: v for k, v in after["checkout"].items() if k != "taskDefinition"} == {
        k: v for k, v in before["checkout"].items() if k != "taskDefinition"
    }
    assert [o for kind in (POLICIES, NETWORK_POLICIES) for o in admin.all_of(kind)] == []
