"""A cluster's name that leads to another cluster: a switched context, or one built anew. What is not there is not gone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scene import CLUSTER, Scene, deployment, namespace

from integrations.kubernetes.actions.isolate_workloads import IsolateWorkloads
from integrations.kubernetes.checks.digests_retired import DigestsRetired
from integrations.kubernetes.checks.package_absent import PackageAbsent
from integrations.kubernetes.inventory import KubernetesInventory
from integrations.kubernetes.resources import NETWORK_POLICIES
from patchgap.errors import UnreachableError
from patchgap.model.evidence import Verdict
from patchgap.ports import Situation

ISOLATE = IsolateWorkloads()


@pytest.fixture
def scene(control_plane: Any, tmp_path: Path) -> Scene:
    """A trainer in its namespace."""
    made = Scene(control_plane, tmp_path)
    made.make(namespace(), deployment())
    return made


def known(scene: Scene, situation: Situation, identity: str = "") -> Situation:
    """The situation of an incident that knew the cluster by that identity, or by its own."""
    own = KubernetesInventory().read(CLUSTER, scene.connections()).identity
    assert own
    return replace(situation, identities={CLUSTER: identity or own})


@pytest.mark.parametrize("check", [PackageAbsent(), DigestsRetired()], ids=lambda c: str(c.verb))
def test_nothing_is_absent_from_another_cluster(scene: Scene, check: Any) -> None:
    """The other cluster may be empty: its answer proves nothing, and the one that the incident knows is unknown."""
    situation = scene.situation(scene.workload("trainer"))
    (seen,) = check.observe(check.parameters(), known(scene, situation))
    assert seen.verdict is Verdict.FAIL
    (seen,) = check.observe(check.parameters(), known(scene, situation, "another"))
    assert seen.verdict is Verdict.UNKNOWN
    assert "is not the one that the incident knows" in seen.reasons[0]


def test_nothing_is_released_or_done_in_another_cluster(scene: Scene) -> None:
    """A release that finds nothing there is no release: the control still stands in the first cluster."""
    situation = known(scene, scene.situation(scene.workload("trainer")))
    [control] = scene.perform(ISOLATE, situation)
    elsewhere = replace(known(scene, situation, "another"), connections=scene.connections())
    for step in (lambda: ISOLATE.release(control, elsewhere), lambda: ISOLATE.apply(control.intent, elsewhere)):
        with pytest.raises(UnreachableError, match="is not the one that the incident knows"):
            step()
    assert scene.admin.all_of(NETWORK_POLICIES, "training")
    ISOLATE.release(control, situation)
    assert not scene.admin.all_of(NETWORK_POLICIES, "training")
