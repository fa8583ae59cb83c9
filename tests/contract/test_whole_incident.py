"""The Kubernetes part of an incident from containment to recovery, all controls standing together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from scene import ACTIONS, BAD, GOOD, HOME, Scene, account, deployment, image, namespace, released

from integrations.kubernetes.checks.credentials_rotated import CredentialsRotated
from integrations.kubernetes.checks.digests_retired import DigestsRetired
from integrations.kubernetes.checks.package_absent import PackageAbsent
from integrations.kubernetes.checks.policy_in_sync import PolicyInSync
from integrations.kubernetes.resources import DEPLOYMENTS
from patchgap.model.evidence import Verdict
from patchgap.model.plan import Outcome

CHECKS = (PackageAbsent(), DigestsRetired(), PolicyInSync(), CredentialsRotated())
ORDER = ("capture_forensics", "freeze_deployments", "isolate_workloads", "block_artifacts", "rotate_credentials")


def test_an_incident_closes_on_proof_alone(controllers: Any, tmp_path: Path) -> None:
    """Contained, every check fails or is unknown; the team's patched image is admitted once it is named, an unnamed
    one is not; then every check passes, also after the isolation and the freeze were released."""
    scene = Scene(controllers, tmp_path)
    scene.make(namespace(), namespace(HOME), account(), deployment(replicas=3, serviceAccountName="trainer"))
    workload = scene.workload("trainer")
    situation = scene.situation(workload)
    by_verb = {a.verb: a for a in ACTIONS}
    controls = {verb: scene.perform(by_verb[verb], situation) for verb in ORDER}
    situation = replace(situation, controls=tuple(c for held in controls.values() for c in held))
    assert verdicts(situation)["package_absent"] is Verdict.FAIL
    assert verdicts(situation)["digests_retired"] is Verdict.FAIL

    team = scene.person("team", "get,patch apps/deployments")
    mend = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": image(GOOD)}]}}}}
    scene.refused(lambda: team.patch(DEPLOYMENTS, "training", "trainer", mend, dry_run=True), "frozen by incident")
    situation = replace(situation, patched=frozenset([GOOD]))
    for control in controls["freeze_deployments"]:
        assert by_verb["freeze_deployments"].apply(control.intent, situation).outcome is Outcome.DONE
    scene.admitted(lambda: team.patch(DEPLOYMENTS, "training", "trainer", mend, dry_run=True))
    team.patch(DEPLOYMENTS, "training", "trainer", mend)

    def proved() -> bool:
        scene.settle()
        return set(verdicts(situation).values()) == {Verdict.PASS}

    scene.eventually(proved, 60)
    for verb in ("isolate_workloads", "freeze_deployments"):
        released(by_verb[verb], controls[verb], situation)
    left = tuple(
        c for v, held in controls.items() for c in held if v not in {"isolate_workloads", "freeze_deployments"}
    )
    assert set(verdicts(replace(situation, controls=left)).values()) == {Verdict.PASS}
    back = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": image(BAD)}]}}}}
    scene.refused(lambda: team.patch(DEPLOYMENTS, "training", "trainer", back, dry_run=True), "blocked by incident")


def verdicts(situation: Any) -> dict[str, Verdict]:
    """Each check's verdict."""
    found = {}
    for check in CHECKS:
        [seen] = check.observe(check.parameters(), situation)
        found[check.verb] = seen.verdict
    return found
