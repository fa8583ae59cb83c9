"""Rotation on AWS: a new key goes into its secret alone, the old one signs nothing, and a cut leaves no key of nobody's."""

from __future__ import annotations

import json
import logging
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aws_estate import NAME, NUMBER, REGION, Estate, enforced, intended, preview, refused, standing, targets, uncovered
from moto.secretsmanager.models import secretsmanager_backends
from wire import Cut, Wire

sys.path.append(str(Path(__file__).parents[3] / "benchmarks" / "contain"))

from fault_front import Front

from integrations.aws import keys as aws_keys
from integrations.aws.account import Account
from integrations.aws.actions.rotate_credentials import RotateCredentials
from integrations.aws.checks.credentials_rotated import CredentialsRotated
from integrations.rehearsal.faults import Fault
from patchgap.errors import UnreachableError
from patchgap.model.evidence import Verdict
from patchgap.model.plan import Control, Outcome, Receipt

ACTION = RotateCredentials()
USER_TAG = {"patchgap.dev/user": "checkout"}
ASKED = "patchgap.dev/asked-for-key"


def keyed(estate: Estate, tags: dict[str, str] | None = None, **container: Any) -> str:
    """A user whose key is in a secret that the service reads; the secret's ARN."""
    iam, manager = estate.client("iam"), estate.client("secretsmanager")
    iam.create_user(UserName="checkout")
    key = iam.create_access_key(UserName="checkout")["AccessKey"]
    value = {"accessKeyId": key["AccessKeyId"], "secretAccessKey": key["SecretAccessKey"], "bucket": "orders"}
    listed = [{"Key": k, "Value": v} for k, v in (USER_TAG if tags is None else tags).items()]
    made = manager.create_secret(Name="checkout/aws", SecretString=json.dumps(value), Tags=listed)
    read = {"secrets": [{"name": "AWS", "valueFrom": f"{made['ARN']}:accessKeyId::"}]}
    estate.service(**(container or read))
    return str(made["ARN"])


