"""The playbook language: these models are the schema, and nothing of a playbook is ever evaluated.

Owns the keys, their types and their descriptions. Knows no verbs (the registry has them), no files and no lines beyond
the number that a step remembers for messages. `patchgap.playbook.loader` makes these from text.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt

from patchgap.model.exposure import Exposure
from patchgap.model.signal import Severity, SignalKind
from patchgap.model.workload import Classification, RunState
from patchgap.playbook.quantities import Duration, Share

T = TypeVar("T")

NAMED = r"^[a-z][a-z0-9-]{0,62}$"  # what a playbook may be called: fit for a file and a Kubernetes label


def _listed(value: Any) -> Any:
    return value if isinstance(value, (list, tuple)) else (value,)


OneOrMore = Annotated[tuple[T, ...], BeforeValidator(_listed), Field(min_length=1)]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Threshold(_Part):
    """A number that must be reached."""

    at_least: float = Field(
        ge=0, le=1, strict=True, description="The smallest value that matches, 0 to 1.", examples=["0.1"]
    )


class Privilege(StrEnum):
    """What `privileges` matches: a privileged container, a host namespace, rights over the cluster or the cloud."""

    PRIVILEGED = "privileged"
    HOST_NAMESPACE = "host_namespace"
    CLUSTER_ADMIN = "cluster_admin"
    CLOUD_ADMIN = "cloud_admin"


class Matcher(_Part):
    """Conditions that must all hold. A list of values matches where one of them does; what is unknown of a workload
    counts as the worst. Without any condition, everything matches."""

    severity: OneOrMore[Severity] | None = Field(
        default=None,
        description="The worst of the advisory's and the sender's; malicious or known to be exploited is critical.",
        examples=["[critical, high]"],
    )
    malicious: StrictBool | None = Field(
        default=None, description="The package was made to do harm.", examples=["true"]
    )
    known_exploited: StrictBool | None = Field(
        default=None, description="Someone exploits it, as the advisory or the sender says.", examples=["true"]
    )
    epss: Threshold | None = Field(
        default=None,
        description="The probability of exploitation; where none is known this does not match.",
        examples=["{at_least: 0.1}"],
    )
    data_scope: OneOrMore[Classification] | None = Field(
        default=None,
        description="The classification of the workload's data; unknown counts as sensitive.",
        examples=["sensitive"],
    )
    environment: OneOrMore[Name] | None = Field(
        default=None,
        description="The workload's environment; an unknown one matches every name.",
        examples=["production"],
    )
    privileges: OneOrMore[Privilege] | None = Field(
        default=None,
        description="The workload has one of these; where it cannot be told it counts as having it.",
        examples=["[privileged, cluster_admin]"],
    )
    internet_exposed: StrictBool | None = Field(
        default=None, description="Reachable from the internet; unknown counts as reachable.", examples=["true"]
    )
    ecosystem: OneOrMore[Name] | None = Field(
        default=None, description="The OSV ecosystem, with or without its release.", examples=["[PyPI, npm]"]
    )
    any: tuple[Matcher, ...] | None = Field(
        default=None,
        min_length=1,
        description="At least one of these matches.",
        examples=["[{malicious: true}]"],
    )
    all_of: tuple[Matcher, ...] | None = Field(
        default=None,
        min_length=1,
        description="Each of these matches.",
        examples=["[{malicious: true}]"],
    )


class OnlyIf(Matcher):
    """What must hold for a finding to wake someone."""

    running: StrictBool | None = Field(
        default=None,
        description="True: only where something exposed runs, or a cluster cannot be read.",
        examples=["true"],
    )


class Detect(_Part):
    """Which findings wake this playbook."""

    on: OneOrMore[SignalKind] = Field(
        description="The kinds of signal that it answers.",
        examples=["[advisory, integrity]"],
    )
    only_if: OnlyIf = Field(
        default=OnlyIf(),
        description="What must hold besides; without it every finding of those kinds wakes it.",
        examples=["{malicious: true}"],
    )


Scoped = Literal["running", "scheduled", "scaled_to_zero", "rollback", "ended"]


class Scope(_Part):
    """Which exposures count."""

    transitive: StrictBool = Field(
        default=True, description="Dependencies of dependencies count too.", examples=["true"]
    )
    include: OneOrMore[Scoped] = Field(
        default=("running", "scheduled", "scaled_to_zero"),
        description="The states of a container that count; what waits to start counts as running.",
        examples=["[running, scheduled, scaled_to_zero]"],
    )

    def holds(self, exposure: Exposure) -> bool:
        """Whether that exposure counts; one whose depth is unknown does."""
        state = RunState.RUNNING if exposure.container.state is RunState.PENDING else exposure.container.state
        return state.value in self.include and (self.transitive or exposure.direct is not False)


class Step(_Part):
    """One verb with its parameters. `parameters` are plain JSON, as the verb's own model gives them, its defaults
    included. `line` is where it stands in the playbook. `about` (checks) is the action verb that a check is about, ""
    for none, and `durations` names the parameters that are times: both as the verb itself declares them."""

    verb: str
    parameters: Mapping[str, Any] = Field(default_factory=dict)
    line: int = 0
    about: str = ""
    durations: tuple[str, ...] = ()


Steps = Annotated[tuple[Step, ...], Field(min_length=1)]


class Limits(_Part):
    """The most that a tier may change, counted on the workloads that its plan names; above it, nothing runs."""

    workloads: StrictInt | None = Field(default=None, ge=1, description="This many workloads.", examples=["50"])
    share: Share | None = Field(
        default=None, description="This share of the known workloads of an environment.", examples=["30%"]
    )
    namespaces: StrictInt | None = Field(default=None, ge=1, description="This many namespaces.", examples=["3"])
    environments: StrictInt | None = Field(default=None, ge=1, description="This many environments.", examples=["1"])
    per_action: Mapping[Name, Annotated[StrictInt, Field(ge=1)]] | None = Field(
        default=None, description="This many targets of a verb of the tier.", examples=["{rotate_credentials: 10}"]
    )
    per_incident: StrictInt | None = Field(
        default=None,
        ge=1,
        description="This many workloads over all plans of the incident, each counted once.",
        examples=["60"],
    )


class ApprovalRule(_Part):
    """Who must say yes before the tier runs."""

    approvers: Name = Field(alias="from", description="The people or group asked.", examples=["security-oncall"])
    within: Duration = Field(description="How long the plan waits; then the answer is no.", examples=["30m"])


class TierTargets(_Part):
    """The times that are asked for, from the signal on. For each that is missed a person is called, once, when it is
    verified next."""

    scoped: Duration | None = Field(default=None, description="Every workload is known.", examples=["5m"])
    contained: Duration | None = Field(default=None, description="Containment stands.", examples=["15m"])
    converged: Duration | None = Field(default=None, description="It is proved to be over.", examples=["24h"])


class Verify(_Part):
    """What proves that it is over."""

    every: Duration = Field(
        description="The checks are repeated no more often than this; the schedule comes by every five minutes.",
        examples=["1m"],
    )
    within: Duration = Field(
        description="Where it is not proved this long after it opened, a person is called, once.", examples=["24h"]
    )
    fresh_within: Duration = Field(
        description="Evidence older than this proves nothing; no shorter than `every`.", examples=["5m"]
    )
    all_of: Steps = Field(description="The checks, all of which must pass.", examples=["[package_absent]"])


class Tier(_Part):
    """What is done for the workloads that match, first match first."""

    tier: StrictInt = Field(ge=1, description="The number; 1 is the worst, and they ascend.", examples=["1"])
    when: Matcher = Field(
        default=Matcher(),
        description="Which workloads; without it, all that are left.",
        examples=["{severity: critical}"],
    )
    contain: Steps = Field(
        description="The steps, in order. A step is a verb, or a verb with parameters.",
        examples=["[open_incident]"],
    )
    limits: Limits | None = Field(
        default=None, description="The most that it may change.", examples=["{workloads: 50}"]
    )
    approval: ApprovalRule | None = Field(
        default=None,
        description="Who must agree first; without it the tier runs at once.",
        examples=["{from: security-oncall, within: 30m}"],
    )
    targets: TierTargets | None = Field(
        default=None, description="The times that are asked for.", examples=["{contained: 15m}"]
    )
    verify: Verify | None = Field(
        default=None,
        description="Replaces the playbook's `verify` for this tier.",
        examples=["{every: 1m, within: 24h, fresh_within: 5m, all_of: [package_absent]}"],
    )


class Playbook(_Part):
    """One playbook at one version. An incident pins the text that it was read from, by `digest`."""

    playbook: Annotated[str, Field(pattern=NAMED)] = Field(
        description="Its name, the same as its file's: lower case, digits and dashes.",
        examples=["compromised-dependency"],
    )
    version: StrictInt = Field(ge=1, description="A whole number, raised at each change.", examples=["1"])
    summary: Name = Field(
        description="One sentence for the person who is woken.",
        examples=["A dangerous package is running somewhere."],
    )
    owner: Name = Field(description="The team that answers for it.", examples=["platform-security"])
    detect: Detect = Field(description="What wakes it.", examples=["{on: [advisory]}"])
    scope: Scope = Field(default=Scope(), description="Which exposures count.", examples=["{transitive: true}"])
    tiers: Annotated[tuple[Tier, ...], Field(min_length=1)] = Field(
        description="Who gets what, the worst first.", examples=["[{tier: 1, contain: [open_incident]}]"]
    )
    verify: Verify = Field(
        description="What proves that it is over.",
        examples=["{every: 1m, within: 24h, fresh_within: 5m, all_of: [package_absent]}"],
    )
    recover: tuple[Step, ...] = Field(
        default=(),
        description="The inverses, in the order of release. What is not named stays and is reported.",
        examples=["[release_isolation]"],
    )

    @property
    def title(self) -> str:
        """`compromised-dependency@3`."""
        return f"{self.playbook}@{self.version}"

    def tier(self, number: int) -> Tier:
        """The tier of that number. Raises KeyError where there is none."""
        return {t.tier: t for t in self.tiers}[number]


def digest(text: str) -> str:
    """The digest that pins a playbook's text."""
    return "sha256:" + sha256(text.encode()).hexdigest()
