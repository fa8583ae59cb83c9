"""The incident as actions and checks see it: folded from the ledger, joined with the graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from patchgap.incident.state import IncidentState, fold
from patchgap.model.exposure import Exposure
from patchgap.model.finding import IncidentId
from patchgap.playbook import loader
from patchgap.playbook.language import Playbook
from patchgap.ports import DigestStanding, Situation
from patchgap.stages.engine import OWNER, Engine
from patchgap.stages.finding import question_of


def state_of(engine: Engine, incident: IncidentId) -> IncidentState:
    """The incident's state, from its verified ledger. Raises NotFoundError or BrokenLedgerError."""
    return fold(engine.ledger.read(incident))


def playbook_of(engine: Engine, state: IncidentState) -> Playbook:
    """The version that the incident is pinned to, from its own text, with the times of a drill where it is one."""
    where = f"{state.playbook}@{state.version} as pinned by {state.id}"
    return loader.scaled(loader.parse(state.text, where, engine.registry), state.times_scale)


def situation_of(
    engine: Engine,
    state: IncidentState,
    exposures: tuple[Exposure, ...] | None = None,
    may_write: Callable[[], None] | None = None,
) -> Situation:
    """The situation, of the exposures given or of the whole incident's; `may_write` is that of who acts, else the kill
    switch alone says."""
    question = question_of(state.finding.signal)
    affected = engine.graph.affected_digests(question) if question else frozenset()

    def judge(digests: Sequence[str]) -> Mapping[str, DigestStanding]:
        if question is None:
            reason = "the incident names no component"
            return {d: DigestStanding(d, "unknown", reason) for d in digests}
        return engine.graph.standing(question, digests)

    return Situation(
        incident=state.id,
        finding=state.finding,
        exposures=state.finding.exposures if exposures is None else exposures,
        controls=state.controls,
        affected_digests=affected,
        patched=frozenset(state.patched) - affected,
        mends=state.mends,
        judge=judge,
        connections=engine.connections,
        clock=engine.clock,
        owner=OWNER,
        halves=state.begun,
        release_begun=state.release_begun,
        planned=state.plan.actions if state.plan else (),
        uncovered=state.plan.uncovered if state.plan else (),
        may_write=may_write or engine.stop.may_write,
        identities=state.identities,
    )
