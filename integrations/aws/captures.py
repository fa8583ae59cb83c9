"""What a capture of an AWS workload holds: its definitions, what runs of it, its network and what its roles may do.

Owns what is read. No secret's value is read; of a function's answer the signed address of its code is left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from integrations.aws.account import Account, Json
from integrations.aws.answers import ForbiddenError
from integrations.aws.inventory.ecs import SERVICE, definition_of
from integrations.aws.inventory.roles import Roles, name_of
from integrations.aws.reach import READS_FUNCTION, READS_SERVICE, Live
from integrations.redaction import redacted
from patchgap.errors import NotFoundError

PERMISSIONS = (
    READS_SERVICE,
    READS_FUNCTION,
    "ecs:ListTasks",
    "ecs:DescribeTasks",
    "ecs:DescribeTaskDefinition",
    "lambda:ListVersionsByFunction",
    "lambda:ListAliases",
    "lambda:GetPolicy",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "iam:GetRole",
    "iam:ListAttachedRolePolicies",
    "iam:ListRolePolicies",
    "iam:GetRolePolicy",
    "iam:GetPolicy",
    "iam:GetPolicyVersion",
)
_TASKS = 100  # that a describing call takes


def documents_of(found: Live) -> dict[str, Any]:
    """Each document by its name. One that may not be read says so under `untold`."""
    return _service(found) if found.kind == SERVICE else _function(found)


def plain(document: Any) -> Any:
    """As JSON holds it: times as text."""
    return json.loads(json.dumps(document, default=str))


def _service(found: Live) -> dict[str, Any]:
    account, region = found.account, found.region
    tasks = _tried(_tasks, found)
    running = tasks if isinstance(tasks, list) else []
    arns = (found.spec.get("taskDefinition"), *(t["taskDefinitionArn"] for t in running))
    definitions = [_tried(definition_of, account, region, a) for a in dict.fromkeys(str(a) for a in arns if a)]
    network = (found.spec.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
    details = [d for t in running for a in t.get("attachments") or () for d in a.get("details") or ()]
    cards = [str(d["value"]) for d in details if d.get("name") == "networkInterfaceId"]
    roles = [str(d.get(key) or "") for d in definitions for key in ("taskRoleArn", "executionRoleArn")]
    return {
        "workload": _clean(found.spec),
        "task_definitions": [_clean(d) for d in definitions],
        "tasks": _clean(tasks),
        "secrets": _secrets(definitions),
        "network_interfaces": _network(account, region, "DescribeNetworkInterfaces", "NetworkInterfaceIds", cards),
        "security_groups": _groups(account, region, network.get("securityGroups") or ()),
        "roles": _roles(account, roles),
    }


def _function(found: Live) -> dict[str, Any]:
    account, region, spec = found.account, found.region, dict(found.spec)
    given = (spec.pop("Environment", None) or {}).get("Variables") or {}
    environment = [{"name": k, "value": v} for k, v in sorted(given.items())]
    vpc = spec.get("VpcConfig") or {}

    def listed(operation: str, key: str) -> Any:
        return list(account.pages("lambda", operation, key, region, FunctionName=found.name))

    def policy() -> Any:
        return json.loads(account.read("lambda", "GetPolicy", region, FunctionName=found.name)["Policy"])

    versions = _tried(listed, "ListVersionsByFunction", "Versions")
    if isinstance(versions, list):
        versions = [{k: v for k, v in version.items() if k != "Environment"} for version in versions]
    return {
        "workload": _clean({**spec, "environment": environment}),
        "versions": _clean(versions),
        "aliases": _clean(_tried(listed, "ListAliases", "Aliases")),
        "policy": _clean(_tried(policy)),
        "security_groups": _groups(account, region, vpc.get("SecurityGroupIds") or ()),
        "roles": _roles(account, [str(spec.get("Role") or "")]),
    }


def _tasks(found: Live) -> list[Json]:
    held: list[Json] = []
    for status in ("RUNNING", "STOPPED"):  # ECS keeps a stopped one for an hour
        asked = {"cluster": found.cluster, "serviceName": found.name, "desiredStatus": status}
        arns = list(found.account.pages("ecs", "ListTasks", "taskArns", found.region, **asked))
        for start in range(0, len(arns), _TASKS):
            some = {"cluster": found.cluster, "tasks": arns[start : start + _TASKS], "include": ["TAGS"]}
            held += found.account.read("ecs", "DescribeTasks", found.region, **some)["tasks"]
    return held


def _secrets(definitions: Iterable[Json]) -> list[dict[str, str]]:
    """Which secrets and parameters are read, by name alone."""
    each = ((c, s) for d in definitions for c in d.get("containerDefinitions") or () for s in c.get("secrets") or ())
    return [{"container": str(c["name"]), "variable": str(s["name"]), "from": str(s["valueFrom"])} for c, s in each]


def _groups(account: Account, region: str, groups: Iterable[str]) -> Any:
    return _network(account, region, "DescribeSecurityGroups", "GroupIds", list(groups))


def _network(account: Account, region: str, operation: str, key: str, identifiers: list[str]) -> Any:
    """What EC2 tells of these, one by one: one that is gone takes no other with it."""
    answers = (_tried(account.read, "ec2", operation, region, **{key: [one]}) for one in dict.fromkeys(identifiers))
    return [_clean({k: v for k, v in a.items() if k != "ResponseMetadata"}) for a in answers]


def _roles(account: Account, arns: Iterable[str]) -> list[dict[str, Any]]:
    """Each role with its trust and all of its policies."""
    known = Roles(account)

    def policies(name: str) -> list[Json]:
        return list(known.documents(name))

    def role(name: str) -> Any:
        return account.read("iam", "GetRole", RoleName=name)["Role"]

    names = dict.fromkeys(name_of(a) for a in arns if a)
    return [{"role": plain(_tried(role, n)), "policies": plain(_tried(policies, n))} for n in names]


def _tried(ask: Callable[..., Any], *about: Any, **asked: Any) -> Any:
    try:
        return ask(*about, **asked)
    except ForbiddenError as error:
        return {"untold": f"patchgap may not {error.permission}"}
    except NotFoundError as error:
        return {"untold": error.problem}


def _clean(document: Any) -> Any:
    told = plain(document)
    return redacted({"": told})[""]


def missing(document: Any) -> list[str]:
    """Every `untold` in it."""
    if isinstance(document, dict):
        own = [str(document["untold"])] if isinstance(document.get("untold"), str) else []
        return own + [line for v in document.values() for line in missing(v)]
    return [line for v in document for line in missing(v)] if isinstance(document, list) else []
