"""Attacks on the Kubernetes verbs: each would have touched what was not planned, lost a control, or hidden one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from counting import counted
from scene import ACTIONS, BAD, GOOD, HOME, NOW, Scene, account, deployment, image, namespace, template

from integrations.kubernetes.actions.block_artifacts import BlockArtifacts
from integrations.kubernetes.actions.freeze_deployments import FreezeDeployments
from integrations.kubernetes.actions.isolate_workloads import IsolateWorkloads
from integrations.kubernetes.actions.rotate_credentials import RotateCredentials
from integrations.kubernetes.actions.scale_to_zero import ScaleToZero
from integrations.kubernetes.canaries import CANARY_OF
from integrations.kubernetes.checks.credentials_rotated import CredentialsRotated
from integrations.kubernetes.checks.digests_retired import DigestsRetired
from integrations.kubernetes.checks.package_absent import PackageAbsent
from integrations.kubernetes.checks.policy_in_sync import PolicyInSync
from integrations.kubernetes.cluster import APPLY, MERGE, Cluster
from integrations.kubernetes.resources import (
    CONTROLLER_REVISIONS,
    CRON_JOBS,
    DEPLOYMENTS,
    JOBS,
    NETWORK_POLICIES,
    PODS,
    POLICIES,
    POLICY_BINDINGS,
    of_kind,
)
from integrations.kubernetes.transport import HttpAnswer
from patchgap.errors import PatchgapError, RefusedError, UnreachableError
from patchgap.model.evidence import Verdict
from patchgap.model.plan import Control, Effect, Outcome, Receipt, Uncovered
from patchgap.ports import Situation
from patchgap.settings import ClusterSettings, KubernetesSettings

OTHER_INCIDENT = "inc-20261124-zzzz"
CHANGING = [a for a in ACTIONS if a.effect is not Effect.READS]


@pytest.fixture
def scene(control_plane: Any, tmp_path: Path) -> Scene:
    """A trainer with its account, shared with an unaffected reporter."""
    made = Scene(control_plane, tmp_path)
    made.make(namespace(), namespace(HOME), account(), deployment(serviceAccountName="trainer"))
    made.make(deployment("reporter", image(GOOD), 1, serviceAccountName="trainer"))
    return made


def by(scene: Scene, incident: str, *workloads: str) -> Situation:
    """The situation of an incident about these."""
    return scene.situation(*(scene.workload(w) for w in workloads), incident=incident)


def drift(action: Any, control: Control, situation: Situation) -> str:
    """What the action says differs."""
    return "; ".join(action.differences(control.intent, situation))


# --- two incidents on one workload -----------------------------------------------------------------------------------


@pytest.mark.parametrize("first_out", ["first", "second"])
def test_zero_is_held_by_both_incidents_and_restored_by_the_last(scene: Scene, first_out: str) -> None:
    """Whichever incident recovers first leaves the workload at zero for the other, and the last one brings back what
    was found before both."""
    action = ScaleToZero()
    one, two = by(scene, "inc-20261124-7k3f", "trainer"), by(scene, OTHER_INCIDENT, "trainer")
    held = [(c, s) for s in (one, two) for c in scene.perform(action, s)]
    order = held if first_out == "first" else held[::-1]
    said = action.release(*order[0]).detail[0]
    assert "holds it too" in said
    assert scene.admin.get(DEPLOYMENTS, "training", "trainer")["spec"]["replicas"] == 0
    assert not action.differences(order[1][0].intent, order[1][1])
    action.release(*order[1])
    live = scene.admin.get(DEPLOYMENTS, "training", "trainer")
    assert live["spec"]["replicas"] == 2
    assert not [k for k in live["metadata"].get("annotations") or {} if k.startswith("patchgap.dev/")]


def test_a_busy_workload_is_held_and_restored_all_the_same(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A controller that writes between the reading and the write costs another reading, not the containment."""
    action, situation = ScaleToZero(), by(scene, "inc-20261124-7k3f", "trainer")
    writes: list[int] = []
    real = Cluster.patch

    def busy(self: Cluster, resource: Any, space: str, name: str, body: Any, **more: Any) -> Any:
        writes.append(1)
        if len(writes) in {1, 2, 4}:  # somebody was faster
            scene.admin.request(
                "PATCH",
                DEPLOYMENTS.path("training", "trainer"),
                query={"fieldManager": "busy"},
                body={"metadata": {"annotations": {"busy": str(len(writes))}}},
                content_type=MERGE,
            )
        return real(self, resource, space, name, body, **more)

    [target] = scene.targets(action, situation)
    intent = scene.intent(action, target, situation)
    monkeypatch.setattr(Cluster, "patch", busy)
    control = Control(intent, action.apply(intent, situation), NOW)
    assert scene.admin.get(DEPLOYMENTS, "training", "trainer")["spec"]["replicas"] == 0
    action.release(control, situation)
    assert scene.admin.get(DEPLOYMENTS, "training", "trainer")["spec"]["replicas"] == 2
    assert len(writes) == 5


