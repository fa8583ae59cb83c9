"""The protocols that the core asks of the world: actions, checks, connections, time.

Integrations implement them; flows hand them what they need. Nothing here performs anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, Self, TypeVar, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from patchgap.errors import RefusedError
from patchgap.graph.sources import Found
from patchgap.model.evidence import Evidence
from patchgap.model.exposure import Exposure
from patchgap.model.finding import Finding, IncidentId
from patchgap.model.plan import ActionId, Control, Effect, Intent, PlannedAction, Receipt, Target, Uncovered
from patchgap.model.telling import Delivered, Draft, News, Note, Ticket
from patchgap.model.unknown import Unknown
from patchgap.model.workload import ClusterInventory, Workload
from patchgap.playbook.quantities import Duration
from patchgap.settings import Settings, SinkSettings

Clock = Callable[[], datetime]  # always with UTC


class Parameters(BaseModel):
    """A verb's parameters in a playbook: frozen, unknown keys refused, each field with a description."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class IrreversibleParameters(Parameters):
    """The parameters of a verb that nothing undoes. In a tier without `approval` the playbook must hold the line."""

    irreversible: Literal["accept"] | None = Field(
        default=None,
        description="`accept` says in the playbook that nothing undoes this verb; without it a person must approve.",
    )


class StandingParameters(Parameters):
    """The parameters of a verb whose effect holds production up while it stands."""

    stands_for: Duration | None = Field(
        default=None,
        description="After this long a person is called; it stays in place. Else `containment.stands_for` of the settings.",
        examples=["12h"],
    )


class Connection(Protocol):
    """What an integration needs to reach its control planes, made from the settings, once a run."""

    @classmethod
    def connect(cls, settings: Settings) -> Self: ...


C = TypeVar("C", bound=Connection)


class Connections:
    """The connections of a run, each made when first asked for. Tests and the drill may give their own."""

    def __init__(self, settings: Settings, given: Iterable[Connection] = ()) -> None:
        self.settings = settings
        self._made: dict[type[Any], Any] = {type(c): c for c in given}

    def of(self, kind: type[C]) -> C:
        """The connection of that kind."""
        if kind not in self._made:
            self._made[kind] = kind.connect(self.settings)
        made: C = self._made[kind]
        return made


@dataclass(frozen=True, slots=True)
class DigestStanding:
    """What the graph knows of one digest against the incident's affected packages.
    `verdict` is "affected", "clean" or "unknown"; `reason` is a sentence (the component found, or why unknown:
    no SBOM, an SBOM that lists no packages, a version that cannot be compared)."""

    digest: str
    verdict: str
    reason: str


@dataclass(frozen=True)
class Situation:
    """All that an action or a check may know of the incident that it acts for. Values and connections, no ledger:
    who writes the ledger is the engine alone.

    `exposures` are those of the tier at hand (for checks: of the whole incident). `controls` are the containments that
    stand, `halves` those that were begun and not done, `release_begun` names those that a release
    has begun to take away, `released` those of the current plan that one has taken away whole, `planned` and `uncovered` what the current plan holds. `judge` answers, for digests seen live, what the graph knows of the incident's affected packages in them.
    `patched` are the digests that were named as the mend and proved by their SBOM; `mends` the references that were
    named, in that order, proved or not; `given_up` every digest of those whose canary failed on any workload of the
    incident, with why. `affected_digests` are all digests
    (equivalents included) whose SBOM holds an affected version, running or not. `may_write` raises while the kill switch
    stands: an action of several writes asks it before each. `identities` are what each cluster's control plane was known
    by when the incident first read it: another one under that name is another cluster."""

    incident: IncidentId
    finding: Finding
    exposures: tuple[Exposure, ...]
    controls: tuple[Control, ...]
    affected_digests: frozenset[str]
    patched: frozenset[str]
    judge: Callable[[Sequence[str]], Mapping[str, DigestStanding]]
    connections: Connections
    clock: Clock
    owner: str  # this patchgap's field manager and label value, "patchgap"
    mends: tuple[str, ...] = ()
    given_up: Mapping[str, str] = field(default_factory=dict)
    halves: tuple[Control, ...] = ()
    release_begun: frozenset[ActionId] = frozenset()
    released: frozenset[ActionId] = frozenset()
    planned: tuple[PlannedAction, ...] = ()
    uncovered: tuple[Uncovered, ...] = ()
    may_write: Callable[[], None] = lambda: None
    identities: Mapping[str, str] = field(default_factory=dict)
    plan_digest: str = ""  # of the plan that is recorded, "" for none
    # Where a person says yes to it: proof of being the one that is named ("" for whoever has a code). "" for no link.
    approval_link: Callable[[str], str] = lambda _person: ""
    # What other open incidents hold on that target, or may hold in part: each incident with its control.
    elsewhere: Callable[[Target], tuple[tuple[IncidentId, Control], ...]] = lambda _target: ()

    @property
    def workloads(self) -> tuple[Workload, ...]:
        """The exposed workloads, each once, in a stable order."""
        return tuple({e.workload.ref: e.workload for e in self.exposures}.values())

    @property
    def done_or_begun(self) -> tuple[Control, ...]:
        """The incident's controls, also those of which only a part may stand."""
        return (*self.controls, *self.halves)

    def no_mend(self, reference: str, digest: str) -> RefusedError:
        """That its SBOM does not prove the image to be the mend: with what is still in it, or what nobody knows."""
        judged = self.judge([digest]).get(digest)
        if judged is not None and judged.verdict == "affected":
            problem = f"{reference} is no mend, its SBOM proves it to be affected: {judged.reason}"
            return RefusedError(problem, "Build another image, without that, and name it.")
        return RefusedError(
            f"{reference} is not proved to be the mend: {judged.reason if judged else 'nothing is known of that digest'}",
            f"Add its SBOM with `patchgap graph add SBOM --artifact {reference}`, or name another image.",
        )

    def on(self, platform: str) -> tuple[Workload, ...]:
        """Those of them that run on that platform."""
        return tuple(w for w in self.workloads if w.ref.platform == platform)


