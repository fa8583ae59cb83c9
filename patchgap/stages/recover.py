"""Recover: what was contained is released in the playbook's order, proved again, and the incident closed or refused."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from patchgap.errors import BadInputError, NotFoundError, RefusedError
from patchgap.incident import bundle, conduct, events, lasting, report
from patchgap.incident.ledger import Entry
from patchgap.incident.state import IncidentState, fold
from patchgap.model.finding import IncidentId
from patchgap.model.plan import ActionId, Control, Intent, Outcome, Receipt
from patchgap.stages import verify
from patchgap.stages.engine import Engine
from patchgap.stages.situation import folder_of, open_state_of, playbook_of, situation_of, state_of

ACTOR = "patchgap recover"
_PATIENCE, _PAUSE = 60.0, 0.2  # seconds
_ATTEMPTS = 5
_BY_HAND = (
    "See that each control plane answers and dismiss again: it releases what is left. What cannot wait for that, take away"
    " by hand as it says there."
)


# What makes a verdict one about another world, before and after the releases have begun.
_CHANGES = (
    events.SignalJoined,
    events.Scoped,
    events.Planned,
    events.PlanRefused,
    events.IntentMade,
    events.ReceiptMade,
)
_RELEASES = (events.ReleaseIntended, events.Released)


@dataclass(frozen=True, slots=True)
class Papers:
    """What is written of an incident: the report, the signed bundle, and the controls that stay."""

    report: Path
    bundle: Path
    remaining: tuple[Control, ...]


def releases(engine: Engine, incident: IncidentId) -> tuple[Control, ...]:
    """The standing controls that the playbook's recover names, in its order. Raises RefusedError where the gate has
    not passed on fresh evidence: nothing is released unproved."""
    entries = engine.ledger.read(incident)
    state = fold(entries)
    if reasons := _missing(engine, state, entries):
        raise RefusedError(
            f"{incident} stays open",
            f"See `patchgap incident show {incident}`; it closes when each of these is proved.",
            reasons,
        )
    return _named(engine, state)


def _named(engine: Engine, state: IncidentState) -> tuple[Control, ...]:
    order = [engine.registry.inverses()[step.verb] for step in playbook_of(engine, state).recover]
    return tuple(c for verb in order for c in state.to_release if c.intent.action.verb == verb)


def _missing(engine: Engine, state: IncidentState, entries: tuple[Entry, ...]) -> tuple[str, ...]:
    """Why nothing may be released; empty where the last verdict passed and the newest evidence still passes now."""
    if state.verdict is None:
        return ("nothing has been verified yet",)
    if not state.verdict.passed:
        return state.verdict.reasons
    if _changed_since_looked(engine, entries, _CHANGES):
        return ("the scope, the plan or a containment changed since the last verification",)
    return verify.stands(engine, entries).reasons


def _changed_since_looked(engine: Engine, entries: tuple[Entry, ...], kinds: tuple[type, ...]) -> bool:
    """Whether something of these kinds came after the judgement, or after any of the evidence began to be taken: another
    run's round that was under way then saw another world."""
    judged = max((e.seq for e in entries if isinstance(e.body, events.GateJudged)), default=0)
    looked = min((e.observed_at for e in verify.newest(engine, entries)), default=None)
    return any(
        isinstance(e.body, kinds) and (e.seq > judged or (looked is not None and e.at > looked)) for e in entries
    )


def release(engine: Engine, incident: IncidentId, action: ActionId) -> Receipt:
    """Releases one control, while the gate still passes. A release that fails leaves that containment in place and says
    so in its receipt. Raises RefusedError where the last look, or another run's since, no longer allows it, or the kill
    switch stands."""
    engine.stop.may_write()
    return _release(engine, incident, action, proved=True)


def _release(engine: Engine, incident: IncidentId, action: ActionId, *, proved: bool) -> Receipt:
    with engine.acting(incident) as acting:
        entries = acting.ledger.read(incident)  # what another engine recorded while this one waited for it counts
        state = fold(entries)
        if proved and (reasons := _missing(engine, state, entries)):
            raise RefusedError(f"{incident} stays contained", "Verify it again.", reasons)
        control = next((c for c in state.to_release if c.intent.action.id == action), None)
        if control is None:
            raise NotFoundError(
                f"{action} is no standing control of {incident}", "It was released already, or never stood."
            )
        situation = situation_of(engine, state, may_write=acting.may_write)
        return conduct.release_target(acting.ledger, incident, control, engine.registry, situation, acting.may_write)


def close(engine: Engine, incident: IncidentId) -> Papers:
    """Closes on passing evidence alone: judged after the last release, fresh, and nothing recorded since.

    Raises RefusedError with every missing proof; the refusal is recorded and the incident stays open.
    """
    open_state_of(engine, incident)
    for _ in range(_ATTEMPTS):  # where another run's entry slips in between, what it says counts as well
        entries = engine.ledger.read(incident)
        state = fold(entries)
        reasons = _unproved(engine, state, entries)
        if reasons:
            break
        if _end(engine, state):
            return papers(engine, incident)
    else:
        reasons = ("something was recorded while the incident was being closed",)
    engine.ledger.append(incident, events.CloseRefused(reasons=reasons), ACTOR)
    raise RefusedError(f"{incident} stays open", "It closes when each of these is proved.", reasons)


