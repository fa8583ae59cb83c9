"""freeze_deployments: nothing that runs in the reach is changed while the incident is handled, but for its mend.

Owns what a freeze refuses and whom it admits. It knows nothing of how admission policies are stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from integrations.kubernetes import admission, standing
from integrations.kubernetes.reach import PLATFORM, cluster_of, done, each_live, live, same, scoped, settings_of
from integrations.kubernetes.resources import NAMESPACES, of_kind
from patchgap.errors import PatchgapError
from patchgap.model.plan import Control, Effect, Intent, PlannedAction, Receipt, Target, Uncovered
from patchgap.ports import Parameters, Situation
from patchgap.registry import action

_WRITES = ("CREATE", "UPDATE", "DELETE")
_CORE = ("pods", "pods/ephemeralcontainers", "replicationcontrollers", "replicationcontrollers/scale")
_APPS = (
    "deployments",
    "deployments/scale",
    "statefulsets",
    "statefulsets/scale",
    "replicasets",
    "replicasets/scale",
    "daemonsets",
)
_SCALED = ("Deployment", "StatefulSet", "ReplicaSet")
_ADMITTED = (
    "request.userInfo.username == params.data.identity"
    " || request.userInfo.username.startsWith('system:serviceaccount:kube-system:')"
    " || request.userInfo.username == 'system:kube-controller-manager'"
    " || request.userInfo.username == 'system:kube-scheduler'"
    " || (request.resource.resource == 'pods' && request.userInfo.username.startsWith('system:node:'))"
)
_REMADE = (  # what a controller made it makes again: deleting it changes nothing that was asked for
    "request.operation == 'DELETE' && has(oldObject.metadata.ownerReferences)"
    " && oldObject.metadata.ownerReferences.exists(o, has(o.controller) && o.controller)"
)
_UNCHANGED = "request.operation == 'UPDATE' && has(object.spec) && has(oldObject.spec) && object.spec == oldObject.spec"
_MEND = (  # every image is patched, or stood there before and is not affected: a sidecar must not lock out the mend
    f"request.operation == 'UPDATE' && variables.images.exists(i, {admission.by_digest('patched')})"
    f" && variables.images.all(i, {admission.by_digest('patched')}"
    f" || (i in variables.oldImages && !({admission.by_digest('affected')})))"
)
_VARIABLES = (
    *admission.IMAGES,
    ("admitted", _ADMITTED),
    ("remade", _REMADE),
    ("unchanged", _UNCHANGED),
    ("mend", _MEND),
)


class FreezeParameters(Parameters):
    """How far the freeze reaches."""

    reach: Literal["affected_namespaces", "affected_workloads"] = Field(
        default="affected_namespaces",
        description="Every workload of the affected workloads' namespaces, or the affected workloads alone.",
    )


@action
class FreezeDeployments:
    """Refuses new, deleted and changed workloads in the reach, by an admission policy.

    Admits patchgap itself, the cluster's own controllers, changes that leave the spec as it is, and updates to the
    incident's patched images.

    Example::

        freeze_deployments:
          reach: affected_namespaces
    """

    verb: ClassVar[str] = "freeze_deployments"
    platform: ClassVar[str] = PLATFORM
    effect: ClassVar[Effect] = Effect.REVERSIBLE
    inverse: ClassVar[str] = "unfreeze_deployments"
    permissions: ClassVar[tuple[str, ...]] = (
        *admission.PERMISSIONS,
        *standing.HOME_PERMISSIONS,
        "get apps/deployments",
        "get apps/statefulsets",
        "get apps/daemonsets",
        "get apps/replicasets",
        "get batch/jobs",
        "get batch/cronjobs",
        "get core/pods",
    )
    parameters: ClassVar[type[Parameters]] = FreezeParameters

    def targets(self, parameters: FreezeParameters, situation: Situation) -> Iterable[Target | Uncovered]:
        """A target a namespace, or a workload."""
        if parameters.reach == "affected_workloads":
            yield from each_live(self.verb, situation, lambda w, _: Target.of(w.ref))
            return
        reached: dict[tuple[str, str], list[str]] = {}
        for w in scoped(situation):
            reached.setdefault((w.ref.cluster, w.ref.namespace), []).append(str(w.ref))
        for (cluster, namespace), workloads in reached.items():
            try:
                uid = cluster_of(situation, cluster).get(NAMESPACES, "", namespace)["metadata"]["uid"]
            except PatchgapError as error:
                yield from (Uncovered(self.verb, w, str(error)) for w in workloads)
                continue
            yield Target(PLATFORM, cluster, namespace, "Namespace", namespace, uid, tuple(workloads))

    def preview(
        self,
        parameters: FreezeParameters,  # noqa: ARG002  (the protocol's)
        target: Target,
        situation: Situation,
    ) -> tuple[str, ...]:
        """The objects that would be made, and what they would refuse."""
        _same(situation, target)
        cluster = cluster_of(situation, target.cluster)
        manifests = _with_home(situation, target, cluster.identity())
        whole = "every workload" if target.kind == "Namespace" else f"{target.kind} {target.name}"
        said = f"{whole} in {target.namespace}: changes refused, but patchgap's and updates to patched images"
        return (said, *standing.preview(cluster, manifests))

    def find(self, action: PlannedAction, situation: Situation) -> Mapping[str, Any]:
        """The identity that the freeze admits."""
        _same(situation, action.target)
        return {"identity": cluster_of(situation, action.target.cluster).identity()}

    def apply(self, intent: Intent, situation: Situation) -> Receipt:
        """Puts the policy, or brings its patched digests up to date."""
        target = intent.action.target
        cluster = cluster_of(situation, target.cluster)
        objects = standing.put(cluster, _with_home(situation, target, intent.found["identity"]))
        return _receipt(intent, objects, situation)

    def observe(self, intent: Intent, situation: Situation) -> Receipt | None:
        """A receipt where the policy stands as it should now, patched digests included."""
        if self.differences(intent, situation):
            return None
        return _receipt(intent, self.made(intent, situation), situation)

    def differences(self, intent: Intent, situation: Situation) -> tuple[str, ...]:
        """How what is live differs from what this control wants; () where it does not."""
        target = intent.action.target
        manifests = _manifests(situation, target, intent.found["identity"])
        return standing.differences(cluster_of(situation, target.cluster), manifests)

    def release(self, control: Control, situation: Situation) -> Receipt:
        """Deletes the policy that was made, and nothing else."""
        cluster = cluster_of(situation, control.intent.action.target.cluster)
        made = control.receipt.result.get("objects") or self.made(control.intent, situation)
        return done(control.intent, standing.remove(cluster, made))

    def made(self, intent: Intent, situation: Situation) -> tuple[dict[str, str], ...]:
        """What is there of it now, also of one that was cut off."""
        target = intent.action.target
        manifests = _manifests(situation, target, intent.found["identity"])
        return standing.stand(cluster_of(situation, target.cluster), manifests)


def _same(situation: Situation, target: Target) -> None:
    if target.kind != "Namespace":
        live(situation, target)
        return
    found = cluster_of(situation, target.cluster).get(NAMESPACES, "", target.name)
    same(target, found)


def _receipt(intent: Intent, objects: tuple[dict[str, str], ...], situation: Situation) -> Receipt:
    admitted = len(situation.patched)
    return done(
        intent,
        (f"admits {intent.found['identity']} and updates to {admitted} patched image(s)",),
        objects=list(objects),
        patched=sorted(situation.patched),
    )


def _with_home(situation: Situation, target: Target, identity: str) -> tuple[Mapping[str, Any], ...]:
    cluster, namespace = cluster_of(situation, target.cluster), settings_of(situation).namespace
    return (*standing.home(cluster, namespace, situation.owner), *_manifests(situation, target, identity))


def _manifests(situation: Situation, target: Target, identity: str) -> tuple[dict[str, Any], ...]:
    whole = target.kind == "Namespace"
    parts = ("freeze", target.namespace) if whole else ("freeze", target.namespace, target.kind, target.name)
    incident = situation.incident
    data = {
        "identity": identity,
        **admission.entries("patched", situation.patched),
        **admission.entries("affected", situation.affected_digests - situation.patched),
    }
    said = f"changes are frozen by incident {incident}; updates to its patched images are admitted"
    exempt = "" if whole else f"request.name != '{target.name}' || "
    return admission.Policy(
        name=standing.object_name(incident, *parts),
        namespace=settings_of(situation).namespace,
        labels=standing.labels(incident, situation.owner),
        data=data,
        rules=_rules(target),
        variables=_VARIABLES,
        expression=f"{exempt}variables.admitted || variables.remade || variables.unchanged || variables.mend",
        message=said,
        message_expression=f"'{said}: ' + request.operation + ' ' + request.resource.resource",
        selector={"matchLabels": {"kubernetes.io/metadata.name": target.namespace}},
    ).manifests()


def _rules(target: Target) -> tuple[dict[str, Any], ...]:
    if target.kind == "Namespace":
        return (
            admission.rule("", _WRITES, *_CORE),
            admission.rule("apps", _WRITES, *_APPS),
            admission.rule("batch", _WRITES, "jobs", "cronjobs"),
        )
    resource = of_kind(target.kind)
    scale = (f"{resource.plural}/scale",) if target.kind in _SCALED else ()
    return (admission.rule(resource.group, _WRITES, resource.plural, *scale),)
