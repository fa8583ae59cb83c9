"""The time that isolation, freezes and blocks may stand: a person is called when it is over, and may extend it.

Nothing is released here: what stands past its time stays until the gate proves that it may go, or a person decides.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from patchgap.errors import BadInputError, RefusedError
from patchgap.incident.events import PersonCalled, TimeExtended
from patchgap.incident.lasting import standing, to_call
from patchgap.incident.ledger import Entry
from patchgap.incident.state import ENDED, IncidentState, fold
from patchgap.model.finding import IncidentId
from patchgap.model.plan import Control
from patchgap.stages.engine import Engine

ACTOR = "patchgap lasting"
LONGEST = timedelta(days=7)  # of one extension: longer is said again
_NAMED = 5  # of a call


def call_overdue(engine: Engine, incident: IncidentId) -> str:
    """Calls a person for what stands past its time: once when it is over, then again at the settings' interval; why, or
    "" where nobody is called. Two engines at once make one call."""

    def weigh(entries: tuple[Entry, ...]) -> PersonCalled | None:
        state, now = fold(entries), engine.clock()
        late = to_call(state, now, engine.settings.containment.call_again * state.times_scale)
        return PersonCalled(_why(state, late, now), tuple(c.intent.action.id for c, _ in late)) if late else None

    called = engine.ledger.append_after(incident, weigh, ACTOR)
    return called.why if called else ""


def _why(state: IncidentState, late: tuple[tuple[Control, datetime], ...], now: datetime) -> str:
    named = [f"{c.intent.action} (until {end:%Y-%m-%d %H:%M} UTC)" for c, end in late[:_NAMED]]
    named += [f"and {len(late) - _NAMED} more"] if len(late) > _NAMED else []
    incident = state.id
    ends = (
        "They outlived their incident: take them away by hand,"
        if state.status in ENDED
        else f"Prove it over, `patchgap incident dismiss {incident}`,"
    )
    return (
        f"{len(late)} controls of {incident} stand past their time at {now:%Y-%m-%d %H:%M} UTC: {', '.join(named)}."
        f" Nothing was released. {ends} or `patchgap incident extend {incident} --for 4h --why …`"
    )


def extend(engine: Engine, incident: IncidentId, lasts: timedelta, why: str, who: str) -> TimeExtended:
    """Lets everything whose time ends before then stand for that long from now on. Raises BadInputError without a name, a
    reason or a bearable time, RefusedError where nothing stands that ends before."""
    if not who.strip() or not why.strip():
        raise BadInputError("--why and --as", "who extends the time says so, and why", "Give both in words.")
    if not timedelta(0) < lasts <= LONGEST:
        raise BadInputError("--for", "it is not within 7 days", "Extend it for as long as the work takes, such as 4h.")

    def weigh(entries: tuple[Entry, ...]) -> TimeExtended:
        until = engine.clock() + lasts
        sooner = tuple(c.intent.action.id for c, end in standing(fold(entries)) if end < until)
        if not sooner:
            raise RefusedError(
                f"nothing of {incident} stands whose time ends before {until:%Y-%m-%d %H:%M} UTC",
                f"`patchgap incident show {incident}` says what stands, and until when.",
            )
        return TimeExtended(sooner, until, who.strip(), why.strip())

    return engine.ledger.append_after(incident, weigh, who.strip())
