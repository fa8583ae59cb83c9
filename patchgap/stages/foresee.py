"""What an advisory would set off: finding, tiers and plan, worked out on a ledger that is thrown away.

The control planes are read, which refreshes the inventory, and asked for dry runs; nothing is written in any of them, in
an incident or in the inbox.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from patchgap import storage
from patchgap.incident.inbox import Inbox
from patchgap.incident.ledger import Ledger
from patchgap.model.plan import Plan
from patchgap.stages import contain, detect, scope
from patchgap.stages.engine import Engine


@dataclass(frozen=True, slots=True)
class Foreseen:
    """`reason` says why it would wake a playbook, or why not; then `plan` is None."""

    reason: str
    plan: Plan | None


def foresee(engine: Engine, document: Mapping[str, Any], source: str) -> Foreseen:
    """The plan for a signal as `detect.receive` takes it, with the clusters read again. Raises BadInputError."""
    with tempfile.TemporaryDirectory(prefix="patchgap-plan-") as folder:
        database = storage.connect(f"sqlite:///{Path(folder) / 'plan.db'}")
        try:
            aside = replace(engine, ledger=Ledger(database, engine.clock), inbox=Inbox(database, engine.clock))
            signal = detect.receive(aside, document, source)
            for cluster in scope.clusters(aside):
                scope.refresh(aside, cluster)
            found = detect.detect(aside, signal)
            if found.incident is None:
                return Foreseen(found.reason, None)
            scope.scope(aside, found.incident)
            return Foreseen(found.reason, contain.plan(aside, found.incident, record=False))
        finally:
            database.dispose()