def _unproved(engine: Engine, state: IncidentState, entries: tuple[Entry, ...]) -> tuple[str, ...]:
    """Why it may not close yet; empty where it may."""
    reasons = list(_missing(engine, state, entries)) or [
        f"{c.intent.action} is not released yet" for c in _named(engine, state)
    ]
    reasons += [f"whether {i.action} took effect is not known" for i in state.open_intents]
    if not reasons and _changed_since_looked(engine, entries, _RELEASES):
        reasons.append("nothing was verified since the last release")
    return tuple(reasons)


def _end(engine: Engine, state: IncidentState) -> bool:
    """Records the recovery and the closing, if nothing slipped in between; else neither decides anything."""
    recovered = events.Recovered(remaining=tuple(_remaining(state, c) for c in state.to_release))
    entry = engine.ledger.append_if(state.id, state.head, recovered, ACTOR)
    verdict = state.verdict
    if entry is None or verdict is None:
        return False
    closed = events.Closed(evidence=verdict.evidence, waived=verdict.waived)
    return engine.ledger.append_if(state.id, entry.hash, closed, ACTOR) is not None


def _remaining(state: IncidentState, control: Control) -> events.Remaining:
    action = control.intent.action
    return events.Remaining(action.id, str(action), lasting.ends_at(state, control))


def papers(engine: Engine, incident: IncidentId) -> Papers:
    """Writes the report and the signed bundle (again): both are made from the ledger alone."""
    entries = engine.ledger.read(incident)
    state = fold(entries)
    folder = folder_of(engine, incident)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    page, envelope = folder / "report.html", folder / "evidence.dsse.json"
    page.write_text(report.render(state, entries, engine.clock()), encoding="utf-8")
    envelope.write_text(bundle.export(entries, bundle.signing_key(engine.settings.home)), encoding="utf-8")
    return Papers(page, envelope, state.to_release)


def dismiss(engine: Engine, incident: IncidentId, why: str, who: str) -> tuple[Receipt, ...]:
    """A false positive: every control is released, then the incident ends as dismissed and counts in the metrics.

    Waits for what another run is carrying out, a minute at most; one that is dismissed stays so. Raises RefusedError where a release failed: the
    incident stays open until all of them are out; BadInputError or SecretError, with nothing released, for a decision without
    a name and a reason or with what looks like a secret.
    """
    if not why.strip() or not who.strip():
        raise BadInputError("--why and --as", "a dismissal says who decided it and why", "Give both in words.")
    dismissed = events.Dismissed(why=why, who=who)
    engine.ledger.must_be_recordable(dismissed)
    receipts: list[Receipt] = []
    patience = time.monotonic() + _PATIENCE
    while True:  # another run may contain meanwhile: what it did is released too, before anything ends
        state = state_of(engine, incident)
        if isinstance(state.ending, events.Dismissed):  # by a run that was cut off before it could say so
            return tuple(receipts)
        if state.ending is not None:
            raise RefusedError(
                f"{incident} is closed on its evidence; what is closed is not dismissed",
                f"`patchgap incident close {incident}` says where its report is.",
            )
        verify.settle_left_behind(engine, incident)
        state = state_of(engine, incident)
        if state.to_release:
            engine.stop.may_write()
        held, under_way = state.to_release, any(state.receipt(i.action.id) is None for i in _open(state))
        round_ = [_release(engine, incident, c.intent.action.id, proved=False) for c in reversed(held)]
        receipts += round_
        failed = list(_stay(zip(reversed(held), round_, strict=True)))
        if under_way and not failed and time.monotonic() < patience:
            time.sleep(_PAUSE)
            continue
        failed += [f"whether {i.action} took effect is not known" for i in _open(state)]
        if failed:
            raise RefusedError(
                f"{incident} is not dismissed",
                "Another run is at it still, or was cut off: dismiss again." if under_way else _BY_HAND,
                tuple(failed),
            )
        if not held and engine.ledger.append_if(incident, state.head, dismissed, who) is not None:
            return tuple(receipts)


def _stay(released: Iterable[tuple[Control, Receipt]]) -> Iterator[str]:
    """What a release left in place: each reason once, then its controls with what a person takes away by hand."""
    by_why: dict[str, list[Control]] = {}
    for control, receipt in released:
        if receipt.outcome is not Outcome.DONE:
            by_why.setdefault("; ".join(receipt.detail), []).append(control)
    for why, controls in by_why.items():
        yield f"these stay: {why}"
        yield from (f"{c.intent.action}: {_by_hand(c)}" for c in controls)


def _by_hand(control: Control) -> str:
    action, made = control.intent.action, control.receipt.result.get("objects") or ()
    named = [f"{o['kind']} {'/'.join(p for p in (o.get('namespace'), o['name']) if p)}" for o in reversed(made)]
    return f"delete {', '.join(named)}" if named else f'undo "{next(iter(action.changes), action.verb)}"'


def _open(state: IncidentState) -> tuple[Intent, ...]:
    """Intents that nobody settled, whose effect was never seen, and that no release undoes."""
    held = {c.intent.action.id for c in (*state.controls, *state.to_release)}
    return tuple(i for i in state.open_intents if i.action.id not in held)
