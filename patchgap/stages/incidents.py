"""Which incidents there are."""

from __future__ import annotations

from patchgap.model.finding import IncidentId
from patchgap.stages.engine import Engine


def open_incidents(engine: Engine) -> tuple[IncidentId, ...]:
    """Every incident that is neither closed nor dismissed, oldest first."""
    return tuple(row.id for row in engine.ledger.incidents() if row.status == "open")