class Action(Protocol):
    """A verb on one platform. One file a verb: integrations/<platform>/actions/<verb>.py.

    The class docstring starts with a sentence and holds a YAML example after a line `Example::`. One that has nothing
    to do without another verb of the same tier names it in a class variable `follows`; one that must see what others
    change names those in `precedes`.
    All methods may read the control plane; only `apply` and `release` write. Each is called with the kill switch
    checked and, for `apply`, with the intent already durable. Any PatchgapError is this target's failure, not the
    step's; but a WaitingError of `find` or `apply` is none: the action waits for what it says, and each round tries
    again. From `find` it means that nothing was begun, from `apply` that the intent stands and there is more to do."""

    verb: ClassVar[str]
    platform: ClassVar[str]
    effect: ClassVar[Effect]
    inverse: ClassVar[str]  # the playbook's verb for `release`; "" where there is none
    permissions: ClassVar[tuple[str, ...]]  # "get,patch apps/deployments" lines, as its platform writes them: no more
    parameters: ClassVar[type[Parameters]]

    def targets(self, parameters: Any, situation: Situation) -> Iterable[Target | Uncovered]:
        """Every target of the step, and every scoped workload of this platform that it cannot serve."""

    def preview(self, parameters: Any, target: Target, situation: Situation) -> tuple[str, ...]:
        """What would change, a line a change, held to the server's own dry run; writes nothing.
        Raises ConflictError, RefusedError or UnreachableError where apply would."""

    def find(self, action: PlannedAction, situation: Situation) -> Mapping[str, Any]:
        """The state that a release must restore, as plain JSON without secrets. Called just before the intent is
        written. Raises ConflictError where the target is not the planned one any more (same name, another UID)."""

    def apply(self, intent: Intent, situation: Situation) -> Receipt:
        """The effect, idempotent: names and labels carry the incident's id. Returns a receipt."""

    def observe(self, intent: Intent, situation: Situation) -> Receipt | None:
        """Whether the intent's effect stands now: a receipt as `apply` would have written, or None where it does not.
        One that was begun, and that a later round goes on with, is a receipt that waits.
        Settles an intent without a receipt, and tells drift afterwards."""

    def release(self, control: Control, situation: Situation) -> Receipt:
        """Undoes what `apply` did, no more: restores what was found where nobody else has changed it since.
        Idempotent. An action without an inverse raises RefusedError. Where `apply` failed on the way the receipt is not
        DONE and holds no result: whatever part of the effect is there is undone."""


@runtime_checkable
class Watched(Protocol):
    """An action that is planned for a state of its target: where that changes before it runs, it is planned anew."""

    def seen(self, target: Target, situation: Situation) -> Mapping[str, str]:
        """The fields that the plan stands on, by name; what patchgap itself holds there as it was before. Reads only."""


@runtime_checkable
class Growing(Protocol):
    """An action whose standing effect grows with what the graph learns; the scheduled round keeps it up with that."""

    def behind(self, control: Control, situation: Situation) -> tuple[str, ...]:
        """What it is to hold by now and does not yet; empty too where someone took it away. Reads only."""


