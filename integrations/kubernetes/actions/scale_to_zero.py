"""scale_to_zero: the workload runs nothing until it is restored.

Owns what "zero" means for each kind: no replicas, or a suspended Job or CronJob with the Jobs that it has started. What
would scale it up again is in `scalers`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from integrations.kubernetes import scalers, seen
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.holds import ZERO, Held, settled
from integrations.kubernetes.inventory.families import controller_of
from integrations.kubernetes.inventory.states import is_over
from integrations.kubernetes.reach import PLATFORM, cluster_of, live, reverter
from integrations.kubernetes.resources import JOBS
from integrations.targeting import each_live
from integrations.verbs import ScaleParameters, done
from patchgap.model.plan import Control, Effect, Intent, Outcome, PlannedAction, Receipt, Target, Uncovered
from patchgap.model.workload import Workload
from patchgap.ports import Parameters, Situation
from patchgap.registry import action

_SCALED = ("Deployment", "StatefulSet", "ReplicaSet")
_SUSPENDED = ("CronJob", "Job")


@action
class ScaleToZero:
    """Sets the replicas of Deployments, StatefulSets and ReplicaSets to 0, and suspends Jobs and CronJobs.

    KEDA's ScaledObjects of them are paused at 0, each a target: KEDA alone scales up from zero. Other autoscalers and
    controllers that might are named.

    Example::

        scale_to_zero: {}
    """

    verb: ClassVar[str] = "scale_to_zero"
    platform: ClassVar[str] = PLATFORM
    effect: ClassVar[Effect] = Effect.REVERSIBLE
    inverse: ClassVar[str] = "restore_scale"
    permissions: ClassVar[tuple[str, ...]] = (
        "get,patch apps/deployments",
        "get,patch apps/statefulsets",
        "get,patch apps/replicasets",
        "get apps/daemonsets",
        "get core/pods",
        "get,list,patch batch/jobs",
        "get,patch batch/cronjobs",
        *scalers.PERMISSIONS,
    )
    parameters: ClassVar[type[Parameters]] = ScaleParameters

    def targets(
        self,
        parameters: ScaleParameters,  # noqa: ARG002  (the protocol's)
        situation: Situation,
    ) -> Iterable[Target | Uncovered]:
        """The workloads themselves, and what of KEDA scales them; a DaemonSet or a bare Pod has no scale."""

        def served(workload: Workload, _manifest: dict[str, Any]) -> Target | str:
            if workload.ref.kind in {*_SCALED, *_SUSPENDED}:
                return Target.of(workload.ref)
            return f"a {workload.ref.kind} has no scale: isolate it, or delete it by hand"

        each = tuple(each_live(self, situation, live, served))
        yield from each
        keda, kept = scalers.Keda(), dict[Target, tuple[str, ...]]()
        for target in (t for t in each if isinstance(t, Target) and t.kind in _SCALED):
            found = keda.of(cluster_of(situation, target.cluster), target)
            if isinstance(found, str):
                yield from (Uncovered(self.verb, w, found) for w in target.workloads)
                continue
            for manifest in found:
                meta = manifest["metadata"]
                scaler = Target(
                    PLATFORM, target.cluster, meta["namespace"], manifest["kind"], meta["name"], meta["uid"]
                )
                kept[scaler] = (*kept.get(scaler, ()), *target.workloads)
        yield from (replace(scaler, workloads=workloads) for scaler, workloads in kept.items())

    def preview(
        self,
        parameters: ScaleParameters,  # noqa: ARG002  (the protocol's)
        target: Target,
        situation: Situation,
    ) -> tuple[str, ...]:
        """The fields that would change, and who might change them back."""
        cluster, found = cluster_of(situation, target.cluster), _found(situation, target)
        held = Held.live(situation, target, situation.incident, ZERO)
        held.hold(cluster, found["before"], dry_run=True)
        lines = [held.change]
        for job in found["jobs"]:
            if child := _child(cluster, target, job, situation):
                child.hold(cluster, before=False, dry_run=True)
                lines.append(f"Job {job['name']}: {child.change}")
        return (*lines, *scalers.undoers(cluster, held.manifest), *reverter(held.manifest))

    def seen(self, target: Target, situation: Situation) -> Mapping[str, str]:
        """The images, and the replicas before any incident held them: another's zero is no change, nor is what an autoscaler
        sets all day."""
        manifest = live(situation, target)
        if scalers.undoers(cluster_of(situation, target.cluster), manifest):
            return seen.images(manifest)
        held = Held.of(manifest, situation.incident, ZERO)
        return {held.stop.field: held.told(held.before), **seen.images(manifest)}

    def find(self, action: PlannedAction, situation: Situation) -> Mapping[str, Any]:
        """The replicas, or what was not suspended, before any incident held it."""
        return _found(situation, action.target)

    def apply(self, intent: Intent, situation: Situation) -> Receipt:
        """Scales or suspends the same object that was planned."""
        target, found = intent.action.target, intent.found
        cluster = cluster_of(situation, target.cluster)
        settled(
            partial(Held.live, situation, target, situation.incident, ZERO),
            lambda held: held.hold(cluster, found["before"]),
        )
        for job in found["jobs"]:
            settled(partial(_child, cluster, target, job, situation), lambda child: child.hold(cluster, before=False))
        manifest = live(situation, target)
        return done(intent, (_said(intent), *scalers.undoers(cluster, manifest), *reverter(manifest)))

    def observe(self, intent: Intent, situation: Situation) -> Receipt | None:
        """A receipt where it stands at zero."""
        return None if self.differences(intent, situation) else done(intent, (_said(intent),))

    def differences(self, intent: Intent, situation: Situation) -> tuple[str, ...]:
        """How what is live differs from zero; () where it does not."""
        target = intent.action.target
        held = Held.still(situation, target, situation.incident, ZERO)
        if held is None:
            return ()  # it was deleted or replaced: what was scaled runs nothing
        cluster = cluster_of(situation, target.cluster)
        children = [_child(cluster, target, job, situation) for job in intent.found["jobs"]]
        running = [c.manifest["metadata"]["name"] for c in children if c and not c.is_still]
        return (*held.amiss(target), *(f"Job {target.namespace}/{name} runs" for name in running))

    def release(self, control: Control, situation: Situation) -> Receipt:
        """Restores what was found where it still stands at zero and no other incident holds it. Raises ConflictError
        where someone else has scaled it meanwhile."""
        intent = control.intent
        target, found, whole = intent.action.target, intent.found, control.receipt.outcome is Outcome.DONE
        cluster = cluster_of(situation, target.cluster)
        said = settled(
            partial(Held.still, situation, target, situation.incident, ZERO),
            lambda held: held.let_go(cluster, found["before"], done=whole),
        )
        if said is None:
            return done(intent, (f"{target} was deleted or replaced meanwhile: there is nothing to restore",))
        for job in found["jobs"]:
            settled(
                partial(_child, cluster, target, job, situation),
                lambda child: child.let_go(cluster, before=False, done=whole),
            )
        return done(intent, (f"{target}: {said}",))


def _found(situation: Situation, target: Target) -> dict[str, Any]:
    cluster, manifest = cluster_of(situation, target.cluster), live(situation, target)
    jobs = cluster.all_of(JOBS, target.namespace) if target.kind == "CronJob" else []
    mine = [Held.of(j, situation.incident, ZERO) for j in jobs if _is_child(j, target.uid) and not is_over(j)]
    meta = [j.manifest["metadata"] for j in mine if not j.is_still or j.holds]
    before = Held.of(manifest, situation.incident, ZERO).before
    return {"before": before, "jobs": [{"name": m["name"], "uid": m["uid"]} for m in meta]}


def _is_child(job: Mapping[str, Any], uid: str) -> bool:
    owner = controller_of(job)
    return bool(owner and owner["uid"] == uid)


def _child(cluster: Cluster, target: Target, job: Mapping[str, str], situation: Situation) -> Held | None:
    """The Job that was found, while it is there and not over: what ended runs nothing and is not restored."""
    found = cluster.find(JOBS, target.namespace, job["name"])
    if found is None or found["metadata"]["uid"] != job["uid"] or is_over(found):
        return None
    return Held.of(found, situation.incident, ZERO)


def _said(intent: Intent) -> str:
    target = intent.action.target
    if target.kind == "ScaledObject":
        return f"{target}: paused at 0 replicas"
    if target.kind in _SCALED:
        return f"{target}: {intent.found['before']} -> 0 replicas"
    return f"{target}: suspended" + (
        f", with {len(intent.found['jobs'])} running Job(s)" if intent.found["jobs"] else ""
    )
