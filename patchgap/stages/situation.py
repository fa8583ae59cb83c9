"""The incident as actions and checks see it: folded from the ledger, joined with the graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from patchgap.errors import RefusedError
from patchgap.incident import heading
from patchgap.incident.state import ENDED, IncidentState, fold
from patchgap.model.exposure import Exposure
from patchgap.model.finding import IncidentId
from patchgap.model.plan import Control, Target
from patchgap.model.signal import Signal
from patchgap.playbook import loader
from patchgap.playbook.language import Playbook
from patchgap.ports import DigestStanding, Situation
from patchgap.stages import consent
from patchgap.stages.engine import OWNER, Engine
from patchgap.stages.finding import question_of
from patchgap.stages.incidents import open_incidents


def state_of(engine: Engine, incident: IncidentId) -> IncidentState:
    """The incident's state, from its verified ledger. Raises NotFoundError or BrokenLedgerError."""
    return fold(engine.ledger.read(incident))


def open_state_of(engine: Engine, incident: IncidentId) -> IncidentState:
    """As `state_of`. Raises RefusedError where the incident has ended, with since when and where its report is."""
    state = state_of(engine, incident)
    if state.status in ENDED:
        raise RefusedError(f"{heading.ended(state)}: nothing was done", report_of(engine, incident))
    return state


def report_of(engine: Engine, incident: IncidentId) -> str:
    """A sentence: where the report of an incident that has ended is, or what makes it."""
    report = folder_of(engine, incident) / "report.html"
    return f"Its report is {report}." if report.is_file() else f"`patchgap incident close {incident}` makes its report."


def folder_of(engine: Engine, incident: IncidentId) -> Path:
    """Where the papers of an incident that has ended are, once they are made on this machine."""
    return engine.settings.home / "incidents" / incident


def playbook_of(engine: Engine, state: IncidentState) -> Playbook:
    """The version that the incident is pinned to, from its own text, with the times of a drill where it is one."""
    if state.text not in engine.pinned:
        where = f"{state.playbook}@{state.version} as pinned by {state.id}"
        engine.pinned[state.text] = loader.parse(state.text, where, engine.registry)
    return loader.scaled(engine.pinned[state.text], state.times_scale)


def situation_of(
    engine: Engine,
    state: IncidentState,
    exposures: tuple[Exposure, ...] | None = None,
    may_write: Callable[[], None] | None = None,
) -> Situation:
    """The situation, of the exposures given or of the whole incident's; `may_write` is that of who acts, else the kill
    switch alone says."""
    question, swap = question_of(state.finding.signal), _swap(state.finding.signal)
    affected = engine.graph.affected_digests(question) if question else frozenset(swap[1:])

    def judge(digests: Sequence[str]) -> Mapping[str, DigestStanding]:
        if question is None:
            return {d: _weighed(d, swap) for d in digests}
        return engine.graph.standing(question, digests)

    return Situation(
        incident=state.id,
        finding=state.finding,
        exposures=state.finding.exposures if exposures is None else exposures,
        controls=state.controls,
        affected_digests=affected,
        patched=frozenset(state.patched) - affected,
        mends=state.mends,
        given_up=_given_up(engine, state),
        judge=judge,
        connections=engine.connections,
        clock=engine.clock,
        owner=OWNER,
        halves=state.begun,
        release_begun=state.release_begun,
        released=state.released_whole,
        planned=state.plan.actions if state.plan else (),
        uncovered=state.plan.uncovered if state.plan else (),
        may_write=may_write or engine.stop.may_write,
        identities=state.identities,
        plan_digest=state.plan.digest if state.plan else "",
        approval_link=lambda person: _link(engine, state, person),
        elsewhere=lambda target: _elsewhere(engine, state.id, target),
    )


def _given_up(engine: Engine, state: IncidentState) -> Mapping[str, str]:
    """The images whose canary failed, by every digest that each goes by: an index leads to the image that failed."""
    each = ((reference.rpartition("@")[2], why) for reference, why in state.given_up.items())
    return {same: why for digest, why in each for same in engine.graph.same_image(digest)}


def _elsewhere(engine: Engine, mine: IncidentId, target: Target) -> tuple[tuple[IncidentId, Control], ...]:
    """What the other open incidents have done to that target, or begun, and not released. Raises BrokenLedgerError where
    one of their ledgers does not hold: then nobody knows."""
    others = (state_of(engine, other) for other in open_incidents(engine) if other != mine)
    return tuple(
        (state.id, control)
        for state in others
        for control in (*state.controls, *state.begun)
        if control.intent.action.target.bare == target.bare
    )


def _link(engine: Engine, state: IncidentState, person: str) -> str:
    """The link, or nothing where no plan waits for a yes or no setting says how a browser reaches the receiver. To whom it
    may not answer for, it names nobody and asks for a code."""
    if not engine.settings.webhook.url or engine.consent.asked(state.id) is None:
        return ""
    named = person if engine.consent.may_have_link(state, person) else ""
    return consent.address(engine.settings, engine.consent, state.id, named)


def _swap(signal: Signal) -> tuple[str, ...]:
    """The digest that was meant and the one that was found in its place; () where no image was swapped."""
    seen = signal.runtime
    return (seen.expected, seen.found) if seen is not None and seen.found else ()


def _weighed(digest: str, swap: tuple[str, ...]) -> DigestStanding:
    """A digest against a swap: the one that was meant is the mend, the one found is not; no other is known."""
    if digest in swap[:1]:
        return DigestStanding(digest, "clean", "it is the digest that was deployed or attested")
    if digest in swap:
        return DigestStanding(digest, "affected", "it runs in the place of the digest that was meant")
    return DigestStanding(digest, "unknown", "the incident names no component")
