"""A freeze on AWS reaches what it says, lets the mend through, and undoes its own part alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from aws_estate import ECR, GOOD, NUMBER, REGION, Estate, enforced, intended, standing, targets, uncovered
from test_aws_holds import deployed, piped, restop

from integrations.aws.actions.freeze_deployments import FreezeDeployments
from patchgap.model.plan import Outcome, Target

ACTION = FreezeDeployments()
FUNCTION = f"arn:aws:lambda:{REGION}:{NUMBER}:function"


def policy(estate: Estate) -> dict[tuple[str, ...], dict[str, Any]]:
    """The statements on the deploying role, by what they reach."""
    iam = estate.client("iam")
    (name,) = iam.list_role_policies(RoleName="ci-deploy")["PolicyNames"]
    document = iam.get_role_policy(RoleName="ci-deploy", PolicyName=name)["PolicyDocument"]
    return {tuple(s["Resource"]): s for s in document["Statement"]}


def frozen(estate: Estate, reach: str, *names: str, **more: Any) -> tuple[Any, Any, Target]:
    """The intent of the one target that the freeze has, applied."""
    held = estate.situation(*names, connections=estate.connections(deployers=("ci-deploy",)), **more)
    (target,) = targets(ACTION, held, reach=reach)
    intent = intended(ACTION, target, held, reach=reach)
    ACTION.apply(intent, held)
    return intent, held, target


@pytest.mark.parametrize(
    ("reach", "reached"),
    [
        ("affected_workloads", {("service/shop/checkout",), (f"{FUNCTION}:report", f"{FUNCTION}:report:*")}),
        ("affected_namespaces", {("service/shop/*",), (f"{FUNCTION}:*",)}),
    ],
)
def test_the_deploying_role_is_denied_what_is_in_reach(estate: Estate, reach: str, reached: Any) -> None:
    """The affected workloads, or everything of their ECS cluster and the region's functions."""
    deployed(estate)
    estate.function()
    frozen(estate, reach, "checkout", "report")
    assert {tuple(r.removeprefix(f"arn:aws:ecs:{REGION}:{NUMBER}:") for r in s) for s in policy(estate)} == reached
    assert {s["Effect"] for s in policy(estate).values()} == {"Deny"}
    assert not [s for s in policy(estate).values() if "Condition" in s]


def test_the_mend_is_let_through(estate: Estate) -> None:
    """Under the declared permissions: a task definition that runs patched images alone, by digest, and no other; the policy
    that stood before is out of step until then."""
    deployed(estate)
    intent, held, _ = frozen(estate, "affected_workloads")
    for image in (f"{ECR}/checkout@{GOOD}", f"{ECR}/checkout:2"):
        told = [{"name": "main", "image": image, "memory": 64}]
        estate.client("ecs").register_task_definition(family="checkout", containerDefinitions=told)
    mended = replace(held, patched=frozenset({GOOD}))
    assert ACTION.observe(intent, mended) is None
    estate.person(*ACTION.permissions)
    given = replace(mended, connections=estate.connections(profile="patchgap", deployers=("ci-deploy",)))
    with enforced():
        ACTION.apply(intent, given)
    (statement,) = policy(estate).values()
    mend = f"arn:aws:ecs:{REGION}:{NUMBER}:task-definition/checkout:2"
    assert statement["Condition"] == {"ArnNotEquals": {"ecs:task-definition": [mend]}}
    assert ACTION.observe(intent, mended) is not None


def test_a_stage_runs_again_when_the_last_incident_lets_go(estate: Estate) -> None:
    """Two incidents stop one stage; the reason names both."""
    piped(estate)
    first, second = estate.situation(), estate.situation(incident="inc-20261124-zzzz")
    before = {k: v[0] for k, v in estate.facts()["pipeline ship"].items()}
    (target,) = targets(ACTION, first)
    controls = []
    for held in (first, second):
        intent = intended(ACTION, target, held)
        controls.append(standing(intent, ACTION.apply(intent, held)))
    enabled, reason = estate.facts()["pipeline ship"]["Deploy"]
    assert (enabled, reason.partition(")")[0]) == (False, "patchgap (inc-20261124-7k3f inc-20261124-zzzz")
    assert "inc-20261124-zzzz holds it too" in ACTION.release(controls[0], first).detail[0]
    assert not estate.facts()["pipeline ship"]["Deploy"][0]
    ACTION.release(controls[1], second)
    assert {k: v[0] for k, v in estate.facts()["pipeline ship"].items()} == before


def test_a_stage_that_was_stopped_before_stays_so(estate: Estate) -> None:
    """It counts as frozen while it is, and its owner's reason is left."""
    piped(estate)
    restop(estate)
    held = estate.situation()
    (target,) = targets(ACTION, held)
    intent = intended(ACTION, target, held)
    control = standing(intent, ACTION.apply(intent, held))
    assert ACTION.observe(intent, held) is not None
    assert ACTION.release(control, held).outcome is Outcome.DONE
    assert estate.facts()["pipeline ship"]["Deploy"] == (False, "Black Friday")


def test_a_pipeline_that_was_made_anew_holds_up_no_release(estate: Estate) -> None:
    """What stands under its name was never stopped by the incident: nothing of it is written."""
    piped(estate)
    held = estate.situation()
    (target,) = targets(ACTION, held)
    intent = intended(ACTION, target, held)
    control = standing(intent, ACTION.apply(intent, held))
    of_before = replace(intent, action=replace(intent.action, target=replace(target, uid="another")))
    before = estate.facts()
    receipt = ACTION.release(replace(control, intent=of_before), held)
    assert (receipt.outcome, "deleted or replaced" in receipt.detail[0]) == (Outcome.DONE, True)
    assert estate.facts() == before


@pytest.mark.parametrize(
    ("said", "reach", "found"),
    [
        ({"ClusterName": "shop", "ServiceName": "other"}, "affected_namespaces", True),
        ({"ClusterName": "shop", "ServiceName": "other"}, "affected_workloads", False),
        ({"ClusterName": "lab", "ServiceName": "checkout"}, "affected_namespaces", False),
    ],
)
def test_a_stage_is_known_by_what_it_deploys(estate: Estate, said: dict[str, str], reach: str, found: bool) -> None:
    """Another service of the same ECS cluster is in reach where that is; what nothing deploys is uncovered."""
    estate.service()
    estate.pipeline(**said)
    held = estate.situation()
    if found:
        assert [t.name for t in targets(ACTION, held, reach=reach)] == ["ship:Deploy"]
    else:
        assert "nothing that deploys it is known" in uncovered(ACTION, held, reach=reach)[0]
