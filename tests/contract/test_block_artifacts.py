"""block_artifacts: what the API server refuses and admits while a block stands, and its proof."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scene import BAD, GOOD, HOME, INCIDENT, OTHER, Scene, deployment, image, namespace, template

from integrations.kubernetes import block_parameters
from integrations.kubernetes.actions.block_artifacts import BlockArtifacts
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.resources import CONFIG_MAPS, DEPLOYMENTS, PODS, of_kind
from patchgap.errors import RefusedError
from patchgap.model.plan import Control, Outcome
from patchgap.ports import Connections, Situation
from patchgap.settings import Protection

BLOCK = BlockArtifacts()
BLOCKED = f"blocked by incident {INCIDENT}"
CLEAN = image(GOOD, "r.example/clean")


@pytest.fixture
def scene(control_plane: Any, tmp_path: Path) -> Scene:
    """A trainer in one namespace, another namespace, patchgap's own."""
    made = Scene(control_plane, tmp_path)
    made.make(namespace(), namespace("serving"), namespace(HOME), deployment())
    return made


def blocked(scene: Scene) -> tuple[Control, Situation]:
    """A block that stands and is proved."""
    situation = scene.situation(scene.workload("trainer"))
    [control] = scene.perform(BLOCK, situation)
    return control, situation


def manifest(kind: str, space: str, **spec: Any) -> dict[str, Any]:
    """A workload of any kind around a template's spec."""
    api = of_kind(kind).api_version if kind != "ReplicationController" else "v1"
    made = {"apiVersion": api, "kind": kind, "metadata": {"name": "new", "namespace": space}}
    pod = template("new", CLEAN)
    pod["spec"] |= spec
    if kind in {"Job", "CronJob"}:
        pod["spec"]["restartPolicy"] = "Never"
    selector = {"selector": {"matchLabels": {"app": "new"}}} if kind not in {"Job", "CronJob"} else {}
    workload: dict[str, Any] = {**selector, "template": pod}
    if kind == "StatefulSet":
        workload["serviceName"] = "new"
    if kind == "Pod":
        return {**made, "spec": pod["spec"]}
    if kind == "CronJob":
        return {**made, "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": workload}}}
    return {**made, "spec": workload}


def attempt(cluster: Cluster, document: dict[str, Any]) -> None:
    """Tries to create it, by the server's dry run."""
    cluster.create(of_kind(document["kind"]), document["metadata"]["namespace"], document, dry_run=True)


KINDS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Pod")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("space", ["training", "serving"])
def test_a_block_refuses_the_digest_in_every_kind_and_namespace(scene: Scene, kind: str, space: str) -> None:
    """A workload with an affected digest is denied, as main or as init container; a clean one is admitted."""
    blocked(scene)
    main = {"containers": [{"name": "main", "image": image(BAD, "mirror.example/any:1.2")}]}
    init = {"initContainers": [{"name": "init", "image": image(BAD)}]}
    for spec in (main, init):
        scene.refused(lambda s=spec: attempt(scene.admin, manifest(kind, space, **s)), BLOCKED)
    attempt(scene.admin, manifest(kind, space))


def test_a_block_refuses_an_ephemeral_container(controllers: Any, scene: Scene) -> None:
    """An affected image may not be debugged into a running pod, not even into one that runs it."""
    scene.make(deployment("clean", CLEAN, 1))
    blocked(scene)
    for name in ("clean", "trainer"):
        pod = scene.admin.all_of(PODS, "training", labels=f"app={name}")[0]["metadata"]["name"]
        body = {"spec": {"ephemeralContainers": [{"name": "debug", "image": image(BAD)}]}}
        scene.refused(
            lambda p=pod, b=body: scene.admin.patch(
                PODS, "training", p, b, subresource="ephemeralcontainers", dry_run=True
            ),
            BLOCKED,
        )


