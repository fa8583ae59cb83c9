"""The case files beside the shipped playbooks: what each does, row by row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playbook_world import NOW, exposure, finding, situation_for, verbs, workload
from ruamel.yaml import YAML

from patchgap.model.exposure import Standing
from patchgap.model.finding import Finding
from patchgap.model.signal import Severity, SignalKind
from patchgap.model.unknown import Unknown
from patchgap.model.workload import Classification, Privileges, RunState
from patchgap.playbook.detect import wakes
from patchgap.playbook.loader import in_folder, load, shipped
from patchgap.playbook.planner import plan
from patchgap.playbook.tiers import assign
from patchgap.playbook.verify import required_checks
from patchgap.settings import Protection

ROWS = [
    (path, row)
    for path in in_folder(shipped())
    for row in YAML(typ="safe", pure=True).load(path.with_suffix(".cases.yaml"))
]


def given_finding(given: dict[str, Any]) -> Finding:
    exposures = [
        exposure(
            workload(
                w["name"],
                data=Classification(w.get("data", "internal")),
                environment=w.get("environment", "production"),
                internet=w.get("internet", False),
                privileges=Privileges(
                    "default",
                    cluster_admin=w.get("cluster_admin", False),
                    privileged=w.get("privileged", False),
                ),
            ),
            standing=Standing(w.get("standing", "affected")),
            state=RunState(w.get("state", "running")),
        )
        for w in given["workloads"]
    ]
    return finding(
        *exposures,
        severity=Severity(given.get("severity", "unknown")),
        claimed=Severity(given.get("claimed", "unknown")),
        malicious=given.get("malicious", False),
        known_exploited=given.get("known_exploited", False),
        epss=given.get("epss"),
        kind=SignalKind(given.get("signal", "advisory")),
        unknown=tuple(Unknown(what, "it did not answer") for what in given.get("unknown", ())),
    )


@pytest.mark.parametrize(("path", "row"), ROWS, ids=lambda v: v["case"] if isinstance(v, dict) else v.stem)
def test_shipped_playbook_case(path: Path, row: dict[str, Any], tmp_path: Path) -> None:
    """The playbook wakes, chooses tiers, plans steps, asks approval and requires checks as its row says."""
    registry, expect = verbs(), row["expect"]
    playbook, found = load(path, registry), given_finding(row["given"])
    woken, reasons = wakes(playbook, found)
    assert woken is expect["woken"], reasons
    assert expect.get("reason", "") in "; ".join(reasons)
    chosen = {ref.name: choice for ref, choice in assign(playbook, found).items()}
    if "tiers" in expect:
        assert {name: c.tier for name, c in chosen.items()} == expect["tiers"]
    for name, why in expect.get("because", {}).items():
        assert why in chosen[name].because
    estate = [e.workload for e in found.exposures] + [workload(f"other-{n}") for n in range(20)]
    made = plan(playbook, found, registry, situation_for(found, tmp_path), estate, Protection(), "patchgap", NOW)
    assert made.refusals == ()
    if "steps" in expect:
        assert list(dict.fromkeys(a.verb for a in made.actions)) == expect["steps"]
    if "approval" in expect:
        assert bool(made.needs_approval) is expect["approval"]
        assert (made.approval is not None) is expect["approval"]
    if "checks" in expect:
        in_play = {c.tier for c in chosen.values() if c.tier}
        assert [s.verb for s in required_checks(playbook, in_play, made)] == expect["checks"]


def test_every_shipped_playbook_has_cases() -> None:
    """A playbook without a case file beside it would be a promise that nothing holds."""
    assert {p.stem for p, _ in ROWS} == {"compromised-dependency", "suspicious-runtime"}