def held(estate: Estate, arn: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(estate.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
    return found


def keys(estate: Estate) -> dict[str, str]:
    listed = estate.client("iam").list_access_keys(UserName="checkout")["AccessKeyMetadata"]
    return {k["AccessKeyId"]: k["Status"] for k in listed}


def deployment(estate: Estate) -> str:
    told = estate.client("ecs").describe_services(cluster="shop", services=["checkout"])["services"][0]
    return str(told["deployments"][0]["id"])


def asserted_whole(estate: Estate, arn: str, old: str) -> str:
    """One new active key, in the secret; the old one inactive; the secret's other fields as they were."""
    found = held(estate, arn)
    assert keys(estate) == {old: "Inactive", found["accessKeyId"]: "Active"}
    assert found["bucket"] == "orders"
    return found["secretAccessKey"]


def test_a_key_is_replaced_once_and_its_secret_is_nowhere_else(
    estate: Estate, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    """The plan names the readers and writes nothing, a second run writes nothing, the check passes; neither the value nor a
    key's id is in the intent, the receipt or the log at its most talkative."""
    arn = keyed(estate)
    (old,), before = keys(estate), deployment(estate)
    stolen = held(estate, arn)["secretAccessKey"]
    caplog.set_level(logging.DEBUG)
    now = estate.situation()
    wire.clear()
    (target,) = targets(ACTION, now)
    assert (target.kind, target.name, len(target.workloads)) == ("IamUser", "checkout", 1)
    plan = preview(ACTION, target, now)
    assert "Active -> Inactive" in plan
    assert "EcsService checkout is deployed anew" in plan
    intent = intended(ACTION, target, now)
    assert ACTION.observe(intent, now) is None
    assert wire.writes == []
    receipt = ACTION.apply(intent, now)
    new = asserted_whole(estate, arn, old)
    assert receipt.result["proved"] is True
    assert deployment(estate) != before
    wire.clear()
    assert ACTION.apply(intent, now).result == receipt.result
    later = replace(now, controls=(standing(intent, receipt),))
    assert ACTION.find(intent.action, later) == intent.found
    assert "rotated for this incident already" in preview(ACTION, targets(ACTION, later)[0], later)
    (evidence,) = CredentialsRotated().observe(None, later)
    assert wire.writes == []
    assert evidence.verdict is Verdict.PASS
    assert "is inactive; never used" in evidence.reasons[0]
    said = repr((plan, intent, receipt, evidence, ACTION.observe(intent, later))) + caplog.text
    assert not [s for s in (new, stolen, old, held(estate, arn)["accessKeyId"]) if s in said]
    assert "cannot be released" in refused(lambda: ACTION.release(standing(intent, receipt), later))


def test_a_cut_after_any_write_leaves_no_key_that_nobody_knows(estate: Estate, wire: Wire) -> None:
    """Also right after CreateAccessKey, twice over: the next run deletes the orphan and goes on."""
    arn = keyed(estate)
    ((old, _),) = keys(estate).items()
    first = held(estate, arn)
    now = estate.situation()
    (target,) = targets(ACTION, now)
    intent = intended(ACTION, target, now)
    wire.clear()
    ACTION.apply(intent, now)
    assert len(wire.writes) == 7  # tag, create, store, tag, deactivate, tag, deploy
    for cuts in (
        (1,),
        (2, 3),
        (3,),
        (5,),
        (6,),
        (7,),
    ):  # asked; made; stored, deactivated; the service marked, deployed
        undo(estate, arn, old, first)
        wire.clear()
        for after in cuts:
            wire.cut_after = after
            with pytest.raises(Cut):
                ACTION.apply(intent, now)
        wire.cut_after = 0
        half = Control(intent, Receipt(intent.action.id, Outcome.FAILED), standing(intent, None).since)
        again = replace(now, halves=(half,))
        if cuts == (2, 3):
            assert ACTION.find(intent.action, again) == intent.found
            assert ACTION.find(intent.action, now)  # before it is settled: another find does not stop it either
            assert targets(ACTION, again) == [target]
        receipt = ACTION.apply(intent, again)
        assert receipt.outcome is Outcome.DONE
        assert any("its secret was lost" in line for line in receipt.detail) is (2 in cuts), "a key that goes is named"
        asserted_whole(estate, arn, old)
        assert ACTION.observe(intent, again) is not None
        assert wire.writes.count("ecs:UpdateService") == 1


def undo(estate: Estate, arn: str, old: str, first: dict[str, str]) -> None:
    """As before the rotation."""
    iam = estate.client("iam")
    for key in set(keys(estate)) - {old}:
        iam.delete_access_key(UserName="checkout", AccessKeyId=key)
    iam.update_access_key(UserName="checkout", AccessKeyId=old, Status="Active")
    iam.untag_user(UserName="checkout", TagKeys=["patchgap.dev/deactivated", ASKED])
    estate.client("secretsmanager").put_secret_value(SecretId=arn, SecretString=json.dumps(first))
    ecs = estate.client("ecs")
    (service,) = ecs.describe_services(cluster="shop", services=["checkout"], include=["TAGS"])["services"]
    ecs.untag_resource(resourceArn=service["serviceArn"], tagKeys=[t["key"] for t in service.get("tags", [])])


def test_the_next_incident_finds_room(estate: Estate) -> None:
    """The key that patchgap itself deactivated goes; one that somebody else keeps does not."""
    arn = keyed(estate)
    (first,) = keys(estate)
    now = estate.situation()
    (target,) = targets(ACTION, now)
    ACTION.apply(intended(ACTION, target, now), now)
    second = held(estate, arn)["accessKeyId"]
    later = estate.situation(incident="inc-20261125-zzzz")
    assert "deactivated in an earlier incident is deleted" in preview(ACTION, target, later)
    ACTION.apply(intended(ACTION, target, later), later)
    asserted_whole(estate, arn, second)
    assert first not in keys(estate)
    estate.client("iam").update_access_key(UserName="checkout", AccessKeyId=second, Status="Active")
    third = estate.situation(incident="inc-20261126-yyyy")
    assert "has two keys already" in uncovered(ACTION, third)[0]


def test_what_somebody_else_did_meanwhile_is_a_conflict(estate: Estate) -> None:
    """A key of theirs in the secret, or one of the user that was used: neither is overwritten nor deleted."""
    arn = keyed(estate)
    iam, manager = estate.client("iam"), estate.client("secretsmanager")
    now = estate.situation()
    (target,) = targets(ACTION, now)
    intent = intended(ACTION, target, now)
    theirs = iam.create_access_key(UserName="checkout")["AccessKey"]["AccessKeyId"]
    moment = int(time.time())
    for asked in ("", "long ago", f"{moment - 60}-{moment - 30}", f"{moment + 60}-{moment + 90}"):
        iam.tag_user(UserName="checkout", Tags=[{"Key": ASKED, "Value": asked}])
        assert "somebody has made key" in refused(lambda: ACTION.apply(intent, now))
        assert theirs in keys(estate)
    iam.delete_access_key(UserName="checkout", AccessKeyId=theirs)
    other = {**held(estate, arn), "accessKeyId": "AKIAOFSOMEBODYELSE00"}
    manager.put_secret_value(SecretId=arn, SecretString=json.dumps(other))
    assert "somebody has put another key" in refused(lambda: ACTION.apply(intent, now))
    assert held(estate, arn) == other
    assert "do not hold one key of user checkout" in uncovered(ACTION, now)[0]
    again = Control(replace(intent, action=replace(intent.action, target=replace(target, uid="another"))), None, None)
    assert "ConflictError" in refused(lambda: ACTION.apply(again.intent, now))


def test_a_key_that_somebody_makes_at_that_very_moment_is_theirs(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """IAM refuses patchgap a third one: so it has made none, and the next run deletes none."""
    keyed(estate)
    iam, once = estate.client("iam"), Account.write_once
    now = estate.situation()
    (target,) = targets(ACTION, now)
    intent = intended(ACTION, target, now)
    theirs: list[str] = []

    def beaten(held: Account, service: str, operation: str, /, **asked: Any) -> Any:
        theirs.append(iam.create_access_key(UserName="checkout")["AccessKey"]["AccessKeyId"])
        return once(held, service, operation, **asked)

    monkeypatch.setattr(Account, "write_once", beaten)
    assert "quota" in refused(lambda: ACTION.apply(intent, now))
    assert "somebody has made key" in refused(lambda: ACTION.apply(intent, now))
    assert theirs[0] in keys(estate)


def test_a_key_that_a_person_makes_after_a_request_without_an_answer_is_theirs(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request did not reach IAM, and somebody helps themselves within seconds: the next run deletes nothing of theirs."""
    keyed(estate)
    iam, now = estate.client("iam"), estate.situation()
    (target,) = targets(ACTION, now)
    intent = intended(ACTION, target, now)

    def lost(*_asked: Any, **_named: Any) -> Any:
        raise UnreachableError("account prod-aws did not answer iam:CreateAccessKey", "Check its network.")

    monkeypatch.setattr(Account, "write_once", lost)
    assert "did not answer" in refused(lambda: ACTION.apply(intent, now))
    monkeypatch.undo()
    time.sleep(1.1)  # IAM tells seconds
    theirs = iam.create_access_key(UserName="checkout")["AccessKey"]["AccessKeyId"]
    assert "somebody has made key" in refused(lambda: ACTION.apply(intent, now))
    assert theirs in keys(estate)


def test_a_key_whose_answer_is_lost_in_its_own_second_is_an_orphan(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However exact the time is that the key says of itself: the next run deletes it, names it, and goes on."""
    keyed(estate)
    now, once = estate.situation(), Account.write_once
    (target,) = targets(ACTION, now)
    intent = intended(ACTION, target, now)

    def lost(held: Account, service: str, operation: str, /, **asked: Any) -> Any:
        once(held, service, operation, **asked)
        raise UnreachableError("account prod-aws did not answer iam:CreateAccessKey", "Check its network.")

    monkeypatch.setattr(Account, "write_once", lost)
    assert "did not answer" in refused(lambda: ACTION.apply(intent, now))
    orphans = set(keys(estate))
    monkeypatch.undo()
    receipt = ACTION.apply(intent, now)
    assert receipt.proved
    assert any("its secret was lost" in line for line in receipt.detail)
    assert len(orphans - set(keys(estate))) == 1


def test_a_rotation_whose_effect_is_not_seen_is_not_proved(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    """IAM answers that the old key is inactive, and lists it as active afterwards: the receipt says so and is no proof."""
    keyed(estate)
    now = estate.situation()
    (target,) = targets(ACTION, now)
    intent = intended(ACTION, target, now)
    monkeypatch.setattr(aws_keys, "deactivate", lambda *_asked: None)
    receipt = ACTION.apply(intent, now)
    assert not receipt.proved
    assert any("of user checkout is active" in line for line in receipt.detail)


@pytest.mark.parametrize("fault", ["reset", "truncate"])
def test_a_service_is_deployed_anew_once_though_the_answer_is_lost(
    estate: Estate, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    """Each such request makes a deployment: one whose answer is lost is not sent again, and the next run finds its effect."""
    keyed(estate)
    call = Account._call
    with Front() as front:
        now = Estate(front.at(estate.endpoint), estate.folder).situation()
        (target,) = targets(ACTION, now)
        intent = intended(ACTION, target, now)

        def spoilt(held: Account, service: str, operation: str, *more: Any, **named: Any) -> Any:
            if operation == "UpdateService":
                front.faults.plan(fault)
            return call(held, service, operation, *more, **named)

        monkeypatch.setattr(Account, "_call", spoilt)
        assert "UnreachableError" in refused(lambda: ACTION.apply(intent, now))
        made = deployment(estate)
        assert ACTION.apply(intent, now).outcome is Outcome.DONE
    assert deployment(estate) == made


def function_rotates(estate: Estate, arn: str) -> Any:
    """Moto's own secret, which a function rotates."""
    secret = secretsmanager_backends[NUMBER][REGION].secrets[arn]
    secret.rotation_lambda_arn = f"arn:aws:lambda:{REGION}:{NUMBER}:function:rotator"
    secret.rotation_enabled = secret.rotation_requested = True
    return secret


def test_a_secret_with_a_function_is_rotated_by_it(estate: Estate, wire: Wire) -> None:
    """It waits until the new version is the current one; asking again asks for the same version."""
    arn = keyed(estate, {})
    secret = function_rotates(estate, arn)
    now = estate.situation()
    (target,) = targets(ACTION, now)
    assert (target.kind, target.name) == ("Secret", arn)
    assert "rotated by its function rotator" in preview(ACTION, target, now)
    intent = intended(ACTION, target, now)
    assert ACTION.observe(intent, now) is None
    secret.rotation_lambda_arn = ""  # moto would start it in a container; here the test plays it
    wire.cut_after = 1
    with pytest.raises(Cut):
        ACTION.apply(intent, now)
    wire.cut_after = 0
    secret = function_rotates(estate, arn)
    version = max(secret.versions.values(), key=lambda v: v["version_id"] != next(iter(secret.versions)))
    version["version_stages"] = ["AWSPENDING"]
    wire.clear()
    assert ACTION.apply(intent, now).outcome is Outcome.WAITING
    assert ACTION.observe(intent, now).outcome is Outcome.WAITING
    assert wire.writes == []
    version["version_stages"] = ["AWSCURRENT"]
    receipt = ACTION.apply(intent, now)
    assert (receipt.outcome, receipt.result) == (Outcome.DONE, {"version": version["version_id"], "proved": True})
    later = replace(now, controls=(standing(intent, receipt),))
    assert CredentialsRotated().observe(None, later)[0].verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("container", "reason"),
    [
        ({}, "has no rotation function, and nothing says whose key it holds"),
        ({"environment": [{"name": "AWS_ACCESS_KEY_ID", "value": "x"}]}, "holds an access key in clear"),
        ({"secrets": [{"name": "A", "valueFrom": "/shop/token"}]}, "nothing rotates SSM's parameter /shop/token"),
        ({"environment": []}, "nothing says which secret it reads"),
    ],
    ids=["a secret of nobody", "a key in clear", "a parameter", "nothing"],
)
def test_what_cannot_be_rotated_is_uncovered(estate: Estate, container: dict[str, Any], reason: str) -> None:
    """By name, and the check keeps the incident open."""
    keyed(estate, {}, **container)
    assert reason in uncovered(ACTION, estate.situation())[0]


def test_the_settings_say_what_nothing_in_aws_says(estate: Estate) -> None:
    """A rotation of the settings names secret and user, a tag on the function names the secret of another reader: both lose
    the old key, and the function is told to be stale."""
    keyed(estate, environment=[])
    estate.function(tags={"patchgap.dev/secret": "checkout/aws"})
    rotation = {"workload": f"{REGION}.shop/EcsService/check*", "secret": "checkout/aws", "user": "checkout"}
    now = estate.situation("checkout", connections=estate.connections(rotations=(rotation,)))
    (target,) = targets(ACTION, now)
    assert target.workloads == (f"{NAME}/{REGION}.shop/EcsService/checkout", f"{NAME}/{REGION}/LambdaFunction/report")
    assert "LambdaFunction report has the old one until it reads the secret again" in preview(ACTION, target, now)


def test_it_does_with_what_it_declares(estate: Estate, wire: Wire) -> None:
    """Under exactly its permissions it goes through, and uses each but those that a rotation function needs."""
    keyed(estate)
    given = estate.person(*ACTION.permissions)
    now = replace(estate.situation(), connections=given)
    wire.clear()
    with enforced():
        (target,) = targets(ACTION, now)
        intent = intended(ACTION, target, now)
        wire.cut_after = 2
        with pytest.raises(Cut):
            ACTION.apply(intent, now)
        wire.cut_after = 0
        receipt = ACTION.apply(intent, now)
        later = replace(now, controls=(standing(intent, receipt),))
        assert CredentialsRotated().observe(None, later)[0].verdict is Verdict.PASS
    used = set(wire.calls)
    assert used <= set(ACTION.permissions)
    unseen = {c for c in set(ACTION.permissions) - used if c.partition(":")[0] in ("iam", "secretsmanager")}
    assert unseen <= {"secretsmanager:RotateSecret", *ROLES}


ROLES = {
    "iam:ListAttachedRolePolicies",
    "iam:ListRolePolicies",
    "iam:GetRolePolicy",
    "iam:GetPolicy",
    "iam:GetPolicyVersion",
}
