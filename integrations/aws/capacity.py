"""What a workload may run: a service's desired count with its autoscaling, or a function's reserved concurrency.

Owns what zero means for each, and how it is set. It does not know who holds it there, or why.
"""

from __future__ import annotations

from functools import partial

from integrations.aws.holds import Fields, Held
from integrations.aws.inventory.ecs import SERVICE
from integrations.aws.inventory.functions import concurrency
from integrations.aws.reach import Live
from patchgap.errors import RefusedError

READ_PERMISSIONS = (
    "ecs:DescribeServices",
    "application-autoscaling:DescribeScalableTargets",
    "lambda:GetFunction",
    "lambda:GetFunctionConcurrency",
)
PERMISSIONS = (
    *READ_PERMISSIONS,
    "ecs:UpdateService",
    "application-autoscaling:RegisterScalableTarget",
    "lambda:PutFunctionConcurrency",
    "lambda:DeleteFunctionConcurrency",
)
_DESIRED, _SUSPENDED, _RESERVED = "desired", "suspended", "reserved"
_NONE = "none"
_DIMENSION = "ecs:service:DesiredCount"
_KINDS = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")


def at_zero(live: Live, holder: str) -> Held:
    """The workload, to be held at nothing. Raises RefusedError for a service that runs one task a machine."""
    if live.kind != SERVICE:
        allowed = concurrency(live.account, live.region, live.name)
        now = {_RESERVED: _NONE if allowed is None else str(allowed)}
        return Held(live, "zero", holder, now, {_RESERVED: "0"}, partial(_reserve, live))
    if live.spec.get("schedulingStrategy") == "DAEMON":
        raise RefusedError(f"{live.label} is a DAEMON: it has no count", "Isolate it, or delete it by hand.")
    now, zero = {_DESIRED: str(live.spec.get("desiredCount") or 0)}, {_DESIRED: "0"}
    if (suspended := _suspended(live)) is not None:
        now[_SUSPENDED], zero[_SUSPENDED] = suspended, "111"
    return Held(live, "zero", holder, now, zero, partial(_scale, live))


def _suspended(live: Live) -> str | None:
    """Which kinds of autoscaling rest, as three bits; None where nothing scales it."""
    asked = {"ServiceNamespace": "ecs", "ResourceIds": [_resource(live)], "ScalableDimension": _DIMENSION}
    found = live.account.read("application-autoscaling", "DescribeScalableTargets", live.region, **asked)
    if not found["ScalableTargets"]:
        return None
    state = found["ScalableTargets"][0].get("SuspendedState") or {}
    return "".join("1" if state.get(kind) else "0" for kind in _KINDS)


def _resource(live: Live) -> str:
    return f"service/{live.cluster}/{live.name}"


def _scale(live: Live, fields: Fields) -> None:
    """Autoscaling rests before the count falls, and wakes after it has risen."""
    desired, suspended = fields.get(_DESIRED), fields.get(_SUSPENDED)
    if suspended == "111":
        _suspend(live, suspended)
    if desired is not None:
        live.account.write(
            "ecs", "UpdateService", live.region, cluster=live.cluster, service=live.name, desiredCount=int(desired)
        )
    if suspended is not None and suspended != "111":
        _suspend(live, suspended)


def _suspend(live: Live, bits: str) -> None:
    live.account.write(
        "application-autoscaling",
        "RegisterScalableTarget",
        live.region,
        ServiceNamespace="ecs",
        ResourceId=_resource(live),
        ScalableDimension=_DIMENSION,
        SuspendedState={kind: bit == "1" for kind, bit in zip(_KINDS, bits, strict=True)},
    )


def _reserve(live: Live, fields: Fields) -> None:
    value = fields[_RESERVED]
    if value == _NONE:
        live.account.write("lambda", "DeleteFunctionConcurrency", live.region, FunctionName=live.name)
        return
    live.account.write(
        "lambda", "PutFunctionConcurrency", live.region, FunctionName=live.name, ReservedConcurrentExecutions=int(value)
    )
