"""How an incident stands in a terminal: its plan, who is waited for, and what to type next."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from flows.cli.output import listed
from flows.runtime.local import Ran
from patchgap.cli.output import many, parted
from patchgap.incident import lasting
from patchgap.incident.heading import DONE, at, grade, headline, step, tiers, title
from patchgap.incident.state import ENDED, IncidentState, Status
from patchgap.incident.story import MARK, shortened
from patchgap.model.finding import IncidentId
from patchgap.model.plan import Outcome, Plan
from patchgap.stages import consent
from patchgap.stages.engine import Engine
from patchgap.stages.situation import report_of, state_of

_VERDICT = re.compile(r"(?<=\))(: fail|: unknown): ")  # between a missing proof's check and what it saw
_DIGITS = 12  # of a plan's digest, in a command to type: the whole of it stands above


def summary(engine: Engine, state: IncidentState) -> dict[str, Any]:
    """An incident of a list, as fields; `tiers` says how many workloads are in each, `waits` is that of `waits`."""
    return {
        "id": state.id,
        "key": state.finding.key,
        "status": state.status if state.status in ENDED else Status.OPEN,
        "opened_at": state.times.opened,
        "about": title(state),
        "severity": state.finding.severity,
        "tiers": tiers(state),
        "stands": _headline(engine, state),
        "waits": waits(engine, state.id),
    }


def summed(engine: Engine, state: IncidentState) -> str:
    """The same in lines."""
    return listed([*_about(state), f"  {_headline(engine, state)}"])


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
    """What it is about and where it stands, what a person does next, and under it what is proved and what holds."""
    state = state_of(engine, incident)
    yield listed(_about(state))
    yield ""
    yield listed([_headline(engine, state)])
    if stopped := engine.stop.refusal():
        yield listed([stopped.problem])
    if state.status in ENDED:
        yield listed([report_of(engine, incident)])
    elif engine.consent.asked(incident) is not None:
        yield from waiting(engine, incident)
    else:
        yield from [f"plan {state.plan.digest}"] if state.plan is not None else []
        yield from _next(engine, state)
    held = [*_steps(engine, state), *_proofs(state), *lasting.lines(state, engine.clock())]
    yield from ["", listed(held)] if held else []


def _about(state: IncidentState) -> Iterator[str]:
    yield f"{state.id}  {at(state.times.opened)}"
    yield f"  {title(state)}"
    yield f"  {grade(state)}"


def _headline(engine: Engine, state: IncidentState) -> str:
    if state.declined:
        return f"{state.declined.who} said no to its plan: {state.declined.why}"
    return "Nobody said yes to its plan in time: that is a no." if _answered_no(engine, state) else headline(state)


def _answered_no(engine: Engine, state: IncidentState) -> bool:
    return consent.late(state, engine.ledger.read(state.id), engine.clock())


def _steps(engine: Engine, state: IncidentState) -> Iterator[str]:
    """How many steps of the plan are done, and each that is not."""
    if state.plan is None or state.status in ENDED:
        return
    said = [(action, step(state, action, engine.clock())) for action in state.plan.actions]
    yield f"steps done: {sum(how == DONE for _, how in said)} of {len(said)}"
    for action, how in said:
        if how != DONE:
            yield f"  {action.verb} {action.target}: {shortened(how)}"


def _proofs(state: IncidentState) -> Iterator[str]:
    """Each check of the last judgement, with what came of it."""
    if state.verdict is None or state.times.judged is None:
        return
    yield f"proofs, as judged at {at(state.times.judged)}:"
    for check, verdict in state.verdict.by_check.items():
        yield f"  {MARK[verdict]} {check}{', waived' if check in state.verdict.waived else ''}"


def _next(engine: Engine, state: IncidentState) -> Iterator[str]:
    contain = f"patchgap incident contain {state.id}"
    if state.plan is None or state.plan.refusals:
        yield from _typed(contain, "plans it, and contains what waits for nobody")
    elif state.declined is not None or _answered_no(engine, state):
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
