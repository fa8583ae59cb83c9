"""Telling people of an incident: what the verbs open_incident, open_ticket and notify share.

Owns what is told and that it is told once an incident, verb and sink. Knows nothing of how a sink keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from integrations.ticketing.directory import Sinks
from integrations.ticketing.words import render
from patchgap.errors import RefusedError
from patchgap.model.claimed import running_now
from patchgap.model.exposure import Exposure
from patchgap.model.finding import Finding
from patchgap.model.plan import Control, Effect, Intent, Outcome, PlannedAction, Receipt, Target, Uncovered
from patchgap.model.telling import Draft, Ticket
from patchgap.model.unknown import Unknown
from patchgap.model.workload import Workload
from patchgap.ports import Parameters, Situation

PLATFORM = "tickets"
_MOST_WORKLOADS, _MOST_UNKNOWN, _MOST_QUESTIONS = 50, 30, 5


class TicketParameters(Parameters):
    """How urgent it is for people."""

    severity: Literal["sev1", "sev2", "sev3", "sev4"] = Field(
        description="As your people count: sev1 wakes someone.", examples=["sev1"]
    )


class Opening:
    """An action that tells the sinks that take its verb and severity; the verbs differ in whom they call."""

    verb: ClassVar[str]
    platform: ClassVar[str] = PLATFORM
    effect: ClassVar[Effect] = Effect.NOTIFIES
    inverse: ClassVar[str] = ""
    permissions: ClassVar[tuple[str, ...]] = ("what the kinds of the sinks in use ask for",)
    parameters: ClassVar[type[Parameters]] = TicketParameters

    def targets(self, parameters: TicketParameters, situation: Situation) -> Iterable[Target | Uncovered]:
        """One a sink, for every workload of the tier; where no sink takes it, that is said."""
        workloads = tuple(str(w.ref) for w in situation.workloads)
        taking = situation.connections.of(Sinks).taking(self.verb, parameters.severity)
        if not taking:
            return (Uncovered(self.verb, "people", f"no sink of [[sinks]] takes {self.verb} at {parameters.severity}"),)
        key = f"{situation.incident}-{self.verb}"
        return tuple(Target(PLATFORM, "", e.name, "Ticket", key, "", workloads) for e in taking)

    def preview(self, parameters: TicketParameters, target: Target, situation: Situation) -> tuple[str, ...]:
        """What would be opened, or what is open already. Raises UnreachableError where the sink does not answer."""
        sink = situation.connections.of(Sinks).of(target.namespace).sink
        held = sink.find(target.name, situation.finding.signal.received_at)
        if isinstance(held, Ticket):
            return (f"{_named(held)} is open already",)
        title, _ = render("ticket", self._context(parameters.severity, None, situation, ""))
        unsure = (f"whether it was told before is not known: {held.reason}",) if isinstance(held, Unknown) else ()
        return (f"tell {sink.shown}: {title}", *unsure)

    def find(self, action: PlannedAction, situation: Situation) -> Mapping[str, Any]:  # noqa: ARG002
        """Nothing: what people were told is not taken back."""
        return {}

    def apply(self, intent: Intent, situation: Situation) -> Receipt:
        """Opens it, or finds what was opened."""
        target, severity = intent.action.target, str(intent.action.parameters["severity"])
        entry, since = situation.connections.of(Sinks).of(target.namespace), situation.finding.signal.received_at
        sink = entry.sink
        held = sink.find(target.name, since)
        if not isinstance(held, Ticket):
            link = situation.approval_link(entry.person)
            title, body = render("ticket", self._context(severity, intent.action.tier, situation, link))
            held = sink.open(Draft(target.name, situation.incident, self.verb, severity, title, body, since))
        return _receipt(intent, held)

    def observe(self, intent: Intent, situation: Situation) -> Receipt | None:
        """The receipt of what is open, or None. A sink that cannot be asked is believed what the ledger holds of it.
        Raises UnreachableError."""
        target = intent.action.target
        sink = situation.connections.of(Sinks).of(target.namespace).sink
        held = sink.find(target.name, situation.finding.signal.received_at)
        if isinstance(held, Unknown):
            known = (c.receipt for c in situation.controls if c.intent.action.id == intent.action.id)
            return next(known, None)
        return None if held is None else _receipt(intent, held)

    def release(self, control: Control, situation: Situation) -> Receipt:  # noqa: ARG002
        """Raises RefusedError: a ticket is closed by people."""
        raise RefusedError(f"{self.verb} has no inverse", "Close the ticket where it was opened.")

    def _context(self, severity: str, tier: int | None, situation: Situation, link: str) -> dict[str, Any]:
        workloads = situation.workloads
        names = {e.component.purl or e.component.name for e in situation.exposures}
        return {
            "verb": self.verb,
            "incident": situation.incident,
            "severity": severity,
            "tier": "?" if tier is None else tier,
            "subject": _subject(situation.finding),
            "at": situation.clock(),
            "finding": _finding(situation.finding),
            "workloads": [_workload(w, situation.exposures) for w in workloads[:_MOST_WORKLOADS]],
            "more": max(0, len(workloads) - _MOST_WORKLOADS),
            "unknown": situation.finding.unknown[:_MOST_UNKNOWN],
            "controls": [_control(c) for c in situation.controls if c.receipt.stands],
            "questions": sorted(names)[:_MOST_QUESTIONS],
            "plan": situation.plan_digest,
            "approval_link": link,
        }


def _receipt(intent: Intent, ticket: Ticket) -> Receipt:
    return Receipt(
        intent.action.id,
        Outcome.DONE,
        (f"{_named(ticket)} is open",),
        {
            "id": ticket.id,
            "url": ticket.url,
            "key": intent.action.target.name,
            "sink": intent.action.target.namespace,
        },
    )


def _named(ticket: Ticket) -> str:
    return f"{ticket.id} ({ticket.url})" if ticket.url else ticket.id


def _subject(finding: Finding) -> str:
    signal = finding.signal
    if signal.advisory is not None:
        packages = sorted({a.name for a in signal.advisory.affected})
        return f"{signal.advisory.id} {', '.join(packages[:3])}".strip()
    return "anomaly" if signal.runtime is None else f"anomaly on {signal.runtime.namespace}/{signal.runtime.name}"


def _finding(finding: Finding) -> dict[str, Any]:
    advisory, seen = finding.signal.advisory, finding.signal.runtime
    where = "" if seen is None else f"{seen.cluster}/{seen.namespace}/{seen.kind}/{seen.name}"
    return {
        "severity": finding.severity,
        "malicious": finding.malicious,
        "known_exploited": finding.known_exploited,
        "epss": finding.epss,
        "source": finding.signal.source,
        "advisory": advisory
        and {
            "id": advisory.id,
            "aliases": advisory.aliases[:10],
            "summary": advisory.summary,
            "details": advisory.details,
        },
        "runtime": seen and {"workload": where, "observed": seen.observed},
    }


def _workload(workload: Workload, exposures: Iterable[Exposure]) -> dict[str, Any]:
    mine = [e for e in exposures if e.workload.ref == workload.ref]
    return {
        "name": str(workload.ref),
        "environment": workload.environment,
        "region": workload.region,
        "replicas": workload.replicas,
        "running": running_now(workload),
        "classification": workload.data_scope.classification,
        "writes_to": workload.data_scope.writes_to,
        "components": list({str(c): c for c in map(_component, mine)}.values())[:10],
    }


def _component(exposure: Exposure) -> dict[str, Any]:
    component = exposure.component
    how = {True: "direct", False: "transitive", None: "depended on in a way that its SBOM does not say"}
    return {
        "name": component.purl or f"{component.name}@{component.version}",
        "how": how[exposure.direct],
        "container": exposure.container.name,
        "standing": exposure.standing,
    }


def _control(control: Control) -> dict[str, Any]:
    action = control.intent.action
    return {"verb": action.verb, "target": str(action.target), "since": control.since, "inverse": action.inverse}
