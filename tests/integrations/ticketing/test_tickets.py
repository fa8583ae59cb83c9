"""Tickets: opened once, found again, and nothing of a signal compiled; the webhook and the folder keep one contract."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from integrations.outbound import Service
from integrations.rehearsal.tickets import TicketSink
from integrations.ticketing.actions.open_incident import OpenIncident
from integrations.ticketing.tickets import Folder, Sink, Tickets, Webhook
from patchgap.errors import BadInputError, UnreachableError
from patchgap.model.finding import Finding, IncidentId
from patchgap.model.plan import ActionId, Effect, Intent, Outcome, PlannedAction
from patchgap.model.signal import Advisory, Severity, Signal, SignalId, SignalKind
from patchgap.settings import Settings
from patchgap.settings import TicketSink as Configured

NOW = datetime(2026, 11, 24, 7, 10, tzinfo=UTC)


@pytest.fixture(params=["webhook", "folder"])
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sink]:
    if request.param == "folder":
        yield Folder(tmp_path / "tickets")
        return
    with TicketSink() as running:
        yield Webhook(Service("the ticket system", running.url))


def situation(sink: Sink, summary: str = "Deserialization of untrusted data") -> Any:
    advisory = Advisory("PYSEC-2021-874", "sha256:" + "0" * 64, (), summary=summary)
    signal = Signal(SignalId("sig-1"), SignalKind.ADVISORY, "test", NOW, advisory=advisory)
    finding = Finding("k", signal, Severity.CRITICAL, False, True, None, (), ())
    connections = SimpleNamespace(of=lambda _kind: Tickets(sink))
    return SimpleNamespace(
        incident=IncidentId("inc-20261124-7k3f"), finding=finding, exposures=(), controls=(), connections=connections
    )


def intent(held: Any) -> Intent:
    action = OpenIncident()
    parameters = action.parameters.model_validate({"severity": "sev1"})
    (target,) = action.targets(parameters, held)
    planned = PlannedAction(
        ActionId("act-1"), 0, 1, action.verb, action.platform, Effect.NOTIFIES, target, {"severity": "sev1"}
    )
    return Intent(planned, {})


def test_a_ticket_is_opened_once_and_found_again(sink: Sink) -> None:
    """Before it is opened nothing is observed; applied twice it is one ticket with one id."""
    held = situation(sink)
    assert OpenIncident().observe(intent(held), held) is None
    first = OpenIncident().apply(intent(held), held)
    second = OpenIncident().apply(intent(held), held)
    seen = OpenIncident().observe(intent(held), held)
    assert first.outcome is Outcome.DONE
    assert seen is not None
    assert first.result["id"] == second.result["id"] == seen.result["id"]


def test_a_template_in_a_signal_stays_text(tmp_path: Path) -> None:
    """What looks like a template in an advisory's summary reaches the ticket as it was written."""
    held = situation(Folder(tmp_path), summary="{{ 7 * 7 }} {% for x in y %}")
    OpenIncident().apply(intent(held), held)
    (ticket,) = tmp_path.glob("*.md")
    assert "{{ 7 * 7 }} {% for x in y %}" in ticket.read_text(encoding="utf-8")


def test_a_ticket_system_that_is_down_is_named() -> None:
    """No answer is an error that names the system, and no ticket is claimed."""
    held = situation(Webhook(Service("the ticket system", "http://127.0.0.1:9/tickets", timeout_seconds=2)))
    with pytest.raises(UnreachableError, match="the ticket system"):
        OpenIncident().apply(intent(held), held)


def test_a_webhook_without_an_address_is_refused(tmp_path: Path) -> None:
    """The setting that is missing is named."""
    settings = Settings(home=tmp_path, database_url="sqlite://", tickets=Configured(kind="webhook"))
    with pytest.raises(BadInputError, match=r"tickets\.url"):
        Tickets.connect(settings)
