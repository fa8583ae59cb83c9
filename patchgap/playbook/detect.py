"""Whether a finding wakes a playbook, and why.

`running: true` asks that something exposed runs. Where nothing known does but a cluster could not be read, it cannot be
told, and that wakes a person; artifacts that cannot be looked into are named, and alone wake nobody.
"""

from __future__ import annotations

from patchgap.model.finding import Finding
from patchgap.model.signal import Severity
from patchgap.model.unknown import EVERY_CLUSTER
from patchgap.model.workload import RunState
from patchgap.playbook.language import OnlyIf, Playbook
from patchgap.playbook.match import Matched, matches
from patchgap.playbook.problems import listed
from patchgap.playbook.tiers import by_workload, exposed, facts_of, severity_of

_RUNS = frozenset({RunState.RUNNING, RunState.PENDING})


def wakes(playbook: Playbook, finding: Finding) -> tuple[bool, tuple[str, ...]]:
    """Whether it wakes, and the reasons either way: sentences without a full stop."""
    kind = finding.signal.kind
    if kind not in playbook.detect.on:
        return False, (f"it answers {listed(playbook.detect.on)} signals, not {kind}",)
    only_if = playbook.detect.only_if
    matched = _matched(playbook, only_if, finding)
    if not matched:
        return False, (f"nothing asks for action: {', '.join(matched.because)}",)
    runs, told = _runs(playbook, finding) if only_if.running is not None else (only_if.running, ())
    if runs is not only_if.running:
        return False, told
    unknown = ("severity unknown, which wakes a person",) if severity_of(finding) is Severity.UNKNOWN else ()
    reasons = (*(r for r in matched.because if "severity unknown" not in r), *unknown, *told)
    return True, reasons or (f"every {kind} signal wakes it",)


def _matched(playbook: Playbook, only_if: OnlyIf, finding: Finding) -> Matched:
    """Whether the conditions hold for some exposed workload, or for the finding alone where none is known."""
    counted = exposed(playbook.scope, finding.exposures)
    tried = [matches(only_if, facts_of(finding, found)) for found in by_workload(counted).values()]
    tried = tried or [matches(only_if, facts_of(finding))]
    return next((m for m in tried if m), tried[0])


def _runs(playbook: Playbook, finding: Finding) -> tuple[bool, tuple[str, ...]]:
    counted = [e for e in exposed(playbook.scope, finding.exposures) if e.container.state in _RUNS]
    running = {e.workload.ref for e in counted}
    if running:
        return True, (f"running in {len(running)} workload{'' if len(running) == 1 else 's'}",)
    told = tuple(f"cannot be told: {u.what}: {u.reason}" for u in finding.unknown)
    if any(u.what == EVERY_CLUSTER or u.what.startswith("cluster ") for u in finding.unknown):
        return True, ("not known to run, but a cluster could not be read", *told)
    return False, ("not running anywhere known", *told)
