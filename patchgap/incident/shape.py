"""What an incident is at one moment: where it stands, what was done, what is known.

Owns the shape and what can be read off it; how the ledger's entries lead there is in `state`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from patchgap.incident import events
from patchgap.incident.events import Approved, Declined, GlassBroken, Remaining, TierGiven, Waived
from patchgap.incident.gate import GateVerdict
from patchgap.model.evidence import Evidence
from patchgap.model.finding import Finding, IncidentId
from patchgap.model.plan import ActionId, Control, Intent, Outcome, Plan, PlannedAction, Receipt
from patchgap.model.signal import Signal, SignalId
from patchgap.model.unknown import Unknown
from patchgap.model.workload import WorkloadRef

_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\ufe00-\ufe0f\U0001d159\U000e0100-\U000e01ef]"
)  # seen by nobody


class Status(StrEnum):
    """Where the incident stands, in the order of its life."""

    OPEN = "open"
    SCOPED = "scoped"
    PLANNED = "planned"
    AWAITING_APPROVAL = "awaiting_approval"
    CONTAINING = "containing"
    CONTAINED = "contained"
    PARTIAL = "partial"
    VERIFYING = "verifying"
    RECOVERED = "recovered"
    CLOSED = "closed"
    DISMISSED = "dismissed"


ENDED = frozenset({Status.CLOSED, Status.DISMISSED})


@dataclass(frozen=True, slots=True)
class Times:
    """When each thing happened; None for what has not. `contained` is by tier: the last of its targets. `judged` is
    the last judgement, `converged` the one since which every judgement passed."""

    received: datetime
    opened: datetime
    scoped: datetime | None = None
    planned: datetime | None = None
    contained: Mapping[int, datetime] = field(default_factory=dict)
    judged: datetime | None = None
    converged: datetime | None = None
    recovered: datetime | None = None
    ended: datetime | None = None


@dataclass(frozen=True, slots=True)
class RefusedClosing:
    """Someone asked to close, was refused, and every reason."""

    at: datetime
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class IncidentState:
    """The incident after its last entry. `controls` are done and not released; a control whose later observation failed
    still counts, since it must still be released, and one of which nothing stands is kept up to date. `halves` were begun and not done: part of their effect may
    stand. `receipts` are the latest an action; `released` the latest attempt to release each, DONE or not.
    `waited_under` is the plan, by digest, that an action's waiting was allowed under. `tiers_in_play` are those that any scope gave; `clusters` by platform those that the last scope asked, and every
    one that an exposure or a control was ever found in."""

    id: IncidentId
    head: str
    seq: int
    status: Status
    finding: Finding
    playbook: str
    version: int
    digest: str
    text: str
    times_scale: float
    times: Times
    signals: tuple[SignalId, ...]
    joined: tuple[Signal, ...] = ()
    tiers: Mapping[str, TierGiven] = field(default_factory=dict)
    tiers_in_play: frozenset[int] = frozenset()
    asked: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    identities: Mapping[str, str] = field(
        default_factory=dict
    )  # of each cluster, as the first scope that read it knew it
    touched: frozenset[tuple[str, str]] = frozenset()  # platform and cluster of each exposure and intent
    unknown: tuple[Unknown, ...] = ()
    plan: Plan | None = None
    plan_seq: int = 0
    approvals: tuple[Approved, ...] = ()
    declined: Declined | None = None  # the plan that stands, by whom
    glass: tuple[GlassBroken, ...] = ()  # each time that somebody did without a second person
    lapsed: frozenset[Approved | GlassBroken] = frozenset()  # a later entry outlived them: no clock brings them back
    intents: Mapping[ActionId, Intent] = field(default_factory=dict)
    intended_at: Mapping[ActionId, datetime] = field(default_factory=dict)
    receipts: tuple[Receipt, ...] = ()
    controls: tuple[Control, ...] = ()
    halves: tuple[Control, ...] = ()
    releasing: Mapping[ActionId, int] = field(default_factory=dict)  # the entry that intends it; gone once it failed
    released: Mapping[ActionId, Receipt] = field(default_factory=dict)
    waited_under: Mapping[ActionId, str] = field(default_factory=dict)
    patched: tuple[str, ...] = ()
    mends: tuple[str, ...] = ()  # the references that were named, in that order
    given_up: Mapping[str, str] = field(default_factory=dict)  # the references whose canary failed, each with why
    rounds: Mapping[tuple[str, str], tuple[Evidence, ...]] = field(default_factory=dict)  # by check and platform
    verdict: GateVerdict | None = None
    waivers: tuple[Waived, ...] = ()
    refused_closings: tuple[RefusedClosing, ...] = ()
    failures: tuple[events.StageFailed, ...] = ()
    persons_called: tuple[str, ...] = ()
    overran: Mapping[ActionId, datetime] = field(default_factory=dict)  # when a person was last called for it
    extended: Mapping[ActionId, events.TimeExtended] = field(default_factory=dict)  # the last word on each
    told: tuple[events.PersonTold, ...] = ()
    status_since: int = 1  # the entry since which the status is what it is
    remaining: tuple[Remaining, ...] = ()
    ending: events.Closed | events.Dismissed | None = None

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """What the latest round of each check saw on each platform."""
        return tuple(piece for round_ in self.rounds.values() for piece in round_)

    @property
    def open_intents(self) -> tuple[Intent, ...]:
        """Intents of which nobody knows yet whether they took effect: without a receipt, or with an unsettled one, and
        not released since."""
        settled = {r.action for r in self.receipts if r.outcome is not Outcome.UNSETTLED}
        settled |= {action for action, receipt in self.released.items() if receipt.outcome is Outcome.DONE}
        return tuple(i for i in self.intents.values() if i.action.id not in settled)

    @property
    def begun(self) -> tuple[Control, ...]:
        """What may stand in part: the halves, and every intent that a run left without a receipt."""
        known = {r.action for r in self.receipts}
        unknown = (i for i in self.open_intents if i.action.id not in known)
        cut = "it was begun, and no receipt says how it ended"
        return (
            *self.halves,
            *(
                Control(i, Receipt(i.action.id, Outcome.UNSETTLED, (cut,)), self.intended_at[i.action.id])
                for i in unknown
            ),
        )

    @property
    def to_release(self) -> tuple[Control, ...]:
        """What a release can undo and has not undone yet: the controls that stand, and what was begun and not done. One of
        which nothing stands is none."""
        return tuple(c for c in (*self.controls, *self.halves) if c.intent.action.inverse and c.receipt.stands)

    @property
    def release_begun(self) -> frozenset[ActionId]:
        """What a release has begun to take away and has not finished: it may stand in part."""
        failed = {a for a, receipt in self.released.items() if receipt.outcome is not Outcome.DONE}
        return frozenset(
            c.intent.action.id for c in self.to_release if c.intent.action.id in {*failed, *self.releasing}
        )

    @property
    def released_whole(self) -> frozenset[ActionId]:
        """What was released and has not been planned anew since."""
        done = (a for a, receipt in self.released.items() if receipt.outcome is Outcome.DONE)
        return frozenset(a for a in done if self.releasing.get(a, 0) > self.plan_seq)

    @property
    def clusters(self) -> Mapping[str, tuple[str, ...]]:
        """The control planes that must have answered before anything counts as gone, by platform."""
        named = {*self.touched, *((p, c) for p, held in self.asked.items() for c in held)}
        return {p: tuple(sorted(c for q, c in named if q == p)) for p in sorted({p for p, _ in named})}

    @property
    def ever_contained(self) -> bool:
        """Whether anything was changed to contain it, whatever became of that since; a rotation counts too, which nothing
        undoes."""
        undone = {a for a, r in self.released.items() if r.outcome is Outcome.DONE}
        return any(i.action.reached for i in self.intents.values() if i.action.id in undone) or any(
            c.intent.action.reached for c in self.controls
        )

    @property
    def failed(self) -> tuple[Receipt, ...]:
        """The actions whose latest outcome is neither DONE nor that they wait."""
        return tuple(r for r in self.receipts if r.outcome not in {Outcome.DONE, Outcome.WAITING})

    @property
    def waiting(self) -> tuple[Receipt, ...]:
        """The actions that wait for something else to be there first."""
        return tuple(r for r in self.receipts if r.outcome is Outcome.WAITING)

    def receipt(self, action: ActionId) -> Receipt | None:
        """The action's latest receipt."""
        return next((r for r in self.receipts if r.action == action), None)

    def glass_is_broken(self, plan_digest: str, now: datetime) -> bool:
        """Whether somebody does without the second person's yes to that plan now."""
        return any(self._holds(g, now) and g.plan_digest in ("", plan_digest) for g in self.glass)

    def _holds(self, given: Approved | GlassBroken, now: datetime) -> bool:
        return given.expires_at > now and given not in self.lapsed

    def tier_of(self, ref: WorkloadRef) -> int | None:
        """The workload's tier, or None where it has none."""
        given = self.tiers.get(str(ref))
        return given.tier if given else None

    def approved(self, plan_digest: str, now: datetime) -> bool:
        """Whether a person other than the requester said yes to that plan, and it has not expired; or the glass is
        broken."""
        if self.declined is not None and self.declined.plan_digest == plan_digest:
            return self.glass_is_broken(plan_digest, now)
        return self.glass_is_broken(plan_digest, now) or any(
            a.plan_digest == plan_digest and self._holds(a, now) and second_person(a.approver, a.requester)
            for a in self.approvals
        )

    def consented(self, action: PlannedAction, now: datetime) -> bool:
        """Whether the action needs no approval or has one. A yes to a plan that says that an action waits is a yes to
        the waiting: it holds for what it found waiting, under that plan."""
        if not action.needs_approval:
            return True
        digest = self.plan.digest if self.plan else ""
        return self.approved(digest, now) or self.waited_under.get(action.id) == digest


def same_person(one: str, other: str) -> bool:
    """Whether both name somebody, and the same, however either is spelt."""
    return _spelt(one) == _spelt(other) != ""


def second_person(approver: str, requester: str) -> bool:
    """Whether both are somebody, and the approver somebody else than who asked, however either is spelt. A name without a
    domain (a user of the machine) may be that of any address that begins so: `dana` is no second to `dana@example.org`."""
    one, other = _spelt(approver), _spelt(requester)
    if "@" not in one or "@" not in other:
        one, other = one.partition("@")[0], other.partition("@")[0]
    return "" not in {one, other} and one != other


def _spelt(name: str) -> str:
    seen = "".join(c for c in unicodedata.normalize("NFKC", name) if unicodedata.category(c) != "Cf")
    seen = _BLANK.sub("", seen)
    return " ".join(unicodedata.normalize("NFKC", seen.casefold()).split())
