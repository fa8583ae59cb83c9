"""The network of a workload: the security groups that its tasks or its invocations are in.

Owns what isolation means for each kind. ECS applies a change to new tasks alone, and starts those before it stops the old
ones where it may: so the deployment is told to stop the old ones first, and not to roll back.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from integrations.aws import capacity
from integrations.aws.holds import Fields, Held
from integrations.aws.inventory.ecs import SERVICE
from integrations.aws.reach import Live
from patchgap.errors import RefusedError

PERMISSIONS = (
    "ecs:DescribeServices",
    "ecs:UpdateService",
    "lambda:GetFunction",
    "lambda:GetFunctionConcurrency",
    "lambda:PutFunctionConcurrency",
    "lambda:DeleteFunctionConcurrency",
)
_GROUPS, _LEAST, _MOST, _BREAKER = "groups", "minimum", "maximum", "rollback"
_OFF, _WATCH, _BACK = "off", "stop", "back"  # the circuit breaker: off, stops a deployment, rolls it back


def is_networked(live: Live) -> bool:
    """Whether its isolation is a change of security groups: not of a function, whose published versions would keep theirs."""
    return live.kind == SERVICE


def groups_of(live: Live) -> tuple[str, ...]:
    """The security groups of a service. Raises RefusedError where it has none of its own."""
    network = (live.spec.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
    groups = tuple(sorted(network.get("securityGroups") or ()))
    if not groups:
        raise RefusedError(
            f"{live.label} has no security group of its own: its tasks share their machine's network, or the VPC's default",
            "Scale it to zero, or isolate its machines.",
        )
    return groups


def isolated(live: Live, holder: str, group: str) -> Held:
    """The workload, to be held apart: a service in `group` alone, a function without any invocation. Raises RefusedError
    for what cannot be isolated so."""
    if not is_networked(live):
        return capacity.at_zero(live, f"{holder}/isolation")
    controller = (live.spec.get("deploymentController") or {}).get("type") or "ECS"
    if controller != "ECS":
        raise RefusedError(
            f"{live.label} is deployed by {controller}, which alone can change its network", "Scale it to zero."
        )
    now = {_GROUPS: "+".join(groups_of(live)), **_deployment(live)}
    zero = {_GROUPS: group, _LEAST: "0", _BREAKER: _OFF}
    return Held(live, "apart", holder, {k: now[k] for k in zero}, zero, partial(_write, live))


def left_outside(live: Live) -> int:
    """How many tasks of earlier deployments still run: they have the groups of before."""
    earlier = [d for d in live.spec.get("deployments") or () if d.get("status") != "PRIMARY"]
    return sum(int(d.get("runningCount") or 0) for d in earlier)


def _deployment(live: Live) -> Fields:
    held = live.spec.get("deploymentConfiguration") or {}
    breaker = held.get("deploymentCircuitBreaker") or {}
    does = _OFF if not breaker.get("enable") else _BACK if breaker.get("rollback") else _WATCH
    least, most = held.get("minimumHealthyPercent"), held.get("maximumPercent")
    return {
        _LEAST: str(100 if least is None else least),
        _MOST: str(200 if most is None else most),
        _BREAKER: does,
    }


def _write(live: Live, fields: Fields) -> None:
    """One call for all of them, so that no run can leave a half."""
    asked: dict[str, Any] = {}
    if _GROUPS in fields:
        network: Mapping[str, Any] = live.spec["networkConfiguration"]["awsvpcConfiguration"]
        asked["networkConfiguration"] = {
            "awsvpcConfiguration": {**network, "securityGroups": fields[_GROUPS].split("+")}
        }
    wanted = {**_deployment(live), **fields}
    asked["deploymentConfiguration"] = {
        **(live.spec.get("deploymentConfiguration") or {}),
        "minimumHealthyPercent": int(wanted[_LEAST]),
        "maximumPercent": int(wanted[_MOST]),
        "deploymentCircuitBreaker": {"enable": wanted[_BREAKER] != _OFF, "rollback": wanted[_BREAKER] == _BACK},
    }
    live.account.write("ecs", "UpdateService", live.region, cluster=live.cluster, service=live.name, **asked)