def test_a_try_that_failed_restores_what_stood_when_a_later_one_held_it(scene: Scene) -> None:
    """Somebody scales between the two tries, which have one intent: what they set comes back, also after a drift."""
    action, situation = ScaleToZero(), by(scene, "inc-20261124-7k3f", "trainer")
    [target] = scene.targets(action, situation)
    intent = scene.intent(action, target, situation)

    def scale(replicas: int) -> None:
        path, kim = DEPLOYMENTS.path("training", "trainer"), {"fieldManager": "kim"}
        scene.admin.request("PATCH", path, query=kim, body={"spec": {"replicas": replicas}}, content_type=MERGE)

    scale(5)
    action.apply(intent, situation)
    scale(1)
    control = Control(intent, action.apply(intent, situation), NOW)
    action.release(control, situation)
    assert scene.admin.get(DEPLOYMENTS, "training", "trainer")["spec"]["replicas"] == 5


def test_a_suspended_cron_job_and_its_job_are_held_by_both(scene: Scene) -> None:
    """The Job that runs is resumed by the last of two incidents, and by no earlier one."""
    spec = {"template": template("nightly", image(BAD), restartPolicy="Never")}
    meta = {"name": "nightly", "namespace": "training"}
    cron = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": meta}
    scene.make({**cron, "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": spec}}})
    uid = scene.admin.get(CRON_JOBS, "training", "nightly")["metadata"]["uid"]
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "uid": uid, "controller": True}
    job = {"apiVersion": "batch/v1", "kind": "Job", "spec": spec}
    scene.make({**job, "metadata": {**meta, "name": "nightly-1", "ownerReferences": [owner]}})
    action, cronjob = ScaleToZero(), scene.workload("nightly", "CronJob")
    one, two = scene.situation(cronjob), scene.situation(cronjob, incident=OTHER_INCIDENT)
    [first], [second] = scene.perform(action, one), scene.perform(action, two)

    def suspended() -> list[bool]:
        found = scene.admin.get(CRON_JOBS, "training", "nightly"), scene.admin.get(JOBS, "training", "nightly-1")
        return [bool(f["spec"].get("suspend")) for f in found]

    action.release(first, one)
    assert suspended() == [True, True]
    action.release(second, two)
    assert suspended() == [False, False]


def test_each_incident_has_its_own_quarantine(controllers: Any, scene: Scene) -> None:
    """Where pods are held by label, releasing one incident's isolation leaves the other's pods selected."""
    shell = {"apiVersion": "v1", "kind": "Pod", **template("trainer", image(GOOD))}
    scene.make({**shell, "metadata": {"name": "shell", "namespace": "training", "labels": {"app": "trainer"}}})
    action = IsolateWorkloads()
    one, two = by(scene, "inc-20261124-7k3f", "trainer"), by(scene, OTHER_INCIDENT, "trainer")
    [first], [second] = scene.perform(action, one), scene.perform(action, two)
    assert first.receipt.result["by_label"]
    assert not action.differences(first.intent, one)
    action.release(second, two)
    assert not action.differences(first.intent, one)
    action.release(first, one)
    labels = [k for p in scene.admin.all_of(PODS, "training") for k in p["metadata"]["labels"]]
    assert not [k for k in labels if k.startswith("patchgap.dev/")]


