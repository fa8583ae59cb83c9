"""How good the response is, over incidents: how soon scoped, contained and converged, and how often on proof.

Pure over folded states. A measure of nothing is Unknown, never zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from patchgap.incident.events import Closed, Dismissed
from patchgap.incident.state import IncidentState
from patchgap.model.unknown import Unknown


@dataclass(frozen=True, slots=True)
class Spread:
    """Seconds since the signal was received, over `count` incidents. Unknown where there are none."""

    count: int
    median: float | Unknown
    worst: float | Unknown

    def __str__(self) -> str:
        if isinstance(self.median, Unknown) or isinstance(self.worst, Unknown):
            return "not known yet: no incident has come that far"
        if self.count == 1:
            return in_words(self.median)
        return f"median {in_words(self.median)}, worst {in_words(self.worst)} over {self.count}"


@dataclass(frozen=True, slots=True)
class Share:
    """`part` of `whole`; `share` from 0 to 1, Unknown where the whole is nothing."""

    part: int
    whole: int
    share: float | Unknown

    def __str__(self) -> str:
        if isinstance(self.share, Unknown):
            return f"not known yet: {self.share.reason}"
        return f"{self.part} of {self.whole} ({self.share:.0%})"


@dataclass(frozen=True, slots=True)
class Measures:
    """`rehearsed` counts the incidents whose times a drill shortened; their seconds are the drill's.
    `false_positives` are the incidents dismissed after something had been contained, of all contained."""

    incidents: int
    open: int
    closed: int
    dismissed: int
    rehearsed: int
    to_scope: Spread
    to_contain: Mapping[int, Spread]
    to_converge: Spread
    closed_on_evidence: Share
    waived: int
    glass_broken: int  # times that somebody did without a second person
    false_positives: Share

    def lines(self) -> tuple[str, ...]:
        """The measures as sentences for a person."""
        tiers = [f"time to contain, tier {tier}: {spread}" for tier, spread in self.to_contain.items()]
        drill = [f"{self.rehearsed} of them rehearsed, with times shortened"] if self.rehearsed else []
        return (
            f"incidents: {self.incidents} ({self.open} open, {self.closed} closed, {self.dismissed} dismissed)",
            *drill,
            f"time to scope: {self.to_scope}",
            *(tiers or ["time to contain: not known yet: nothing has been contained"]),
            f"time to converge: {self.to_converge}",
            f"closed on evidence alone: {self.closed_on_evidence}",
            f"closed with a waiver: {self.waived}",
            f"glass broken: {self.glass_broken}",
            f"contained in vain: {self.false_positives}",
        )


def measures(states: Iterable[IncidentState]) -> Measures:
    """The measures over these incidents."""
    all_ = tuple(states)
    closed = [s.ending for s in all_ if isinstance(s.ending, Closed)]
    dismissed = [s for s in all_ if isinstance(s.ending, Dismissed)]
    contained = [s for s in all_ if s.ever_contained]
    tiers = sorted({tier for s in all_ for tier in s.times.contained})
    return Measures(
        incidents=len(all_),
        open=len(all_) - len(closed) - len(dismissed),
        closed=len(closed),
        dismissed=len(dismissed),
        rehearsed=sum(1 for s in all_ if s.times_scale < 1),
        to_scope=_spread([(s, s.times.scoped) for s in all_]),
        to_contain={tier: _spread([(s, s.times.contained.get(tier)) for s in all_]) for tier in tiers},
        to_converge=_spread([(s, s.times.converged) for s in all_]),
        closed_on_evidence=_share(
            sum(1 for c in closed if c.evidence and not c.waived), len(closed), "no incident is closed"
        ),
        glass_broken=sum(len(s.glass) for s in all_),
        waived=sum(1 for c in closed if c.waived),
        false_positives=_share(
            sum(1 for s in dismissed if s.ever_contained), len(contained), "nothing has been contained"
        ),
    )


def _spread(reached: Sequence[tuple[IncidentState, datetime | None]]) -> Spread:
    seconds = [(at - state.times.received).total_seconds() for state, at in reached if at is not None]
    if not seconds:
        unknown = Unknown("the time", "no incident has come that far")
        return Spread(0, unknown, unknown)
    return Spread(len(seconds), round(median(seconds), 3), round(max(seconds), 3))


def _share(part: int, whole: int, otherwise: str) -> Share:
    return Share(part, whole, round(part / whole, 4) if whole else Unknown("the share", otherwise))


def in_words(seconds: float) -> str:
    """`4.2 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`."""
    if seconds < 60:  # noqa: PLR2004  (a minute)
        return f"{seconds:.1f} s"
    for size, unit, smaller, part in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            rest = int(seconds % size // smaller)
            return f"{int(seconds // size)} {unit}" + (f" {rest} {part}" if rest else "")
    return f"{seconds:.1f} s"
