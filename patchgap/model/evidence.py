"""Evidence: what a check saw, where and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """Three-valued. UNKNOWN is never a pass."""

    PASS = "pass"  # noqa: S105  (not a password)
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One observation by one check. `reasons` are sentences for a person: every reason for fail or unknown, and for a
    pass what was seen. `value` is plain JSON; `source` names the control plane and call (`prod-ml-eu: list pods`);
    `digest` is the SHA-256 of the canonical JSON of check, verdict, value, source and observed_at
    (`patchgap.model.codec.evidence_digest`)."""

    check: str
    verdict: Verdict
    reasons: tuple[str, ...]
    source: str
    observed_at: datetime
    value: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""
