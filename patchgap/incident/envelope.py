"""The envelope that signals arrive in, by webhook or by hand: one schema, and the signal that it becomes.

Everything in it is a sender's claim. Nothing of it is ever evaluated or rendered as a template.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from patchgap.errors import BadInputError
from patchgap.graph.advisory import parse_advisory
from patchgap.incident.shape import same_person
from patchgap.model.signal import Claims, RuntimeSignal, Severity, Signal, SignalId, SignalKind

_KINDS = ("advisory", "runtime", "integrity", "control_surface")
_DIGEST = r"^sha256:[0-9a-f]{64}$"


def _line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it holds characters that nobody sees, or more than a line")
    return text


def _somebody(name: str) -> str:
    if not same_person(name, name):
        raise ValueError("it names nobody: a yes to a plan must be another person's")
    return name


_Line = Annotated[str, AfterValidator(_line)]  # it becomes an incident's key, and words on a terminal


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ClaimsMade(_Part):
    """What the sender says about it."""

    severity: Severity = Field(default=Severity.UNKNOWN, description="The sender's own severity.")
    malicious: bool = Field(default=False, description="The package is malicious, not merely vulnerable.")
    known_exploited: bool = Field(default=False, description="It has been seen exploited.")
    epss: float | None = Field(default=None, ge=0, le=1, description="The EPSS probability, 0 to 1.")


class RuntimeSeen(_Part):
    """Something seen on a workload."""

    cluster: _Line = Field(min_length=1, max_length=253, description="The cluster, as patchgap's settings name it.")
    namespace: _Line = Field(min_length=1, max_length=63, description="The workload's namespace.")
    kind: _Line = Field(
        min_length=1, max_length=63, description="Deployment, StatefulSet, DaemonSet, Job, CronJob or Pod."
    )
    name: _Line = Field(min_length=1, max_length=253, description="The workload's name.")
    observed: str = Field(min_length=1, max_length=2000, description="What was seen, in a sentence.")
    component: str | None = Field(
        default=None, max_length=512, description="A purl or name@version, where one is suspected."
    )


class SwapSeen(RuntimeSeen):
    """An image that is not the one that was meant."""

    expected: str = Field(pattern=_DIGEST, description="The digest that was deployed or attested.")
    found: str = Field(pattern=_DIGEST, description="The digest that runs in its place.")

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if self.expected == self.found:
            raise ValueError("expected and found are the same digest: nothing was swapped")
        return self


class SurfaceSeen(RuntimeSeen):
    """A change of the control surface; `kind` may be ServiceAccount, for whatever runs as it."""


class Envelope(_Part):
    """One signal: `advisory` holds an OSV document; `runtime`, `integrity` and `control_surface` what was seen, and
    where; exactly the one that `kind` says."""

    kind: Literal["advisory", "runtime", "integrity", "control_surface"] = Field(description="Which of them this is.")
    source: Annotated[_Line, AfterValidator(_somebody)] = Field(
        min_length=1, max_length=200, description="Who says so, as people know them."
    )
    claims: ClaimsMade = Field(default=ClaimsMade(), description="What the sender says about it.")
    advisory: dict[str, Any] | None = Field(default=None, description="An OSV document.")
    runtime: RuntimeSeen | None = Field(default=None, description="What was seen, and where.")
    integrity: SwapSeen | None = Field(default=None, description="Which image was swapped, and where.")
    control_surface: SurfaceSeen | None = Field(default=None, description="What was changed or used, and where.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in _KINDS if getattr(self, name) is not None]
        if given != [self.kind]:
            raise ValueError(f"a signal of kind {self.kind} has the field {self.kind}, and no other")
        return self

    @property
    def seen(self) -> RuntimeSeen | None:
        """What was seen somewhere; None for an advisory."""
        return self.runtime or self.integrity or self.control_surface


def read(document: Mapping[str, Any], where: str = "signal") -> Envelope:
    """The envelope. Raises BadInputError naming the first field that does not fit."""
    try:
        return Envelope.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(p) for p in first["loc"])
        problem = f"{field}: {first['msg']}" if field else first["msg"].removeprefix("Value error, ")
        raise BadInputError(where, problem, "Correct that field; docs/webhooks.md shows a whole envelope.") from error


def signal_from(signal: SignalId, document: Mapping[str, Any], received_at: datetime) -> Signal:
    """The signal that an envelope is. Raises BadInputError for the envelope or the OSV document in it."""
    envelope = read(document)
    claims = Claims(**envelope.claims.model_dump())
    seen = envelope.seen
    return Signal(
        id=signal,
        kind=SignalKind(envelope.kind),
        source=envelope.source,
        received_at=received_at,
        claims=claims,
        advisory=parse_advisory(envelope.advisory, "advisory") if envelope.advisory is not None else None,
        runtime=RuntimeSignal(**seen.model_dump()) if seen is not None else None,
    )
