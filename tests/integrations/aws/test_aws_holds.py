"""The verbs that hold something on AWS: once, restored as found, never over a foreign change, and finished after a cut."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from aws_estate import (
    BAD,
    INCIDENT,
    NAME,
    REGION,
    Estate,
    enforced,
    intended,
    preview,
    refused,
    standing,
    targets,
)
from botocore.awsrequest import AWSResponse
from moto.core.botocore_stubber import MockRawResponse
from wire import Cut, Wire

from integrations.aws import denials
from integrations.aws.account import Account
from integrations.aws.actions.block_artifacts import BlockArtifacts
from integrations.aws.actions.freeze_deployments import FreezeDeployments
from integrations.aws.actions.isolate_workloads import IsolateWorkloads
from integrations.aws.actions.revoke_sessions import RevokeSessions
from integrations.aws.actions.scale_to_zero import ScaleToZero
from integrations.aws.inventory import PERMISSIONS
from integrations.aws.reach import account_of
from patchgap.errors import ConflictError, PatchgapError, RefusedError, WaitingError
from patchgap.model.plan import Control, Intent, Outcome, Receipt
from patchgap.ports import Connections
from patchgap.settings import AwsSettings, Settings


@dataclass(frozen=True)
class Case:
    """A verb on one kind of thing: how the account is made ready, what is targeted, and what somebody else would do."""

    name: str
    action: Any
    ready: Callable[[Estate], None]
    workload: str
    meddle: Callable[[Estate], Any]
    told: str  # in the plan
    settings: tuple[tuple[str, Any], ...] = ()


def scaled(estate: Estate) -> None:
    """A service that autoscaling scales, its scheduled scaling resting already."""
    estate.service()
    estate.client("application-autoscaling").register_scalable_target(
        ServiceNamespace="ecs", ResourceId="service/shop/checkout", ScalableDimension="ecs:service:DesiredCount",
        MinCapacity=1, MaxCapacity=5, SuspendedState={"ScheduledScalingSuspended": True},
    )  # fmt: skip


def recount(estate: Estate, count: int = 7) -> None:
    estate.client("ecs").update_service(cluster="shop", service="checkout", desiredCount=count)


def reserve(estate: Estate, count: int = 7) -> None:
    estate.client("lambda").put_function_concurrency(FunctionName="report", ReservedConcurrentExecutions=count)


def reserved(estate: Estate) -> None:
    estate.function()
    reserve(estate, 3)


def regroup(estate: Estate) -> None:
    """Somebody puts the service into a group of their own."""
    subnet, _ = estate.network()
    ec2 = estate.client("ec2")
    vpc = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["VpcId"]
    group = ec2.create_security_group(GroupName="theirs", Description="theirs", VpcId=vpc)["GroupId"]
    network = {"awsvpcConfiguration": {"subnets": [subnet], "securityGroups": [group]}}
    estate.client("ecs").update_service(cluster="shop", service="checkout", networkConfiguration=network)


def rewrite(estate: Estate, role: str = "checkout-task", what: str = "sessions") -> None:
    """Somebody edits the incident's policy."""
    iam, name = estate.client("iam"), f"patchgap-{INCIDENT}-{what}"
    document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    document["Statement"][0]["Resource"] = "arn:aws:s3:::orders"
    iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))


def deployed(estate: Estate) -> None:
    estate.service()
    estate.role("ci-deploy")


def redeny(estate: Estate) -> None:
    rewrite(estate, "ci-deploy", "freeze")


def piped(estate: Estate) -> None:
    """Again and again: a pipeline is no workload."""
    estate.service()
    if not estate.client("codepipeline").list_pipelines()["pipelines"]:
        estate.pipeline()


def restop(estate: Estate) -> None:
    """Somebody stops the transition for a reason of their own."""
    asked = {"pipelineName": "ship", "stageName": "Deploy", "transitionType": "Inbound"}
    estate.client("codepipeline").disable_stage_transition(**asked, reason="Black Friday")


def stored(estate: Estate) -> None:
    """A service whose image is in ECR, beside a mended one."""
    estate.service()
    estate.repository()


def moved(estate: Estate, *to: str) -> None:
    """Somebody restores the image that the incident archived, and archives it again of their own."""
    asked = {"repositoryName": "checkout", "imageId": {"imageDigest": BAD}}
    for where in to or ("STANDARD", "ARCHIVE"):
        estate.client("ecr").update_image_storage_class(**asked, targetStorageClass=where)


