"""Deployment events: what runs where, told by whoever deployed it, for platforms that cannot be watched.

Owns the form of an event and the workloads that it means. Everything in it is a sender's claim: what it does not say
(privileges, exposure) is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from patchgap.errors import BadInputError
from patchgap.model.unknown import Unknown
from patchgap.model.workload import (
    Classification,
    Container,
    ContainerRole,
    DataScope,
    Privileges,
    RunState,
    Workload,
    WorkloadRef,
)

_IMAGE = r"^[^\s@\x00-\x1f]+@sha256:[0-9a-f]{64}$"
_PATTERN = "string_pattern_mismatch"
_WRITE = {  # where a text does not fit its pattern, by field
    "image": "it names no digest; write REPOSITORY@sha256:<64 hex digits>",
    "platform": "write a lower-case letter, then lower-case letters, digits and dashes, 63 at most",
}
_WITHOUT = "write it without blanks, slashes and control characters"
Name = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[^\s/\x00-\x1f]+$")]
Text = Annotated[str, Field(max_length=200)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Deployed(_Part):
    """One workload by name."""

    namespace: Annotated[str, Field(max_length=253, pattern=r"^[^\s/\x00-\x1f]*$")] = Field(
        default="", description="What groups it there: a project, a stack, a folder."
    )
    kind: Name = Field(description="What it is there: Service, Function, VirtualMachine.")
    name: Name = Field(description="Its name.")


class DeploymentEvent(_Part):
    """One deployment, or one removal."""

    source: Annotated[str, Field(min_length=1, max_length=200)] = Field(description="Who says so.")
    platform: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")] = Field(
        description="What runs it: a name of its own, never `kubernetes`."
    )
    cluster: Name = Field(description="Which of that platform's fleets: the name that answers show.")
    state: Literal["deployed", "removed"] = Field(description="Whether it runs from now on.")
    workloads: Annotated[tuple[Deployed, ...], Field(min_length=1, max_length=500)] = Field(description="Which ones.")
    image: Annotated[str, Field(max_length=500, pattern=_IMAGE)] | None = Field(
        default=None, description="REPOSITORY@sha256:DIGEST; a removal needs none."
    )
    replicas: Annotated[int, Field(ge=0, le=1_000_000, strict=True)] = Field(
        default=1, description="How many of it run; 0 where it is deployed and scaled to nothing."
    )
    environment: Text = Field(default="unknown", description="production, staging.")
    region: Text = Field(default="unknown", description="Where.")
    classification: Classification = Field(default=Classification.UNKNOWN, description="Of the data that it handles.")
    writes_to: Annotated[tuple[Text, ...], Field(max_length=100)] = Field(
        default=(), description="The stores that it writes to."
    )

    def refs(self) -> tuple[WorkloadRef, ...]:
        """The workloads that it is about; one that is named twice, once."""
        return tuple(dict.fromkeys(self._ref(one) for one in self.workloads))

    def running(self) -> tuple[Workload, ...]:
        """The workloads as they are from now on; () for a removal."""
        if self.state == "removed" or self.image is None:
            return ()
        return tuple(self._workload(ref, self.image) for ref in self.refs())

    def _ref(self, one: Deployed) -> WorkloadRef:
        uid = f"{self.platform}:{self.cluster}/{one.namespace}/{one.kind}/{one.name}"
        return WorkloadRef(self.platform, self.cluster, one.namespace, one.kind, one.name, uid)

    def _workload(self, ref: WorkloadRef, image: str) -> Workload:
        state = RunState.RUNNING if self.replicas else RunState.SCALED_TO_ZERO
        digest = image.rpartition("@")[2]
        untold = Unknown(f"privileges of {ref}", "a deployment event does not tell them")
        return Workload(
            ref=ref,
            containers=(Container("main", ContainerRole.MAIN, image, digest, state, self.replicas),),
            environment=self.environment or "unknown",
            region=self.region or "unknown",
            replicas=self.replicas,
            running=self.replicas,
            privileges=Privileges("unknown", unknown=(untold,)),
            data_scope=DataScope(self.classification, self.writes_to),
        )


def parse_deployment(document: Mapping[str, Any], where: str = "deployment") -> DeploymentEvent:
    """The event. Raises BadInputError naming the first field that does not fit."""
    try:
        event = DeploymentEvent.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        problem = _WRITE.get(field, _WITHOUT) if first["type"] == _PATTERN else first["msg"]
        raise BadInputError(
            where, f"{field}: {problem}", "Correct that field; docs/webhooks.md shows a whole event."
        ) from error
    if event.state == "deployed" and event.image is None:
        raise BadInputError(where, "image: what is deployed has one", "Name it as REPOSITORY@sha256:DIGEST.")
    return event
