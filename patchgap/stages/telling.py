"""Telling: what people must hear of an incident and no sink has taken yet, by the ledger alone.

Run at any time, as often as one likes: each piece of news reaches each sink once, and is tried again until it did. It
goes on while the kill switch stands: that stops changes, not words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta

from patchgap.incident.events import PersonTold
from patchgap.incident.state import ENDED, IncidentState, Status
from patchgap.model.finding import IncidentId
from patchgap.model.plan import Outcome
from patchgap.model.telling import Delivered, News, opened_by
from patchgap.ports import Messenger
from patchgap.stages.engine import Engine
from patchgap.stages.situation import situation_of, state_of

ACTOR = "patchgap telling"
_STATUSES = ENDED | {Status.AWAITING_APPROVAL, Status.CONTAINED, Status.PARTIAL, Status.VERIFYING}
_REMEMBERED = timedelta(days=90)  # an older incident that has ended is not looked at again


def tell(engine: Engine, incident: IncidentId, messenger: Messenger) -> tuple[Delivered, ...]:
    """Delivers what is left; each delivery is recorded as it succeeds. The failed ones are returned, with why."""
    failed: list[Delivered] = []
    keys = [news.key for news in _news(state_of(engine, incident))]
    for key in keys:
        state = state_of(engine, incident)  # what was just opened can be resolved by the next
        news = next((n for n in _news(state) if n.key == key), None)
        if news is None:
            continue
        for one in messenger.deliver(news, situation_of(engine, state)):
            if one.problem:
                failed.append(one)
            else:
                engine.ledger.append(incident, PersonTold(key, one.sink, one.id, one.url), ACTOR)
    return tuple(failed)


def remind(engine: Engine, incident: IncidentId, messenger: Messenger) -> tuple[Delivered, ...]:
    """Says on what is open that a patch window has come, once a day. The failed ones are returned, with why."""
    state = state_of(engine, incident)
    key = f"{incident}-window-{engine.clock():%Y%m%d}"
    patched = ", ".join(state.patched) or "none is named yet: `patchgap incident patch` names it"
    why = f"its patch window is open; {len(state.finding.exposures)} exposures; patched images: {patched}"
    news = News(key, state.status, why, told=_told(state, key), opened=_opened(state))
    delivered = messenger.deliver(news, situation_of(engine, state))
    for one in delivered:
        if not one.problem:
            engine.ledger.append(incident, PersonTold(key, one.sink), ACTOR)
    return tuple(one for one in delivered if one.problem)


def ended_lately(engine: Engine) -> tuple[IncidentId, ...]:
    """The incidents that ended, and may have people who were not told so yet."""
    since = engine.clock() - _REMEMBERED
    return tuple(r.id for r in engine.ledger.incidents() if r.status != "open" and r.opened_at > since)


def _news(state: IncidentState) -> Iterator[News]:
    """Every call, in order, then the state where it is one that people follow; the newest one alone."""
    for why in dict.fromkeys(state.persons_called):
        key = f"{state.id}-call-{hashlib.sha256(why.encode()).hexdigest()[:12]}"
        yield News(key, state.status, why, call=True, told=_told(state, key), opened=_opened(state))
    if state.status in _STATUSES:
        asks = state.status is Status.AWAITING_APPROVAL  # each plan anew, though the status stays
        key = f"{state.id}-{state.status.replace('_', '-')}-{state.plan_seq if asks else state.status_since}"
        yield News(
            key,
            state.status,
            _standing(state),
            ended=state.status in ENDED,
            asks=asks,
            told=_told(state, key),
            opened=_opened(state),
        )


def _told(state: IncidentState, key: str) -> frozenset[str]:
    return frozenset(t.sink for t in state.told if t.key == key)


def _opened(state: IncidentState) -> tuple[tuple[str, str, str], ...]:
    by_actions = (opened_by(r) for r in state.receipts if r.outcome is Outcome.DONE)
    by_calls = ((t.sink, t.id, t.url) for t in state.told if t.id)
    return tuple(dict.fromkeys(one for one in (*by_actions, *by_calls) if one is not None))


def _standing(state: IncidentState) -> str:
    """One sentence on where it stands."""
    held = len([c for c in state.controls if c.intent.action.inverse and c.receipt.stands])
    if state.status is Status.AWAITING_APPROVAL:
        return f"its plan waits for a yes; {held} controls stand"
    if state.status in ENDED:
        return f"it is over: {state.status}; {len(state.to_release)} controls stay"
    if state.verdict is not None and not state.verdict.passed:
        return f"{held} controls stand; not proved yet: {'; '.join(state.verdict.reasons)}"
    failed = [f"{len(state.failed)} targets failed"] if state.failed else []
    return "; ".join([f"{held} controls stand", *failed])