CASES = (
    Case(
        "deployer",
        FreezeDeployments(),
        deployed,
        "checkout",
        redeny,
        "role ci-deploy may not ecs:CreateService",
        (("deployers", ("ci-deploy",)),),
    ),
    Case("stage", FreezeDeployments(), piped, "checkout", restop, "pipeline ship: running -> stopped"),
    Case("image", BlockArtifacts(), stored, "checkout", moved, f"checkout@{BAD}: ACTIVE -> ARCHIVED"),
    Case("service", IsolateWorkloads(), Estate.service, "checkout", regroup, "minimum: 100 -> 0"),
    Case("function", IsolateWorkloads(), Estate.function, "report", reserve, "reserved: none -> 0"),
    Case(
        "role",
        RevokeSessions(),
        Estate.service,
        "checkout",
        rewrite,
        "inline policy patchgap-inc-20261124-7k3f-sessions: create",
    ),
    Case("scaled service", ScaleToZero(), scaled, "checkout", recount, "desired: 2 -> 0\nsuspended: 001 -> 111"),
    Case("service", ScaleToZero(), Estate.service, "checkout", recount, "desired: 2 -> 0"),
    Case("function", ScaleToZero(), Estate.function, "report", reserve, "reserved: none -> 0"),
    Case("reserved function", ScaleToZero(), reserved, "report", reserve, "reserved: 3 -> 0"),
)
UNSEEN = {  # asked for by AWS with another call, or called only where the account gives cause
    "ec2:CreateTags",
    "ec2:RevokeSecurityGroupIngress",
    "ecs:ListTaskDefinitions",  # once a mend is named
    *PERMISSIONS,
}
ACTIONS = {type(c.action): c.action for c in CASES}.values()
each = pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.action.verb}, {c.name}")


def begun(estate: Estate, case: Case, **more: Any) -> tuple[Any, Any]:
    """The incident's situation and the verb's one target."""
    case.ready(estate)
    held = estate.situation(case.workload, connections=estate.connections(**dict(case.settings)), **more)
    (target,) = targets(case.action, held)
    return held, target


@each
def test_it_is_done_once_seen_and_undone_whole(estate: Estate, wire: Wire, case: Case) -> None:
    """The plan says what changes and writes nothing; a second run writes nothing; a release leaves what was found, and a
    second release writes nothing either."""
    held, target = begun(estate, case)
    before = estate.facts()
    wire.clear()
    assert case.told in preview(case.action, target, held)
    intent = intended(case.action, target, held)
    assert case.action.observe(intent, held) is None
    assert wire.writes == []
    receipt = case.action.apply(intent, held)
    assert receipt.outcome is Outcome.DONE
    assert estate.facts() != before
    wire.clear()
    assert case.action.apply(intent, held).result == receipt.result
    assert case.action.find(intent.action, held) == intent.found
    seen = case.action.observe(intent, held)
    assert (seen.outcome, seen.result) == (Outcome.DONE, receipt.result)
    assert wire.writes == []
    control = standing(intent, receipt)
    assert case.action.release(control, held).outcome is Outcome.DONE
    assert estate.facts() == before
    wire.clear()
    assert case.action.release(control, held).outcome is Outcome.DONE
    assert wire.writes == []


@each
def test_somebody_elses_change_is_a_conflict(estate: Estate, case: Case) -> None:
    """It is drift, and neither a release nor a second run overwrites it."""
    held, target = begun(estate, case)
    intent = intended(case.action, target, held)
    control = standing(intent, case.action.apply(intent, held))
    case.meddle(estate)
    theirs = estate.facts()
    assert case.action.observe(intent, held) is None
    assert "ConflictError" in refused(lambda: case.action.release(control, held))
    assert "ConflictError" in refused(lambda: case.action.apply(intent, held))
    assert estate.facts() == theirs


