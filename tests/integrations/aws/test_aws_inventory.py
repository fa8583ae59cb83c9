"""What ECS and Lambda run joins the graph: by digest, with reach, place and data; a refusal is unknown, never clean."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest
from aws_estate import BAD, ECR, GOOD, NAME, NOW, NUMBER, REGION, Estate, enforced, package, refused

from integrations.aws.accounts import Accounts
from integrations.aws.inventory import PERMISSIONS, ecs
from patchgap.errors import NotFoundError
from patchgap.model.workload import Classification, RunState
from patchgap.settings import AwsSettings
from patchgap.stages.engine import Engine
from patchgap.stages.scope import clusters, refresh

ADMIN = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def test_a_service_is_read_with_what_its_tasks_run(estate: Estate) -> None:
    """The digest is the tasks' own; tags place it, and its role's policies are its reach."""
    estate.role("checkout-task", {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::orders/*"})
    estate.service(
        tags={
            "patchgap.dev/environment": "production",
            "patchgap.dev/classification": "sensitive",
            "patchgap.dev/writes-to": "s3://orders dynamodb://carts",
        }
    )
    found = estate.inventory()
    assert (found.identity, found.unknown) == (NUMBER, ())
    (one,) = found.workloads
    assert str(one.ref) == f"prod-aws/{REGION}.shop/EcsService/checkout"
    assert [(c.image, c.digest, c.state, c.pods) for c in one.containers] == [
        (f"{ECR}/checkout:1", BAD, RunState.RUNNING, 2)
    ]
    assert (one.environment, one.region, one.replicas, one.running) == ("production", REGION, 2, 2)
    assert one.data_scope.classification is Classification.SENSITIVE
    assert one.data_scope.writes_to == ("s3://orders", "dynamodb://carts")
    assert one.privileges.service_account == "checkout-task"
    assert one.privileges.reach == ("s3:GetObject on arn:aws:s3:::orders/*",)
    assert one.privileges.cloud_admin is False
    assert one.annotations["task-definition"] == "checkout:1"


def test_a_task_definition_that_is_not_found_is_unknown(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks run by it: what they may do is not known, and is not told as nothing."""
    estate.service()

    def gone(*_: object) -> object:
        raise NotFoundError("ecs:DescribeTaskDefinition finds nothing", "It may have been deleted since.")

    monkeypatch.setattr(ecs, "definition_of", gone)
    (told,) = estate.inventory().unknown
    assert (told.what, told.reason) == (
        f"account {NAME}: task definition checkout:1",
        "ecs:DescribeTaskDefinition finds nothing",
    )


def test_a_function_is_a_package_by_digest(estate: Estate) -> None:
    """Its zip's SHA-256; a version that an alias invokes runs, one that none does can be gone back to."""
    estate.function()
    client = estate.client("lambda")
    client.publish_version(FunctionName="report")
    (one,) = estate.inventory().workloads
    digest = "sha256:" + hashlib.sha256(package("report")).hexdigest()
    assert [(c.name, c.digest, c.state) for c in one.containers] == [
        ("$LATEST", digest, RunState.RUNNING),
        ("1", digest, RunState.ROLLBACK),
    ]
    client.create_alias(FunctionName="report", Name="live", FunctionVersion="1")
    client.put_function_concurrency(FunctionName="report", ReservedConcurrentExecutions=0)
    (one,) = estate.inventory().workloads
    assert {c.state for c in one.containers} == {RunState.SCALED_TO_ZERO}


def test_an_administrator_of_the_cloud_is_told(estate: Estate) -> None:
    """By an inline policy here; a role of a policy that only reads is none."""
    estate.role("checkout-task", ADMIN)
    estate.service()
    assert estate.workload().privileges.cloud_admin is True


