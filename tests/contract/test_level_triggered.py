"""Every Kubernetes action through the engine: run thrice it writes once, a limit lets it write nothing, and a dismissal
takes all of it away."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from counting import counted
from scene import ACTIONS, CLUSTER, GOOD, Scene, deployment, image
from test_shipped_playbook import engine, opened, scene

from integrations.kubernetes.clusters import Clusters
from patchgap.errors import RefusedError
from patchgap.incident import metrics, quota
from patchgap.incident.ledger import Ledger
from patchgap.model.finding import IncidentId
from patchgap.model.plan import Effect, Outcome
from patchgap.settings import Ceilings
from patchgap.stages import contain, patch, recover, verify
from patchgap.stages.engine import Engine
from patchgap.stages.situation import state_of
from patchgap.storage import connect, writing

__all__ = ["engine", "scene"]

ISOLATE = next(a for a in ACTIONS if a.verb == "isolate_workloads")
PLAYBOOK = """\
playbook: %s
version: 1
summary: One verb.
owner: tests
detect: {on: [%s]}
tiers: [{tier: 1, contain: [%s]%s}]
verify: {every: 1m, within: 24h, fresh_within: 5m, all_of: [package_absent, digests_retired, policy_in_sync]}
recover: [%s]
"""


def with_verb(engine: Engine, action: Any, limits: str = "", **ceilings: Any) -> Engine:
    """The engine whose one playbook for advisories has that verb; its settings hold these ceilings."""
    folder = engine.settings.home / "playbooks"
    folder.mkdir()
    accepted = action.effect is Effect.IRREVERSIBLE
    step = f"{{{action.verb}: {{irreversible: accept}}}}" if accepted else action.verb
    if action.verb == "promote_canary":
        step = f"start_patched_canary, {step}"
    for name in ("compromised-dependency", "suspicious-runtime"):
        kind = "advisory" if name.startswith("comp") else "control_surface"
        text = PLAYBOOK % (name, kind, step, limits and f", limits: {limits}", action.inverse)
        (folder / f"{name}.yaml").write_text(text)
    settings = engine.settings.model_copy(update={"playbooks": (folder,), "limits": Ceilings(**ceilings)})
    ledger = Ledger(connect(settings.database_url), engine.clock, settings.limits.per_hour)
    return replace(engine, settings=settings, ledger=ledger)


def contained(engine: Engine, incident: IncidentId, scene: Scene) -> None:
    contain.plan(engine, incident)
    for step in contain.admitted(engine, incident):
        for action in step:
            contain.carry_out(engine, incident, action.id)
        scene.settle()
    summary = contain.finish(engine, incident)
    assert not summary.failed
    assert not summary.unknown


def verified(engine: Engine, incident: IncidentId) -> None:
    for verb, platform in verify.checks(engine, incident):
        verify.observe(engine, incident, verb, platform)
    verify.judge(engine, incident)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda a: a.verb)
def test_what_is_run_thrice_writes_once_and_a_dismissal_undoes_it(scene: Scene, engine: Engine, action: Any) -> None:
    """The second and the third containment and verification send no write; the dismissal releases every control, a
    second one sends nothing, and the metrics count what was changed as contained in vain."""
    engine = with_verb(engine, action)
    incident = opened(engine)
    writes = counted(engine.connections.of(Clusters).of(CLUSTER))
    if "canary" in action.verb:
        patch.name_patch(engine, incident, image(GOOD), "sam")
    contained(engine, incident, scene)
    assert bool(writes()) is (action.effect is not Effect.READS)
    sent = len(writes())
    for _ in range(2):
        verified(engine, incident)
        contained(engine, incident, scene)
    assert writes()[sent:] == []
    receipts = recover.dismiss(engine, incident, "a test", "dana")
    assert {r.outcome for r in receipts} <= {Outcome.DONE}
    state = state_of(engine, incident)
    assert (state.status.value, state.to_release) == ("dismissed", ())
    sent = len(writes())
    assert recover.dismiss(engine, incident, "a test", "dana") == ()
    assert writes()[sent:] == []
    assert metrics.measures([state]).false_positives.part == (action.effect is not Effect.READS)


@pytest.mark.parametrize(
    ("in_playbook", "in_settings"),
    [
        ("{workloads: 1}", {}),
        ("{per_action: {isolate_workloads: 1}}", {}),
        ("{per_incident: 1}", {}),
        ("", {"per_action": {"isolate_workloads": 1}}),
        ("", {"per_incident": 1}),
        ("", {"per_hour": 1}),
    ],
    ids=str,
)
def test_a_run_that_a_limit_refuses_writes_nothing(
    scene: Scene, engine: Engine, in_playbook: str, in_settings: dict[str, Any]
) -> None:
    """Not one write is sent and no intent is made for either of two workloads; a person is called, with the figures."""
    scene.make(deployment("second", serviceAccountName="trainer"))
    engine = with_verb(engine, ISOLATE, in_playbook, **in_settings)
    incident = opened(engine)
    writes = counted(engine.connections.of(Clusters).of(CLUSTER))
    with pytest.raises(RefusedError, match="is refused"):
        contained(engine, incident, scene)
    state = state_of(engine, incident)
    assert (writes(), state.intents) == ([], {})
    assert any("nothing was contained" in why and "1" in why for why in state.persons_called)


def test_an_hour_that_filled_up_since_the_plan_refuses_whole(scene: Scene, engine: Engine) -> None:
    """Another incident's changes came between plan and containment: none of the plan's two targets is contained."""
    scene.make(deployment("second", serviceAccountName="trainer"))
    engine = with_verb(engine, ISOLATE, per_hour=2)
    incident = opened(engine)
    assert not contain.plan(engine, incident).refusals
    with writing(connect(engine.settings.database_url)) as connection:
        quota.take(connection, IncidentId("inc-other"), ["elsewhere"], engine.clock(), None, intended=True)
    writes = counted(engine.connections.of(Clusters).of(CLUSTER))
    with pytest.raises(RefusedError, match="per_hour is 2"):
        contain.admitted(engine, incident)
    assert writes() == []
    assert "1 were within the last hour" in state_of(engine, incident).persons_called[-1]