def test_a_second_rotation_does_not_undo_the_proof_of_the_first(scene: Scene) -> None:
    """Another incident's rotation of the same account leaves this one's in order: what it restarted stays restarted."""
    action = RotateCredentials()
    one = by(scene, "inc-20261124-7k3f", "trainer")
    [first] = scene.perform(action, one)
    scene.settle()
    scene.perform(action, by(scene, OTHER_INCIDENT, "trainer"))
    assert not action.differences(first.intent, one)


# --- what was not planned --------------------------------------------------------------------------------------------


def test_a_rotation_names_the_unaffected_as_its_targets(scene: Scene) -> None:
    """A shared account's other consumers are in the target, so that guards and limits see them."""
    [target] = scene.targets(RotateCredentials(), by(scene, OTHER_INCIDENT, "trainer"))
    assert target.workloads == ("contract/training/Deployment/reporter", "contract/training/Deployment/trainer")


def test_a_rotation_restarts_nothing_that_came_after_the_plan(scene: Scene) -> None:
    """A workload that began to use the account since is told, left alone, and keeps the check from passing while it
    runs with an old token."""
    action = RotateCredentials()
    situation = by(scene, "inc-20261124-7k3f", "trainer")
    [target] = scene.targets(action, situation)
    intent = scene.intent(action, target, situation)
    scene.make(deployment("late", image(GOOD), 1, serviceAccountName="trainer"))
    before = scene.admin.get(DEPLOYMENTS, "training", "late")["spec"]
    receipt = action.apply(intent, situation)
    assert any("late" in line and "by hand" in line for line in receipt.detail)
    assert scene.admin.get(DEPLOYMENTS, "training", "late")["spec"] == before


def test_a_grown_scope_does_not_rotate_again(scene: Scene) -> None:
    """Planned again while its rotation stands, an account is the same target: nobody is restarted twice."""
    action = RotateCredentials()
    bare = by(scene, "inc-20261124-7k3f", "trainer")
    control = scene.perform(action, bare)[0]
    again = replace(bare, controls=(control,))
    [target] = scene.targets(action, again)
    assert target == control.intent.action.target
    assert "already" in action.preview(action.parameters(), target, again)[0]


# --- the kill switch -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", CHANGING, ids=lambda a: a.verb)
def test_the_kill_switch_stops_an_action_between_its_writes(scene: Scene, action: Any) -> None:
    """Raised after the first write of a verb, the switch stops the second."""
    asked: list[int] = []

    def may_write() -> None:
        asked.append(1)
        if len(asked) > 1:
            raise RefusedError("the kill switch stands", "Lower it.")

    bare = scene.ready_for(action, scene.workload("trainer"))
    target = scene.targets(action, bare)[0]
    intent = scene.intent(action, target, bare)
    writes = counted(scene.admin)
    with suppress(RefusedError):  # a verb of one write is done with it
        action.apply(intent, replace(bare, may_write=may_write))
    assert asked
    assert len(writes()) == 1


@pytest.mark.parametrize("action", ACTIONS, ids=lambda a: a.verb)
def test_planning_sends_no_write(scene: Scene, action: Any) -> None:
    """Targets and previews reach the control plane by reads and the server's own dry run alone."""
    situation = by(scene, "inc-20261124-7k3f", "trainer")
    writes = counted(scene.admin)
    for target in scene.targets(action, situation):
        action.preview(action.parameters(), target, situation)
    assert writes() == []


# --- done by halves --------------------------------------------------------------------------------------------------


