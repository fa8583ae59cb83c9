"""What takes longer than the playbook asks: `verify.within` and each tier's `targets`, as sentences for a person.

Pure over the playbook, the incident's state and the time.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from patchgap.incident.state import IncidentState
from patchgap.playbook.language import Playbook, Tier
from patchgap.playbook.quantities import in_words
from patchgap.playbook.verify import verify_of


def missed(playbook: Playbook, state: IncidentState, now: datetime) -> tuple[str, ...]:
    """A sentence for each time that has passed, or was reached too late; the same one however often it is asked."""
    return tuple(_sentences(playbook, state, now))


def _sentences(playbook: Playbook, state: IncidentState, now: datetime) -> Iterator[str]:
    within = verify_of(playbook, state.tiers_in_play).within
    if _late(state.times.opened, state.times.converged, now, within):
        yield f"{state.id} is not proved to be over {in_words(within)} after it opened"
    for number in sorted(state.tiers_in_play):
        yield from _of_tier(playbook.tier(number), state, now)


def _of_tier(tier: Tier, state: IncidentState, now: datetime) -> Iterator[str]:
    times, targets = state.times, tier.targets
    if targets is None:
        return
    reached = {
        "scoped": (targets.scoped, times.scoped),
        "contained": (targets.contained, times.contained.get(tier.tier)),
        "converged": (targets.converged, times.converged),
    }
    for word, (target, at) in reached.items():
        if target is not None and _late(times.received, at, now, target):
            yield f"tier {tier.tier} of {state.id} was to be {word} {in_words(target)} after its signal, and was not"


def _late(since: datetime, reached: datetime | None, now: datetime, allowed: timedelta) -> bool:
    return (reached or now) - since > allowed
