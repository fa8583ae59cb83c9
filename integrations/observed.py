"""What a check saw of one control plane, weighed and sealed as evidence: never better than what was seen.

Knows no platform; how a cluster or an account is asked is each platform's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from patchgap.errors import PatchgapError, UnreachableError
from patchgap.model.codec import sealed
from patchgap.model.evidence import Evidence, Verdict
from patchgap.model.plan import Control, Effect, Intent, PlannedAction
from patchgap.model.workload import Container, WorkloadRef
from patchgap.ports import Situation

_ISOLATE = "isolate_workloads"


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
        """Every reason for the verdict, the worst first: of what is no pass, what passed is none."""
        return tuple(dict.fromkeys((*self.failed, *self.unknown) or self.passed)) or ("nothing was seen",)


def evidence(check: str, seen: Seen, source: str, begun: datetime) -> Evidence:
    """The observation as evidence, with its digest. It is as old as its beginning: what changed while the pages of a
    large cluster were read may not be in it."""
    return sealed(Evidence(check, seen.verdict, seen.reasons, source, begun, seen.value))


def compared(seen: Seen, what: str, stands: str, look: Callable[[], list[str]], forbidden: type[PatchgapError]) -> None:
    """What `look` says of how a control differs from what it wants, each named by `what`; `stands` where it says nothing.
    What cannot be reached or may not be read (the platform's `forbidden`) is unknown, any other refusal a difference."""
    try:
        found = look()
    except (UnreachableError, forbidden) as error:
        seen.unknown.append(f"{what}: {error}")
        return
    except PatchgapError as error:
        found = [str(error)]
    seen.failed += [f"{what}: {line}" for line in found]
    if not found:
        seen.passed.append(stands)


def in_sync(
    seen: Seen,
    controls: Iterable[Control],
    situation: Situation,
    differences: Callable[[Intent], list[str]],
    forbidden: type[PatchgapError],
) -> None:
    """Each of these controls, compared with what it wants; one whose release was begun has passed, since else nothing could
    ever finish it."""
    for intent in (c.intent for c in controls):
        what = str(intent.action)
        if intent.action.id in situation.release_begun:
            seen.passed.append(f"{what}: its release was begun and is not done; it is released again")
        else:
            compared(seen, what, f"{what} stands as it was set", partial(differences, intent), forbidden)


def reversible(controls: Iterable[Control], platform: str, place: str) -> list[Control]:
    """Those of a cluster or an account that stand and can be undone."""

    def mine(action: PlannedAction) -> bool:
        return (action.platform, action.effect, action.target.cluster) == (platform, Effect.REVERSIBLE, place)

    return [c for c in controls if mine(c.intent.action) and c.receipt.stands]


def isolations(
    seen: Seen, situation: Situation, platform: str, place: str, is_exposed: Callable[[WorkloadRef], bool]
) -> list[Control]:
    """The isolations of a cluster or an account that are to be looked at. One that was planned and does not stand has failed,
    as has a workload that the plan could not isolate, while one of its name is there and not mended; one that is released, or is being, has
    passed."""

    def mine(action: PlannedAction) -> bool:
        return (action.platform, action.verb, action.target.cluster) == (platform, _ISOLATE, place)

    standing = [c for c in situation.controls if mine(c.intent.action)]
    planned = [a for a in situation.planned if mine(a)]
    undone = {a.id: a for a in planned if a.id not in {c.intent.action.id for c in standing}}
    missed = [u for u in situation.uncovered if u.verb == _ISOLATE and u.target.startswith(f"{place}/")]
    for name, action in undone.items():
        if name in situation.released:
            seen.passed.append(f"{action.target}: it was released")
        else:
            seen.failed.append(f"{action.target}: its isolation was planned and does not stand")
    for left in missed:
        cluster, namespace, kind, workload = left.target.split("/", 3)
        if is_exposed(WorkloadRef(platform, cluster, namespace, kind, workload, "")):
            seen.failed.append(f"{left.target} is not isolated: {left.reason}")
        else:
            seen.passed.append(f"{left.target} was not isolated, and is gone or mended")
    begun = [c for c in standing if c.intent.action.id in situation.release_begun]
    seen.passed += [f"{c.intent.action.target}: its release was begun" for c in begun]
    if not (standing or undone or missed):
        seen.passed.append(f"{place}: nothing of the incident was to be isolated here")
    return [c for c in standing if c not in begun]


def named(ref: WorkloadRef, container: Container) -> str:
    """The container as a person looks for it."""
    return f"{ref} container {container.name} ({container.state.value}, {container.pods} pods)"


def counted(items: Mapping[str, int]) -> dict[str, int]:
    """A value's counts, in a stable order."""
    return dict(sorted(items.items()))
