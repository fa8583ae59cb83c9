"""How a drill must end: the incident's state held to what its scenario says."""

from __future__ import annotations

from pathlib import Path

from flows.drill.scenario import End
from patchgap.errors import PatchgapError
from patchgap.incident.state import IncidentState
from patchgap.model.evidence import Verdict
from patchgap.model.plan import Outcome


def as_foreseen(state: IncidentState, ends: End, home: Path, *, spoilt: bool) -> None:
    """Raises PatchgapError with everything in which the incident ended otherwise than its scenario says. With `spoilt` a
    person may have been called for what did not come through at first: the scenario does not know of that fault."""
    done = {r.action for r in state.receipts if r.outcome is Outcome.DONE}
    contained = tuple(dict.fromkeys(a.verb for a in (state.plan.actions if state.plan else ()) if a.id in done))
    wrong = [f"contained are {', '.join(contained) or 'none'}"] if contained != ends.contained else []
    by_check = state.verdict.by_check if state.verdict else {}
    wrong += [f"{check} is not proved" for check in ends.proved if by_check.get(check) is not Verdict.PASS]
    if (state.ending is not None) is not (ends.state == "closed"):
        wrong.append(f"it is {state.status}")
    partial = any("PARTIAL" in why for why in state.persons_called)
    if partial is not ends.partial and not (partial and spoilt):
        wrong.append("nobody was called for a partial containment" if ends.partial else "containment was partial")
    if wrong:
        raise PatchgapError(f"{state.id} did not end as its scenario says: {'; '.join(wrong)}", f"See {home}.")
