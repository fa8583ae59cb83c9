"""What a ledger's entries say: one frozen value a kind of event, told apart by `kind`.

Owns the shapes alone; what they mean together is in `state`, how they are kept in `ledger`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal, cast

from pydantic import Field

from patchgap.incident.gate import GateVerdict
from patchgap.model import codec
from patchgap.model.evidence import Evidence
from patchgap.model.finding import Finding
from patchgap.model.plan import ActionId, Intent, Plan, Receipt
from patchgap.model.signal import Signal
from patchgap.model.unknown import Unknown

THEIRS = {"theirs": True}  # a field of others' words, which may quote a secret: that is withheld, the rest kept


@dataclass(frozen=True, slots=True)
class TierGiven:
    """The tier of one workload, with the sentences that say why."""

    tier: int
    because: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Remaining:
    """A control that recovery left in place, why, and when it ends (None: until a person ends it)."""

    action: ActionId
    why: str
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """An incident began, under one pinned playbook: its name, version, the digest of its text, and the text whole.
    `times_scale` below 1 is a drill's."""

    finding: Finding = field(metadata=THEIRS)
    playbook: str
    version: int
    digest: str
    text: str
    times_scale: float = 1.0
    kind: Literal["opened"] = "opened"


@dataclass(frozen=True, slots=True)
class SignalJoined:
    """A further signal about the same thing."""

    signal: Signal = field(metadata=THEIRS)
    kind: Literal["signal_joined"] = "signal_joined"


@dataclass(frozen=True, slots=True)
class Scoped:
    """The finding with every exposure, each workload's tier by `str(WorkloadRef)`, and what could not be told.
    `clusters` are those that were configured then, by platform; `identities` what each control plane is known by."""

    finding: Finding = field(metadata=THEIRS)
    tiers: Mapping[str, TierGiven] = field(default_factory=dict, metadata=THEIRS)
    unknown: tuple[Unknown, ...] = field(default=(), metadata=THEIRS)
    seconds: float = 0.0
    clusters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    identities: Mapping[str, str] = field(default_factory=dict, metadata=THEIRS)
    kind: Literal["scoped"] = "scoped"


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan without refusals; approvals and actions bind to its digest."""

    plan: Plan
    kind: Literal["planned"] = "planned"


@dataclass(frozen=True, slots=True)
class PlanRefused:
    """A limit or a protected object refused: nothing may run. `plan` holds its refusals; `reasons` say why where there
    was no plan to make."""

    plan: Plan | None = None
    reasons: tuple[str, ...] = ()
    kind: Literal["plan_refused"] = "plan_refused"


@dataclass(frozen=True, slots=True)
class Approved:
    """A person other than the requester said yes to one plan, until `expires_at`."""

    plan_digest: str
    approver: str
    requester: str
    expires_at: datetime
    kind: Literal["approved"] = "approved"


@dataclass(frozen=True, slots=True)
class Declined:
    """A person said no to one plan: what waits in it does not run, until it is planned and approved again."""

    plan_digest: str
    who: str
    why: str
    kind: Literal["declined"] = "declined"


@dataclass(frozen=True, slots=True)
class GlassBroken:
    """Someone does without the second person's yes until `expires_at`; nothing else is allowed by it. It opens the plans of its
    own incident, or of those the one that `plan_digest` names."""

    who: str
    why: str
    expires_at: datetime
    plan_digest: str = ""
    kind: Literal["glass_broken"] = "glass_broken"


@dataclass(frozen=True, slots=True)
class IntentMade:
    """What will be done; durable before the effect."""

    intent: Intent
    kind: Literal["intent_made"] = "intent_made"


@dataclass(frozen=True, slots=True)
class ReceiptMade:
    """How an action on one target ended."""

    receipt: Receipt
    kind: Literal["receipt_made"] = "receipt_made"


@dataclass(frozen=True, slots=True)
class ReleaseIntended:
    """A control will be released; durable before the release."""

    action: ActionId
    kind: Literal["release_intended"] = "release_intended"


@dataclass(frozen=True, slots=True)
class Released:
    """How a release ended; unless the receipt is DONE the control still stands."""

    action: ActionId
    receipt: Receipt
    kind: Literal["released"] = "released"


@dataclass(frozen=True, slots=True)
class PatchNamed:
    """An image that was named as the mend and proved by its SBOM."""

    reference: str
    digest: str
    sbom_ref: str
    kind: Literal["patch_named"] = "patch_named"


@dataclass(frozen=True, slots=True)
class EvidenceTaken:
    """What one check saw on one platform, whole: it takes the place of that check's earlier rounds there."""

    check: str
    platform: str
    evidence: tuple[Evidence, ...]
    kind: Literal["evidence_taken"] = "evidence_taken"


