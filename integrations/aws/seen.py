"""The fields of a target that a plan stands on: what it runs, and what of it the verb changes. Reads nothing itself."""

from __future__ import annotations

from integrations.aws.account import Json
from integrations.aws.holds import Fields
from integrations.aws.inventory.ecs import SERVICE
from integrations.aws.reach import Live
from patchgap.model.codec import digest


def of_workload(found: Live, before: Fields) -> dict[str, str]:
    """What it runs (a service's task definition, a function's code), and the fields of the verb as they were before any
    incident held them. A count that autoscaling sets all day is none of them."""
    runs = "taskDefinition" if found.kind == SERVICE else "CodeSha256"
    scaled = {"desired"} if "suspended" in before else set()
    return {runs: str(found.spec.get(runs) or ""), **{k: v for k, v in before.items() if k not in scaled}}


def of_role(role: Json) -> dict[str, str]:
    """Who may become it, as a digest, and how long a session of it lives, in seconds."""
    trust = digest(role.get("AssumeRolePolicyDocument") or {})
    return {"AssumeRolePolicyDocument": trust, "MaxSessionDuration": str(role.get("MaxSessionDuration") or 3600)}