def test_what_iam_refuses_is_unknown_by_name(estate: Estate) -> None:
    """Each refusal with the permission that is missing; what could be read is there all the same."""
    estate.service()
    estate.function()
    may = [p for p in PERMISSIONS if p not in {"lambda:ListFunctions", "iam:ListRolePolicies"}]
    limited = estate.person(*may)
    with enforced():
        found = estate.inventory(limited)
    (unknown,) = found.unknown
    assert unknown.what == f"account {NAME}: Lambda functions in {REGION}"
    assert "patchgap may not lambda:ListFunctions" in unknown.reason
    (one,) = found.workloads
    assert one.privileges.cloud_admin is None
    assert "may not iam:ListRolePolicies" in one.privileges.unknown[0].reason
    assert one.containers[0].digest == BAD


def test_the_declared_permissions_are_enough(estate: Estate) -> None:
    """A reading under just those finds nothing unknown."""
    estate.service()
    estate.service("old", tasks=0)
    estate.function()
    estate.client("lambda").publish_version(FunctionName="report")
    limited = estate.person(*PERMISSIONS)
    with enforced():
        found = estate.inventory(limited)
    assert found.unknown == ()
    assert {w.ref.name: w.containers[0].state for w in found.workloads} == {
        "checkout": RunState.RUNNING, "old": RunState.SCALED_TO_ZERO, "report": RunState.RUNNING,
    }  # fmt: skip
    assert all(w.privileges.cloud_admin is False for w in found.workloads)


def test_more_than_a_page_is_read(estate: Estate) -> None:
    """Services come ten a describing call, and each is there once; a task of no service is a workload of its own."""
    for n in range(13):
        estate.service(f"s{n}", tasks=0)
    subnet, group = estate.network()
    network = {"networkConfiguration": {"awsvpcConfiguration": {"subnets": [subnet], "securityGroups": [group]}}}
    estate.run("s3", "family:s3", GOOD, 1, given=network)
    found = estate.inventory()
    assert len({w.ref.name for w in found.workloads if w.ref.kind == "EcsService"}) == 13
    (loose,) = [w for w in found.workloads if w.ref.kind == "EcsTasks"]
    assert (loose.ref.name, loose.running, loose.containers[0].digest) == ("s3", 1, GOOD)


def test_an_account_joins_the_graph_and_answers(estate: Estate) -> None:
    """A refresh records it whole; one that does not answer is unknown, and its last snapshot stays."""
    estate.service()
    settings = estate.connections().settings.model_copy(update={"database_url": f"sqlite:///{estate.folder / 'p.db'}"})
    held = estate.connections().of(Accounts)
    engine = Engine.open(settings, lambda: NOW, [held])
    assert clusters(engine) == (NAME,)
    assert refresh(engine, NAME).unknown == ()
    assert engine.graph.identities() == {NAME: NUMBER}
    assert [str(w.ref) for w in engine.graph.workloads()] == [f"{NAME}/{REGION}.shop/EcsService/checkout"]
    down = AwsSettings(accounts=(settings.aws.accounts[0].model_copy(update={"endpoint": "http://127.0.0.1:1"}),))
    silent = Engine.open(settings, lambda: NOW, [Accounts(down)])
    (unknown,) = refresh(silent, NAME).unknown
    assert "did not answer sts:GetCallerIdentity" in unknown.reason
    assert len(engine.graph.workloads()) == 1


def test_another_account_under_the_name_is_another(estate: Estate) -> None:
    """What the incident knew by its number is not looked for in another account."""
    held = estate.connections().of(Accounts)
    assert held.known(NAME, NUMBER, anew=True).identity() == NUMBER
    assert "its number is 123456789012, and was 210987654321" in refused(lambda: held.known(NAME, "210987654321"))


def test_nothing_of_aws_is_imported_where_no_account_is_configured() -> None:
    """boto3 costs half a second."""
    program = (
        "import sys; from patchgap import registry; registry.load();"
        "from integrations.aws.accounts import Accounts; from patchgap.settings import AwsSettings;"
        "print(Accounts(AwsSettings()).names, sorted({'boto3', 'botocore'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout == "() []\n"