class Deaf:
    """A transport that the nth write does not get through, nor anything that is written after it."""

    def __init__(self, held: Any, nth: int) -> None:
        self.held, self.left = held, nth

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> HttpAnswer:
        """Sends it, or raises."""
        if method != "GET" and "dryRun" not in url and "selfsubject" not in url:
            self.left -= 1
            if self.left <= 0:
                raise UnreachableError("cut off", "Run it again.")
        answer: HttpAnswer = self.held.send(method, url, headers, body)
        return answer

    def bearer(self, token: str) -> Any:
        """The held transport's."""
        return self.held.bearer(token)


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("action", [a for a in CHANGING if a.inverse], ids=lambda a: a.verb)
def test_what_was_done_by_halves_is_released_whole(scene: Scene, action: Any, nth: int) -> None:
    """A control whose apply failed on the way is released without its receipt, nothing of the incident is left, and
    until then it is known and no stray."""
    scene.make({"apiVersion": "v1", "kind": "Pod", **template("trainer", image(GOOD)), "metadata": shell_meta()})
    bare = scene.ready_for(action, scene.workload("trainer"))
    before = specs(scene)
    target = scene.targets(action, bare)[0]
    intent = scene.intent(action, target, bare)
    reached = scene.seen_by("admin")
    real, reached._transport = reached._transport, Deaf(reached._transport, nth)  # type: ignore[assignment]
    try:
        action.apply(intent, bare)
    except PatchgapError:
        pass
    finally:
        reached._transport = real
    half = Control(intent, Receipt(intent.action.id, Outcome.FAILED, ("cut off",)), NOW)
    [known] = PolicyInSync().observe(PolicyInSync().parameters(), replace(bare, halves=(half,)))
    assert known.verdict is Verdict.PASS, known.reasons
    assert action.release(half, bare).outcome is Outcome.DONE
    scene.settle()
    assert specs(scene) == before
    for resource in (POLICIES, POLICY_BINDINGS, NETWORK_POLICIES):
        assert not scene.admin.all_of(resource, labels="patchgap.dev/incident")


def shell_meta() -> dict[str, Any]:
    """A bare pod that the trainer's selector selects too."""
    return {"name": "shell", "namespace": "training", "labels": {"app": "trainer"}}


def specs(scene: Scene) -> dict[str, Any]:
    """Replicas, annotations of patchgap's and labels of what runs; a canary's own pods come and go with it."""
    live = scene.admin.get(DEPLOYMENTS, "training", "trainer")
    notes = [k for k in live["metadata"].get("annotations") or {} if k.startswith("patchgap.dev/")]
    worn = [p["metadata"]["labels"] for p in scene.admin.all_of(PODS, "training")]
    labels = {k for of in worn if CANARY_OF not in of for k in of if "patchgap" in k}
    return {"replicas": live["spec"]["replicas"], "notes": notes, "labels": labels}


def test_a_release_that_was_cut_off_does_not_hold_up_its_own_end(scene: Scene) -> None:
    """Half of a freeze taken away is drift, unless its release was begun: then the gate may pass, and the release is
    finished."""
    action, bare = FreezeDeployments(), by(scene, "inc-20261124-7k3f", "trainer")
    control = scene.perform(action, bare)[0]
    binding = next(o for o in control.receipt.result["objects"] if o["kind"] == POLICY_BINDINGS.kind)
    scene.admin.delete(POLICY_BINDINGS, "", binding["name"], binding["uid"])
    standing = replace(bare, controls=(control,))
    assert verdict(PolicyInSync(), standing)[0] is Verdict.FAIL
    begun = replace(standing, release_begun=frozenset([control.intent.action.id]))
    assert verdict(PolicyInSync(), begun)[0] is Verdict.PASS
    action.release(control, begun)
    assert not scene.admin.all_of(POLICIES, labels="patchgap.dev/incident")


# --- drift -----------------------------------------------------------------------------------------------------------


def written(
    scene: Scene, path: str, body: Mapping[str, Any], content_type: str = MERGE, manager: str = "patchgap"
) -> None:
    """A write by somebody who calls himself as he likes."""
    query = {"fieldManager": manager, **({"force": "true"} if content_type == APPLY else {})}
    scene.admin.request("PATCH", path, query=query, body=body, content_type=content_type)


@pytest.mark.parametrize("content_type", [MERGE, APPLY])
def test_a_rule_added_under_patchgaps_own_name_is_drift(scene: Scene, content_type: str) -> None:
    """An isolation that lets everything in is not in sync, though its writer bears patchgap's name as field manager."""
    action, situation = IsolateWorkloads(), by(scene, "inc-20261124-7k3f", "trainer")
    [control] = scene.perform(action, situation)
    [live] = scene.admin.all_of(NETWORK_POLICIES, "training")
    meta = {k: live["metadata"][k] for k in ("name", "namespace", "labels")}
    whole = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta}
    opened = {**whole, "spec": {**live["spec"], "ingress": [{}]}}
    written(scene, NETWORK_POLICIES.path("training", meta["name"]), opened, content_type)
    assert "ingress" in drift(action, control, situation)
    assert action.observe(control.intent, situation) is None


