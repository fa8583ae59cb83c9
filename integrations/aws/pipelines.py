"""CodePipeline: which stages deploy a workload, and that nothing enters one while an incident is handled.

Owns the reason that a stopped transition bears: it names the incidents that hold it, so that each undoes its own part alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from integrations.aws.account import Account, Json
from integrations.aws.inventory.ecs import SERVICE, parts_of
from integrations.aws.inventory.functions import FUNCTION
from patchgap.errors import ConflictError, NotFoundError
from patchgap.model.workload import WorkloadRef

READ_PERMISSIONS = ("codepipeline:ListPipelines", "codepipeline:GetPipeline", "codepipeline:GetPipelineState")
PERMISSIONS = (
    *READ_PERMISSIONS,
    "codepipeline:DisableStageTransition",
    "codepipeline:EnableStageTransition",
)
_OURS = re.compile(r"^patchgap \(([A-Za-z0-9 .-]+)\)")


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a pipeline, with the actions in it that deploy. `uid` is what no other pipeline of that name has."""

    pipeline: str
    name: str
    uid: str
    deploys: tuple[Json, ...]


@dataclass(frozen=True, slots=True)
class Transition:
    """Whether anything enters the stage; the incidents that stopped it, and what else of it must not be lost."""

    enabled: bool
    reason: str
    changed: str  # when, "" for never

    @property
    def holders(self) -> tuple[str, ...]:
        """The incidents that hold it, () for somebody else's stop."""
        found = None if self.enabled else _OURS.match(self.reason)
        return tuple(found[1].split()) if found else ()


def stages(account: Account, region: str) -> Iterator[Stage]:
    """Every stage of the region that deploys something."""
    for listed in account.pages("codepipeline", "ListPipelines", "pipelines", region):
        try:
            yield from _stages(account.read("codepipeline", "GetPipeline", region, name=listed["name"]))
        except NotFoundError:  # deleted between two calls
            continue


def stage(account: Account, region: str, pipeline: str, name: str, uid: str) -> Stage:
    """The planned one. Raises NotFoundError where it is gone, ConflictError where another pipeline bears its name."""
    told = list(_stages(account.read("codepipeline", "GetPipeline", region, name=pipeline)))
    found = next((s for s in told if s.name == name), None)
    if found is None:
        raise NotFoundError(
            f"account {account.name}: pipeline {pipeline} has no stage {name} that deploys", "It is gone."
        )
    if found.uid != uid:
        raise ConflictError(
            f"account {account.name}: pipeline {pipeline} is another one than the planned ({found.uid}, planned {uid})",
            "Refresh the inventory and plan again.",
        )
    return found


def _stages(told: Json) -> Iterator[Stage]:
    meta, pipeline = told["metadata"], told["pipeline"]
    uid = f"{meta['pipelineArn']}#{meta['created'].isoformat()}"
    for one in pipeline["stages"]:
        deploys = tuple(a for a in one["actions"] if a["actionTypeId"]["category"] == "Deploy")
        if deploys:
            yield Stage(str(pipeline["name"]), str(one["name"]), uid, deploys)


def deploys(found: Stage, ref: WorkloadRef, *, beside: bool) -> bool:
    """Whether the stage says that it deploys the workload, ECS by cluster and service, Lambda by name; with `beside`, also
    whether it deploys another one of that namespace."""
    told = ((a["actionTypeId"]["provider"], a.get("configuration") or {}) for a in found.deploys)
    return any(_deploys(provider, said, ref, beside) for provider, said in told)


def _deploys(provider: str, said: Json, ref: WorkloadRef, beside: bool) -> bool:
    if ref.kind == SERVICE and provider == "ECS":
        cluster = parts_of(ref.namespace)[1]
        return said.get("ClusterName") == cluster and (beside or said.get("ServiceName") == ref.name)
    return ref.kind == FUNCTION and provider == "Lambda" and (beside or said.get("FunctionName") == ref.name)


def transition(account: Account, region: str, found: Stage) -> Transition:
    """What enters the stage, now."""
    told = account.read("codepipeline", "GetPipelineState", region, name=found.pipeline)
    state: Json = next((s for s in told["stageStates"] if s["stageName"] == found.name), {})
    held: dict[str, Any] = state.get("inboundTransitionState") or {}
    changed = held["lastChangedAt"].isoformat() if held.get("lastChangedAt") else ""
    return Transition(bool(held.get("enabled", True)), str(held.get("disabledReason") or ""), changed)


def found(now: Transition) -> dict[str, Any]:
    """What a release must know: whether it ran before any incident stopped it, and when it was changed last."""
    return {"ran": now.enabled or bool(now.holders), "changed": now.changed if now.enabled else ""}


def hold(account: Account, region: str, held: Stage, incident: str, before: Json) -> None:
    """Stops the transition, for the incident; one that was found stopped by somebody else stays theirs. Raises ConflictError
    where somebody else has changed it since it was found."""
    now = transition(account, region, held)
    refuse_foreign(account, held, now, incident, before)
    if before["ran"] and incident not in now.holders:
        _stop(account, region, held, (*now.holders, incident))


def let_go(account: Account, region: str, held: Stage, incident: str, before: Json) -> str:
    """Lets it run again, unless another incident holds it; says what became of it. Raises ConflictError where somebody else has
    stopped it meanwhile."""
    now, named = transition(account, region, held), f"the transition into {held.pipeline}'s stage {held.name}"
    if not before["ran"]:
        return f"{named} was stopped by somebody else before, and stays as it is"
    if now.enabled:
        return f"{named} runs already"
    if incident not in now.holders:
        refuse_foreign(account, held, now, incident, before)
        return f"{named} is not held by this incident"
    if others := tuple(h for h in now.holders if h != incident):
        _stop(account, region, held, others)
        return f"{named} stays stopped: {', '.join(others)} holds it too"
    asked = {"pipelineName": held.pipeline, "stageName": held.name, "transitionType": "Inbound"}
    account.write("codepipeline", "EnableStageTransition", region, **asked)
    return f"{named} runs again"


def refuse_foreign(account: Account, held: Stage, now: Transition, incident: str, before: Json) -> None:
    """Raises ConflictError where the transition is neither as it was found nor as an incident has set it."""
    theirs = now.changed != before["changed"] if now.enabled else not now.holders
    if before["ran"] and incident not in now.holders and theirs:
        raise ConflictError(
            f"account {account.name}: somebody has changed the transition into {held.pipeline}'s stage {held.name} meanwhile",
            "Decide with whoever did it (CloudTrail knows); nothing was overwritten.",
        )


def _stop(account: Account, region: str, held: Stage, holders: tuple[str, ...]) -> None:
    account.write(
        "codepipeline",
        "DisableStageTransition",
        region,
        pipelineName=held.pipeline,
        stageName=held.name,
        transitionType="Inbound",
        reason=f"patchgap ({' '.join(holders)}) - frozen while the incident is handled",
    )
