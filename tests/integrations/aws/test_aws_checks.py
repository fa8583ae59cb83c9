"""The checks on AWS read live; what they may not read is unknown, and never better than what was seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from aws_estate import BAD, ECR, GOOD, NAME, NUMBER, OTHER, REGION, Estate, enforced, intended, standing, targets
from botocore.client import BaseClient
from test_aws_holds import regroup

from integrations.aws.accounts import Accounts
from integrations.aws.actions.isolate_workloads import IsolateWorkloads
from integrations.aws.actions.scale_to_zero import ScaleToZero
from integrations.aws.checks.containment_effective import ContainmentEffective
from integrations.aws.checks.credentials_rotated import CredentialsRotated
from integrations.aws.checks.digests_retired import DigestsRetired
from integrations.aws.checks.package_absent import PackageAbsent
from integrations.aws.checks.policy_in_sync import PolicyInSync
from patchgap.model.evidence import Evidence, Verdict
from patchgap.model.plan import Uncovered
from patchgap.settings import AwsSettings

ALL = (PackageAbsent(), DigestsRetired(), PolicyInSync())


def seen(check: Any, held: Any) -> Evidence:
    """The one account's evidence."""
    (one,) = check.observe(check.parameters(), held)
    return one


@pytest.mark.parametrize(
    ("digest", "absent", "retired"),
    [(BAD, Verdict.FAIL, Verdict.FAIL), (GOOD, Verdict.PASS, Verdict.PASS), (OTHER, Verdict.UNKNOWN, Verdict.PASS)],
    ids=["affected", "mended", "without an SBOM"],
)
def test_what_runs_is_judged_by_its_digest(estate: Estate, digest: str, absent: Verdict, retired: Verdict) -> None:
    """The digest that tasks pulled decides, whatever the tag in the task definition says."""
    estate.service()
    held = estate.situation()
    estate.clear()
    estate.service(image=f"{ECR}/checkout@{digest}", digest=digest)
    for task in estate.tasks("service:checkout"):
        for one in task.containers:
            one.image_digest = digest
    assert (seen(PackageAbsent(), held).verdict, seen(DigestsRetired(), held).verdict) == (absent, retired)


def test_a_definition_without_a_digest_is_unknown(estate: Estate) -> None:
    """A service at zero would run what its tag names then: nobody knows."""
    estate.service()
    held = estate.situation()
    estate.service("other", tasks=0)
    assert "names no digest" in " ".join(seen(PackageAbsent(), held).reasons)


def test_a_control_is_compared_with_what_stands(estate: Estate) -> None:
    """As set it passes, changed by hand it fails."""
    estate.service()
    held, action = estate.situation(), ScaleToZero()
    (target,) = targets(action, held)
    intent = intended(action, target, held)
    held = replace(held, controls=(standing(intent, action.apply(intent, held)),))
    assert seen(PolicyInSync(), held).verdict is Verdict.PASS
    estate.client("ecs").update_service(cluster="shop", service="checkout", desiredCount=1)
    drift = seen(PolicyInSync(), held)
    assert (drift.verdict, "desired is 1" in drift.reasons[0]) == (Verdict.FAIL, True)


@pytest.mark.parametrize("said", [{}, {"services": []}, {"services": [], "failures": []}], ids=str)
def test_an_answer_that_says_nothing_of_a_service_proves_nothing(
    estate: Estate, monkeypatch: pytest.MonkeyPatch, said: dict[str, Any]
) -> None:
    """AWS says of each service that was asked for what it is, or that it is missing."""
    estate.service(image=f"{ECR}/checkout@{BAD}", tasks=0)
    held, action, ask = estate.situation(), IsolateWorkloads(), BaseClient._make_api_call
    (target,) = targets(action, held)
    intent = intended(action, target, held)
    held = replace(held, controls=(standing(intent, action.apply(intent, held)),), planned=(intent.action,))
    monkeypatch.setattr(
        BaseClient,
        "_make_api_call",
        lambda client, operation, asked: said if operation == "DescribeServices" else ask(client, operation, asked),
    )
    for check in (*ALL, ContainmentEffective()):
        assert seen(check, held).verdict is Verdict.UNKNOWN, check.verb


