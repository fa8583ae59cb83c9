"""Scenarios: one YAML file each, checked whole before anything starts.

Owns what a scenario may say: what arrives, what the world holds and does, the mend, and the state that it must end in.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from flows import osv_text
from flows.drill import inject
from patchgap import registry
from patchgap.errors import BadInputError, NotFoundError
from patchgap.incident.envelope import ClaimsMade, read
from patchgap.playbook import loader

FOLDER = Path(__file__).parent / "scenarios"
Moment = Literal["before_signal", "contained", "approved", "refused_closing", "mended"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Anomaly(_Part):
    """What the metric follows: it is above 0 while pods of `image` (a digest, or the stem of an SBOM of the fleet) run
    unheld in `namespace` ("" for any), or while `account` is still the service account that it was in the beginning."""

    namespace: str = ""
    image: str = ""
    account: str = ""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if bool(self.image) is bool(self.account):
            raise ValueError("name either an image or an account")
        if self.account and not self.namespace:
            raise ValueError("an account is in a namespace")
        return self


class Canary(_Part):
    """An image (a reference by digest, or the stem of an SBOM of the fleet) that is named and started as a canary."""

    say: str = Field(min_length=1, description="What is told of it.")
    image: str
    withdrawn: bool = Field(default=False, description="It must be withdrawn; else it must be promoted.")


class Kept(_Part):
    """A GitOps object and the workloads (NAMESPACE/KIND/NAME) of the fleet that it keeps as Git has them."""

    kind: Literal["Application", "Kustomization", "HelmRelease"]
    name: str
    keeps: tuple[str, ...] = Field(min_length=1)


class Scaled(_Part):
    """Somebody scales a workload, and how many replicas it has once everyone else has had their say."""

    what: str = Field(description="NAMESPACE/KIND/NAME.")
    to: int
    becomes: int
    by: Literal["hand", "git"] = "hand"


class Deed(_Part):
    """Something that the world does, after that moment of the drill."""

    after: Moment
    say: str = Field(min_length=1, description="What is told of it.")
    tag: Mapping[str, str] = Field(default_factory=dict, description="A tag, and the digest that it means from now on.")
    restart: str = Field(default="", description="NAMESPACE/KIND/NAME whose pods start anew.")
    scale: Scaled | None = None
    inject: tuple[str, ...] = Field(default=(), description="Faults of the API server, as --inject takes them.")
    heal: bool = Field(default=False, description="The API server answers again.")

    @field_validator("inject")
    @classmethod
    def _faults(cls, specs: tuple[str, ...]) -> tuple[str, ...]:
        for spec in specs:
            inject.read(spec)
        return specs


class End(_Part):
    """The state that the drill must come to. A scenario that ends open says by which words of the refusal."""

    state: Literal["closed", "open"]
    because: str = ""
    contained: tuple[str, ...] = Field(min_length=1, description="Verbs that must have been done, in this order.")
    proved: tuple[str, ...] = Field(default=(), description="Checks that must have passed at the end.")
    partial: bool = Field(default=False, description="A person must have been called for a PARTIAL containment.")

    @model_validator(mode="after")
    def _named(self) -> Self:
        if (self.state == "open") is not bool(self.because):
            raise ValueError("an end that is open names why in `because`; a closed one does not")
        return self


class Scenario(_Part):
    """What a drill plays. `mend` maps an image (a digest, or the stem of an SBOM of the fleet) to the one that takes its
    place (a reference by digest, or a stem)."""

    scenario: str
    summary: str
    advisory: str = ""  # a file beside the scenario
    signal: Mapping[str, Any] = Field(default_factory=dict)  # an envelope without its source, where it is no advisory
    claims: ClaimsMade = ClaimsMade()
    times_scale: float = Field(gt=0, le=1)
    objects: tuple[Mapping[str, Any], ...] = ()  # besides the fleet's
    tags: Mapping[str, str] = Field(default_factory=dict)
    images: Mapping[str, tuple[str, ...]] = {}  # a reference by digest and the purls of its SBOM, besides the fleet's
    playbook: str = ""  # the text of one that takes the place of the shipped one of its name
    anomaly: Anomaly
    signals: Mapping[str, Anomaly] = {}  # further metrics, by the names that a playbook asks for them
    git: tuple[Kept, ...] = ()
    canaries: tuple[Canary, ...] = ()  # one after the other, before the mend
    deeds: tuple[Deed, ...] = ()
    mend: Mapping[str, str] = Field(default_factory=dict)
    approver: str
    ends: End

    @field_validator("playbook")
    @classmethod
    def _sound(cls, text: str) -> str:
        if text:
            loader.parse(text, "playbook", registry.load())
        return text

    @model_validator(mode="after")
    def _one_signal(self) -> Self:
        if bool(self.advisory) is bool(self.signal):
            raise ValueError("name either an advisory or a signal")
        read(self.envelope(), "signal")
        return self

    def envelope(self) -> dict[str, Any]:
        """What arrives, as the webhook takes it."""
        claims = {"source": "drill", "claims": self.claims.model_dump(mode="json")}
        if self.signal:
            return {**self.signal, **claims}
        osv = osv_text.document((FOLDER / self.advisory).read_text(encoding="utf-8"), self.advisory)
        return {"kind": "advisory", **claims, "advisory": osv}


def names() -> tuple[str, ...]:
    """The scenarios that are shipped."""
    return tuple(sorted(p.stem for p in FOLDER.glob("*.yaml") if not p.stem.startswith("PYSEC")))


def load(name: str) -> Scenario:
    """The scenario of that name, or of a file ending in .yaml. Raises NotFoundError naming those there are, BadInputError
    naming the field."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else FOLDER / f"{name}.yaml"
    if not path.is_file():
        raise NotFoundError(f"there is no scenario {name!r}", f"Play one of: {', '.join(names())}; or name a file.")
    try:
        return Scenario.model_validate(YAML(typ="safe").load(path))
    except (YAMLError, ValidationError, BadInputError) as error:
        raise BadInputError(path.name, str(error).replace("\n", "; "), "Correct that field.") from error
