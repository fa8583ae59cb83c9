"""An AWS account on moto's server: a shop of two ECS services and Lambda functions, and patchgap as one of its callers.

It plays what surrounds an action: the exposures that the graph would give, and the intent that the engine would store.
What moto does not play (the digest that a task pulled, the state of a deployment) is set in its own models.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
from moto.codepipeline.models import codepipeline_backends
from moto.core.authorization import enable_iam_authentication
from moto.ecs.models import ecs_backends
from moto.iam.access_control import IAMRequestBase
from played import place, transitions

from integrations.aws.accounts import Accounts
from integrations.aws.inventory import AwsInventory
from patchgap.errors import PatchgapError
from patchgap.model.exposure import Artifact, Component, Exposure
from patchgap.model.finding import Finding, IncidentId
from patchgap.model.plan import ActionId, Control, Intent, PlannedAction, Receipt, Target, Uncovered
from patchgap.model.signal import Severity, Signal, SignalId, SignalKind
from patchgap.model.workload import ClusterInventory, Workload
from patchgap.ports import Connections, DigestStanding, Situation
from patchgap.settings import AwsAccount, AwsSettings, Settings

NUMBER, REGION, NAME = "123456789012", "eu-central-1", "prod-aws"
NOW = datetime(2026, 11, 24, 7, 10, tzinfo=UTC)
INCIDENT = IncidentId("inc-20261124-7k3f")
BAD, GOOD, OTHER = (f"sha256:{letter * 64}" for letter in "abc")
ECR = f"{NUMBER}.dkr.ecr.{REGION}.amazonaws.com"
OFF = {"enable": False, "rollback": False}
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})


_CLIENTS: dict[tuple[str, str], Any] = {}  # of the owner; one costs a tenth of a second to make
_ACCOUNTS: dict[AwsSettings, Accounts] = {}  # of patchgap


class Estate:
    """The account, its owner's clients, and what patchgap is told of it."""

    def __init__(self, endpoint: str, folder: Path) -> None:
        self.endpoint = endpoint
        self.folder = folder

    def client(self, service: str) -> Any:
        """The owner's own client."""
        key = (self.endpoint, service)
        if key not in _CLIENTS:
            _CLIENTS[key] = boto3.client(service, region_name=REGION, endpoint_url=self.endpoint)
        return _CLIENTS[key]

    def connections(self, **settings: Any) -> Connections:
        """Those of a patchgap that is configured for the account."""
        account = AwsAccount(name=NAME, regions=(REGION,), endpoint=self.endpoint, **settings)
        aws = AwsSettings(accounts=(account,), timeout_seconds=5)
        held = Accounts(aws) if account.profile else _ACCOUNTS.setdefault(aws, Accounts(aws))
        return Connections(Settings(home=self.folder / "home", database_url="sqlite://", aws=aws), [held])

    def person(self, *permissions: str, name: str = "patchgap") -> Connections:
        """The connections of a patchgap that is a user with these permissions and no other."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        allowed = {"Effect": "Allow", "Action": list(permissions), "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        (self.folder / "none").write_text(
            f"[{name}]\naws_access_key_id = {key['AccessKeyId']}\naws_secret_access_key = {key['SecretAccessKey']}\n"
        )
        return self.connections(profile=name)

    def role(self, name: str, *statements: Mapping[str, Any], policies: Sequence[str] = ()) -> str:
        """A role's ARN."""
        iam = self.client("iam")
        arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
        if statements:
            document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
            iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document)
        for policy in policies:
            iam.attach_role_policy(RoleName=name, PolicyArn=policy)
        return arn

    def network(self) -> tuple[str, str]:
        """A subnet of the default VPC, and a security group in it."""
        ec2 = self.client("ec2")
        subnet = ec2.describe_subnets()["Subnets"][0]
        found = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["app"]}])["SecurityGroups"]
        group = (
            found[0]["GroupId"]
            if found
            else ec2.create_security_group(GroupName="app", Description="app", VpcId=subnet["VpcId"])["GroupId"]
        )
        return subnet["SubnetId"], group

    def service(
        self,
        name: str = "checkout",
        image: str = f"{ECR}/checkout:1",
        digest: str = BAD,
        tasks: int = 2,
        *,
        tags: Mapping[str, str] | None = None,
        cluster: str = "shop",
        mode: str = "awsvpc",
        **container: Any,
    ) -> None:
        """A Fargate service with live tasks that pulled that digest."""
        ecs = self.client("ecs")
        if not ecs.describe_clusters(clusters=[cluster])["clusters"]:
            ecs.create_cluster(clusterName=cluster)
        role = self._role_once(f"{name}-task")
        subnet, group = self.network()
        network = {"awsvpcConfiguration": {"subnets": [subnet], "securityGroups": [group]}}
        given = {"networkConfiguration": network} if mode == "awsvpc" else {}
        definition = ecs.register_task_definition(
            family=name, networkMode=mode, taskRoleArn=role, requiresCompatibilities=["FARGATE" if given else "EC2"],
            containerDefinitions=[{"name": "main", "image": image, "memory": 64, **container}],
        )["taskDefinition"]["taskDefinitionArn"]  # fmt: skip
        ecs.create_service(
            cluster=cluster, serviceName=name, taskDefinition=definition, desiredCount=tasks,
            launchType="FARGATE" if given else "EC2",
            tags=[{"key": k, "value": v} for k, v in (tags or {}).items()], **given,
        )  # fmt: skip
        self.run(definition, f"service:{name}", digest, tasks, cluster, given)

    def run(
        self, definition: str, group: str, digest: str, tasks: int, cluster: str = "shop", given: Any = None
    ) -> None:
        """Live tasks, which moto does not start for a service itself."""
        ecs = self.client("ecs")
        for _ in range(tasks if given else 0):
            told = {"launchType": "FARGATE", **given} if given else {}
            ecs.run_task(cluster=cluster, taskDefinition=definition, group=group, **told)
        for task in self.tasks(group):
            for one in task.containers:
                one.image_digest, one.last_status = digest, "RUNNING"

    def tasks(self, group: str) -> list[Any]:
        """Moto's own tasks of that group."""
        held = ecs_backends[NUMBER][REGION].tasks.values()
        return [task for tasks in held for task in tasks.values() if task.group == group]

    def function(self, name: str = "report", *, tags: Mapping[str, str] | None = None, **more: Any) -> None:
        """A Lambda function from a zip."""
        self.client("lambda").create_function(
            FunctionName=name, Runtime="python3.12", Role=self._role_once(f"{name}-role"), Handler="app.handler",
            Code={"ZipFile": package(name)}, Tags=dict(tags or {}), **more,
        )  # fmt: skip

    def _role_once(self, name: str) -> str:
        try:
            return str(self.client("iam").get_role(RoleName=name)["Role"]["Arn"])
        except self.client("iam").exceptions.NoSuchEntityException:
            return self.role(name)

    def repository(self, name: str = "checkout", *digests: str) -> None:
        """An ECR repository with images of these digests."""
        self.client("ecr").create_repository(repositoryName=name)
        for digest in digests or (BAD, GOOD):
            place(NUMBER, REGION, name, digest)

    def pipeline(self, name: str = "ship", provider: str = "ECS", **said: str) -> None:
        """A pipeline whose last stage deploys that, the service "checkout" where nothing is said."""
        trust = {"Statement": [{"Principal": {"Service": "codepipeline.amazonaws.com"}}]}
        iam = self.client("iam")
        role = iam.create_role(RoleName=f"{name}-pipeline", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        stages = [
            {"name": stage, "actions": [{"name": stage, "actionTypeId": {
                "category": category, "owner": "AWS", "provider": by, "version": "1"}, "configuration": given}]}
            for stage, category, by, given in (
                ("Source", "Source", "S3", {}),
                ("Deploy", "Deploy", provider, said or {"ClusterName": "shop", "ServiceName": "checkout"}),
            )
        ]  # fmt: skip
        store = {"type": "S3", "location": "artifacts"}
        pipeline = {"name": name, "roleArn": role, "stages": stages, "artifactStore": store, "version": 1}
        self.client("codepipeline").create_pipeline(pipeline=pipeline)

    def clear(self) -> None:
        """Away with all workloads."""
        ecs, functions = self.client("ecs"), self.client("lambda")
        for cluster in ecs.list_clusters()["clusterArns"]:
            for service in ecs.list_services(cluster=cluster)["serviceArns"]:
                ecs.delete_service(cluster=cluster, service=service, force=True)
        ecs_backends[NUMBER][REGION].services.clear()
        ecs_backends[NUMBER][REGION].tasks.clear()
        for f in functions.list_functions()["Functions"]:
            functions.delete_function(FunctionName=f["FunctionName"])

    def facts(self) -> dict[str, Any]:
        """Everything that a verb may change, as it is now."""
        ecs, functions, iam, ec2 = (self.client(s) for s in ("ecs", "lambda", "iam", "ec2"))
        scaling, ecr = self.client("application-autoscaling"), self.client("ecr")
        found: dict[str, Any] = {}
        for cluster in ecs.list_clusters()["clusterArns"]:
            names = ecs.list_services(cluster=cluster)["serviceArns"]
            for s in (
                ecs.describe_services(cluster=cluster, services=names, include=["TAGS"])["services"] if names else ()
            ):
                kept = ("desiredCount", "taskDefinition", "networkConfiguration", "tags")
                told = s.get("deploymentConfiguration") or {}  # ECS always tells it, moto where somebody has set it
                deployed = {"minimumHealthyPercent": 100, "maximumPercent": 200, "deploymentCircuitBreaker": OFF} | told
                found[s["serviceName"]] = {k: s[k] for k in kept if s.get(k)} | {"deployed": deployed}
        for f in functions.list_functions()["Functions"]:
            name = f["FunctionName"]
            found[name] = {
                "vpc": {k: v for k, v in f.get("VpcConfig", {}).items() if v},
                "reserved": functions.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions"),
                "tags": functions.list_tags(Resource=f["FunctionArn"])["Tags"],
            }
        for role in iam.list_roles()["Roles"]:
            name = role["RoleName"]
            names = iam.list_role_policies(RoleName=name)["PolicyNames"]
            found[f"role {name}"] = {
                n: iam.get_role_policy(RoleName=name, PolicyName=n)["PolicyDocument"] for n in names
            }
        for t in scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]:
            resting = [k for k, v in (t.get("SuspendedState") or {}).items() if v]
            found[t["ResourceId"]] = (t["MinCapacity"], t["MaxCapacity"], resting)
        for g in ec2.describe_security_groups()["SecurityGroups"]:
            found[f"group {g['GroupName']}"] = {k: g[k] for k in ("GroupId", "IpPermissions", "IpPermissionsEgress")}
        for r in ecr.describe_repositories()["repositories"]:
            name = r["repositoryName"]
            images = ecr.describe_images(repositoryName=name)["imageDetails"]
            tags = ecr.list_tags_for_resource(resourceArn=r["repositoryArn"])["tags"]
            found[f"repository {name}"] = {i["imageDigest"]: i["imageStatus"] for i in images}, tags
        for name, pipeline in codepipeline_backends[NUMBER][REGION].pipelines.items():
            told = transitions(pipeline).items()
            found[f"pipeline {name}"] = {n: (t["enabled"], t.get("disabledReason")) for n, t in told}
        return found

    def inventory(self, connections: Connections | None = None) -> ClusterInventory:
        """The account as patchgap reads it."""
        return AwsInventory().read(NAME, connections or self.connections())

    def workload(self, name: str = "checkout") -> Workload:
        """One workload, as the inventory has it."""
        return next(w for w in self.inventory().workloads if w.ref.name == name)

    def situation(self, *names: str, connections: Connections | None = None, **more: Any) -> Situation:
        """The incident, exposed in the workloads of these names ("checkout" where none is given)."""
        held = {w.ref.name: w for w in self.inventory().workloads}
        exposures = tuple(exposure(held[n]) for n in names or ("checkout",))
        return situation(connections or self.connections(), exposures, **more)


