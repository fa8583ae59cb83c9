"""Whether a target is still as the plan shows it. What containment itself changed, and what is no part of the plan, is no
change."""

from __future__ import annotations

from collections.abc import Iterator

from patchgap.errors import ConflictError
from patchgap.incident.state import IncidentState
from patchgap.model.plan import PlannedAction
from patchgap.ports import Action, Situation, Watched
from patchgap.redact import recognisable


class ChangedError(ConflictError):
    """The target changed since it was planned; nothing was written. `changes` are the fields with (then, now)."""

    def __init__(self, problem: str, fix: str, changes: dict[str, list[str]]) -> None:
        self.changes = changes
        super().__init__(problem, fix)


def must_be_as_planned(state: IncidentState, action: PlannedAction, verb: Action, situation: Situation) -> None:
    """Raises ChangedError with the target and each field, then and now. A plan that says nothing of the state (of an
    action without one, or an older plan) is not held to it."""
    if not action.seen or not isinstance(verb, Watched):
        return
    now = {name: recognisable(value) for name, value in verb.seen(action.target, situation).items()}
    changes = {
        name: [action.seen.get(name, "not there"), now.get(name, "not there")]
        for name in sorted({*action.seen, *now})
        if action.seen.get(name) != now.get(name)
    }
    foreign = {n: c for n, c in changes.items() if not _is_ours(state, action, n, c, situation)}
    if foreign:
        told = "; ".join(f"{name} was {then}, is {is_now}" for name, (then, is_now) in foreign.items())
        raise ChangedError(
            f"{action.target} changed since it was planned: {told}",
            f"Nothing was done to it. `patchgap incident contain {state.id}` plans anew; that plan needs its own approval.",
            foreign,
        )


def _is_ours(state: IncidentState, action: PlannedAction, name: str, change: list[str], situation: Situation) -> bool:
    """Whether an action of the incident that was begun, this one too, says that it makes just this change on the same
    object; or has set a mend that was named."""
    then, now = change
    begun = list(_begun_on(state, action))
    if any(line.endswith(f"{name}: {then} -> {now}") for other in begun for line in other.changes):
        return True
    return bool(begun) and now in situation.mends


def _begun_on(state: IncidentState, action: PlannedAction) -> Iterator[PlannedAction]:
    mine = action.target.by_name
    return (i.action for i in state.intents.values() if i.action.target.by_name == mine)
