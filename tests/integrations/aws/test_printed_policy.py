"""The policy that `patchgap permissions aws --playbook` prints is enough for every verb and check of that playbook."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aws_estate import Estate, enforced, intended, preview, standing, targets
from click.testing import CliRunner
from test_aws_rotation import keyed

from patchgap import registry
from patchgap.cli import main
from patchgap.model.evidence import Verdict
from patchgap.model.plan import Effect, Outcome

VERBS = (
    "capture_forensics",
    "freeze_deployments",
    "isolate_workloads",
    "block_artifacts",
    "rotate_credentials",
    "revoke_sessions",
    "scale_to_zero",
)
CHECKS = ("package_absent", "digests_retired", "policy_in_sync", "credentials_rotated", "containment_effective")
PLAYBOOK = """\
playbook: aws
version: 1
summary: An affected package runs in an account.
owner: platform-security
detect: {{on: [advisory]}}
tiers:
  - tier: 1
    contain: [{contain}]
    approval: {{from: security-oncall, within: 30m}}
verify: {{every: 1m, within: 24h, fresh_within: 5m, all_of: [{checks}]}}
"""


def printed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the command prints."""
    file = folder / "aws.yaml"
    file.write_text(PLAYBOOK.format(contain=", ".join(VERBS), checks=", ".join(CHECKS)))
    monkeypatch.setenv("PATCHGAP_HOME", str(folder / "home"))
    told = CliRunner().invoke(main, ["permissions", "aws", "--playbook", str(file)])
    assert told.exit_code == 0, told.output
    document: dict[str, Any] = json.loads(told.output)
    return document


def test_a_whole_incident_goes_through_with_the_printed_policy(
    estate: Estate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every verb that acts on AWS is planned, applied, seen and released, and every check is told all that it asks for."""
    known = registry.load()
    assert {v for v, by in known.actions.items() if "aws" in by} == set(VERBS)
    assert {v for v, by in known.checks.items() if "aws" in by} == set(CHECKS)
    keyed(estate)
    estate.repository()
    estate.role("ci-deploy")
    estate.pipeline()
    held = estate.situation()
    estate.person("sts:GetCallerIdentity")
    policy = json.dumps(printed(tmp_path, monkeypatch))
    estate.client("iam").put_user_policy(UserName="patchgap", PolicyName="printed", PolicyDocument=policy)
    held = replace(held, connections=estate.connections(profile="patchgap", deployers=("ci-deploy",)))
    with enforced():
        for verb in VERBS:
            action = known.action(verb, "aws")
            for target in targets(action, held):
                preview(action, target, held)
                intent = intended(action, target, held)
                receipt = action.apply(intent, held)
                assert receipt.outcome is Outcome.DONE
                assert not [line for line in receipt.detail if "patchgap may not" in line]
                assert action.observe(intent, held) is not None
                held = replace(held, controls=(*held.controls, standing(intent, receipt)))
        verdicts = {}
        for verb in CHECKS:
            check = known.checks[verb]["aws"]
            (evidence,) = check.observe(check.parameters(), held)
            verdicts[verb] = evidence.verdict
            assert not [reason for reason in evidence.reasons if "patchgap may not" in reason]
        for control in reversed(held.controls):
            action = known.action(control.intent.action.verb, "aws")
            if action.effect is Effect.REVERSIBLE:
                assert action.release(control, held).outcome is Outcome.DONE
    failed = {"package_absent": Verdict.FAIL, "digests_retired": Verdict.FAIL}
    passed = ("policy_in_sync", "credentials_rotated", "containment_effective")
    assert verdicts == failed | dict.fromkeys(passed, Verdict.PASS)
