"""freeze_deployments: nothing that runs in the reach is changed while the incident is handled, but for its mend.

Owns what a freeze consists of: the policy of the reach, paused rollouts, and paused GitOps objects, each a target.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from integrations.kubernetes import admission, freeze_policy, gitops, pauses, seen, standing
from integrations.kubernetes.reach import PLATFORM, cluster_of, live, same, settings_of
from integrations.kubernetes.resources import NAMESPACES, Json
from integrations.targeting import each_live
from integrations.verbs import FreezeParameters, done, reach_of
from patchgap.errors import PatchgapError
from patchgap.model.plan import Control, Effect, Intent, PlannedAction, Receipt, Target, Uncovered
from patchgap.model.workload import Workload, WorkloadRef
from patchgap.playbook.guards import Guard
from patchgap.ports import Parameters, Situation
from patchgap.registry import action

_KINDS = frozenset({"Deployment"}) | gitops.KINDS  # what is paused


@action
class FreezeDeployments:
    """Refuses new, deleted and changed workloads in the reach, by an admission policy; pauses the affected Deployments'
    rollouts, and the Argo CD Applications, Flux Kustomizations and HelmReleases that keep the affected workloads.

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
        *gitops.PERMISSIONS,
        "get core/namespaces",
        "get,patch apps/deployments",
        "get apps/statefulsets",
        "get apps/daemonsets",
        "get apps/replicasets",
        "get batch/jobs",
        "get batch/cronjobs",
        "get core/pods",
    )
    parameters: ClassVar[type[Parameters]] = FreezeParameters

    def targets(self, parameters: FreezeParameters, situation: Situation) -> Iterable[Target | Uncovered]:
        """The namespaces, or the workloads; each affected Deployment; and each GitOps object that keeps one of them. A
        keeper that cannot be paused from here leaves its workload uncovered."""
        found: dict[WorkloadRef, Json] = {}

        def served(workload: Workload, manifest: dict[str, Any]) -> Target:
            found[workload.ref] = manifest
            return Target.of(workload.ref)

        each = tuple(each_live(self, situation, live, served))
        if parameters.reach == "affected_namespaces":
            yield from self._namespaces(situation, {t.target for t in each if isinstance(t, Uncovered)})
            yield from (t for t in each if isinstance(t, Uncovered) or t.kind == "Deployment")
        else:
            yield from each
        yield from self._keepers(situation, found)

    def _namespaces(self, situation: Situation, missed: Collection[str]) -> Iterator[Target | Uncovered]:
        reached: dict[tuple[str, str], list[str]] = {}
        for w in situation.on(PLATFORM):
            reached.setdefault((w.ref.cluster, w.ref.namespace), []).append(str(w.ref))
        for (cluster, namespace), workloads in reached.items():
            try:
                uid = cluster_of(situation, cluster).get(NAMESPACES, "", namespace)["metadata"]["uid"]
            except PatchgapError as error:
                yield from (Uncovered(self.verb, w, str(error)) for w in workloads if w not in missed)
                continue
            yield Target(PLATFORM, cluster, namespace, "Namespace", namespace, uid, tuple(workloads))

    def _keepers(self, situation: Situation, seen: Mapping[WorkloadRef, Json]) -> Iterator[Target | Uncovered]:
        kept: dict[Target, list[str]] = {}
        guard = Guard(situation.connections.settings.protect, settings_of(situation).namespace)
        for name in dict.fromkeys(ref.cluster for ref in seen):
            mine = [(ref, manifest) for ref, manifest in seen.items() if ref.cluster == name]
            for ref, found in gitops.keepers(cluster_of(situation, name), mine):
                if isinstance(found, str):
                    yield Uncovered(self.verb, str(ref), found)
                    continue
                meta = found["metadata"]
                target = Target(PLATFORM, name, meta["namespace"], found["kind"], meta["name"], meta["uid"])
                others = (f"{name}/{space}/{kind}/{each}" for space, kind, each in gitops.kept(found))
                if protected := (
                    *guard.protects(target),
                    *guard.configured(others),
                ):  # it is beside the scope: it must not refuse the whole plan
                    yield Uncovered(
                        self.verb, str(ref), f"{protected[0]}: pause it by hand, since it keeps this workload"
                    )
                    continue
                kept.setdefault(target, []).append(str(ref))
        yield from (replace(target, workloads=tuple(dict.fromkeys(refs))) for target, refs in kept.items())

    def preview(self, parameters: FreezeParameters, target: Target, situation: Situation) -> tuple[str, ...]:
        """The objects that would be made and what they would refuse, and what would be paused."""
        _same(situation, target)
        lines: tuple[str, ...] = ()
        if _has_policy(parameters.reach, target):
            cluster = cluster_of(situation, target.cluster)
            whole = "every workload" if target.kind == "Namespace" else f"{target.kind} {target.name}"
            said = f"{whole} in {target.namespace}: changes refused, but patchgap's and updates to patched images"
            manifests = _with_home(situation, target, cluster.identity())
            lines = (said, *standing.preview(cluster, manifests))
        if target.kind in _KINDS:
            lines = (*lines, *pauses.preview(situation, target, _holder(situation, parameters.reach)))
        return lines

    def seen(self, target: Target, situation: Situation) -> Mapping[str, str]:
        """A workload's images and selector. A namespace and a GitOps object are held whatever is in them."""
        if target.kind == "Namespace":
            return {}
        manifest = live(situation, target)
        paused = pauses.seen(manifest, str(situation.incident)) if target.kind in _KINDS else {}
        return paused if target.kind in gitops.KINDS else {**paused, **seen.selector_and_images(manifest)}

    def find(self, action: PlannedAction, situation: Situation) -> Mapping[str, Any]:
        """The identity that the freeze admits, and what was paused before."""
        target = action.target
        _same(situation, target)
        found: dict[str, Any] = {"identity": cluster_of(situation, target.cluster).identity()}
        if target.kind in _KINDS:
            found |= pauses.found(situation, target, _holder(situation, reach_of(action)))
        return found

    def apply(self, intent: Intent, situation: Situation) -> Receipt:
        """Puts the policy, or brings its patched digests up to date; pauses, or lets the mend roll out."""
        target = intent.action.target
        if _has_policy(reach_of(intent.action), target):
            manifests = _with_home(situation, target, intent.found["identity"])
            standing.put(cluster_of(situation, target.cluster), manifests)
        told = pauses.hold(intent, situation, _holder(situation, reach_of(intent.action))) if _pauses(intent) else ()
        return self._receipt(intent, situation, told)

    def observe(self, intent: Intent, situation: Situation) -> Receipt | None:
        """A receipt where the policy stands as it should now, patched digests included, and what is paused is."""
        if self.differences(intent, situation):
            return None
        return self._receipt(intent, situation, ())

    def differences(self, intent: Intent, situation: Situation) -> tuple[str, ...]:
        """How what is live differs from what this control wants; () where it does not."""
        target, reach = intent.action.target, reach_of(intent.action)
        paused = pauses.differences(intent, situation, _holder(situation, reach)) if _pauses(intent) else ()
        if not _has_policy(reach, target):
            return paused
        manifests = freeze_policy.manifests(situation, target, intent.found["identity"])
        return (*standing.differences(cluster_of(situation, target.cluster), manifests), *paused)

    def release(self, control: Control, situation: Situation) -> Receipt:
        """Resumes what was paused, then deletes the policy that was made, and nothing else: while it is resumed, the
        policy still refuses what is not the mend."""
        intent = control.intent
        target, reach = intent.action.target, reach_of(intent.action)
        told = pauses.let_go(control, situation, _holder(situation, reach)) if _pauses(intent) else ()
        if _has_policy(reach, target):
            made = control.receipt.result.get("objects") or self.made(intent, situation)
            told = (*told, *standing.remove(cluster_of(situation, target.cluster), made))
        return done(intent, told)

    def made(self, intent: Intent, situation: Situation) -> tuple[dict[str, str], ...]:
        """What is there of its policy now, also of one that was cut off."""
        target = intent.action.target
        if not _has_policy(reach_of(intent.action), target):
            return ()
        manifests = freeze_policy.manifests(situation, target, intent.found["identity"])
        return standing.stand(cluster_of(situation, target.cluster), manifests)

    def _receipt(self, intent: Intent, situation: Situation, told: tuple[str, ...]) -> Receipt:
        objects = self.made(intent, situation)
        said = f"admits {intent.found['identity']} and updates to {len(situation.patched)} patched image(s)"
        detail = (*((said,) if objects else ()), *told)
        return done(intent, detail, objects=list(objects), patched=sorted(situation.patched))


def _has_policy(reach: str, target: Target) -> bool:
    """Whether the target is what the policy is about: its namespace, or the workload itself."""
    if target.kind in gitops.KINDS:
        return False
    return (target.kind == "Namespace") == (reach == "affected_namespaces")


def _pauses(intent: Intent) -> bool:
    return intent.action.target.kind in _KINDS and "before" in intent.found


def _holder(situation: Situation, reach: str) -> str:
    """Whose note it is: tiers of one incident that reach differently may hold one Application, each for its own."""
    return str(situation.incident) + (".workloads" if reach == "affected_workloads" else "")


def _same(situation: Situation, target: Target) -> None:
    if target.kind != "Namespace":
        live(situation, target)
        return
    found = cluster_of(situation, target.cluster).get(NAMESPACES, "", target.name)
    same(target, found)


def _with_home(situation: Situation, target: Target, identity: str) -> tuple[Mapping[str, Any], ...]:
    cluster, namespace = cluster_of(situation, target.cluster), settings_of(situation).namespace
    manifests = freeze_policy.manifests(situation, target, identity)
    return (*standing.home(cluster, namespace, situation.owner), *manifests)
