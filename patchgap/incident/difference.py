"""A plan as a diff: each target by every name that it has, and under it what goes and what comes.

Owns those lines for every place that shows a plan: the command line, the run's artifact, the form and the approval page.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from patchgap.model.plan import PlannedAction, Target
from patchgap.playbook.quantities import in_words

GOES, COMES, CHANGES, STAYS = "-", "+", "~", "="
_WORDS = {": create": COMES, ": change": CHANGES, ": stands already": STAYS}


def named(target: Target) -> str:
    """`cluster c1, namespace training, Deployment trainer, uid 1f…`: what makes it this one and no other."""
    parts = [f"cluster {target.cluster}" if target.cluster else target.platform]
    parts += [f"namespace {target.namespace}"] if target.namespace else []
    parts += [f"{target.kind} {target.name}".strip(), f"uid {target.uid}" if target.uid else "not there yet"]
    return ", ".join(parts)


def lines(action: PlannedAction) -> Iterator[tuple[str, str]]:
    """Each line as its sign and its text. What the action says in a sentence of its own changes (`~`)."""
    for change in action.changes:
        yield from _signed(change)
    if action.stands_for:
        yield STAYS, f"stands until it is proved over; after {lasts(action)} a person is called"


def lasts(action: PlannedAction) -> str:
    """How long it may stand before a person is called, such as `24h`."""
    return in_words(timedelta(seconds=action.stands_for))


def _signed(change: str) -> Iterator[tuple[str, str]]:
    before, arrow, after = change.partition(" -> ")
    field, colon, was = before.rpartition(": ")
    if arrow and colon:
        yield GOES, f"{field}: {was}"
        yield COMES, f"{field}: {after}"
        return
    for word, sign in _WORDS.items():
        if change.endswith(word):
            yield sign, change.removesuffix(word)
            return
    yield CHANGES, change
