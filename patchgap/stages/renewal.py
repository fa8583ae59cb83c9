"""Standing controls brought up to date: with a mend that was named, and with what the graph has learnt since.

A renewal is an intent and a receipt as any write is, under the lease, the kill switch and the limits that intents count
toward. It needs no new approval: what stands was approved, on the same targets.
"""

from __future__ import annotations

from collections.abc import Callable

from patchgap.errors import PatchgapError, RefusedError
from patchgap.incident import conduct
from patchgap.incident.events import PersonCalled
from patchgap.model.finding import IncidentId
from patchgap.model.plan import Control, Outcome, Target
from patchgap.playbook.guards import Guard
from patchgap.ports import Growing, Situation
from patchgap.stages.engine import Engine
from patchgap.stages.situation import situation_of, state_of

ACTOR = "patchgap renewal"


def keep_current(engine: Engine, incident: IncidentId) -> tuple[str, ...]:
    """Renews what stands and is behind the graph: a block that lacks digests whose SBOM came since. Nothing is written
    where nothing is. A sentence for each that is still behind, for which a person is called once."""
    state = state_of(engine, incident)
    if not any(isinstance(_verb(engine, c), Growing) for c in state.controls):
        return ()
    try:
        failed = renewed(engine, incident, lambda control, situation: _may_grow(engine, control, situation))
    except RefusedError as error:  # another engine is at this incident, and renews it
        return (f"what stands was not brought up to date: {error}",)
    for why in (f"{one}: it is behind what the graph knows of {incident}" for one in failed):
        if why not in state.persons_called:
            engine.ledger.append(incident, PersonCalled(why=why), ACTOR)
    return failed


def _verb(engine: Engine, control: Control) -> object:
    return engine.registry.action(control.intent.action.verb, control.intent.action.platform)


def _may_grow(engine: Engine, control: Control, situation: Situation) -> bool:
    """Whether it is behind. Raises RefusedError where what it lacks is run by a protected workload: a plan with that would
    be refused whole, and growing is no way around it."""
    verb = _verb(engine, control)
    lacking = frozenset(verb.behind(control, situation) if isinstance(verb, Growing) else ())
    if not lacking:
        return False
    cluster = control.intent.action.target.cluster
    guard = Guard(engine.settings.protect, engine.settings.kubernetes.namespace)
    running = (
        Target.of(w.ref)
        for w in engine.graph.workloads()
        if w.ref.cluster == cluster and any(c.digest in lacking for c in w.containers if isinstance(c.digest, str))
    )
    if told := [why for target in running for why in guard.protects(target)]:
        raise RefusedError(f"it would refuse what protected workloads run: {'; '.join(told)}", "Decide by hand.")
    return True


def renewed(engine: Engine, incident: IncidentId, wanted: Callable[[Control, Situation], bool]) -> tuple[str, ...]:
    """Renews the wanted controls that stand and are not being released; a sentence for each that failed. Raises RefusedError
    where another engine acts for the incident, or the kill switch stands and there is something to renew."""
    failed: list[str] = []
    with engine.acting(incident) as acting:
        state = state_of(engine, incident)
        situation = situation_of(engine, state, may_write=acting.may_write)
        for control in (c for c in state.controls if c.intent.action.id not in state.releasing):
            named = str(control.intent.action)
            try:
                due = wanted(control, situation)
            except PatchgapError as error:  # its control plane does not answer: the others are renewed
                failed.append(f"{named}: {error}")
                continue
            if not due:
                continue
            acting.may_write()
            receipt = conduct.renew_target(
                acting.ledger, incident, control, engine.registry, situation, acting.may_write
            )
            if receipt.outcome is not Outcome.DONE:
                failed.append(f"{named}: {'; '.join(receipt.detail)}")
    return tuple(failed)
