"""freeze_deployments at GitHub: promotion is held, found again, and given back as it was found; never what others set."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from repository import COMMIT, NAME, TOKEN, Repository

from integrations.github.actions.freeze_deployments import FreezePromotion
from integrations.github.checks.policy_in_sync import PolicyInSync
from integrations.verbs import FreezeParameters, SyncParameters
from patchgap.errors import ConflictError, RefusedError, UnreachableError, WaitingError
from patchgap.model.evidence import Verdict
from patchgap.model.exposure import Artifact
from patchgap.model.finding import IncidentId
from patchgap.model.plan import ActionId, Control, Intent, Outcome, PlannedAction, Target, Uncovered
from patchgap.ports import Connections, Situation
from patchgap.settings import Settings

VERB, ANY = FreezePromotion(), FreezeParameters()
IMAGE = "registry.example.org/ml/trainer"
BUILDER = f"https://github.com/{NAME}/.github/workflows/build.yml@refs/heads/main"


class Scene:
    """An incident whose one image is built there."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.built(Artifact("sha256:1"), {IMAGE: NAME})

    def built(self, artifact: Artifact, told: dict[str, str]) -> None:
        github = {
            "url": self.repository.url,
            "token": "env:TEST_GITHUB",
            "environments": ["production", "eu/prod", "none"],
            "mend_teams": [9],
            "repositories": told,
        }
        settings = Settings.model_validate({"home": Path("/x"), "database_url": "sqlite://", "github": github})
        exposure = SimpleNamespace(container=SimpleNamespace(image=f"{IMAGE}@sha256:1"), artifact=artifact)
        held = {
            "incident": IncidentId("inc-20261124-7k3f"),
            "exposures": (exposure,),
            "may_write": lambda: None,
            "elsewhere": lambda _: (),
            "done_or_begun": (),
        }
        self.situation = cast("Situation", SimpleNamespace(**held, connections=Connections(settings)))

    def targets(self) -> list[Target | Uncovered]:
        return list(VERB.targets(ANY, self.situation))

    def intents(self) -> list[Intent]:
        made = []
        for n, target in enumerate(self.targets()):
            assert isinstance(target, Target)
            action = PlannedAction(ActionId(f"act-{n}"), 0, 1, VERB.verb, VERB.platform, VERB.effect, target, {})
            made.append(Intent(action, VERB.find(action, self.situation)))
        return made

    def standing(self) -> dict[str, Any]:
        held = self.repository
        plain = {n: [(r["name"], r["type"]) for r in rows] for n, rows in held.patterns.items() if rows}
        return deepcopy({"environments": held.environments, "patterns": plain, "rulesets": held.rulesets})


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setenv("TEST_GITHUB", TOKEN)
    with Repository() as running:
        yield Scene(running)


def control(intent: Intent, scene: Scene) -> Control:
    return Control(intent, VERB.apply(intent, scene.situation), cast("Any", None))


def test_each_place_of_promotion_is_a_target_with_the_repositorys_identity(scene: Scene) -> None:
    """Its branches and its environments that exist; a preview writes nothing and tells what stands."""
    targets = [t for t in scene.targets() if isinstance(t, Target)]
    assert [(t.namespace, t.kind, t.name, t.uid) for t in targets] == [
        (NAME, "Branches", "production", "42"),
        (NAME, "Environment", "production", "42"),
        (NAME, "Environment", "eu/prod", "42"),
    ]
    said = [VERB.preview(ANY, t, scene.situation)[0] for t in targets]
    assert "~DEFAULT_BRANCH take no push, but pull requests of the teams 9" in said[0]
    assert said[1:] == [
        "branches that may deploy to production: main, v* -> none",
        "branches that may deploy to eu/prod: all -> none",
    ]
    assert scene.repository.writes == []


def test_a_freeze_admits_nothing_and_a_release_restores_all(scene: Scene) -> None:
    """Reviewers and wait timers stand throughout; run thrice, the second and third time write nothing."""
    before = scene.standing()
    intents = scene.intents()
    assert [VERB.observe(i, scene.situation) for i in intents] == [None] * 3
    controls = [control(i, scene) for i in intents]
    assert scene.repository.admitted("production") == scene.repository.admitted("eu/prod") == []
    assert (
        scene.repository.environments["production"]["protection_rules"]
        == before["environments"]["production"]["protection_rules"]
    )
    assert scene.repository.rulesets[1]["rules"][0] == {"type": "update"}
    assert all(VERB.observe(i, scene.situation) for i in intents)
    for one in controls:
        VERB.release(one, scene.situation)
        assert VERB.release(one, scene.situation).outcome is Outcome.DONE
    after = scene.standing()
    assert after["rulesets"] == before["rulesets"]
    assert after["patterns"] == before["patterns"]
    assert {n: e["deployment_branch_policy"] for n, e in after["environments"].items()} == {
        n: e["deployment_branch_policy"] for n, e in before["environments"].items()
    }


