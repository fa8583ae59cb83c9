"""What a check saw of one control plane, weighed and sealed as evidence: never better than what was seen.

Knows no platform; how a cluster or an account is asked is each platform's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from patchgap.model.codec import evidence_digest
from patchgap.model.evidence import Evidence, Verdict
from patchgap.model.workload import Container, WorkloadRef


@dataclass
class Seen:
    """What a check found in one control plane, collected. A failure outweighs what is unknown, that outweighs a pass."""

    failed: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)
    value: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """The worst; nothing seen at all is unknown."""
        if self.failed:
            return Verdict.FAIL
        return Verdict.UNKNOWN if self.unknown or not self.passed else Verdict.PASS

    @property
    def reasons(self) -> tuple[str, ...]:
        """Every reason, the worst first."""
        return tuple(dict.fromkeys((*self.failed, *self.unknown, *self.passed))) or ("nothing was seen",)


def evidence(check: str, seen: Seen, source: str, begun: datetime) -> Evidence:
    """The observation as evidence, with its digest. It is as old as its beginning: what changed while the pages of a
    large cluster were read may not be in it."""
    made = Evidence(check, seen.verdict, seen.reasons, source, begun, seen.value)
    return replace(made, digest=evidence_digest(made))


def named(ref: WorkloadRef, container: Container) -> str:
    """The container as a person looks for it."""
    return f"{ref} container {container.name} ({container.state.value}, {container.pods} pods)"


def counted(items: Mapping[str, int]) -> dict[str, int]:
    """A value's counts, in a stable order."""
    return dict(sorted(items.items()))
