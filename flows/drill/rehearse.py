"""The rehearsal, act by act. What it drives is what a person or another system would: the webhook, the commands'
flows, the owning team's rollouts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from flows import osv_text
from flows.drill.scenario import FOLDER, Scenario
from flows.drill.stage import home_for, leave_this_machines_own, settings_for
from flows.drill.telling import Telling
from flows.drill.world import World
from flows.runtime import local
from flows.runtime.follow import following
from flows.runtime.stack import Stack
from integrations.rehearsal import fleet
from integrations.webhooks.sign import sign
from patchgap.errors import PatchgapError, RefusedError
from patchgap.graph.sbom.read import read_sbom
from patchgap.incident.metrics import measures
from patchgap.incident.state import IncidentState
from patchgap.model.finding import IncidentId
from patchgap.settings import Settings
from patchgap.stages import patch
from patchgap.stages.consent import Answer
from patchgap.stages.engine import Engine
from patchgap.stages.situation import state_of

PATIENCE = 60.0  # seconds that any one act may take
ON_CALL = "on-call@example.org"


@dataclass(frozen=True)
class Rehearsed:
    """What a drill leaves behind."""

    incident: IncidentId
    home: Path
    report: Path
    bundle: Path
    seconds: float
    closed: bool


@dataclass(frozen=True)
class _Drill:
    scenario: Scenario
    tell: Telling
    world: World
    stack: Stack
    engine: Engine
    home: Path
    secret: str

    def run(self, flow: str, **parameters: str) -> local.Ran:
        tags = (parameters["incident"],) if "incident" in parameters else ()
        return local.run(flow, parameters, self.home, tags=tags)

    def state(self, incident: IncidentId) -> IncidentState:
        return state_of(self.engine, incident)


def rehearse(scenario: Scenario, root: Path) -> Rehearsed:
    """Plays the scenario from beginning to end and stops everything that it started, whatever happens."""
    tell = Telling()
    home = home_for(scenario, root, _now())
    secret = leave_this_machines_own(home)
    tell.loud(f"REHEARSAL of {scenario.scenario}: {scenario.summary}")
    tell.loud(
        f"Times are shortened to {scenario.times_scale:g} of the playbook's (30m of quiet are "
        f"{1800 * scenario.times_scale:g} s here); nothing else is."
    )
    with ExitStack() as open_:
        tell.act(
            "The stage",
            "A rehearsal cluster, a metrics source and a ticket sink on loopback; then patchgap as in production.",
        )
        world = open_.enter_context(World(home))
        settings = settings_for(scenario, home, world)
        stack = _beside(lambda: open_.enter_context(Stack(settings, port=0)), lambda: _feed(tell, settings))
        engine = Engine.open(settings, _now)
        drill = _Drill(scenario, tell, world, stack, engine, home, secret)
        tell.say(f"Prefect's UI is at {stack.address.ui_url} while this runs; the drill's folder is {home}.")
        drill.run("refresh-inventory")
        tell.say(f"{len(engine.graph.workloads())} workloads of {fleet.CLUSTER} are in the exposure graph.")
        told = open_.enter_context(following(engine, lambda line: tell.line(line.split("  ", 2)[-1])))
        tell.before_each_act(told.tell_new)
        return _play(drill)


def _beside(slow: Callable[[], Stack], meanwhile: Callable[[], None]) -> Stack:
    """The slow start, with something useful done while it goes on."""
    with ThreadPoolExecutor(1) as other:
        started = other.submit(slow)
        meanwhile()
        return started.result()


def _feed(tell: Telling, settings: Settings) -> None:
    engine = Engine.open(settings, _now)
    for path in fleet.sboms():
        engine.graph.add_sbom(read_sbom(path, None), _now())
    tell.say(f"{len(fleet.sboms())} SBOMs of the fleet's images are read.")


def _play(drill: _Drill) -> Rehearsed:
    incident = _signal(drill)
    _approve(drill, incident)
    _close_too_early(drill, incident)
    _mend(drill, incident)
    _verify(drill, incident)
    return _recover(drill, incident)


def _signal(drill: _Drill) -> IncidentId:
    """Posts the advisory and waits until containment and a first verification are through."""
    tell = drill.tell
    tell.act(
        "The signal",
        "The advisory is posted to the webhook receiver, signed. Detect, Scope and Contain follow by themselves.",
    )
    osv = osv_text.document((FOLDER / drill.scenario.advisory).read_text(encoding="utf-8"), drill.scenario.advisory)
    claims = drill.scenario.claims.model_dump(mode="json")
    body = json.dumps({"kind": "advisory", "source": "drill", "claims": claims, "advisory": osv}).encode()
    headers = sign(drill.secret, "drill-1", _now(), body)
    answer = httpx.post(
        f"{drill.stack.receiver_url}/v1/signals", content=body, headers=headers, trust_env=False, timeout=60
    )
    answer.raise_for_status()
    signal = answer.json()["signal"]
    row = _until(lambda: drill.engine.inbox.get(signal), lambda r: r.state not in ("received", "started"), "the signal")
    if row.incident is None:
        raise PatchgapError(f"the signal opened no incident: {row.reason}", f"Look into {drill.home}.")
    incident = IncidentId(row.incident)
    _until(lambda: drill.state(incident), lambda s: s.verdict is not None, "the first verification")
    return incident


def _approve(drill: _Drill, incident: IncidentId) -> None:
    """A second person says yes where the playbook asks for one; the worse tier did not wait for it."""
    held = drill.state(incident).plan
    if held is None or not held.needs_approval:
        return
    tell = drill.tell
    tell.act("The second person", "Tier 1 is contained already; tier 2 waits for a yes to exactly this plan.")
    try:
        _say_yes(drill, incident, held.digest, "drill")
    except RefusedError as error:
        tell.say(f"Who reported the signal may not approve: {error.problem}.")
    tell.command(f"patchgap incident approve {incident} --plan {held.digest[:19]}…")
    tell.say(f"A code of one use says that it is {drill.scenario.approver}.")
    _say_yes(drill, incident, held.digest, drill.scenario.approver)
    drill.run("contain", incident=incident)


def _say_yes(drill: _Drill, incident: IncidentId, plan: str, person: str) -> None:
    desk = drill.engine.consent
    (code,) = desk.approvers.issue(person, ON_CALL)
    desk.by_code(Answer(incident, plan, yes=True), code)


def _close_too_early(drill: _Drill, incident: IncidentId) -> None:
    drill.tell.act(
        "Closing too early", "Everything is contained, a ticket is open. That proves nothing about what runs:"
    )
    drill.tell.command(f"patchgap incident close {incident}")
    ran = drill.run("recover", incident=incident)
    if ran.completed:
        raise PatchgapError(f"{incident} closed without proof", "This is a defect of patchgap: please report it.")


def _mend(drill: _Drill, incident: IncidentId) -> None:
    """The team tries what the freeze must refuse, then the mend is named and rolled out."""
    tell, scenario = drill.tell, drill.scenario
    tell.act(
        "The mend", f"The drill plays the team {fleet.TEAM}. Any other image than the mend is refused by the freeze:"
    )
    state = drill.state(incident)
    stems = {fleet.image(stem).split("@")[1]: stem for stem in scenario.mend}
    exposed = {e.workload.ref: stems[e.artifact.digest] for e in state.finding.exposures if e.artifact.digest in stems}
    first = min(exposed)
    refused = drill.world.team.roll_out(first.namespace, first.kind, first.name, fleet.image("python"))
    if not refused:
        raise PatchgapError(
            "the freeze admitted an image that is no mend", "This is a defect of patchgap: please report it."
        )
    tell.line(f"✗ {fleet.TEAM} rolls out another image: {refused}")
    for stem, mend in scenario.mend.items():
        tell.command(f"patchgap incident patch {incident} --image {fleet.image(mend)[:60]}… --as {ON_CALL}")
        patch.name_patch(drill.engine, incident, fleet.image(mend), ON_CALL)
        for ref in sorted(r for r, s in exposed.items() if s == stem):
            if problem := drill.world.team.roll_out(ref.namespace, ref.kind, ref.name, fleet.image(mend)):
                raise PatchgapError(f"the mend was refused on {ref}: {problem}", f"Look into {drill.home}.")
            tell.line(f"{fleet.TEAM} rolls the patched image out to {ref.namespace}/{ref.kind}/{ref.name}")


def _verify(drill: _Drill, incident: IncidentId) -> None:
    drill.tell.act(
        "Verify", "Each check reads the live control planes; the incident stays open until every one is proved."
    )
    drill.world.cluster.settle(timeout=PATIENCE)

    def round_() -> IncidentState:
        drill.run("verify", incident=incident)
        return drill.state(incident)

    _until(round_, lambda s: s.verdict is not None and s.verdict.passed, "the gate")


def _recover(drill: _Drill, incident: IncidentId) -> Rehearsed:
    tell = drill.tell
    tell.act("Recover and close", "What was contained is released in the playbook's order, proved again, and closed.")
    tell.command(f"patchgap incident close {incident}")
    ran = drill.run("recover", incident=incident)
    folder = drill.home / "incidents" / incident
    state = drill.state(incident)
    if not ran.completed or state.ending is None:
        raise PatchgapError(f"{incident} did not close: {ran.message}", f"Look into {drill.home}.")
    drill.run("refresh-inventory")  # so that what is explored afterwards is the fleet as it ended
    tell.act("How good the response was")
    for line in measures([state]).lines():
        tell.say(line)
    return Rehearsed(
        incident, drill.home, folder / "report.html", folder / "evidence.dsse.json", tell.seconds, closed=True
    )


def _until(look: Callable[[], Any], good: Callable[[Any], bool], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not good(seen := look()):
        if time.monotonic() > deadline:
            raise PatchgapError(f"{what} did not come within {PATIENCE:g} s", "See the logs in the drill's folder.")
        time.sleep(0.2)
    return seen


def _now() -> datetime:
    return datetime.now(UTC)
