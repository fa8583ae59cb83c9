"""An incident in a few words: what it is about, where it stands, and the facts that come first. Words only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from patchgap.incident.events import Closed, Dismissed, Waived
from patchgap.incident.state import IncidentState, Status
from patchgap.model.evidence import Verdict
from patchgap.model.finding import Finding
from patchgap.model.plan import Outcome, PlannedAction

DONE = "done"


def title(state: IncidentState) -> str:
    """The advisory and the packages that it is about."""
    advisory = state.finding.signal.advisory
    packages = list(dict.fromkeys(f"{e.component.name} {e.component.version}" for e in state.finding.exposures))
    about = ", ".join(packages[:2]) + (f" and {len(packages) - 2} more" if len(packages) > 2 else "")  # noqa: PLR2004
    return " · ".join(part for part in (advisory.id if advisory else state.finding.key, about) if part)


def summary(state: IncidentState) -> str:
    """What the signal says of it; "" where it says nothing."""
    signal = state.finding.signal
    return signal.advisory.summary if signal.advisory else signal.runtime.observed if signal.runtime else ""


def headline(state: IncidentState) -> str:
    """Where it stands, in one sentence, and one for each check that is waived and not proved."""
    return " ".join((_stands(state), *_waived(state)))


def unproved(state: IncidentState) -> tuple[Waived, ...]:
    """The last waiver of each check that has not passed since."""
    proved = {c for c, v in (state.verdict.by_check if state.verdict else {}).items() if v is Verdict.PASS}
    return tuple({w.check: w for w in state.waivers if w.check not in proved}.values())


def _waived(state: IncidentState) -> Iterator[str]:
    for w in unproved(state):
        yield f"NOT PROVED: {w.check}, waived by {w.who} until {w.expires_at:%Y-%m-%d %H:%M} UTC: {w.why.rstrip('.')}."


def _stands(state: IncidentState) -> str:
    ending = state.ending
    if isinstance(ending, Closed):
        waived = f", without {', '.join(ending.waived)}, which was waived" if ending.waived else ""
        pieces = "one piece" if len(ending.evidence) == 1 else f"{len(ending.evidence)} pieces"
        return f"Closed on {pieces} of runtime evidence{waived}."
    if isinstance(ending, Dismissed):
        return f"Dismissed by {ending.who}: {ending.why}"
    waiting = len(state.waiting)
    waits = f"; {waiting} step(s) of the plan wait, each for what its receipt says" if waiting else ""
    missing = len(state.verdict.reasons) if state.verdict else 0
    return {
        Status.OPEN: "Open: its scope is not known yet.",
        Status.SCOPED: "Scoped: nothing is contained yet.",
        Status.PLANNED: "Planned: containment has not begun.",
        Status.AWAITING_APPROVAL: "Waiting for a person to approve the plan.",
        Status.CONTAINING: "Containment is under way.",
        Status.CONTAINED: f"Contained on every planned target that had not to wait{waits}; nothing is proved yet."
        if waiting
        else "Contained on every planned target; nothing is proved yet.",
        Status.PARTIAL: "Contained in part only; a person was called.",
        Status.VERIFYING: f"Open: {missing} proofs are missing."
        if missing
        else "Proved; containment is being released.",
        Status.RECOVERED: "Recovered, and not closed yet.",
    }[state.status]


def tiers(state: IncidentState) -> dict[int, int]:
    """How many workloads are in each tier."""
    return dict(sorted(Counter(given.tier for given in state.tiers.values()).items()))


def grade(state: IncidentState) -> str:
    """How bad it is, and how far it reaches: `critical, malicious · 2 workloads of tier 1, 1 of tier 2`."""
    reach = "no workload has a tier yet"
    if held := list(tiers(state).items()):
        (tier, number), *others = held
        first = f"{number} workload{'' if number == 1 else 's'} of tier {tier}"
        reach = ", ".join([first, *(f"{n} of tier {t}" for t, n in others)])
    return f"{_severity(state.finding)} · {reach}"


def step(state: IncidentState, action: PlannedAction, now: datetime) -> str:
    """How one step of the plan stands: DONE, `waits for a yes`, `failed: …`."""
    receipt = state.receipt(action.id)
    said = f": {beside(action, receipt.detail[0])}" if receipt and receipt.detail else ""
    if action.id in state.released_whole:
        return "released"
    if receipt is not None:
        words = {Outcome.WAITING: "waits", Outcome.UNSETTLED: "unknown whether it is done"}
        told = f"{words.get(receipt.outcome, 'failed')}{said}".replace("waits: it waits", "waits", 1)
        return DONE if receipt.outcome is Outcome.DONE else told
    if action.id in state.intents:
        return "begun, and no receipt says how it ended"
    if state.plan is not None and state.plan.refusals:
        return "refused with its plan"
    if not state.consented(action, now):
        return f"{state.declined.who} said no" if state.declined else "waits for a yes"
    return "not begun"


def beside(action: PlannedAction, detail: str) -> str:
    """What a receipt says, to stand after the action's target: without that target's name."""
    return detail.removeprefix(f"{action.target}: ").replace(f" of {action.target} ", " ")


def ended(state: IncidentState) -> str:
    """When an incident was closed, or dismissed and by whom."""
    by = f" by {state.ending.who}: {state.ending.why}" if isinstance(state.ending, Dismissed) else ""
    when = f" at {state.times.ended:%Y-%m-%d %H:%M} UTC" if state.times.ended else ""
    return f"{state.id} was {state.status}{when}{by}"


def facts(state: IncidentState) -> list[tuple[str, str]]:
    """Names and values that a reader looks for first."""
    finding = state.finding
    advisory = finding.signal.advisory
    clusters = sorted({e.workload.ref.cluster for e in finding.exposures})
    return [
        ("Severity", _severity(finding)),
        ("EPSS", f"{finding.epss:.1%}" if finding.epss is not None else "not stated"),
        ("Aliases", ", ".join(advisory.aliases) if advisory and advisory.aliases else "none"),
        ("Signal", f"{finding.signal.source}, {at(finding.signal.received_at)}"),
        ("Clusters", ", ".join(clusters) or "none"),
        ("Playbook", f"{state.playbook}@{state.version} ({state.digest[:19]}…)"),
    ]


def _severity(finding: Finding) -> str:
    said = ("malicious", finding.malicious), ("known to be exploited", finding.known_exploited)
    return ", ".join([finding.severity.value, *(words for words, on in said if on)])


def at(when: datetime) -> str:
    """`2026-11-24 07:10:00 UTC`."""
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"