def test_a_block_admits_an_update_that_leaves_the_images(controllers: Any, scene: Scene) -> None:
    """The affected workload may be labelled and scaled, its pods labelled, and rolled to a clean image, but not
    back."""
    blocked(scene)
    admin = scene.admin
    for body in ({"metadata": {"labels": {"x": "y"}}}, {"spec": {"replicas": 3}}, {"spec": {"minReadySeconds": 1}}):
        admin.patch(DEPLOYMENTS, "training", "trainer", body, dry_run=True)
    pod = admin.all_of(PODS, "training", labels="app=trainer")[0]["metadata"]["name"]
    admin.patch(PODS, "training", pod, {"metadata": {"labels": {"x": "y"}}}, dry_run=True)

    def roll(picture: str, *, dry_run: bool) -> None:
        containers = [{"name": "main", "image": picture}]
        body = {"spec": {"template": {"spec": {"containers": containers}}}}
        admin.patch(DEPLOYMENTS, "training", "trainer", body, dry_run=dry_run)

    roll(image(GOOD), dry_run=False)
    scene.refused(lambda: roll(image(BAD), dry_run=True), BLOCKED)


def test_a_block_asks_for_digests_of_affected_repositories_where_they_run(scene: Scene) -> None:
    """In the affected namespace a tag of the affected repository is refused; elsewhere, and of other repositories,
    it is not."""
    blocked(scene)
    tag = {"containers": [{"name": "main", "image": "registry.example.com/ml/trainer:latest"}]}
    other = {"containers": [{"name": "main", "image": "registry.example.com/ml/trainer-two:latest"}]}
    scene.refused(lambda: attempt(scene.admin, manifest("Pod", "training", **tag)), BLOCKED)
    attempt(scene.admin, manifest("Pod", "serving", **tag))
    attempt(scene.admin, manifest("Pod", "training", **other))


def test_a_block_is_proved_by_the_servers_own_denial(scene: Scene) -> None:
    """The receipt holds the dry run's denial in the affected namespace and the expiry."""
    control, situation = blocked(scene)
    result = control.receipt.result
    assert result["proof"] == [{"image": image(BAD), "namespace": "training", "denied": True}]
    assert result["expires"] == "2026-12-24T07:10:00+00:00"
    assert BLOCK.observe(control.intent, situation)


def test_a_block_whose_parameters_are_gone_does_not_stand(scene: Scene) -> None:
    """Without its ConfigMap the block is not observed, and applying it again brings it back."""
    control, situation = blocked(scene)
    made = control.receipt.result["objects"][0]
    scene.admin.delete(CONFIG_MAPS, HOME, made["name"], made["uid"])
    assert any("is gone" in d for d in BLOCK.differences(control.intent, situation))
    assert BLOCK.observe(control.intent, situation) is None
    assert BLOCK.apply(control.intent, situation).result["proof"]


def test_a_block_takes_in_digests_that_are_found_later(scene: Scene) -> None:
    """A digest that turns out to be affected is drift until the block is applied again, then refused too."""
    control, _ = blocked(scene)
    later = scene.situation(scene.workload("trainer"), affected=[BAD, OTHER], clean=[GOOD], controls=[control])
    assert BLOCK.observe(control.intent, later) is None
    assert BLOCK.apply(control.intent, later).outcome is Outcome.DONE
    spec = {"containers": [{"name": "main", "image": image(OTHER)}]}
    scene.refused(lambda: attempt(scene.admin, manifest("Pod", "serving", **spec)), BLOCKED)


def test_a_released_block_refuses_nothing(scene: Scene) -> None:
    """After the release the image may be started."""
    control, situation = blocked(scene)
    BLOCK.release(control, situation)
    spec = {"containers": [{"name": "main", "image": image(BAD)}]}
    scene.admitted(lambda: attempt(scene.admin, manifest("Pod", "training", **spec)))


