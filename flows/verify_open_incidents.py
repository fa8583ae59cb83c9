"""What a minute or an outage left undone: stored signals that no run took up, and every open incident verified again,
recovered where the gate passes. An incident's trouble is its own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from prefect import get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Failed

from flows.contain import go_on
from flows.detect import detect
from flows.forms import keep_asking
from flows.process import engine
from flows.recover import recover
from flows.respond import gate_passes, respond
from flows.stage import completed, ended, stage, tagged, within
from flows.tell import tell
from flows.verify import verify
from patchgap.errors import PatchgapError
from patchgap.model.finding import IncidentId
from patchgap.stages.contain import left_undone
from patchgap.stages.incidents import open_incidents
from patchgap.stages.lasting import call_overdue
from patchgap.stages.renewal import keep_current
from patchgap.stages.situation import state_of
from patchgap.stages.telling import ended_lately
from patchgap.stages.verify import due

LEFT_BEHIND = timedelta(minutes=1)  # a younger signal's own run may just be starting


@stage("verify-open-incidents", "verify what is open")
def verify_open_incidents() -> State[Any]:
    """Verifies each open incident that is due by its playbook's `every`, and recovers those whose gate passes. Runs
    every five minutes.

    Signals that were stored while Prefect did not answer are taken up first, and a response that was cut off, or
    that waited for a yes which came, goes on; so does an action that waited for a mend or for its time. A block takes in
    what the graph has learnt since, and a person is called for what stands past its time. A round that calls a person fails with why, so that Prefect's own
    notifications on failed runs reach one."""
    failed = _take_up()
    incidents = open_incidents(engine())
    for incident in (*incidents, *ended_lately(engine())):
        with tagged(incident):
            try:
                state = _round(incident) if incident in incidents else _ended(incident)
            except PatchgapError as error:  # a ledger that does not hold stops its own incident, and no other
                state = Failed(message=str(error))
        get_run_logger().info("%s: %s", incident, ended(state))
        if not state.is_completed():
            failed.append(f"{incident}: {ended(state)}")
    if failed:
        return Failed(message=f"{len(incidents)} open incidents, {len(failed)} in trouble: {'; '.join(failed)}")
    return completed(f"{len(incidents)} open incidents, none in trouble" if incidents else "no incident is open")


def _round(incident: IncidentId) -> State[Any]:
    """All that is due of an open incident."""
    before = state_of(engine(), incident).persons_called
    call_overdue(engine(), incident)
    state = _go_on(incident)
    keep_asking(incident)
    called = state_of(engine(), incident).persons_called[len(before) :]
    if called and state.is_completed():
        state = Failed(message=f"a person is called: {'; '.join(called)}")
    return _say(incident, state)


def _ended(incident: IncidentId) -> State[Any]:
    """What its end left in place (a block, say) has its time too."""
    called = call_overdue(engine(), incident)
    return _say(incident, Failed(message=f"a person is called: {called}") if called else completed("it has ended"))


def _say(incident: IncidentId, state: State[Any]) -> State[Any]:
    """People are told; where a sink did not take it, that is this round's trouble too."""
    unheard = tell(incident)
    return Failed(message=f"{ended(state)}; not told: {'; '.join(unheard)}") if unheard else state


def _go_on(incident: IncidentId) -> State[Any]:
    if left_undone(engine(), incident, LEFT_BEHIND):
        return within(respond, incident)
    broken = [*go_on(incident), *keep_current(engine(), incident)]
    state = _looked_at(incident)
    return Failed(message="; ".join(broken)) if broken and state.is_completed() else state


def _looked_at(incident: IncidentId) -> State[Any]:
    if not gate_passes(incident) and not due(engine(), incident):
        return completed("verified less than the playbook's `every` ago")
    state = within(verify, incident)
    return within(recover, incident) if state.is_completed() and gate_passes(incident) else state


def _take_up() -> list[str]:
    settled_before = engine().clock() - LEFT_BEHIND
    failed = []
    for received in engine().inbox.pending():
        if received.received_at < settled_before:
            run: Any = detect
            state: State[Any] = run(signal=received.id, return_state=True)
            if not state.is_completed():
                failed.append(f"{received.id}: {ended(state)}")
    return failed