def test_an_isolation_is_effective_while_it_stands_whole_and_once_it_is_released(estate: Estate) -> None:
    """One that was planned and does not stand fails, as does one that somebody has undone."""
    estate.service()
    held, action, check = estate.situation(), IsolateWorkloads(), ContainmentEffective()
    (target,) = targets(action, held)
    intent = intended(action, target, held)
    assert seen(check, held).verdict is Verdict.PASS
    planned = replace(held, planned=(intent.action,))
    assert seen(check, planned).verdict is Verdict.FAIL
    whole = replace(planned, controls=(standing(intent, action.apply(intent, held)),))
    for task in estate.tasks("service:checkout"):
        task.last_status = "STOPPED"
    first = seen(check, whole)
    regroup(estate)
    undone = seen(check, whole)
    assert (undone.verdict, "groups is" in undone.reasons[0]) == (Verdict.FAIL, True)
    assert seen(check, replace(planned, released=frozenset({intent.action.id}))).verdict is Verdict.PASS
    assert first.verdict is Verdict.PASS, first.reasons


def test_a_rotation_that_nothing_covers_is_unknown(estate: Estate) -> None:
    """It keeps the incident open; where none was asked for there is nothing to prove."""
    estate.service()
    held = estate.situation()
    assert seen(CredentialsRotated(), held).verdict is Verdict.PASS
    missed = Uncovered(
        "rotate_credentials", str(held.workloads[0].ref), "no integration for aws has rotate_credentials"
    )
    told = seen(CredentialsRotated(), replace(held, uncovered=(missed,)))
    assert (told.verdict, "no integration for aws" in told.reasons[0]) == (Verdict.UNKNOWN, True)


def test_what_may_not_be_read_is_unknown(estate: Estate) -> None:
    """A missing permission, an account that is down, and another account under that name: unknown, each by name."""
    estate.service(digest=GOOD, image=f"{ECR}/checkout@{GOOD}")
    held = estate.situation()
    blind = replace(held, connections=estate.person("iam:*", "lambda:*"))
    with enforced():
        told = seen(PackageAbsent(), blind)
    assert told.verdict is Verdict.UNKNOWN
    assert "may not ecs:ListClusters" in told.reasons[0]
    other = seen(PackageAbsent(), replace(held, identities={NAME: "210987654321"}))
    assert (other.verdict, f"its number is {NUMBER}" in other.reasons[0]) == (Verdict.UNKNOWN, True)
    account = held.connections.settings.aws.accounts[0].model_copy(update={"endpoint": "http://127.0.0.1:1"})
    down = type(held.connections)(held.connections.settings, [Accounts(AwsSettings(accounts=(account,)))])
    for check in ALL:
        assert seen(check, replace(held, connections=down)).verdict is Verdict.UNKNOWN


def test_what_could_not_be_isolated_fails_until_it_is_gone(estate: Estate) -> None:
    """No waiver stands for a failure: else nothing but a dismissal would end the incident of a service that was deleted."""
    estate.service()
    held, check = estate.situation(), ContainmentEffective()
    there, left = (
        Uncovered("isolate_workloads", f"{NAME}/{REGION}.shop/EcsService/{name}", "no security group of its own")
        for name in ("checkout", "gone")
    )
    told = seen(check, replace(held, uncovered=(there, left)))
    assert (told.verdict, "checkout is not isolated" in told.reasons[0]) == (Verdict.FAIL, True)
    told = seen(check, replace(held, uncovered=(left,)))
    assert (told.verdict, "gone was not isolated, and is gone" in told.reasons[0]) == (Verdict.PASS, True)
