"""rotate_credentials: Secrets that a workload consumes, through their rotators."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scene import CLUSTER, GOOD, Scene, account, deployment, image, namespace
from test_cut_off import Cut

from integrations.kubernetes.actions.rotate_credentials import RotateCredentials
from integrations.kubernetes.checks.credentials_rotated import CredentialsRotated
from integrations.kubernetes.resources import DEPLOYMENTS, SECRETS
from integrations.kubernetes.secret_rotation import KIND
from integrations.rehearsal.rotator import Rotator
from patchgap.errors import RefusedError, UnreachableError, WaitingError
from patchgap.model.codec import canonical
from patchgap.model.evidence import Verdict
from patchgap.model.plan import Control, Intent, Outcome, Receipt, Target, Uncovered
from patchgap.ports import Situation
from patchgap.settings import RotatorSettings

ROTATE, CHECK = RotateCredentials(), CredentialsRotated()
OLD, NEW, TOKEN = "hunter2-old", "hunter2-new", "a-token-of-the-rotator"


def secret(name: str, **labels: str) -> dict[str, Any]:
    meta = {"name": name, "namespace": "training", "labels": labels}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"password": OLD}}


@pytest.fixture
def rotator(control_plane: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Scene, Rotator]]:
    """A trainer that consumes `db` by its environment, `files` by a volume and `pull` for its images; a reporter, which is
    not affected, consumes `db` too, and web nothing."""
    scene = Scene(control_plane, tmp_path)
    monkeypatch.setenv("ROTATOR_TOKEN", TOKEN)
    trainer = deployment(
        serviceAccountName="trainer",
        imagePullSecrets=[{"name": "pull"}],
        volumes=[{"name": "v", "projected": {"sources": [{"secret": {"name": "files"}}]}}],
    )
    reporter = deployment("reporter", image(GOOD), 1)
    env = [{"name": "DB", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}]
    for one in (trainer, reporter):
        one["spec"]["template"]["spec"]["containers"][0]["env"] = env
    secrets = (secret("db", team="ml"), secret("files"), secret("pull"))
    scene.make(namespace(), account(), *secrets, trainer, reporter, deployment("web", image(GOOD), 1))

    def rotate(asked: dict[str, Any]) -> None:
        scene.admin.patch(SECRETS, asked["namespace"], asked["secret"], {"stringData": {"password": NEW}})

    with Rotator(TOKEN, rotate) as service:
        hook = RotatorSettings(
            name="vault",
            secrets=(f"{CLUSTER}/training/*",),
            labels={"team": "ml"},
            url=service.url,
            token="env:ROTATOR_TOKEN",
            wait_seconds=0,
        )
        hand = RotatorSettings(name="dana", kind="person", secrets=("*/*/files",))
        scene.rotated_by(hook, hand)
        yield scene, service


def found(scene: Scene) -> tuple[Situation, dict[str, Target], list[Uncovered]]:
    """The situation, the Secrets by name, and what is uncovered."""
    situation = scene.situation(scene.workload("trainer"))
    every = list(ROTATE.targets(ROTATE.parameters(), situation))
    secrets = {t.name: t for t in every if isinstance(t, Target) and t.kind == KIND}
    return situation, secrets, [u for u in every if isinstance(u, Uncovered)]


def begun(scene: Scene, name: str = "db") -> tuple[Situation, Intent]:
    situation, secrets, _ = found(scene)
    return situation, scene.intent(ROTATE, secrets[name], situation)


def test_each_consumed_secret_is_a_target_or_named_as_uncovered(rotator: tuple[Scene, Rotator]) -> None:
    """The plan names who is asked and every consumer; one without a rotator is never silently left."""
    scene, service = rotator
    situation, secrets, uncovered = found(scene)
    assert set(secrets) == {"db", "files"}
    assert secrets["db"].workloads == tuple(f"{CLUSTER}/training/Deployment/{n}" for n in ("reporter", "trainer"))
    [missed] = uncovered
    assert missed.target == f"{CLUSTER}/training/Secret/pull"
    assert "has no rotator" in missed.reason
    lines = ROTATE.preview(ROTATE.parameters(), secrets["db"], situation)
    assert lines[0].startswith(
        f"rotator vault gives it another value, at {service.url}; nothing brings the old one back"
    )
    assert "Deployment/reporter: restarted (it is not affected)" in lines
    assert not any("web" in line for line in lines)
    assert service.asked == []


def test_the_changed_data_is_the_proof_and_then_the_consumers_restart(rotator: tuple[Scene, Rotator]) -> None:
    """The rotator is asked with the identity alone; a second run asks and writes nothing; the check passes."""
    scene, service = rotator
    situation, intent = begun(scene)
    planned = ROTATE.seen(intent.action.target, situation)
    receipt = ROTATE.apply(intent, situation)
    assert receipt.outcome is Outcome.DONE
    assert "its data has changed" in receipt.detail
    assert ROTATE.seen(intent.action.target, situation) != planned, "it is rotated already"
    mine = replace(situation, controls=(Control(intent, receipt, situation.clock()),))
    assert ROTATE.seen(intent.action.target, mine) == planned
    [asked] = service.asked
    assert set(asked) == {"incident", "rotator", "cluster", "namespace", "secret", "uid"}
    marks = {n: _marks(scene, n) for n in ("trainer", "reporter", "web")}
    assert [bool(m) for m in marks.values()] == [True, True, False]
    scene.settle()
    versions = scene.versions()
    assert ROTATE.apply(intent, situation).outcome is Outcome.DONE
    assert ROTATE.observe(intent, situation).outcome is Outcome.DONE
    assert (len(service.asked), scene.versions()) == (1, versions)
    text = (canonical(intent) + canonical(receipt)).decode()
    assert not any(word in text for word in (OLD, NEW, TOKEN, "aHVudGVyMi"))


def _marks(scene: Scene, name: str) -> list[str]:
    manifest = scene.admin.get(DEPLOYMENTS, "training", name)
    return list(manifest["spec"]["template"]["metadata"].get("annotations") or {})


def test_no_consumer_is_restarted_while_the_value_is_the_old_one(rotator: tuple[Scene, Rotator]) -> None:
    """A person rotates `files`: it waits, also where only a label changed; then the next round goes on."""
    scene, _ = rotator
    situation, intent = begun(scene, "files")
    with pytest.raises(WaitingError, match="dana rotates it by hand"):
        ROTATE.apply(intent, situation)
    scene.admin.patch(SECRETS, "training", "files", {"metadata": {"labels": {"looked": "at"}}})
    with pytest.raises(WaitingError):
        ROTATE.apply(intent, situation)
    assert _marks(scene, "trainer") == []
    assert ROTATE.observe(intent, situation).outcome is Outcome.WAITING
    scene.admin.patch(SECRETS, "training", "files", {"stringData": {"password": NEW}})
    assert ROTATE.apply(intent, situation).outcome is Outcome.DONE
    assert len(_marks(scene, "trainer")) == 1


def test_a_run_that_was_cut_off_is_finished_by_the_next(rotator: tuple[Scene, Rotator]) -> None:
    """Asked, changed, and killed before the restart: the next run finds the intent's state and asks nobody."""
    scene, service = rotator
    situation, intent = begun(scene)
    scene.admin.patch(SECRETS, "training", "db", {"stringData": {"password": NEW}})
    assert ROTATE.observe(intent, situation).outcome is Outcome.WAITING
    cut = Control(intent, Receipt(intent.action.id, Outcome.UNSETTLED), situation.clock())
    assert ROTATE.find(intent.action, replace(situation, halves=(cut,))) == intent.found
    assert ROTATE.apply(intent, situation).detail[0] == "its value had changed already"
    assert service.asked == []


