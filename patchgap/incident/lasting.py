"""How long each control may stand before a person is called. Pure over the incident's state and the time.

Owns when a control's time is over. Nothing is ever released by it: only the gate's proof, or a person, does that.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from patchgap.incident.state import IncidentState
from patchgap.model.plan import ActionId, Control


def ends_at(state: IncidentState, control: Control) -> datetime | None:
    """When its time is over: what a person extended it to, else what its receipt says (a block's `expires`), else its
    plan's time counted from when it first stood. None where it has none."""
    action = control.intent.action
    if (extended := state.extended.get(action.id)) is not None:
        return extended.until
    expires = control.receipt.result.get("expires")
    if isinstance(expires, str):
        return datetime.fromisoformat(expires)
    return control.since + timedelta(seconds=action.stands_for) if action.stands_for else None


def standing(state: IncidentState) -> Iterator[tuple[Control, datetime]]:
    """Every control that can be undone and has such a time, with its end; of one that was begun and not done too."""
    for control in state.to_release:
        if (end := ends_at(state, control)) is not None:
            yield control, end


def to_call(state: IncidentState, now: datetime, again: timedelta) -> tuple[tuple[Control, datetime], ...]:
    """What stands past its time with nobody called for it since, or not for as long as `again`. However many calls an
    engine that was down has missed, it is one call."""
    return tuple(
        (c, end) for c, end in standing(state) if end <= now and _due(state.overran.get(_id(c)), end, now, again)
    )


def _due(called: datetime | None, end: datetime, now: datetime, again: timedelta) -> bool:
    return called is None or called < end or now - called >= again


def _id(control: Control) -> ActionId:
    return control.intent.action.id


def lines(state: IncidentState, now: datetime) -> Iterator[str]:
    """Every control that has such a time, under what comes then, which is no release."""
    named: dict[str, list[str]] = {}
    for control, end in standing(state):
        action, extended = control.intent.action, state.extended.get(_id(control))
        at = f"{end:%Y-%m-%d %H:%M} UTC"
        called = f"a person is called at {at}" if end > now else f"its time ended at {at}, a person is called"
        by = f" (extended by {extended.who}: {extended.why})" if extended else ""
        named.setdefault(f"{called}{by}", []).append(f"  {action.verb} {action.target}")
    for then, controls in named.items():
        yield f"stands until it is released; {then}:"
        yield from controls