@contextmanager
def enforced() -> Iterator[None]:
    """IAM decides. Signatures are not looked at: moto computes those of Lambda's addresses wrongly."""
    with enable_iam_authentication(), patch.object(IAMRequestBase, "check_signature"):
        yield


def package(name: str) -> bytes:
    """A function's zip, the same for the same name."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr(zipfile.ZipInfo("app.py"), f"# {name}\ndef handler(event, context):\n    return 1\n")
    return out.getvalue()


def exposure(workload: Workload) -> Exposure:
    """The affected package in the workload's first container."""
    container = workload.containers[0]
    digest = container.digest if isinstance(container.digest, str) else BAD
    component = Component("pkg:pypi/lightning@2.6.2", "lightning", "2.6.2")
    return Exposure(component, None, (), Artifact(digest), workload, container)


def situation(connections: Connections, exposures: Sequence[Exposure], **more: Any) -> Situation:
    """The situation that the engine would make."""
    signal = Signal(SignalId("sig-1"), SignalKind.ADVISORY, "advisory", NOW, "lightning")
    finding = Finding("key", signal, Severity.CRITICAL, True, True, None, tuple(exposures), ())

    def judge(digests: Sequence[str]) -> Mapping[str, DigestStanding]:
        told = {BAD: ("affected", "lightning 2.6.2 is in it"), GOOD: ("clean", "its SBOM holds no affected version")}
        return {d: DigestStanding(d, *told.get(d, ("unknown", "no SBOM is known for it"))) for d in digests}

    given: dict[str, Any] = {
        "incident": INCIDENT, "affected_digests": frozenset({BAD}), "patched": frozenset(), "controls": (), "identities": {NAME: NUMBER},
    }  # fmt: skip
    return Situation(
        finding=finding, exposures=tuple(exposures), judge=judge, connections=connections,
        clock=lambda: NOW, owner="patchgap", **(given | more),
    )  # fmt: skip


