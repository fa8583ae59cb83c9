"""A waiver: a named, expiring decision to close without one check's proof, counted in the metrics."""

from __future__ import annotations

from datetime import timedelta

from patchgap.errors import BadInputError
from patchgap.incident.events import Waived
from patchgap.model.finding import IncidentId
from patchgap.playbook.problems import nearest
from patchgap.stages import verify
from patchgap.stages.engine import Engine


def waive(engine: Engine, incident: IncidentId, check: str, lasts: timedelta, why: str, who: str) -> Waived:
    """Records the waiver; the next verification judges with it.

    Raises BadInputError for a check that the incident does not ask for, or a decision without a name and a reason.
    """
    asked = {verb for verb, _platform in verify.checks(engine, incident)}
    if check not in asked:
        near = nearest(check, asked)
        hint = f"Did you mean {near}? " if near else ""
        raise BadInputError(
            "--check", f"{incident} asks for no {check}", f"{hint}It asks for {', '.join(sorted(asked)) or 'nothing'}."
        )
    if not why.strip() or not who.strip():
        raise BadInputError("--why and --as", "a waiver says who decided it and why", "Give both in words.")
    waived = Waived(check=check, why=why, who=who, expires_at=engine.clock() + lasts)
    engine.ledger.append(incident, waived, who)
    return waived