def test_what_a_plan_stands_on_is_what_somebody_else_changes(scene: Scene) -> None:
    """Not what an incident of patchgap's holds, this one or another; the ruleset is the incident's own."""
    intents = scene.intents()
    production = intents[1].action.target
    planned = VERB.seen(production, scene.situation)
    assert (planned, VERB.seen(intents[0].action.target, scene.situation)) == ({"branches": "main, v*"}, {})
    held = control(intents[1], scene)
    assert VERB.seen(production, scene.situation) != planned
    mine, others = {"done_or_begun": (held,)}, {"elsewhere": lambda _: ((IncidentId("inc-2"), held),)}
    for half in ([], [{"id": 7, "name": "v*", "type": "tag"}]):  # all of it, and a run that was cut off
        scene.repository.patterns["production"][:] = half
        for told in (mine, others):
            now = cast("Situation", SimpleNamespace(**{**vars(scene.situation), **told}))
            assert VERB.seen(production, now) == planned
    VERB.release(held, scene.situation)
    scene.repository.patterns["production"].append({"id": 9, "name": "hotfix", "type": "branch"})
    assert VERB.seen(production, scene.situation) == {"branches": "hotfix, main, v*"}


def test_an_environment_that_somebody_deleted_holds_up_no_release(scene: Scene) -> None:
    """Nothing is left to restore there, and nothing is made again."""
    intent = next(i for i in scene.intents() if i.action.target.name == "eu/prod")
    held = control(intent, scene)
    del scene.repository.environments["eu/prod"]
    scene.repository.writes.clear()
    receipt = VERB.release(held, scene.situation)
    assert (receipt.outcome, "is gone" in receipt.detail[0]) == (Outcome.DONE, True)
    assert scene.repository.writes == []


def test_a_second_apply_writes_nothing_new(scene: Scene) -> None:
    """What stands is found by the incident's own name."""
    intents = scene.intents()
    first = [VERB.apply(i, scene.situation) for i in intents]
    written = len(scene.repository.writes)
    assert [VERB.apply(i, scene.situation) for i in intents] == first
    assert len(scene.repository.writes) == written
    assert len(scene.repository.rulesets) == 2


def test_a_run_that_was_cut_off_goes_on(scene: Scene) -> None:
    """With half of the patterns gone, both ways."""
    _, production, _ = scene.intents()
    scene.repository.patterns["production"].pop()
    assert VERB.observe(production, scene.situation) is None
    held = control(production, scene)
    assert scene.repository.admitted("production") == []
    scene.repository.patterns["production"].append({"id": 5, "name": "main", "type": "branch"})
    VERB.release(held, scene.situation)
    assert scene.repository.admitted("production") == ["main", "v*"]


@pytest.mark.parametrize("which", ["pattern", "policy", "ruleset"])
def test_what_someone_else_changed_is_a_conflict_and_stays(which: str, scene: Scene) -> None:
    """Neither overwritten nor taken away, and the error says what was found, set, and stands."""
    controls = [control(i, scene) for i in scene.intents()]
    held = controls[{"ruleset": 0, "pattern": 1, "policy": 2}[which]]
    if which == "pattern":
        scene.repository.patterns["production"].append({"id": 9, "name": "hotfix", "type": "branch"})
    elif which == "policy":
        policy = {"protected_branches": True, "custom_branch_policies": False}
        scene.repository.environments["eu/prod"]["deployment_branch_policy"] = policy
    else:
        scene.repository.rulesets[1]["enforcement"] = "disabled"
    before = scene.standing()
    assert VERB.observe(held.intent, scene.situation) is None
    with pytest.raises(ConflictError, match="changed by someone else"):
        VERB.release(held, scene.situation)
    assert scene.standing() == before


def test_another_repository_under_the_name_is_not_touched(scene: Scene) -> None:
    """It was deleted and made again since the plan."""
    intents = scene.intents()
    scene.repository.id = 43
    for intent in intents:
        with pytest.raises(ConflictError, match="another repository than was planned"):
            VERB.apply(intent, scene.situation)
    assert scene.repository.writes == []


def test_the_builders_repository_counts_where_it_holds_the_commit(scene: Scene) -> None:
    """A shared workflow builds from another's commit: then, and where nothing is told, the image is named as uncovered."""
    scene.built(Artifact("sha256:1", IMAGE, COMMIT, BUILDER), {})
    assert len(scene.targets()) == 3
    for artifact in (Artifact("sha256:1", IMAGE, "d" * 40, BUILDER), Artifact("sha256:1")):
        scene.built(artifact, {})
        (gap,) = scene.targets()
        assert isinstance(gap, Uncovered)
        assert gap.target == f"promotion of {IMAGE}"
    scene.built(Artifact("sha256:1"), {IMAGE: ""})
    assert scene.targets() == []


