"""scale_to_zero: the workload runs nothing until it is restored.

Owns what "zero" means for each kind: no replicas, or a suspended Job or CronJob with the Jobs that it has started.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from integrations.kubernetes.answers import ForbiddenError, NotServedError
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.inventory.families import controller_of
from integrations.kubernetes.inventory.states import is_over
from integrations.kubernetes.reach import PLATFORM, cluster_of, done, each_live, live, reverter, same, still
from integrations.kubernetes.resources import AUTOSCALERS, JOBS, Resource, of_kind
from patchgap.errors import ConflictError, NotFoundError
from patchgap.model.plan import Control, Effect, Intent, PlannedAction, Receipt, Target, Uncovered
from patchgap.model.workload import Workload
from patchgap.ports import Parameters, Situation
from patchgap.registry import action

_SCALED = ("Deployment", "StatefulSet", "ReplicaSet")
_SUSPENDED = ("CronJob", "Job")


class ScaleParameters(Parameters):
    """None: zero is zero."""


@action
class ScaleToZero:
    """Sets the replicas of Deployments, StatefulSets and ReplicaSets to 0, and suspends Jobs and CronJobs.

    Example::

        scale_to_zero: {}
    """

    verb: ClassVar[str] = "scale_to_zero"
    platform: ClassVar[str] = PLATFORM
    effect: ClassVar[Effect] = Effect.REVERSIBLE
    inverse: ClassVar[str] = "restore_scale"
    permissions: ClassVar[tuple[str, ...]] = (
        "get apps/deployments",
        "get apps/statefulsets",
        "get apps/replicasets",
        "get apps/daemonsets",
        "get core/pods",
        "get,patch apps/deployments/scale",
        "get,patch apps/statefulsets/scale",
        "get,patch apps/replicasets/scale",
        "get,list,patch batch/jobs",
        "get,patch batch/cronjobs",
        "list autoscaling/horizontalpodautoscalers",
    )
    parameters: ClassVar[type[Parameters]] = ScaleParameters

    def targets(
        self,
        parameters: ScaleParameters,  # noqa: ARG002  (the protocol's)
        situation: Situation,
    ) -> Iterable[Target | Uncovered]:
        """The workloads themselves; a DaemonSet or a bare Pod has no scale."""

        def served(workload: Workload, _manifest: dict[str, Any]) -> Target | str:
            if workload.ref.kind in {*_SCALED, *_SUSPENDED}:
                return Target.of(workload.ref)
            return f"a {workload.ref.kind} has no scale: isolate it, or delete it by hand"

        return each_live(self.verb, situation, served)

    def preview(
        self,
        parameters: ScaleParameters,  # noqa: ARG002  (the protocol's)
        target: Target,
        situation: Situation,
    ) -> tuple[str, ...]:
        """The fields that would change, and who might change them back."""
        cluster, found = cluster_of(situation, target.cluster), _found(situation, target)
        _set(cluster, target, found, to_zero=True, dry_run=True)
        if target.kind in _SCALED:
            lines = [f"spec.replicas: {found['replicas']} -> 0"]
        else:
            lines = [f"spec.suspend: {str(found['suspend']).lower()} -> true"]
        lines += [f"Job {j['name']}: spec.suspend: false -> true" for j in found["jobs"]]
        return (*lines, *_undoers(cluster, target), *reverter(live(situation, target)))

    def find(self, action: PlannedAction, situation: Situation) -> Mapping[str, Any]:
        """The replicas, or what was not suspended."""
        return _found(situation, action.target)

    def apply(self, intent: Intent, situation: Situation) -> Receipt:
        """Scales or suspends the same object that was planned."""
        target = intent.action.target
        cluster = cluster_of(situation, target.cluster)
        manifest = live(situation, target)
        _set(cluster, target, intent.found, to_zero=True)
        return done(intent, (_said(intent), *_undoers(cluster, target), *reverter(manifest)))

    def observe(self, intent: Intent, situation: Situation) -> Receipt | None:
        """A receipt where it stands at zero."""
        return None if self.differences(intent, situation) else done(intent, (_said(intent),))

    def differences(self, intent: Intent, situation: Situation) -> tuple[str, ...]:
        """How what is live differs from zero; () where it does not."""
        target = intent.action.target
        manifest = still(situation, target)
        if manifest is None:
            return ()  # it was deleted or replaced: what was scaled runs nothing
        field, now = _field(manifest)
        who = _owner(manifest, field)
        held = () if now == _zero(target) else (f"{target}: {field} is {now}, held by {who}",)
        running = [j for j in intent.found["jobs"] if _is_running(cluster_of(situation, target.cluster), target, j)]
        return (*held, *(f"Job {target.namespace}/{j['name']} runs" for j in running))

    def release(self, control: Control, situation: Situation) -> Receipt:
        """Restores what was found where it still stands at zero. Raises ConflictError where someone else has
        scaled it meanwhile."""
        intent = control.intent
        target, found = intent.action.target, intent.found
        manifest = still(situation, target)
        if manifest is None:
            return done(intent, (f"{target} was deleted or replaced meanwhile: there is nothing to restore",))
        field, now = _field(manifest)
        before = found["replicas"] if target.kind in _SCALED else found["suspend"]
        if now not in (_zero(target), before):
            raise ConflictError(
                f"{target}: {field} is {now} and not what patchgap set, held by {_owner(manifest, field)}",
                f"Decide with that owner; it was {before} before the incident.",
            )
        _set(cluster_of(situation, target.cluster), target, found, to_zero=False)
        return done(intent, (f"{target}: {field} is {str(before).lower()} again",))


def _found(situation: Situation, target: Target) -> dict[str, Any]:
    cluster, manifest = cluster_of(situation, target.cluster), live(situation, target)
    if target.kind in _SCALED:
        scale = cluster.get(of_kind(target.kind), target.namespace, target.name, "scale")
        same(target, scale)
        return {"replicas": int((scale.get("spec") or {}).get("replicas", 0)), "jobs": []}
    jobs = cluster.all_of(JOBS, target.namespace) if target.kind == "CronJob" else []
    active = [j for j in jobs if _is_child(j, target.uid) and not is_over(j) and not j["spec"].get("suspend")]
    return {
        "suspend": bool((manifest.get("spec") or {}).get("suspend")),
        "jobs": [{"name": j["metadata"]["name"], "uid": j["metadata"]["uid"]} for j in active],
    }


def _is_child(job: Mapping[str, Any], uid: str) -> bool:
    owner = controller_of(job)
    return bool(owner and owner["uid"] == uid)


def _zero(target: Target) -> int | bool:
    return 0 if target.kind in _SCALED else True


def _field(manifest: Mapping[str, Any]) -> tuple[str, Any]:
    spec = manifest.get("spec") or {}
    if manifest["kind"] in _SCALED:
        return "spec.replicas", int(spec.get("replicas", 1))
    return "spec.suspend", bool(spec.get("suspend"))


def _owner(manifest: Mapping[str, Any], field: str) -> str:
    key = "f:" + field.removeprefix("spec.")
    for entry in manifest["metadata"].get("managedFields") or ():
        if key in ((entry.get("fieldsV1") or {}).get("f:spec") or {}):
            return str(entry.get("manager"))
    return "an unnamed manager"


def _set(cluster: Cluster, target: Target, found: Mapping[str, Any], *, to_zero: bool, dry_run: bool = False) -> None:
    """Zero, or what was found. The uid in each patch keeps another object of that name from being changed."""
    if target.kind in _SCALED:
        body = {"metadata": {"uid": target.uid}, "spec": {"replicas": 0 if to_zero else found["replicas"]}}
        cluster.patch(of_kind(target.kind), target.namespace, target.name, body, subresource="scale", dry_run=dry_run)
        return
    _suspend(cluster, of_kind(target.kind), target, to_zero or found["suspend"], dry_run)
    for job in found["jobs"]:
        child = Target(PLATFORM, target.cluster, target.namespace, "Job", job["name"], job["uid"])
        try:
            _suspend(cluster, JOBS, child, to_zero, dry_run)
        except NotFoundError:
            continue  # it ended and was cleaned up: nothing of it runs, and nothing is to be restored


def _suspend(cluster: Cluster, resource: Resource, target: Target, suspend: bool, dry_run: bool) -> None:
    body = {"metadata": {"uid": target.uid}, "spec": {"suspend": suspend}}
    cluster.patch(resource, target.namespace, target.name, body, dry_run=dry_run)


def _is_running(cluster: Cluster, target: Target, job: Mapping[str, str]) -> bool:
    found = cluster.find(JOBS, target.namespace, job["name"])
    return bool(found and not is_over(found) and not found["spec"].get("suspend"))


def _undoers(cluster: Cluster, target: Target) -> tuple[str, ...]:
    """Autoscalers of the target: they rest at zero, and take over again when it is restored."""
    if target.kind not in _SCALED:
        return ()
    try:
        scalers = cluster.all_of(AUTOSCALERS, target.namespace)
    except ForbiddenError as error:
        return (f"whether an autoscaler scales it is unknown: patchgap may not {error.permission}",)
    except NotServedError:
        return ()  # this API serves no autoscalers
    mine = [
        s
        for s in scalers
        if (s["spec"]["scaleTargetRef"]["kind"], s["spec"]["scaleTargetRef"]["name"]) == (target.kind, target.name)
    ]
    return tuple(
        f"HorizontalPodAutoscaler {s['metadata']['name']} scales it (at least {s['spec'].get('minReplicas', 1)}):"
        " it rests while replicas are 0; anyone who sets another number wakes it"
        for s in mine
    )


def _said(intent: Intent) -> str:
    target = intent.action.target
    if target.kind in _SCALED:
        return f"{target}: {intent.found['replicas']} -> 0 replicas"
    return f"{target}: suspended" + (
        f", with {len(intent.found['jobs'])} running Job(s)" if intent.found["jobs"] else ""
    )
