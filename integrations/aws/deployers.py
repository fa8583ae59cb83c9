"""The roles that deploy into an account: what a freeze denies them, and the mend that it lets through.

Owns the statements. That a statement stands as it was written is `denials`' to know.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from integrations.aws import denials
from integrations.aws.account import Account
from integrations.aws.inventory.ecs import SERVICE, definition_of, digest_of, parts_of
from patchgap.model.workload import Workload

_MENDS = ("ecs:ListTaskDefinitions", "ecs:DescribeTaskDefinition")
READ_PERMISSIONS = (*denials.READ_PERMISSIONS, *_MENDS)
PERMISSIONS = (*denials.PERMISSIONS, *_MENDS)
WHAT = "freeze"
_SERVICE = (
    "CreateService",
    "UpdateService",
    "DeleteService",
    "CreateTaskSet",
    "DeleteTaskSet",
    "UpdateServicePrimaryTaskSet",
)
_FUNCTION = (
    "UpdateFunctionCode",
    "UpdateFunctionConfiguration",
    "DeleteFunction",
    "PublishVersion",
    "CreateAlias",
    "UpdateAlias",
    "DeleteAlias",
)
_NEWEST = 10  # revisions of a family that are looked at for the mend


def statements(workloads: Iterable[Workload], mends: Sequence[str], *, whole: bool) -> tuple[dict[str, Any], ...]:
    """What is denied: changes of the services but to a task definition of the mend, and changes of the functions. With `whole`
    everything in the same ECS cluster, and every function of the region."""
    services, functions = set(), set()
    for w in workloads:
        if w.ref.kind == SERVICE:
            arn = w.ref.uid.partition("#")[0]
            services.add(f"{arn.partition(':service/')[0]}:service/{parts_of(w.ref.namespace)[1]}/*" if whole else arn)
        else:
            arn = w.ref.uid
            functions |= {f"{arn.rpartition(':')[0]}:*"} if whole else {arn, f"{arn}:*"}
    made: list[dict[str, Any]] = []
    if services:
        other = {"Condition": {"ArnNotEquals": {"ecs:task-definition": list(mends)}}} if mends else {}
        made.append({"Action": [f"ecs:{a}" for a in _SERVICE], "Resource": sorted(services), **other})
    if functions:
        made.append({"Action": [f"lambda:{a}" for a in _FUNCTION], "Resource": sorted(functions)})
    return tuple(made)


def mends(account: Account, workloads: Iterable[Workload], patched: frozenset[str]) -> tuple[str, ...]:
    """The newest task definitions of the services' families that run patched images alone, named by digest."""
    if not patched:
        return ()
    found: set[str] = set()
    families = {
        (parts_of(w.ref.namespace)[0], w.annotations.get("task-definition", "").partition(":")[0])
        for w in workloads
        if w.ref.kind == SERVICE
    }
    for region, family in sorted(f for f in families if f[1]):
        asked = {"familyPrefix": family, "sort": "DESC", "maxResults": _NEWEST}
        for arn in account.read("ecs", "ListTaskDefinitions", region, **asked)["taskDefinitionArns"]:
            images = [str(c["image"]) for c in definition_of(account, region, arn)["containerDefinitions"]]
            if images and all(digest_of(image, "") in patched for image in images):
                found.add(str(arn))
    return tuple(sorted(found))