def test_two_builds_of_one_image_of_which_one_is_told_are_a_target_and_a_gap(scene: Scene) -> None:
    """One whose repository is known, one of which nothing is."""
    told, bare = Artifact("sha256:1", IMAGE, COMMIT, BUILDER), Artifact("sha256:2", IMAGE)
    scene.built(told, {})
    (exposure,) = scene.situation.exposures
    other = SimpleNamespace(container=exposure.container, artifact=bare)
    scene.situation.__dict__["exposures"] = (exposure, other)
    found = scene.targets()
    assert [type(t) for t in found] == [Uncovered, Target, Target, Target]


def test_a_wrong_token_claims_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planned, the repository is uncovered; applied, it is an error without the token."""
    intents = scene.intents()
    monkeypatch.setenv("TEST_GITHUB", "wr0ng-value")
    (gap,) = scene.targets()
    assert isinstance(gap, Uncovered)
    with pytest.raises(UnreachableError, match="answered 401") as caught:
        VERB.apply(intents[0], scene.situation)
    assert "wr0ng-value" not in str(caught.value) + gap.reason


@pytest.mark.parametrize("way", ["apply", "release"])
def test_the_kill_switch_stops_the_next_write(way: str, scene: Scene) -> None:
    """Raised after any write of a freeze or its release, it lets no further one through."""
    _, production, _ = scene.intents()
    held = control(production, scene) if way == "release" else None
    scene.repository.writes.clear()

    def may_write() -> None:
        if scene.repository.writes:
            raise RefusedError("the kill switch stands", "Lower it.")

    scene.situation.may_write = may_write  # type: ignore[misc]
    with pytest.raises(RefusedError, match="kill switch"):
        VERB.release(held, scene.situation) if held else VERB.apply(production, scene.situation)
    assert len(scene.repository.writes) == 1


def test_what_another_incident_froze_waits_for_its_release(scene: Scene) -> None:
    """The second would find what the first set, and lose its freeze by the first one's release."""
    before = scene.standing()
    first = [control(i, scene) for i in scene.intents()]
    own = scene.situation
    other = SimpleNamespace(**{**vars(own), "incident": IncidentId("inc-20261124-ab2c")})
    scene.situation = cast("Situation", other)
    with pytest.raises(WaitingError, match="is held by inc-20261124-7k3f"):
        scene.intents()
    other.elsewhere = lambda target: tuple((own.incident, c) for c in first if c.intent.action.target == target)
    while first:  # its ruleset goes first: what says so then is its ledger
        with pytest.raises(WaitingError, match="is held by inc-20261124-7k3f"):
            scene.intents()
        VERB.release(first.pop(0), own)
    second = [control(i, scene) for i in scene.intents()]
    assert scene.repository.admitted("production") == []
    for one in second:
        VERB.release(one, scene.situation)
    assert scene.standing()["rulesets"] == before["rulesets"]
    assert scene.repository.admitted("production") == ["main", "v*"]


@pytest.mark.parametrize("undone", ["pattern", "ruleset"])
def test_a_freeze_that_somebody_undoes_keeps_the_incident_open(scene: Scene, undone: str) -> None:
    """policy_in_sync asks GitHub now: it passes while all stands, and fails naming what does not."""
    held = [control(i, scene) for i in scene.intents()]
    asked = {"controls": held, "release_begun": (), "clock": lambda: datetime(2026, 11, 24, tzinfo=UTC)}
    now = cast("Situation", SimpleNamespace(**{**vars(scene.situation), **asked}))
    [whole] = PolicyInSync().observe(SyncParameters(), now)
    assert (whole.verdict, len(whole.reasons)) == (Verdict.PASS, 4)
    if undone == "pattern":
        scene.repository.patterns["production"].append({"id": 9, "name": "main", "type": "branch"})
    else:
        scene.repository.rulesets[:] = [r for r in scene.repository.rulesets if not r["name"].startswith("patchgap-")]
    [piece] = PolicyInSync().observe(SyncParameters(), now)
    assert piece.verdict is Verdict.FAIL
    assert ("Environment/production" if undone == "pattern" else "Branches/production") in piece.reasons[0]


def test_a_freeze_that_cannot_be_seen_is_unknown(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that is refused proves nothing."""
    held = [control(i, scene) for i in scene.intents()]
    asked = {"controls": held, "release_begun": (), "clock": lambda: datetime(2026, 11, 24, tzinfo=UTC)}
    now = cast("Situation", SimpleNamespace(**{**vars(scene.situation), **asked}))
    monkeypatch.setenv("TEST_GITHUB", "wr0ng-value")
    [piece] = PolicyInSync().observe(SyncParameters(), now)
    assert piece.verdict is Verdict.UNKNOWN