def test_a_standing_block_says_what_it_is_behind_and_never_shrinks_by_itself(scene: Scene) -> None:
    """What the graph learnt is named, then refused; what the graph forgets stays refused; a proved mend alone goes."""
    control, situation = blocked(scene)
    trainer = scene.workload("trainer")
    assert BLOCK.behind(control, situation) == ()
    later = scene.situation(trainer, affected=[BAD, OTHER], clean=[GOOD], controls=[control])
    assert BLOCK.behind(control, later) == (OTHER,)
    renewed = BLOCK.apply(control.intent, later)
    assert f"1 digests more than before: {OTHER}" in renewed.detail
    forgot = scene.situation(trainer, controls=[control])
    assert (BLOCK.behind(control, forgot), BLOCK.differences(control.intent, forgot)) == ((), ())
    assert BLOCK.apply(control.intent, forgot).result["digests"] == 2
    mended = scene.situation(trainer, patched=[OTHER], controls=[control])
    assert BLOCK.apply(control.intent, mended).result["digests"] == 1


def test_a_block_that_someone_took_away_is_behind_nothing(scene: Scene) -> None:
    """The round does not fight a person: that it is gone is told by policy_in_sync."""
    control, _ = blocked(scene)
    made = control.receipt.result["objects"][0]
    scene.admin.delete(CONFIG_MAPS, HOME, made["name"], made["uid"])
    assert BLOCK.behind(control, scene.situation(scene.workload("trainer"), affected=[BAD, OTHER])) == ()


def test_a_block_asks_nothing_of_protected_namespaces(scene: Scene) -> None:
    """By pattern, also of a namespace that is made later; everywhere else it refuses as before."""
    protect = Protection(namespaces=("pay-*",))
    situation = scene.situation(scene.workload("trainer"))
    settings = situation.connections.settings.model_copy(update={"protect": protect})
    [control] = scene.perform(BLOCK, replace(situation, connections=Connections(settings)))
    assert any("pay-*" in said for said in control.receipt.detail)
    scene.make(namespace("pay-cards"))
    spec = {"containers": [{"name": "main", "image": image(BAD)}]}
    scene.refused(lambda: attempt(scene.admin, manifest("Pod", "serving", **spec)), BLOCKED)
    scene.admitted(lambda: attempt(scene.admin, manifest("Pod", "pay-cards", **spec)))


def many(count: int) -> list[str]:
    return [f"sha256:{hashlib.sha256(str(n).encode()).hexdigest()}" for n in range(count)]


def test_more_digests_than_a_config_map_holds_are_split_and_all_refused(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block grows past one ConfigMap (here of 9): old and new digests are refused, a mend is let in, and a release leaves
    nothing."""
    control, _ = blocked(scene)
    monkeypatch.setattr(block_parameters, "SPLIT", 9)
    affected = [BAD, *many(9)]
    grown = scene.situation(scene.workload("trainer"), affected=affected, clean=[GOOD], controls=[control])
    receipt = BLOCK.apply(control.intent, grown)
    assert receipt.result["digests"] == len(affected)
    assert len([o for o in receipt.result["objects"] if o["kind"] == "ConfigMap"]) == 17
    for digest in (BAD, affected[1], affected[-1]):
        spec = {"containers": [{"name": "main", "image": image(digest, "r.example/any")}]}
        scene.refused(lambda s=spec: attempt(scene.admin, manifest("Pod", "serving", **s)), BLOCKED)
    attempt(scene.admin, manifest("Pod", "serving"))
    assert BLOCK.observe(control.intent, grown), "level-triggered: it stands"
    fewer = scene.situation(scene.workload("trainer"), affected=[BAD], patched=[affected[1]], controls=[control])
    assert BLOCK.apply(control.intent, fewer).result["digests"] == len(affected) - 1
    mend = {"containers": [{"name": "main", "image": image(affected[1], "r.example/any")}]}
    scene.admitted(lambda: attempt(scene.admin, manifest("Pod", "serving", **mend)))
    BLOCK.release(Control(control.intent, receipt, control.since), fewer)
    assert not [c for c in scene.admin.all_of(CONFIG_MAPS) if "block" in c["metadata"]["name"]]


def test_more_digests_than_sixteen_config_maps_hold_are_refused_with_their_number() -> None:
    """The refusal says how many there are and how many are the most."""
    digests = frozenset(f"sha256:a{n:063x}" for n in range(block_parameters.MOST + 1))
    with pytest.raises(RefusedError, match=f"{len(digests)} digests to block.*which holds 4000"):
        block_parameters.of(digests, block_parameters.Live(frozenset(), sharded=False))
