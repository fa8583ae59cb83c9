"""What a verb is on every platform alike: its parameters, what it must come before, and what says that it is done.

A step is written once for all platforms that have its verb, so its parameters stand here where there are several.
Knows no platform.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Literal

from pydantic import Field

from patchgap.model.plan import Intent, Outcome, PlannedAction, Receipt
from patchgap.playbook.quantities import Duration
from patchgap.ports import IrreversibleParameters, Parameters, StandingParameters

CHANGES_EVIDENCE = (  # what capture_forensics is to see as it was before
    "isolate_workloads",
    "scale_to_zero",
    "evict_workloads",
    "rotate_credentials",
    "promote_canary",
)


class ForensicsParameters(Parameters):
    """None: what a workload consists of is captured whole."""


class FreezeParameters(StandingParameters):
    """How far the freeze reaches. At GitHub it is always the repositories that build."""

    reach: Literal["affected_namespaces", "affected_workloads"] = Field(
        default="affected_namespaces",
        description="Every workload of the affected workloads' namespaces, or the affected workloads alone.",
    )


class IsolationParameters(StandingParameters):
    """In which form a cluster's policy is made; an isolation is whole in each."""

    form: Literal["auto", "kubernetes", "cilium", "calico"] = Field(
        default="auto",
        description="Whose policy denies the traffic: Cilium's and Calico's deny rules beat other policies' allows, so"
        " `auto` takes them where their plugin runs and their kinds are served.",
    )


class ScaleParameters(StandingParameters):
    """None of its own: zero is zero."""


class BlockParameters(Parameters):
    """How long the block may stand before a person is called."""

    expires: Duration = Field(
        default=timedelta(days=30), description="After this long a person is called; it stays in place."
    )


class RotationParameters(IrreversibleParameters):
    """None of its own."""


class AbsenceParameters(Parameters):
    """None: every configured cluster and account is read whole."""


class RetirementParameters(Parameters):
    """None: every configured cluster and account is read whole."""


class EffectiveParameters(Parameters):
    """None: every isolation is looked at."""


class RotatedParameters(Parameters):
    """None: every rotation of the incident is looked at."""


class SyncParameters(Parameters):
    """None: every standing control is compared."""


def reach_of(freeze: PlannedAction) -> str:
    """How far a planned freeze reaches."""
    return str(freeze.parameters.get("reach") or "affected_namespaces")


def done(intent: Intent, detail: Iterable[str] = (), **result: Any) -> Receipt:
    """A receipt of success."""
    return Receipt(intent.action.id, Outcome.DONE, tuple(detail), result)