@pytest.mark.parametrize(
    ("resource", "spec"),
    [
        (POLICIES, {"matchConditions": [{"name": "never", "expression": "false"}]}),
        (POLICY_BINDINGS, {"validationActions": ["Audit"]}),
        (POLICY_BINDINGS, {"matchResources": {"objectSelector": {"matchLabels": {"no": "such"}}}}),
    ],
    ids=["condition", "audit", "selector"],
)
@pytest.mark.parametrize("action", [FreezeDeployments(), BlockArtifacts()], ids=lambda a: a.verb)
def test_a_policy_that_was_switched_off_is_drift(
    scene: Scene, action: Any, resource: Any, spec: dict[str, Any]
) -> None:
    """A condition that never holds, an Audit binding, an object selector: each is told, whoever signs it."""
    situation = by(scene, "inc-20261124-7k3f", "trainer")
    control = scene.perform(action, situation)[0]
    name = next(o["name"] for o in control.receipt.result["objects"] if o["kind"] == resource.kind)
    written(scene, resource.path("", name), {"spec": spec})
    assert drift(action, control, situation)
    seen = PolicyInSync().observe(PolicyInSync().parameters(), replace(situation, controls=(control,)))
    assert [e.verdict for e in seen] == [Verdict.FAIL]


def test_a_policy_that_lets_traffic_through_after_containment_is_drift(scene: Scene) -> None:
    """Policies add up: one that was there is told in the receipt, one that came or changed later is drift."""
    action, situation = IsolateWorkloads(), by(scene, "inc-20261124-7k3f", "trainer")
    allow = {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]}

    def policy(name: str) -> dict[str, Any]:
        meta = {"name": name, "namespace": "training"}
        return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": allow}

    scene.make(policy("before"))
    [control] = scene.perform(action, situation)
    assert control.receipt.result["leaks"] == ["before"]
    assert not drift(action, control, situation)
    scene.make(policy("after"))
    assert "training/after was added" in drift(action, control, situation)
    scene.admin.delete(
        NETWORK_POLICIES, "training", "after", scene.admin.get(NETWORK_POLICIES, "training", "after")["metadata"]["uid"]
    )
    body = {"spec": {"ingress": [{}], "policyTypes": ["Egress", "Ingress"]}}
    written(scene, NETWORK_POLICIES.path("training", "before"), body, manager="someone")
    assert "training/before was added or changed" in drift(action, control, situation)


def test_a_block_whose_scope_grew_is_one_control_in_sync(scene: Scene) -> None:
    """Found again for more workloads, a block keeps its expiry and is not at odds with itself."""
    action = BlockArtifacts()
    scene.make(namespace("batch"), deployment("second", image(BAD, "registry.example.com/ml/second"), 1, "batch"))
    bare = by(scene, "inc-20261124-7k3f", "trainer")
    control = scene.perform(action, bare)[0]
    later = replace(by(scene, "inc-20261124-7k3f", "trainer", "second"), controls=(control,))
    later = replace(later, clock=lambda: NOW.replace(hour=9))
    [target] = scene.targets(action, later)
    grown = replace(control.intent.action, target=target)
    found = action.find(grown, later)
    assert found["expires"] == control.intent.found["expires"]
    assert set(found["asked"]) == {"training", "batch"}


# --- what the checks must not believe --------------------------------------------------------------------------------


def verdict(check: Any, situation: Situation) -> tuple[Verdict, str]:
    """What one check says of one cluster."""
    [seen] = check.observe(check.parameters(), situation)
    return seen.verdict, "; ".join(seen.reasons)


def test_a_rotation_that_was_planned_and_is_not_done_fails(scene: Scene) -> None:
    """One of two accounts rotated is not "credentials rotated"; neither is one that the plan could not cover."""
    scene.make(account("second"), deployment("second", image(BAD), 1, serviceAccountName="second"))
    action = RotateCredentials()
    situation = by(scene, "inc-20261124-7k3f", "trainer", "second")
    targets = scene.targets(action, situation)
    intents = [scene.intent(action, t, situation) for t in targets]
    planned = tuple(replace(i.action, id=f"act-{n}") for n, i in enumerate(intents))  # type: ignore[arg-type]
    first = replace(intents[0], action=planned[0])
    control = Control(first, action.apply(first, situation), NOW)
    said, why = verdict(CredentialsRotated(), replace(situation, controls=(control,), planned=planned))
    assert said is Verdict.FAIL
    assert "planned and is not done" in why
    missed = Uncovered(action.verb, "contract/training/Deployment/second", "patchgap runs as this account")
    said, why = verdict(
        CredentialsRotated(), replace(situation, controls=(control,), planned=planned[:1], uncovered=(missed,))
    )
    assert "patchgap runs as this account" in why
    assert said is not Verdict.PASS


