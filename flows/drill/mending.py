"""The mend, act by act: the patched image behind a canary, by the owning team's rollout, or through Git."""

from __future__ import annotations

from collections.abc import Iterable

from flows.drill.patience import until
from flows.drill.played import DEFECT, ON_CALL, Drill
from flows.drill.scenario import Canary
from flows.drill.world import digest_of, reference_of
from integrations.rehearsal import fleet
from patchgap.errors import PatchgapError
from patchgap.incident.state import IncidentState
from patchgap.model.finding import IncidentId
from patchgap.model.plan import Outcome, Receipt
from patchgap.model.workload import WorkloadRef
from patchgap.stages import patch

_START, _PROMOTE = "start_patched_canary", "promote_canary"


def canaries(drill: Drill, incident: IncidentId) -> None:
    """Each image in turn is named, started beside what is affected, watched, and promoted or withdrawn."""
    for canary in drill.scenario.canaries:
        reference = reference_of(canary.image)
        drill.tell.act("The canary", canary.say)
        drill.tell.command(f"patchgap incident patch {incident} --image {reference} --as {ON_CALL}")
        patch.name_patch(drill.engine, incident, reference, ON_CALL)

        def came_out(canary: Canary = canary) -> bool:
            drill.run("verify-open-incidents")
            if _failed_to_start(drill.state(incident)):  # a person was called, and does what the call says
                drill.tell.command(f"patchgap incident contain {incident}")
                drill.run("contain", incident=incident)
            return _came_out(drill.state(incident), canary)

        until(came_out, bool, f"the end of the canary of {reference}", every=0.5)


def _failed_to_start(state: IncidentState) -> bool:
    last = {r.action: r.outcome for r in state.receipts}
    return any(
        a.verb == _START and last.get(a.id) is Outcome.FAILED for a in (state.plan.actions if state.plan else ())
    )


def _promotions(state: IncidentState) -> list[Receipt]:
    last = {r.action: r for r in state.receipts}
    ours = {a.id for a in (state.plan.actions if state.plan else ()) if a.verb == _PROMOTE}
    return [r for i, r in last.items() if i in ours]


def _came_out(state: IncidentState, canary: Canary) -> bool:
    """Whether every promotion is settled as the scenario foresees. Raises PatchgapError where one is otherwise."""
    digest = digest_of(canary.image)
    expected = Outcome.FAILED if canary.withdrawn else Outcome.DONE
    receipts = _promotions(state)
    ended = [r for r in receipts if _of(r, digest) and r.outcome is not Outcome.WAITING]
    wrong = [r for r in ended if r.outcome is not expected]
    if wrong:
        raise PatchgapError(f"the canary of {canary.image} came out otherwise: {'; '.join(wrong[0].detail)}", DEFECT)
    return bool(receipts) and len(ended) == len(receipts)


def _of(receipt: Receipt, digest: str) -> bool:
    """Whether the receipt is about that image; its result names what was promoted or withdrawn."""
    named = {**(receipt.result.get("images") or {}), **dict.fromkeys(receipt.result.get("withdrawn") or (), "")}
    return any(digest in text for pair in named.items() for text in pair)


def rollouts(drill: Drill, incident: IncidentId) -> None:
    """The team tries what the freeze must refuse, then each mend is named and rolled out."""
    tell, scenario = drill.tell, drill.scenario
    how = ", and commits where Git keeps the workload" if scenario.git else ""
    tell.act(
        "The mend",
        f"The drill plays the team {fleet.TEAM}{how}. Any other image than the mend is refused by the freeze:",
    )
    wanted = {digest_of(image): mend for image, mend in scenario.mend.items()}
    state = drill.state(incident)
    exposed = {e.workload.ref: e.artifact.digest for e in state.finding.exposures if e.artifact.digest in wanted}
    _refused(drill, exposed)
    for digest, mend in wanted.items():
        reference = reference_of(mend)
        tell.command(f"patchgap incident patch {incident} --image {reference} --as {ON_CALL}")
        patch.name_patch(drill.engine, incident, reference, ON_CALL)
        for ref in sorted(r for r, held in exposed.items() if held == digest):
            if problem := drill.world.roll_out(ref, reference):
                raise PatchgapError(f"the mend was refused on {ref}: {problem}", f"Look into {drill.home}.")
            tell.line(f"{fleet.TEAM} rolls the patched image out to {ref.namespace}/{ref.kind}/{ref.name}")


def _refused(drill: Drill, exposed: Iterable[WorkloadRef]) -> None:
    """Of those that are still affected, by whoever rolls them out."""
    first = min(exposed, key=lambda ref: (not drill.world.is_kept(ref), ref))
    refused = drill.world.roll_out(first, fleet.image("python"))
    if not refused:
        raise PatchgapError("the freeze admitted an image that is no mend", DEFECT)
    drill.tell.line(f"✗ {fleet.TEAM} rolls another image out to {first.namespace}/{first.kind}/{first.name}: {refused}")
