"""How an incident stands in a terminal: its plan, who is waited for, and what to type next."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from flows.cli.output import listed
from flows.runtime.local import Ran
from patchgap.cli.output import many, parted
from patchgap.incident.heading import headline
from patchgap.incident.state import ENDED, IncidentState, fold
from patchgap.incident.story import shortened
from patchgap.model.finding import IncidentId
from patchgap.model.plan import Outcome, Plan
from patchgap.stages import consent
from patchgap.stages.engine import Engine
from patchgap.stages.situation import state_of

_VERDICT = re.compile(r"(?<=\))(: fail|: unknown): ")  # between a missing proof's check and what it saw
_DIGITS = 12  # of a plan's digest, in a command to type: the whole of it stands above


def waits(engine: Engine, incident: IncidentId) -> dict[str, Any] | None:
    """The plan that waits for a yes, by its whole digest, until when, and who may give it; None where none does."""
    asked = engine.consent.asked(incident)
    state = state_of(engine, incident)
    if asked is None or state.plan is None:
        return None
    return {
        "plan": asked.plan,
        "until": asked.until,
        "targets": sum(1 for a in state.plan.actions if a.needs_approval and not state.consented(a, engine.clock())),
        "asks": state.plan.approval.approvers if state.plan.approval else "",
        "people": list(engine.consent.may_say_yes(state)) if engine.consent.people else None,
        "not": list(consent.requesters(state)),
    }


def waiting(engine: Engine, incident: IncidentId) -> Iterator[str]:
    """The same as lines, with the commands that answer it; none where no plan waits."""
    asked = waits(engine, incident)
    if asked is None:
        return
    yield f"plan {asked['plan']}"
    yield listed(
        [
            f"{asked['targets']} of its targets wait for a yes until {asked['until']:%Y-%m-%d %H:%M} UTC; then it is a no",
            f"who may: {_who(asked)}; not {', '.join(map(repr, asked['not']))}, who reported it",
        ]
    )
    digits = asked["plan"].removeprefix("sha256:")[:_DIGITS]
    yield f"  patchgap incident approve {incident} --plan {digits}"
    yield f'  patchgap incident decline {incident} --plan {digits} --why "…"'


def _who(asked: dict[str, Any]) -> str:
    if asked["people"] is None:
        who = "whoever has a code of `patchgap approver issue`"
    else:
        who = ", ".join(asked["people"]) or "nobody of `approvers` in the settings"
    return f"{who} (the playbook asks {asked['asks']})" if asked["asks"] else who


def lines(engine: Engine, incident: IncidentId) -> Iterator[str]:
    """Where it stands in a sentence, and what a person does next."""
    entries = engine.ledger.read(incident)
    state = fold(entries)
    late = consent.late(state, entries, engine.clock())
    no = f"{state.declined.who} said no to its plan: {state.declined.why}" if state.declined else ""
    yield listed([no or ("Nobody said yes to its plan in time: that is a no." if late else headline(state))])
    if stopped := engine.stop.refusal():
        yield listed([stopped.problem])
    if state.status in ENDED:
        yield from _typed(f"patchgap incident close {incident}", "where its report is")
        return
    if engine.consent.asked(incident) is not None:
        yield from waiting(engine, incident)
        return
    if state.plan is not None:
        yield f"plan {state.plan.digest}"
    yield from _next(engine, state, answered_no=late)


def _next(engine: Engine, state: IncidentState, *, answered_no: bool) -> Iterator[str]:
    contain = f"patchgap incident contain {state.id}"
    if state.plan is None or state.plan.refusals:
        yield from _typed(contain, "plans it, and contains what waits for nobody")
    elif state.declined is not None or answered_no:
        yield from _typed(contain, "makes the plan again, and asks again")
    elif _left(engine, state, state.plan):
        yield from _typed(contain, "does what is left, and nothing twice")
    elif state.verdict is None or not state.verdict.passed:
        yield from _typed(f"patchgap incident verify {state.id}", "looks again")
    else:
        yield from _typed(f"patchgap incident close {state.id}", "releases what may be, and closes")


def _left(engine: Engine, state: IncidentState, held: Plan) -> bool:
    """Whether something of the plan may run and is neither done, released nor waiting."""
    settled = {r.action for r in state.receipts if r.outcome in (Outcome.DONE, Outcome.WAITING)}
    open_ = (a for a in held.actions if a.id not in settled and a.id not in state.released_whole)
    return any(state.consented(a, engine.clock()) for a in open_)


def _typed(command: str, what: str) -> Iterator[str]:
    yield f"  {command}"
    yield f"    {what}"


def verified(engine: Engine, incident: IncidentId, ran: Ran) -> Iterable[str]:
    """What a round of verification came to."""
    verdict = state_of(engine, incident).verdict
    if not ran.completed or verdict is None or verdict.passed:
        return [parted(ran.message)]
    return missing(incident, verdict.reasons)


def closed(engine: Engine, before: IncidentState, ran: Ran) -> Iterable[str]:
    """What a closing came to."""
    refused = state_of(engine, before.id).refused_closings[len(before.refused_closings) :]
    return missing(before.id, refused[-1].reasons) if refused else [parted(ran.message)]


def missing(incident: IncidentId, reasons: tuple[str, ...]) -> Iterator[str]:
    """Every missing proof, one thing a line."""
    yield f"{incident} stays open, for want of {many(len(reasons), 'proof')}:"
    for reason in map(shortened, reasons):
        check, verdict, seen = [*_VERDICT.split(reason, maxsplit=1), "", ""][:3]
        yield listed([f"{check}{verdict}"], "  ")
        yield from (listed([one], "    ") for one in seen.split("; ") if one)
