"""Scenarios: one YAML file each, checked whole before anything starts."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from patchgap.errors import BadInputError, NotFoundError
from patchgap.incident.envelope import ClaimsMade

FOLDER = Path(__file__).parent / "scenarios"


class Scenario(BaseModel):
    """What a drill plays. `advisory` is a file beside the scenario; `mend` maps the stem of an image's SBOM to that of
    its patched image's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scenario: str
    summary: str
    advisory: str
    claims: ClaimsMade = ClaimsMade()
    times_scale: float = Field(gt=0, le=1)
    mend: dict[str, str] = Field(min_length=1)
    approver: str


def names() -> tuple[str, ...]:
    """The scenarios that are shipped."""
    return tuple(sorted(p.stem for p in FOLDER.glob("*.yaml") if not p.stem.startswith("PYSEC")))


def load(name: str) -> Scenario:
    """The scenario of that name. Raises NotFoundError naming those there are, BadInputError naming the field."""
    path = FOLDER / f"{name}.yaml"
    if name not in names():
        raise NotFoundError(f"there is no scenario {name!r}", f"Play one of: {', '.join(names())}.")
    try:
        return Scenario.model_validate(YAML(typ="safe").load(path))
    except (YAMLError, ValidationError) as error:
        raise BadInputError(path.name, str(error).replace("\n", "; "), "Correct that field.") from error
