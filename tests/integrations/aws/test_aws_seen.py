"""What a plan on AWS stands on: what somebody else changes of it since is seen, and what patchgap itself holds is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from aws_estate import NUMBER, OTHER, REGION, Estate, intended, standing, targets
from played import place
from test_aws_holds import deployed, moved, piped, recount, regroup, reserve, reserved, restop, scaled, stored
from test_aws_rotation import keyed

from integrations.aws.actions.block_artifacts import BlockArtifacts
from integrations.aws.actions.freeze_deployments import FreezeDeployments
from integrations.aws.actions.isolate_workloads import IsolateWorkloads
from integrations.aws.actions.revoke_sessions import RevokeSessions
from integrations.aws.actions.rotate_credentials import RotateCredentials
from integrations.aws.actions.scale_to_zero import ScaleToZero
from patchgap.ports import Watched


def redefine(estate: Estate) -> None:
    """Somebody deploys another task definition."""
    ecs = estate.client("ecs")
    made = ecs.register_task_definition(
        family="theirs", containerDefinitions=[{"name": "main", "image": "theirs", "memory": 128}]
    )
    arn = made["taskDefinition"]["taskDefinitionArn"]
    ecs.update_service(cluster="shop", service="checkout", taskDefinition=arn)


def retrust(role: str) -> Callable[[Estate], None]:
    """Somebody lets others become the role."""
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}
    return lambda estate: estate.client("iam").update_assume_role_policy(
        RoleName=role, PolicyDocument=json.dumps(trust)
    )


def another_key(estate: Estate) -> None:
    estate.client("iam").create_access_key(UserName="checkout")


@dataclass(frozen=True)
class Case:
    """A verb on one kind of thing, what somebody else does to it, and the field of the plan that tells."""

    action: Any
    ready: Callable[[Estate], Any]
    meddle: Callable[[Estate], Any]
    field: str
    workload: str = "checkout"
    settings: tuple[tuple[str, Any], ...] = ()


CASES = (
    Case(IsolateWorkloads(), Estate.service, regroup, "groups"),
    Case(IsolateWorkloads(), Estate.service, redefine, "taskDefinition"),
    Case(IsolateWorkloads(), Estate.function, reserve, "reserved", "report"),
    Case(ScaleToZero(), Estate.service, recount, "desired"),
    Case(ScaleToZero(), scaled, recount, ""),  # autoscaling's own
    Case(ScaleToZero(), reserved, lambda e: reserve(e, 9), "reserved", "report"),
    Case(RevokeSessions(), Estate.service, retrust("checkout-task"), "AssumeRolePolicyDocument"),
    Case(
        FreezeDeployments(),
        deployed,
        retrust("ci-deploy"),
        "AssumeRolePolicyDocument",
        settings=(("deployers", ("ci-deploy",)),),
    ),
    Case(FreezeDeployments(), piped, restop, "transition"),
    Case(RotateCredentials(), keyed, another_key, "access keys"),
    Case(BlockArtifacts(), stored, lambda e: moved(e, "ARCHIVE"), "archived"),
    Case(BlockArtifacts(), stored, lambda e: place(NUMBER, REGION, "checkout", OTHER), ""),  # another image comes
)


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.action.verb}, {c.field}")
def test_what_somebody_else_changes_is_seen_and_its_own_effect_is_not(estate: Estate, case: Case) -> None:
    """Neither before nor after the verb is done, as each of its runs asks."""
    case.ready(estate)
    held = estate.situation(case.workload, connections=estate.connections(**dict(case.settings)))
    (target,) = targets(case.action, held)
    assert isinstance(case.action, Watched)
    planned = dict(case.action.seen(target, held))
    intent = intended(case.action, target, held)
    if case.action.inverse:
        receipt = case.action.apply(intent, held)
        assert case.action.seen(target, held) == planned
        case.action.release(standing(intent, receipt), held)
    case.meddle(estate)
    now = case.action.seen(target, held)
    assert {k for k in planned if planned[k] != now[k]} == ({case.field} if case.field else set())
    assert now.keys() == planned.keys()


def test_a_key_that_the_incident_has_rotated_is_as_it_found_it(estate: Estate) -> None:
    """For another tier's action on the same user; no key's id is in the plan."""
    keyed(estate)
    action, now = RotateCredentials(), estate.situation()
    (target,) = targets(action, now)
    planned, intent = action.seen(target, now), intended(action, target, now)
    control = standing(intent, action.apply(intent, now))
    assert action.seen(target, now) != planned
    assert action.seen(target, estate.situation(controls=(control,))) == planned
    assert not any(
        k["AccessKeyId"] in str(planned)
        for k in estate.client("iam").list_access_keys(UserName="checkout")["AccessKeyMetadata"]
    )
