"""The rehearsal, act by act. What it drives is what a person or another system would: the webhook, the commands'
flows, the owning team's rollouts. What differs between scenarios is their files' to say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from flows.drill import mending
from flows.drill.ends import as_foreseen
from flows.drill.inject import Injected
from flows.drill.patience import settled, until
from flows.drill.played import DEFECT, ON_CALL, Drill, now
from flows.drill.runners import ByStages, InProduction, Runner
from flows.drill.scenario import Scenario
from flows.drill.stage import home_for, leave_this_machines_own, sboms_of, settings_for
from flows.drill.telling import Telling
from flows.drill.world import World
from flows.runtime.follow import following
from flows.runtime.stack import Stack
from integrations.rehearsal import fleet
from integrations.rehearsal.faults import Planned
from patchgap.cli.output import many
from patchgap.errors import PatchgapError, RefusedError
from patchgap.graph.sbom.read import read_sbom
from patchgap.incident.metrics import measures
from patchgap.incident.state import IncidentState
from patchgap.model.finding import IncidentId
from patchgap.model.plan import Outcome
from patchgap.settings import Settings
from patchgap.stages.consent import Answer
from patchgap.stages.engine import Engine

_TRIES = 5  # of a containment that meets faults


@dataclass(frozen=True)
class Rehearsed:
    """What a drill leaves behind. `closed` is False where its scenario ends open, as it says; report and bundle are
    written when an incident closes. `fired` is how often each fault that was injected spoilt a request."""

    incident: IncidentId
    home: Path
    report: Path
    bundle: Path
    seconds: float
    closed: bool
    fired: Mapping[str, int]


def rehearse(scenario: Scenario, root: Path, *, faults: Sequence[Injected] = (), quick: bool = False) -> Rehearsed:
    """Plays the scenario from beginning to end and stops everything that it started, whatever happens. `quick` runs
    the stages in this process, without a Prefect server."""
    tell = Telling()
    home = home_for(scenario, root, now())
    secret = leave_this_machines_own(home)
    tell.loud(f"REHEARSAL of {scenario.scenario}: {scenario.summary}")
    tell.loud(
        f"What verify waits for is shortened to {scenario.times_scale:g} of the playbook's (30m of quiet are "
        f"{1800 * scenario.times_scale:g} s here), as is when a person is called for what stands; nothing else is."
    )
    with ExitStack() as open_:
        then = "the stages in this process, without Prefect" if quick else "patchgap as in production"
        tell.act("The stage", f"A rehearsal cluster, a metrics source and a ticket sink on loopback; then {then}.")
        world = open_.enter_context(World(home, scenario, small=quick))
        settings = settings_for(scenario, home, world)
        engine = Engine.open(settings, now)
        if quick:
            _feed(tell, settings, scenario)
            runner: Runner = ByStages(engine)
        else:
            stack = _beside(
                lambda: open_.enter_context(Stack(settings, port=0)), lambda: _feed(tell, settings, scenario)
            )
            runner = InProduction(stack, home, secret)
            tell.say(f"Prefect's UI is at {stack.address.ui_url} while this runs; the drill's folder is {home}.")
        drill = Drill(scenario, tell, world, runner, engine, home, bool(faults))
        drill.run("refresh-inventory")
        tell.say(f"{len(engine.graph.workloads())} workloads of {fleet.CLUSTER} are in the exposure graph.")
        told = open_.enter_context(following(engine, lambda line: tell.line(line.split("  ", 2)[-1])))
        tell.before_each_act(told.tell_new)
        planned: list[tuple[str, Planned]] = []
        for fault in faults:
            tell.loud(f"   Injected: {fault.spec}")
            planned.append((fault.spec, fault.into(world.cluster)))
        done = _play(drill)
        return replace(done, fired=_fired(tell, planned, home))


def _fired(tell: Telling, planned: Sequence[tuple[str, Planned]], home: Path) -> dict[str, int]:
    """How often each fault fired, told. Raises PatchgapError where one never did: then nothing was rehearsed of it."""
    fired: Counter[str] = Counter()
    for spec, one in planned:
        fired[spec] += one.fired
    for spec, times in fired.items():
        tell.loud(f"   {spec} fired {many(times, 'time')}.")
    if never := [spec for spec, times in fired.items() if not times]:
        raise PatchgapError(
            f"no request was spoilt by {', '.join(never)}",
            f"Name requests that come; what did come is told in {home}.",
        )
    return dict(fired)


def _beside(slow: Callable[[], Stack], meanwhile: Callable[[], None]) -> Stack:
    """The slow start, with something useful done while it goes on."""
    with ThreadPoolExecutor(1) as other:
        started = other.submit(slow)
        meanwhile()
        return started.result()


def _feed(tell: Telling, settings: Settings, scenario: Scenario) -> None:
    engine = Engine.open(settings, now)
    paths = (*fleet.sboms(), *sboms_of(scenario, settings.home))
    for path in paths:
        engine.graph.add_sbom(read_sbom(path, None), now())
    tell.say(f"{len(paths)} SBOMs of the fleet's images are read.")


def _play(drill: Drill) -> Rehearsed:
    incident = _signal(drill)
    drill.after("contained")
    _go_on(drill, incident)
    _approve(drill, incident)
    drill.after("approved")
    _close_too_early(drill, incident)
    drill.after("refused_closing")
    mending.canaries(drill, incident)
    if drill.scenario.mend:
        mending.rollouts(drill, incident)
    drill.after("mended")
    if drill.scenario.ends.state == "closed":
        if drill.state(incident).ending is None:
            _verify(drill, incident)
            _close(drill, incident)
        _told(drill, incident)
    else:
        _stays_open(drill, incident)
    as_foreseen(drill.state(incident), drill.scenario.ends, drill.home, spoilt=drill.spoilt)
    folder, closed = drill.home / "incidents" / incident, drill.scenario.ends.state == "closed"
    papers = folder / "report.html", folder / "evidence.dsse.json"
    return Rehearsed(incident, drill.home, *papers, drill.tell.seconds, closed, {})


def _signal(drill: Drill) -> IncidentId:
    """Delivers the signal and waits until containment and a first verification are through."""
    document = drill.scenario.envelope()
    drill.tell.act(
        "The signal",
        f"A signal of kind {document['kind']} is posted to the webhook receiver, signed. Detect, Scope and Contain"
        " follow by themselves.",
    )
    drill.after("before_signal")
    signal = drill.runner.deliver(document, now())
    row = until(lambda: drill.engine.inbox.get(signal), lambda r: r.state not in ("received", "started"), "the signal")
    if row.incident is None:
        raise PatchgapError(f"the signal opened no incident: {row.reason}", f"Look into {drill.home}.")
    incident = IncidentId(row.incident)
    until(lambda: drill.state(incident), lambda s: s.verdict is not None, "the first verification")
    return incident


def _go_on(drill: Drill, incident: IncidentId) -> None:
    """Where a target failed, the same command does what is left, and no more."""
    if not (undone := _undone(drill.state(incident))):
        return
    drill.tell.act("What is left", f"{', '.join(undone)} did not come through. The same command does what is left:")
    for _ in range(_TRIES):
        drill.tell.command(f"patchgap incident contain {incident}")
        drill.run("contain", incident=incident)
        if not (undone := _undone(drill.state(incident))):
            return
    raise PatchgapError(f"{incident} is not contained: {', '.join(undone)}", f"Look into {drill.home}.")


def _undone(state: IncidentState) -> list[str]:
    """The verbs that may run and of which a target is neither done nor waits for something to be there."""
    settled = {r.action for r in state.receipts if r.outcome in (Outcome.DONE, Outcome.WAITING)}
    planned = state.plan.actions if state.plan else ()
    waits = state.plan is not None and not state.approvals
    return list(dict.fromkeys(a.verb for a in planned if a.id not in settled and not (waits and a.needs_approval)))


def _approve(drill: Drill, incident: IncidentId) -> None:
    """A second person says yes where the playbook asks for one; the worse tier did not wait for it."""
    held = drill.state(incident).plan
    if held is None or not held.needs_approval:
        return
    tell = drill.tell
    tell.act("The second person", "What waits for nobody is done; the rest waits for a yes to exactly this plan.")
    try:
        _say_yes(drill, incident, held.digest, "drill")
    except RefusedError as error:
        tell.say(f"Who reported the signal may not approve: {error.problem}.")
    tell.command(f"patchgap incident approve {incident} --plan {held.digest}")
    tell.say(f"A code of one use says that it is {drill.scenario.approver}.")
    _say_yes(drill, incident, held.digest, drill.scenario.approver)
    drill.run("contain", incident=incident)
    _go_on(drill, incident)


def _say_yes(drill: Drill, incident: IncidentId, plan: str, person: str) -> None:
    desk = drill.engine.consent
    (code,) = desk.approvers.issue(person, ON_CALL)
    desk.by_code(Answer(incident, plan, yes=True), code)


def _close_too_early(drill: Drill, incident: IncidentId) -> None:
    drill.tell.act(
        "Closing too early", "What had not to wait is contained, a ticket is open. That proves nothing about what runs:"
    )
    drill.tell.command(f"patchgap incident close {incident}")
    ran = drill.run("recover", incident=incident)
    if not ran.completed:
        return
    if not (verdict := drill.state(incident).verdict) or not verdict.passed:
        raise PatchgapError(f"{incident} closed without proof", DEFECT)
    drill.tell.say("It was proved by then: the quiet that the playbook asks for had passed already.")


def _verify(drill: Drill, incident: IncidentId) -> None:
    drill.tell.act(
        "Verify", "Each check reads the live control planes; the incident stays open until every one is proved."
    )
    settled(drill.world.cluster)

    def round_() -> IncidentState:
        drill.run("verify", incident=incident)
        return drill.state(incident)

    until(round_, lambda s: s.verdict is not None and s.verdict.passed, "the gate")


def _close(drill: Drill, incident: IncidentId) -> None:
    tell = drill.tell
    tell.act("Recover and close", "What was contained is released in the playbook's order, proved again, and closed.")
    tell.command(f"patchgap incident close {incident}")
    ran = drill.run("recover", incident=incident)
    if not ran.completed or drill.state(incident).ending is None:
        raise PatchgapError(f"{incident} did not close: {ran.message}", f"Look into {drill.home}.")


def _told(drill: Drill, incident: IncidentId) -> None:
    drill.run("refresh-inventory")  # so that what is explored afterwards is the fleet as it ended
    drill.tell.act("How good the response was")
    for line in measures([drill.state(incident)]).lines():
        drill.tell.say(line)


def _stays_open(drill: Drill, incident: IncidentId) -> None:
    """The closing is refused, for the reason that the scenario foresees."""
    drill.tell.act("What stays open", "Closing is refused, with every reason; nothing is released unproved.")
    drill.tell.command(f"patchgap incident close {incident}")
    ran = drill.run("recover", incident=incident)
    reasons = "; ".join(drill.state(incident).refused_closings[-1].reasons)
    if ran.completed or drill.scenario.ends.because not in reasons:
        raise PatchgapError(f"{incident} is open for another reason: {reasons or 'none'}", f"Look into {drill.home}.")
    drill.tell.say(f"Open: {reasons}.")
