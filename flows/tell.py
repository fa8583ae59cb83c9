"""Tell people: what the ledger holds and no sink has taken yet."""

from __future__ import annotations

from flows.process import engine
from flows.stage import unit
from integrations.ticketing.messenger import SinkMessenger
from patchgap.model.finding import IncidentId
from patchgap.stages import telling


@unit("tell people of {incident}")
def tell(incident: str) -> tuple[str, ...]:
    """The sinks that did not take it, each with why; a later run tells them again."""
    failed = telling.tell(engine(), IncidentId(incident), SinkMessenger())
    return tuple(f"{one.sink}: {one.problem}" for one in failed)
