"""A capture on AWS: everything that the declared permissions let it read, no secret's value, once."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from aws_estate import Estate, enforced, intended, preview, refused, targets
from wire import Wire

from integrations.aws.actions.capture_forensics import CaptureForensics
from integrations.keeping import place_of

ACTION = CaptureForensics()
GRANT = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
GIVEN = [{"name": "DB_PASSWORD", "value": "hunter2hunter2"}, {"name": "EPOCHS", "value": "12"}]
SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop/db-AbCdEf"


def captured(estate: Estate, held: Any) -> dict[str, Any]:
    """Every document of the one target, captured."""
    (target,) = targets(ACTION, held)
    assert "are kept in" in preview(ACTION, target, held)
    intent = intended(ACTION, target, held)
    assert ACTION.observe(intent, held) is None
    receipt = ACTION.apply(intent, held)
    assert ACTION.observe(intent, held) == ACTION.apply(intent, held) == receipt
    place = receipt.result["folder"].removeprefix(str(estate.folder / "home" / "forensics") + "/").split("/")
    kept = place_of(held.connections.settings, *place)
    return {name: json.loads(kept.read(name) or b"") for name in receipt.result["files"]} | {"said": receipt.detail}


def test_it_holds_the_workload_its_network_and_its_roles(estate: Estate, wire: Wire) -> None:
    """Under exactly its permissions, each of which it uses, for a service and for a function; it writes nothing to AWS, and
    holds no password and no signed address."""
    document = json.dumps({"Version": "2012-10-17", "Statement": [GRANT]})
    read = estate.client("iam").create_policy(PolicyName="read", PolicyDocument=document)["Policy"]["Arn"]
    estate.role("checkout-task", GRANT, policies=[read])
    estate.service(environment=GIVEN, secrets=[{"name": "DB", "valueFrom": SECRET}])
    estate.role("report-role", GRANT)
    estate.function(Environment={"Variables": {"DB_PASSWORD": "hunter2hunter2", "EPOCHS": "12"}})
    told = {
        "FunctionName": "report",
        "StatementId": "a",
        "Action": "lambda:InvokeFunction",
        "Principal": "s3.amazonaws.com",
    }
    estate.client("lambda").add_permission(**told)
    given = estate.person(*ACTION.permissions)
    held = [replace(estate.situation(n), connections=given) for n in ("checkout", "report")]
    wire.clear()
    with enforced():
        service, function = (captured(estate, one) for one in held)
    assert (wire.writes, set(wire.calls)) == ([], set(ACTION.permissions))
    assert len(service["tasks.json"]) == 2
    assert service["security_groups.json"][0]["SecurityGroups"][0]["GroupName"] == "app"
    assert service["network_interfaces.json"][0]["NetworkInterfaces"]
    assert service["secrets.json"] == [{"container": "main", "variable": "DB", "from": SECRET}]
    variables = service["task_definitions.json"][0]["containerDefinitions"][0]["environment"]
    assert variables == [{"name": "DB_PASSWORD", "value": "[redacted]"}, GIVEN[1]]
    assert len(service["roles.json"][0]["policies"]) == 2
    assert function["policy.json"]["Statement"][0]["Sid"] == "a"
    assert function["workload.json"]["environment"] == variables
    assert service["said"] == (service["said"][0],)
    assert not [s for s in ("hunter2", "X-Amz-Signature") if s in json.dumps([service, function])]


def test_what_may_not_be_read_is_said(estate: Estate) -> None:
    """The rest is kept, and the receipt names what is missing."""
    estate.service()
    held = replace(estate.situation(), connections=estate.person("ecs:DescribeServices"))
    with enforced():
        found = captured(estate, held)
    assert found["workload.json"]["serviceName"] == "checkout"
    assert "tasks: patchgap may not ecs:ListTasks" in found["said"]


def test_a_file_that_was_changed_since_is_told(estate: Estate) -> None:
    """It is no evidence any more, and is not written over."""
    estate.function()
    held = estate.situation("report")
    (target,) = targets(ACTION, held)
    intent = intended(ACTION, target, held)
    receipt = ACTION.apply(intent, held)
    path = next(estate.folder.rglob("workload.json"))
    path.write_text("{}")
    assert "workload.json is not what was captured" in refused(lambda: ACTION.apply(intent, held))
    assert receipt.result["files"]["workload.json"]
