"""Opening a ticket for an incident: what the verbs open_incident and open_ticket share.

Owns what a ticket says and that there is one an incident and verb. Knows nothing of how a sink keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from integrations.ticketing.tickets import Draft, Ticket, Tickets
from integrations.ticketing.words import render
from patchgap.errors import RefusedError
from patchgap.model.claimed import running_now
from patchgap.model.exposure import Exposure
from patchgap.model.finding import Finding
from patchgap.model.plan import Control, Effect, Intent, Outcome, PlannedAction, Receipt, Target, Uncovered
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
    """An action that opens one ticket; the verbs differ in whom they call."""

    verb: ClassVar[str]
    platform: ClassVar[str] = PLATFORM
    effect: ClassVar[Effect] = Effect.NOTIFIES
    inverse: ClassVar[str] = ""
    permissions: ClassVar[tuple[str, ...]] = ("GET,POST tickets.url, or write tickets.folder",)
    parameters: ClassVar[type[Parameters]] = TicketParameters

    def targets(
        self,
        parameters: TicketParameters,  # noqa: ARG002  (the protocol's)
        situation: Situation,
    ) -> Iterable[Target | Uncovered]:
        """The one ticket, for every workload of the tier."""
        workloads = tuple(str(w.ref) for w in situation.workloads)
        return (Target(PLATFORM, "", "", "Ticket", self._key(situation), "", workloads),)

    def preview(self, parameters: TicketParameters, target: Target, situation: Situation) -> tuple[str, ...]:
        """What would be opened, or what is open already. Raises UnreachableError where the sink does not answer."""
        sink = situation.connections.of(Tickets).sink
        held = sink.find(target.name)
        if held is not None:
            return (f"{held.id} is open already: {held.url}",)
        title, _ = render("ticket", self._context(parameters.severity, None, situation))
        return (f"open a ticket at {sink.shown}: {title}",)

    def find(self, action: PlannedAction, situation: Situation) -> Mapping[str, Any]:  # noqa: ARG002
        """Nothing: what people were told is not taken back."""
        return {}

    def apply(self, intent: Intent, situation: Situation) -> Receipt:
        """Opens the ticket, or finds the one that was opened."""
        sink = situation.connections.of(Tickets).sink
        key, severity = intent.action.target.name, str(intent.action.parameters["severity"])
        held = sink.find(key)
        if held is None:
            title, body = render("ticket", self._context(severity, intent.action.tier, situation))
            held = sink.open(Draft(key, situation.incident, self.verb, severity, title, body))
        return _receipt(intent, held)

    def observe(self, intent: Intent, situation: Situation) -> Receipt | None:
        """The receipt of the ticket that is open, or None. Raises UnreachableError."""
        held = situation.connections.of(Tickets).sink.find(intent.action.target.name)
        return None if held is None else _receipt(intent, held)

    def release(self, control: Control, situation: Situation) -> Receipt:  # noqa: ARG002
        """Raises RefusedError: a ticket is closed by people."""
        raise RefusedError(f"{self.verb} has no inverse", "Close the ticket where it was opened.")

    def _key(self, situation: Situation) -> str:
        return f"{situation.incident}-{self.verb}"

    def _context(self, severity: str, tier: int | None, situation: Situation) -> dict[str, Any]:
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
            "controls": [_control(c) for c in situation.controls],
            "questions": sorted(names)[:_MOST_QUESTIONS],
        }


def _receipt(intent: Intent, ticket: Ticket) -> Receipt:
    return Receipt(
        intent.action.id,
        Outcome.DONE,
        (f"{ticket.id} is open: {ticket.url}",),
        {"id": ticket.id, "url": ticket.url, "key": intent.action.target.name},
    )


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