@pytest.mark.parametrize("nth", [1, 2])
def test_a_lost_answer_to_any_restart_is_finished_by_the_next(rotator: tuple[Scene, Rotator], nth: int) -> None:
    """Each consumer is restarted once, and the rotator is asked once."""
    scene, service = rotator
    situation, intent = begun(scene)
    reached = scene.seen_by("admin")
    cut = Cut(reached._transport, nth)
    reached._transport = cut  # type: ignore[assignment]
    try:
        with pytest.raises(UnreachableError, match="cut off"):
            ROTATE.apply(intent, situation)
    finally:
        reached._transport = cut.held
    assert ROTATE.apply(intent, situation).outcome is Outcome.DONE
    generations = [
        scene.admin.get(DEPLOYMENTS, "training", n)["metadata"]["generation"] for n in ("trainer", "reporter")
    ]
    assert (generations, len(service.asked)) == ([2, 2], 1)


def test_a_rotator_whose_answer_is_lost_is_not_asked_twice_for_nothing(rotator: tuple[Scene, Rotator]) -> None:
    """It has rotated: the next run sees the changed data. Where it has not, it is asked again with the same key."""
    scene, service = rotator
    situation, intent = begun(scene)
    service.cuts = True
    with pytest.raises(UnreachableError, match="rotator vault"):
        ROTATE.apply(intent, situation)
    service.cuts = False
    assert ROTATE.apply(intent, situation).outcome is Outcome.DONE
    assert len(service.asked) == 1
    _, again = begun(scene)
    with pytest.raises(WaitingError, match="still has its old value"):
        ROTATE.apply(again, situation)
    assert len(set(service.keys)) == 1


@pytest.mark.parametrize(("status", "error"), [(503, UnreachableError), (403, RefusedError)])
def test_a_rotator_that_does_not_take_it_is_told(
    rotator: tuple[Scene, Rotator], status: int, error: type[Exception]
) -> None:
    """Nothing is restarted, and the words hold its name."""
    scene, service = rotator
    service.status = status
    situation, intent = begun(scene)
    with pytest.raises(error, match=f"rotator vault answered {status}"):
        ROTATE.apply(intent, situation)
    assert _marks(scene, "trainer") == []


def test_the_kill_switch_stops_before_the_rotator_is_asked(rotator: tuple[Scene, Rotator]) -> None:
    """Asking is a write."""
    scene, service = rotator
    situation, intent = begun(scene)

    def stopped() -> None:
        raise RefusedError("the switch stands", "resume")

    with pytest.raises(RefusedError, match="the switch stands"):
        ROTATE.apply(intent, replace(situation, may_write=stopped))
    assert service.asked == []


def test_the_check_needs_the_change_and_newer_pods(controllers: Any, rotator: tuple[Scene, Rotator]) -> None:
    """Uncovered keeps it unknown; a pod that holds the old value fails; once all are newer it passes."""
    scene, _ = rotator
    situation, intent = begun(scene)
    control = Control(intent, ROTATE.apply(intent, situation), situation.clock())

    def verdict(**more: Any) -> Verdict:
        [seen] = CHECK.observe(CHECK.parameters(), replace(situation, controls=(control,), **more))
        return seen.verdict

    scene.eventually(lambda: scene.settle() or verdict() is Verdict.PASS)
    _, _, uncovered = found(scene)
    assert verdict(uncovered=tuple(uncovered)) is Verdict.UNKNOWN
    scene.admin.patch(SECRETS, "training", "db", {"stringData": {"password": OLD}})
    assert verdict() is Verdict.FAIL
