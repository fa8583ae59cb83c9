"""Findings: a signal joined with what it touches here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

from patchgap.model.exposure import Exposure
from patchgap.model.signal import Severity, Signal
from patchgap.model.unknown import Unknown

IncidentId = NewType("IncidentId", str)  # "inc-20261124-7k3f": date and four letters, fit for a Kubernetes label


@dataclass(frozen=True, slots=True)
class Finding:
    """A signal with its exposures. `key` is the same for every signal about the same thing (an advisory's id or any
    alias of it; a workload's anomaly), so that a repeated one joins the open incident.
    `affected` is the query that the package checks ask again, live: affected packages by ecosystem and range."""

    key: str
    signal: Signal
    severity: Severity
    malicious: bool
    known_exploited: bool
    epss: float | None
    exposures: tuple[Exposure, ...]
    unknown: tuple[Unknown, ...]
