"""Services that are to read a secret anew: ECS gives it to a task when that starts, and never again.

Owns the tag that says that a service was deployed anew for an incident, so that a second run does not do it again.
"""

from __future__ import annotations

from integrations.aws.inventory.ecs import SERVICE
from integrations.aws.reach import still
from patchgap.model.plan import Target
from patchgap.model.workload import WorkloadRef
from patchgap.ports import Situation

PERMISSIONS = ("ecs:DescribeServices", "ecs:UpdateService", "ecs:TagResource")
READ_PERMISSIONS = PERMISSIONS[:1]
_MARK = "patchgap.dev/rotated"


def fate(workload: str) -> str:
    """What happens to one that reads the secret."""
    kind, name = workload.split("/")[-2:]
    if kind == SERVICE:
        return f"{kind} {name} is deployed anew"
    return f"{kind} {name} has the old one until it reads the secret again: nothing starts it anew"


def redeployed(situation: Situation, target: Target) -> tuple[str, ...]:
    """Deploys each service that the target names anew, once an incident; what became of it."""
    for ref in _services(target):
        found = still(situation, ref)
        if found is not None and not _is_marked(found.tags, situation):
            asked = {"cluster": found.cluster, "service": found.name, "forceNewDeployment": True}
            found.account.write("ecs", "UpdateService", found.region, **asked)
            tags = [{"key": f"{_MARK}/{situation.incident}", "value": target.name.replace(":", "/")}]
            found.account.write("ecs", "TagResource", found.region, resourceArn=found.arn, tags=tags)
    return tuple(fate(w) for w in target.workloads)


def late(situation: Situation, target: Target) -> tuple[str, ...]:
    """The services that were not deployed anew since."""
    each = ((ref, still(situation, ref)) for ref in _services(target))
    return tuple(
        f"{ref} was not deployed anew" for ref, s in each if s is not None and not _is_marked(s.tags, situation)
    )


def _is_marked(tags: dict[str, str], situation: Situation) -> bool:
    return f"{_MARK}/{situation.incident}" in tags


def _services(target: Target) -> tuple[WorkloadRef, ...]:
    """Without their identity: one that was made anew meanwhile has read the new secret already, or reads it now."""
    parts = (w.split("/") for w in target.workloads)
    return tuple(WorkloadRef(target.platform, p[0], p[1], p[2], p[3], "") for p in parts if p[2] == SERVICE)
