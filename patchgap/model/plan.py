"""Plans: every target of every step named, before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType

from patchgap.model.finding import IncidentId
from patchgap.model.unknown import Unknown
from patchgap.model.workload import WorkloadRef

ActionId = NewType("ActionId", str)  # "act-" and 12 hex digits: SHA-256 of incident, verb, object and parameters


class Effect(StrEnum):
    """What a verb does to the world."""

    READS = "reads"
    NOTIFIES = "notifies"  # writes to people alone: an incident opened, a ticket
    REVERSIBLE = "reversible"
    IRREVERSIBLE = "irreversible"


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """One thing that an action changes or reads. For an object of a control plane `uid` is its identity ("" where the
    object does not exist yet or the platform has none, as for a ticket). `workloads` are what
    this target serves, as `str(WorkloadRef)`: the scoped workloads, and any other that the action changes with them."""

    platform: str
    cluster: str
    namespace: str
    kind: str
    name: str
    uid: str
    workloads: tuple[str, ...] = ()

    @classmethod
    def of(cls, ref: WorkloadRef) -> Target:
        """The target that is the workload itself."""
        return cls(ref.platform, ref.cluster, ref.namespace, ref.kind, ref.name, ref.uid, (str(ref),))

    @property
    def bare(self) -> Target:
        """The thing itself, whatever it serves."""
        return replace(self, workloads=())

    @property
    def by_name(self) -> Target:
        """Whatever bears its name: without its identity too."""
        return replace(self, uid="", workloads=())

    def __str__(self) -> str:
        return "/".join(p for p in (self.cluster, self.namespace, self.kind, self.name) if p)


@dataclass(frozen=True, slots=True)
class PlannedAction:
    """One verb on one target. `changes` says, a line a change, what will differ (`spec.paused: false -> true`).
    `parameters` is plain JSON, secrets as references."""

    id: ActionId
    step: int  # position in the tier's list, from 0
    tier: int
    verb: str
    platform: str
    effect: Effect
    target: Target
    parameters: Mapping[str, Any]
    changes: tuple[str, ...] = ()
    inverse: str = ""  # the verb that undoes it; "" for none
    needs_approval: str = ""  # why it waits for a person's yes to the plan; "" where it does not
    seen: Mapping[str, str] = field(default_factory=dict)  # fields of the target that it was planned for, as they stood
    stands_for: int = 0  # seconds that it may stand before a person is called; 0 where its verb has no such time

    @property
    def reached(self) -> tuple[str, ...]:
        """The names of what it changes, as limits count them: workloads, or the target where it serves none; nothing
        where it only reads or tells people."""
        if self.effect in (Effect.READS, Effect.NOTIFIES):
            return ()
        return self.target.workloads or (str(self.target),)

    def __str__(self) -> str:
        return f"{self.verb} on {self.target}"


@dataclass(frozen=True, slots=True)
class Uncovered:
    """A scoped workload (or other object) that a step should have reached and nothing serves, and why."""

    verb: str
    target: str
    reason: str


@dataclass(frozen=True, slots=True)
class Approval:
    """Who may say yes, and until when a plan waits for it."""

    approvers: str
    within_seconds: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What contain will do, in order. `refusals` is not empty where a limit or a protected object refused: then
    nothing of the plan may run. `digest` is the SHA-256 over everything but itself and `made_at`; approvals bind
    to it."""

    incident: IncidentId
    playbook: str  # "compromised-dependency@3"
    made_at: datetime
    actions: tuple[PlannedAction, ...]
    uncovered: tuple[Uncovered, ...] = ()
    refusals: tuple[str, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    approval: Approval | None = None
    needs_approval: tuple[str, ...] = ()  # why, one sentence each; only the actions that carry one of them wait
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Intent:
    """Durable before the effect: what will be done, the state found, and the inverse with all it needs."""

    action: PlannedAction
    found: Mapping[str, Any]  # the state found that a release must restore, plain JSON
    owner: str = ""  # the run that made it


class Outcome(StrEnum):
    """How an action on one target ended."""

    DONE = "done"
    FAILED = "failed"
    UNSETTLED = "unsettled"  # the effect could not be observed; the next run settles it
    WAITING = "waiting"  # for what its receipt's `detail` says: tried again in every round, and holds up no other


@dataclass(frozen=True, slots=True)
class Receipt:
    """After the effect: what was done. `detail` are sentences for a person, with what does not hold fully
    (`1 hostNetwork pod is outside the policy`); `result` is plain JSON that the inverse or a check reads (names of
    objects made, resource versions, probe results). `ended` in it names the actions whose effect it has ended, `withdrawn`
    the images that it has given up, each with why."""

    action: ActionId
    outcome: Outcome
    detail: tuple[str, ...] = ()
    result: Mapping[str, Any] = field(default_factory=dict)

    @property
    def proved(self) -> bool:
        """Whether the action, where it can see that its effect holds, saw it (`proved` in its result): not where an
        isolation may leak, or nobody tried whether an old token is refused."""
        return self.outcome is Outcome.DONE and self.result.get("proved") is not False

    @property
    def stands(self) -> bool:
        """Whether there is something that a release can undo: not where nothing was to be done, or another action has ended
        the effect since (`stands` in its result)."""
        return self.result.get("stands") is not False

    @property
    def unseen(self) -> bool:
        """Whether it was done before (`done_at` in its result) and could not be seen when it was looked at again: each
        verification looks, and nothing is to be done."""
        return self.outcome is Outcome.UNSETTLED and "done_at" in self.result


@dataclass(frozen=True, slots=True)
class Control:
    """A containment that stands: an intent with its receipt, not released yet."""

    intent: Intent
    receipt: Receipt
    since: datetime
