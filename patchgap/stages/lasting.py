"""The time that isolation, freezes and blocks may stand: a person is called when it is over, and may extend it.

Nothing is released here: what stands past its time stays until the gate proves that it may go, or a person decides.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from patchgap.errors import BadInputError, ConflictError, RefusedError
from patchgap.incident.events import PersonCalled, TimeExtended
from patchgap.incident.lasting import standing, to_call
from patchgap.incident.state import ENDED, IncidentState
from patchgap.model.finding import IncidentId
from patchgap.model.plan import Control
from patchgap.stages.engine import Engine
from patchgap.stages.situation import state_of

ACTOR = "patchgap lasting"
LONGEST = timedelta(days=7)  # of one extension: longer is said again
_NAMED, _ATTEMPTS = 5, 5


def call_overdue(engine: Engine, incident: IncidentId) -> str:
    """Calls a person for what stands past its time: once when it is over, then again at the settings' interval; why, or
    "" where nobody is called. Two engines at once make one call."""
    for _ in range(_ATTEMPTS):
        state = state_of(engine, incident)
        now = engine.clock()
        late = to_call(state, now, engine.settings.containment.call_again * state.times_scale)
        if not late:
            return ""
        called = PersonCalled(_why(state, late, now), tuple(c.intent.action.id for c, _ in late))
        if engine.ledger.append_if(incident, state.head, called, ACTOR) is not None:
            return called.why
    raise ConflictError(f"the ledger of {incident} is too busy", "The next round calls.")


def _why(state: IncidentState, late: tuple[tuple[Control, datetime], ...], now: datetime) -> str:
    named = [
        f"{c.intent.action.verb} on {c.intent.action.target} (until {end:%Y-%m-%d %H:%M} UTC)"
        for c, end in late[:_NAMED]
    ]
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
    for _ in range(_ATTEMPTS):
        state = state_of(engine, incident)
        until = engine.clock() + lasts
        sooner = tuple(c.intent.action.id for c, end in standing(state) if end < until)
        if not sooner:
            raise RefusedError(
                f"nothing of {incident} stands whose time ends before {until:%Y-%m-%d %H:%M} UTC",
                f"`patchgap incident show {incident}` says what stands, and until when.",
            )
        body = TimeExtended(sooner, until, who.strip(), why.strip())
        if engine.ledger.append_if(incident, state.head, body, body.who) is not None:
            return body
    raise ConflictError(f"the ledger of {incident} is too busy", "Extend it again.")
