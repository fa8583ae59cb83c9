"""Which checks an incident needs: those of the tiers in play, without those about an action that no plan holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from patchgap.model.plan import Plan
from patchgap.playbook.language import Playbook, Step, Verify
from patchgap.playbook.quantities import duration, in_words


def verify_of(playbook: Playbook, tiers_in_play: Iterable[int]) -> Verify:
    """One `verify` for the tiers in play: each tier's own or the playbook's; the shortest times and every check.
    A check that several of them ask for with other durations is asked once, with the longest: it proves them all."""
    own = [playbook.tier(n).verify or playbook.verify for n in sorted(set(tiers_in_play))] or [playbook.verify]
    steps: dict[tuple[str, str], Step] = {}
    for step in (s for verify in own for s in verify.all_of):
        fixed = {k: v for k, v in step.parameters.items() if k not in step.durations}
        key = (step.verb, repr(sorted(fixed.items())))
        steps[key] = _longest(steps[key], step) if key in steps else step
    return Verify(
        every=min(v.every for v in own),
        within=min(v.within for v in own),
        fresh_within=min(v.fresh_within for v in own),
        all_of=tuple(steps.values()),
    )


def _longest(one: Step, other: Step) -> Step:
    longest: Mapping[str, Any] = {
        name: in_words(max(duration(value), duration(other.parameters.get(name, value))))
        for name, value in one.parameters.items()
        if name in one.durations
    }
    return one.model_copy(update={"parameters": {**other.parameters, **one.parameters, **longest}})


def required_checks(playbook: Playbook, tiers_in_play: Iterable[int], plan: Plan | None) -> tuple[Step, ...]:
    """The checks that must pass. One about an action (`credentials_rotated`) is left out where the plan does not hold
    that action; one that it could not cover is held all the same."""
    planned = {a.verb for a in plan.actions} | {u.verb for u in plan.uncovered} if plan else set()
    return tuple(s for s in verify_of(playbook, tiers_in_play).all_of if not s.about or s.about in planned)