class Check(Protocol):
    """A verb that observes. One file a check: integrations/<platform>/checks/<verb>.py.

    Reads the live control plane at each call, never the cached inventory, and returns evidence that is never
    better than what was seen: an unreachable cluster or an unknown digest is Verdict.UNKNOWN with its name.
    A check with `about` is required only where the plan holds that action verb."""

    verb: ClassVar[str]
    platform: ClassVar[str]
    about: ClassVar[str] = ""
    permissions: ClassVar[tuple[str, ...]]
    parameters: ClassVar[type[Parameters]]

    def observe(self, parameters: Any, situation: Situation) -> Sequence[Evidence]:
        """One piece of evidence a control plane (one a cluster, say)."""


class InventorySource(Protocol):
    """Reads workloads from the control planes of one platform."""

    platform: ClassVar[str]
    permissions: ClassVar[tuple[str, ...]]

    def clusters(self, connections: Connections) -> Sequence[str]:
        """The names of the configured clusters."""

    def read(self, cluster: str, connections: Connections) -> ClusterInventory:
        """Everything that cluster runs, would run, or could roll back to. Raises UnreachableError."""


class DocumentSource(Protocol):
    """Where SBOMs, provenance and VEX are kept: `sources` of an integration, found by the scheme of an address."""

    scheme: ClassVar[str]

    def fetch(self, address: str, connections: Connections) -> Iterator[Found]:
        """What stands at that address (`SCHEME://…`), as it comes; what cannot be had is told in between. Raises a
        PatchgapError where nothing at all can be had."""

    def address_of(self, image: str, digest: str, settings: Settings) -> str:
        """Where what runs as that image by that digest would be found; "" where this source is not set to be asked."""


class Sink(Protocol):
    """One configured service that tells people. All methods raise UnreachableError where it does not answer soundly."""

    @property
    def shown(self) -> str:
        """Where it is, for a person; without secrets."""

    @property
    def anew(self) -> bool:
        """Whether a person is called by a thread of its own: what is said on an open one wakes nobody there."""

    def find(self, key: str, since: datetime) -> Ticket | Unknown | None:
        """What was opened under that key; None where the service says there is none, Unknown where it cannot be
        asked: then opening again under the same key must be harmless, or is said not to be."""

    def open(self, draft: Draft) -> Ticket:
        """Opens it; where it can, the service itself keeps one a key."""

    def add(self, ticket: Ticket, note: Note) -> None:
        """Says it on what was opened, once a note's key where the service can be asked; resolves where it ended."""


class SinkKind(Protocol):
    """How sinks of one kind are made: one file under `sinks/` of an integration."""

    kind: ClassVar[str]
    permissions: ClassVar[tuple[str, ...]]  # what its token must be able to do, in the service's own words
    verbs: ClassVar[tuple[str, ...]]  # what such a sink can take

    def make(self, settings: SinkSettings, home: Path) -> Sink:
        """The sink. Raises BadInputError naming the sink and its field."""


class Messenger(Protocol):
    """Tells people what the ledger holds; integrations implement it, the telling stage calls it."""

    def deliver(self, news: News, situation: Situation) -> tuple[Delivered, ...]:
        """Tries every sink that takes it and was not told yet. A sink that does not answer is in the result, and holds
        up no other."""


class FlowStarter(Protocol):
    """Starts a flow run; flows/ implements it, the webhook receiver calls it."""

    def start(self, flow: str, parameters: Mapping[str, str], idempotency_key: str, tags: Sequence[str] = ()) -> str:
        """The flow run's id. The same key starts one run. Raises UnreachableError where the Prefect API does not
        answer: the caller has stored what is needed to try again."""

    def see(self, flow: str) -> None:
        """Raises UnreachableError or NotFoundError where a run of it could not be started now."""


@dataclass(frozen=True, slots=True)
class ScheduledRun:
    """A run of a later time. `waiting` says that it has not begun; `cancelled` by patchgap where it is `ours`."""

    id: str
    at: datetime
    waiting: bool = False
    cancelled: bool = False
    ours: bool = False


class RunScheduler(Protocol):
    """Schedules runs for later; flows/ implements it, the patch window calls it. All raise UnreachableError."""

    def schedule(self, flow: str, parameters: Mapping[str, object], key: str, at: datetime, tags: Sequence[str]) -> str:
        """The run's id; the same key is one run."""

    def find(self, flow: str, tags: Sequence[str]) -> tuple[ScheduledRun, ...]:
        """The flow's runs that bear all these tags, the newest first."""

    def cancel(self, run: str) -> None:
        """Cancels one that has not begun."""