def targets(action: Any, held: Situation, **parameters: Any) -> list[Target]:
    """What the step would target; nothing may be uncovered."""
    found = list(action.targets(action.parameters.model_validate(parameters), held))
    assert not [u for u in found if isinstance(u, Uncovered)], found
    return [t for t in found if isinstance(t, Target)]


def uncovered(action: Any, held: Situation, **parameters: Any) -> list[str]:
    """Why the step cannot serve what it cannot."""
    found: Iterable[Any] = action.targets(action.parameters.model_validate(parameters), held)
    return [u.reason for u in found if isinstance(u, Uncovered)]


def preview(action: Any, target: Target, held: Situation, **parameters: Any) -> str:
    """The plan's lines."""
    return "\n".join(action.preview(action.parameters.model_validate(parameters), target, held))


def intended(action: Any, target: Target, held: Situation, **parameters: Any) -> Intent:
    """The intent that the engine would have stored."""
    asked = action.parameters.model_validate(parameters).model_dump(mode="json", exclude_none=True, by_alias=True)
    identity = ActionId(f"act-{abs(hash((action.verb, str(target)))) % 16**12:012x}")
    planned = PlannedAction(identity, 0, 1, action.verb, action.platform, action.effect, target, asked)
    return Intent(planned, json.loads(json.dumps(action.find(planned, held))), "patchgap")


def standing(intent: Intent, receipt: Receipt) -> Control:
    """The control that stands."""
    return Control(intent, receipt, NOW)


def refused(call: Any) -> str:
    """What the call says no with."""
    try:
        call()
    except PatchgapError as error:
        return f"{type(error).__name__}: {error.problem}"
    raise AssertionError("it was not refused")


def accounts(connections: Connections) -> Accounts:
    """The connection itself."""
    return connections.of(Accounts)