@each
def test_a_cut_after_any_write_is_finished_by_the_next_run(estate: Estate, wire: Wire, case: Case) -> None:
    """Of the effect and of its release: what stands in the end is what stands without a cut, and a half can be released."""
    held, target = begun(estate, case)
    before, intent = estate.facts(), intended(case.action, target, held)
    wire.clear()
    receipt = case.action.apply(intent, held)
    done, count = unmade(estate.facts()), len(wire.writes)
    wire.clear()
    case.action.release(standing(intent, receipt), held)
    back = len(wire.writes)
    for after in range(1, count + 1):
        intent = intended(case.action, target, held)
        half = Control(intent, Receipt(intent.action.id, Outcome.FAILED), standing(intent, receipt).since)
        cut(wire, after, lambda i=intent: case.action.apply(i, held))
        case.action.release(half, held)
        assert estate.facts() == before
        intent = intended(case.action, target, held)
        cut(wire, after, lambda i=intent: case.action.apply(i, held))
        again = case.action.apply(intent, held)
        assert unmade(estate.facts()) == done
        case.action.release(standing(intent, again), held)
    for after in range(1, back + 1):
        intent = intended(case.action, target, held)
        again = case.action.apply(intent, held)
        control = standing(intent, again)
        cut(wire, after, lambda c=control: case.action.release(c, held))
        case.action.release(control, held)
        assert estate.facts() == before


def cut(wire: Wire, after: int, run: Callable[[], Any]) -> None:
    """The run ends right after its so-manieth write."""
    wire.cut_after = after
    with pytest.raises(Cut):
        run()
    wire.cut_after = 0


def unmade(facts: Any) -> str:
    """Facts without the numbers that AWS gives to what is made anew."""
    groups = {v["GroupId"]: k for k, v in facts.items() if k.startswith("group ")}
    text = re.sub(r"(-7k3f)=\d+", r"\1", repr(facts))  # a tag's moment
    for number, name in groups.items():
        text = text.replace(number, name)
    return text