def test_a_cluster_without_a_rotation_answers_too(scene: Scene, tmp_path: Path) -> None:
    """With two clusters and a rotation in one, the other says that nothing was to be rotated there: silence would be
    missing proof for ever."""
    from patchgap.ports import Connections

    action = RotateCredentials()
    bare = by(scene, "inc-20261124-7k3f", "trainer")
    control = scene.perform(action, bare)[0]
    file = scene.plane.write_kubeconfig(tmp_path / "second.kubeconfig")
    both = tuple(ClusterSettings(name=n, kubeconfig=file) for n in ("contract", "second"))
    settings = scene.connections().settings.model_copy(update={"kubernetes": KubernetesSettings(clusters=both)})
    situation = replace(bare, controls=(control,), connections=Connections(settings))
    seen = CredentialsRotated().observe(CredentialsRotated().parameters(), situation)
    assert [e.source.partition(":")[0] for e in seen] == ["contract", "second"]
    assert seen[1].verdict is Verdict.PASS


def test_no_known_digest_is_no_retired_digest(scene: Scene) -> None:
    """Where the incident knows no affected digest, digests_retired is unknown and not vacuously true."""
    scene.admin.delete(DEPLOYMENTS, "training", "trainer", scene.workload("trainer").ref.uid)
    scene.settle()
    assert verdict(DigestsRetired(), scene.situation(affected=[]))[0] is Verdict.UNKNOWN


def test_evidence_is_as_old_as_the_beginning_of_the_look(scene: Scene) -> None:
    """Its time is that before the first page was asked for, never that of the last answer."""
    ticks = iter(NOW.replace(minute=m) for m in range(10, 60))
    situation = replace(by(scene, "inc-20261124-7k3f", "trainer"), clock=lambda: next(ticks))
    [seen] = DigestsRetired().observe(DigestsRetired().parameters(), situation)
    assert seen.observed_at == NOW
    moved: list[int] = []
    slow = replace(
        situation, clock=lambda: NOW.replace(minute=59 if moved else 10), judge=lambda _d: moved.append(1) or {}
    )
    [seen] = PackageAbsent().observe(PackageAbsent().parameters(), slow)
    assert moved
    assert seen.observed_at == NOW


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_an_earlier_revision_is_a_rollback_target(controllers: Any, scene: Scene, kind: str) -> None:
    """`kubectl rollout undo` of a StatefulSet or a DaemonSet brings the affected image back from its revisions, so that
    its digest is retired only while the block denies it."""
    workload = scene.workload("trainer")
    scene.admin.delete(DEPLOYMENTS, "training", "trainer", workload.ref.uid)
    spec = {"selector": {"matchLabels": {"app": "store"}}, "template": template("store", image(BAD))}
    more = {"serviceName": "store", "replicas": 1} if kind == "StatefulSet" else {}
    meta = {"name": "store", "namespace": "training"}
    scene.make({"apiVersion": "apps/v1", "kind": kind, "metadata": meta, "spec": {**spec, **more}})
    scene.eventually(lambda: len(scene.admin.all_of(CONTROLLER_REVISIONS, "training")) == 1)
    mended = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": image(GOOD)}]}}}}
    scene.admin.patch(of_kind(kind), "training", "store", mended)

    def rolled_out() -> tuple[Verdict, str] | None:
        scene.settle()
        said = verdict(DigestsRetired(), scene.situation(workload))
        return said if "holds sha256" not in said[1] else None

    said, why = scene.eventually(rolled_out, 60)
    assert said is Verdict.FAIL
    assert f"{kind}/store container main (rollback" in why
    scene.perform(BlockArtifacts(), scene.situation(workload))
    said, why = verdict(DigestsRetired(), scene.situation(workload))
    assert said is Verdict.PASS, why
