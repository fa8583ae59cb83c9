"""A waiver: a named, expiring decision to close without one check's proof, counted in the metrics. It stands in for what
cannot be seen, for a week at the most."""

from __future__ import annotations

from datetime import timedelta

from patchgap.errors import BadInputError, RefusedError
from patchgap.incident.events import Waived
from patchgap.incident.gate import LONGEST_WAIVER
from patchgap.model.finding import IncidentId
from patchgap.playbook.problems import nearest
from patchgap.playbook.quantities import in_words
from patchgap.stages import verify
from patchgap.stages.engine import Engine


def waive(engine: Engine, incident: IncidentId, check: str, lasts: timedelta, why: str, who: str) -> Waived:
    """Records the waiver; the next verification judges with it.

    Raises BadInputError for a check that the incident does not ask for, a decision without a name and a reason, or one that is
    to hold for longer than a waiver may; RefusedError where the check was seen to fail.
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
    if lasts > LONGEST_WAIVER:
        raise BadInputError(
            "--for",
            f"a waiver holds for {in_words(LONGEST_WAIVER)} at the most, not {in_words(lasts)}",
            "What nobody can see for longer is a check to mend; waive it again when the time is over.",
        )
    if check in verify.seen_to_fail(engine.ledger.read(incident)):
        raise RefusedError(
            f"{check} was seen to fail, and a waiver stands in for what cannot be seen alone",
            f"Mend what `patchgap incident show {incident}` names and verify again, or `patchgap incident dismiss` it with why.",
        )
    waived = Waived(check=check, why=why, who=who, expires_at=engine.clock() + lasts)
    engine.ledger.append(incident, waived, who)
    return waived