def test_a_revocation_is_proved_by_what_is_read_back(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy as it was set is the proof; where IAM took it and does not show it, the receipt says so and proves nothing."""
    estate.service()
    now = estate.situation()
    (target,) = targets(RevokeSessions(), now)
    intent = intended(RevokeSessions(), target, now)
    with monkeypatch.context() as patched:
        patched.setattr(denials, "put", lambda *_asked: None)
        receipt = RevokeSessions().apply(intent, now)
    assert not receipt.proved
    assert "is gone from role checkout-task" in receipt.detail[-1]
    assert RevokeSessions().apply(intent, now).result["proved"] is True


@pytest.mark.parametrize("action", ACTIONS, ids=lambda a: a.verb)
def test_it_calls_what_it_declares_and_may_do_no_more(estate: Estate, wire: Wire, action: Any) -> None:
    """Under exactly the declared permissions the whole life of each case goes through, and each of them is used."""
    used: set[str] = set()
    estate.person(*action.permissions)
    for case in (c for c in CASES if type(c.action) is type(action)):
        estate.clear()
        case.ready(estate)
        given = estate.connections(profile="patchgap", **dict(case.settings))
        held = estate.situation(case.workload)
        held = replace(held, connections=given)
        wire.clear()
        with enforced():
            lived(action, held)
        used |= set(wire.calls)
    assert used <= set(action.permissions)
    assert set(action.permissions) - used <= UNSEEN


def lived(action: Any, held: Any) -> None:
    """From the plan to the release."""
    (target,) = targets(action, held)
    preview(action, target, held)
    intent = intended(action, target, held)
    receipt = action.apply(intent, held)
    assert action.observe(intent, held) is not None
    action.release(standing(intent, receipt), held)


@each
def test_the_kill_switch_stops_it_before_the_first_write(estate: Estate, wire: Wire, case: Case) -> None:
    """Nothing is sent that changes anything."""

    def stopped() -> None:
        raise RefusedError("patchgap is stopped", "Resume it.")

    held, target = begun(estate, case, may_write=stopped)
    intent = intended(case.action, target, held)
    wire.clear()
    assert "patchgap is stopped" in refused(lambda: case.action.apply(intent, held))
    assert wire.writes == []


def test_the_kill_switch_stops_a_repetition_that_waits(estate: Estate) -> None:
    """Raised while AWS throttles a write, it lets the SDK's next try of it not go out."""
    raised: list[str] = []

    def may_write() -> None:
        if raised:
            raise RefusedError("patchgap is stopped", "Resume it.")

    estate.function()
    held = estate.situation("report", may_write=may_write)
    (target,) = targets(ScaleToZero(), held)
    intent = intended(ScaleToZero(), target, held)
    events = account_of(held, NAME)._client("lambda", REGION, once=False).meta.events

    def throttled(request: Any, **_: Any) -> Any:
        raised.append(request.method)
        return AWSResponse(request.url, 503, {}, MockRawResponse(b"{}"))

    events.register("before-send.lambda.TagResource", throttled)
    try:
        with pytest.raises(RefusedError, match="patchgap is stopped"):
            ScaleToZero().apply(intent, held)
    finally:
        events.unregister("before-send.lambda.TagResource", throttled)
    assert len(raised) == 1


@each
def test_another_of_that_name_is_another_target(estate: Estate, case: Case) -> None:
    """The same name with another identity is refused before anything is written."""
    held, target = begun(estate, case)
    intent = intended(case.action, target, held)
    other = Intent(replace(intent.action, target=replace(target, uid="another")), intent.found, intent.owner)
    before = estate.facts()
    assert "ConflictError" in refused(lambda: case.action.apply(other, held))
    assert "ConflictError" in refused(lambda: case.action.find(other.action, held))
    assert estate.facts() == before


def test_autoscaling_that_somebody_took_away_is_not_made_again(estate: Estate, wire: Wire) -> None:
    """The count comes back, and the hold goes: AWS takes no registration without bounds, so that no release would end."""
    scaled(estate)
    action, now = ScaleToZero(), estate.situation()
    (target,) = targets(action, now)
    intent = intended(action, target, now)
    control = standing(intent, action.apply(intent, now))
    gone = {"ResourceId": "service/shop/checkout", "ScalableDimension": "ecs:service:DesiredCount"}
    estate.client("application-autoscaling").deregister_scalable_target(ServiceNamespace="ecs", **gone)
    wire.clear()
    assert action.release(control, now).outcome is Outcome.DONE
    assert wire.writes == ["ecs:UpdateService", "ecs:UntagResource"]


def test_two_incidents_hold_a_service_until_the_last_lets_go(estate: Estate) -> None:
    """What the first found is what the last restores."""
    estate.service()
    action, first = ScaleToZero(), estate.situation()
    before = estate.facts()
    second = estate.situation(incident="inc-20261124-zzzz")
    (target,) = targets(action, first)
    one = intended(action, target, first)
    a = standing(one, action.apply(one, first))
    other = intended(action, target, second)
    b = standing(other, action.apply(other, second))
    assert "holds it too" in action.release(a, first).detail[0]
    assert action.observe(other, second) is not None
    action.release(b, second)
    assert estate.facts() == before
    assert str(target) == f"{NAME}/{REGION}.shop/EcsService/checkout"


@pytest.mark.parametrize("action", [ScaleToZero(), IsolateWorkloads()], ids=lambda a: a.verb)
def test_what_stands_in_an_account_that_is_not_configured_is_not_gone(estate: Estate, action: Any) -> None:
    """A name that the settings lost is no proof: neither is it seen as done, nor as released."""
    estate.function()
    held = estate.situation("report")
    (target,) = targets(action, held)
    intent = intended(action, target, held)
    control = standing(intent, action.apply(intent, held))
    settings = Settings(home=estate.folder / "home", database_url="sqlite://", aws=AwsSettings())
    lost = replace(held, connections=Connections(settings))
    for look in (action.observe, action.differences):
        with pytest.raises(PatchgapError, match="configured"):
            look(intent, lost)
    with pytest.raises(PatchgapError, match="configured"):
        action.release(control, lost)


def test_a_quarantine_group_that_cannot_go_yet_is_left_to_nobody(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS keeps the interfaces of stopped tasks for a while: the last release waits for that, and deletes the group then."""
    estate.service()
    action, held = IsolateWorkloads(), estate.situation()
    before = estate.facts()
    (target,) = targets(action, held)
    intent = intended(action, target, held)
    control = standing(intent, action.apply(intent, held))
    held = replace(held, controls=(control,))
    real = Account.write

    def in_use(*call: Any, **asked: Any) -> Any:
        if "DeleteSecurityGroup" in call:
            raise ConflictError("DependencyViolation", "Wait.")
        return real(*call, **asked)

    with monkeypatch.context() as busy:
        busy.setattr(Account, "write", in_use)
        with pytest.raises(WaitingError, match="still in use"):
            action.release(control, held)
    assert action.release(control, held).outcome is Outcome.DONE
    assert estate.facts() == before