@dataclass(frozen=True, slots=True)
class GateJudged:
    """What the gate said of the evidence of that moment."""

    verdict: GateVerdict
    kind: Literal["gate_judged"] = "gate_judged"


@dataclass(frozen=True, slots=True)
class StageFailed:
    """A stage (detect, scope, contain, verify, recover) could not do all of its work."""

    stage: str
    problems: tuple[str, ...]
    kind: Literal["stage_failed"] = "stage_failed"


@dataclass(frozen=True, slots=True)
class PersonCalled:
    """A person was called, and why. `about` are the controls that stood past their time, where it was for those."""

    why: str
    about: tuple[ActionId, ...] = ()
    kind: Literal["person_called"] = "person_called"


@dataclass(frozen=True, slots=True)
class TimeExtended:
    """Someone lets these controls stand until then before a person is called again, and why."""

    actions: tuple[ActionId, ...]
    until: datetime
    who: str
    why: str
    kind: Literal["time_extended"] = "time_extended"


@dataclass(frozen=True, slots=True)
class PersonTold:
    """A sink took one piece of news (`key`): of a person's being called, or of a changed state. `id` and `url` are what
    was opened there for it, "" where it was said on what was open."""

    key: str
    sink: str
    id: str = ""
    url: str = ""
    kind: Literal["person_told"] = "person_told"


@dataclass(frozen=True, slots=True)
class Recovered:
    """Recovery released what the playbook names; `remaining` stays, each with its end."""

    remaining: tuple[Remaining, ...] = ()
    kind: Literal["recovered"] = "recovered"


@dataclass(frozen=True, slots=True)
class Closed:
    """The end, on the gate's verdict. `evidence` are the digests that proved it, `remaining` the actions whose controls
    stay, `waived` the checks it lacks."""

    evidence: tuple[str, ...]
    remaining: tuple[ActionId, ...] = ()
    waived: tuple[str, ...] = ()
    kind: Literal["closed"] = "closed"


@dataclass(frozen=True, slots=True)
class CloseRefused:
    """Someone asked to close, and every missing proof."""

    reasons: tuple[str, ...]
    kind: Literal["close_refused"] = "close_refused"


@dataclass(frozen=True, slots=True)
class Dismissed:
    """The end without evidence: a person says that it was none."""

    why: str
    who: str
    kind: Literal["dismissed"] = "dismissed"


@dataclass(frozen=True, slots=True)
class Waived:
    """A named, expiring decision to close without one check's evidence."""

    check: str
    why: str
    who: str
    expires_at: datetime
    kind: Literal["waived"] = "waived"


Body = (
    Opened
    | SignalJoined
    | Scoped
    | Planned
    | PlanRefused
    | Approved
    | Declined
    | GlassBroken
    | IntentMade
    | ReceiptMade
    | ReleaseIntended
    | Released
    | PatchNamed
    | EvidenceTaken
    | GateJudged
    | StageFailed
    | PersonCalled
    | TimeExtended
    | PersonTold
    | Recovered
    | Closed
    | CloseRefused
    | Dismissed
    | Waived
)

_BODY = Annotated[Body, Field(discriminator="kind")]


def decode(document: Any) -> Body:
    """An entry's body from plain JSON types. Raises pydantic.ValidationError for an unknown kind or a field that does
    not fit."""
    return cast("Body", codec.decode(cast("Any", _BODY), document))
