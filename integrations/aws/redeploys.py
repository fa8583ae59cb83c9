"""Services that are to read a secret anew: ECS gives it to a task when that starts, and never again.

Owns the tag that says which deployment a service had before it was to be deployed anew for an incident: it is written first,
and a service whose deployment is another one by now has been, so that a run which is cut off between the two does it once.
"""

from __future__ import annotations

from hashlib import sha256

from integrations.aws.inventory.ecs import SERVICE
from integrations.aws.reach import Live, still
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
    """Deploys each service that the target names anew, once a rotation; what became of it."""
    for ref in _services(target):
        found = still(situation, ref)
        if found is not None and not _is_anew(found, situation, target):
            if _mark(situation, target) not in found.tags:
                tags = [{"key": _mark(situation, target), "value": _deployment(found)}]
                found.account.write("ecs", "TagResource", found.region, resourceArn=found.arn, tags=tags)
            asked = {"cluster": found.cluster, "service": found.name, "forceNewDeployment": True}
            found.account.write_once("ecs", "UpdateService", found.region, **asked)  # each try is a deployment
    return tuple(fate(w) for w in target.workloads)


def late(situation: Situation, target: Target) -> tuple[str, ...]:
    """The services that were not deployed anew since."""
    each = ((ref, still(situation, ref)) for ref in _services(target))
    return tuple(
        f"{ref} was not deployed anew" for ref, s in each if s is not None and not _is_anew(s, situation, target)
    )


def _mark(situation: Situation, target: Target) -> str:
    """The tag of this rotation: a service may read what two of them put in."""
    return f"{_MARK}/{situation.incident}/{sha256(target.name.encode()).hexdigest()[:8]}"


def _is_anew(found: Live, situation: Situation, target: Target) -> bool:
    """Whether its deployment is another one than before: whoever made that, its tasks have read the new secret."""
    return found.tags.get(_mark(situation, target), _deployment(found)) != _deployment(found)


def _deployment(found: Live) -> str:
    """The id of the deployment whose tasks are started; "" where ECS tells none."""
    return next((str(d["id"]) for d in found.spec.get("deployments") or () if d.get("status") == "PRIMARY"), "")


def _services(target: Target) -> tuple[WorkloadRef, ...]:
    """Without their identity: one that was made anew meanwhile has read the new secret already, or reads it now."""
    parts = (w.split("/") for w in target.workloads)
    return tuple(WorkloadRef(target.platform, p[0], p[1], p[2], p[3], "") for p in parts if p[2] == SERVICE)
