"""isolate_workloads: the workload's pods, those to come included, neither reach nor are reached over the network.

Owns the choice between the workload's own selector and a quarantine label. The policies' forms are `isolation`'s.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from integrations.kubernetes import isolation, leaks, neighbours, seen, selectors, standing
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.inventory import selector_of
from integrations.kubernetes.inventory.snapshot import LIVE_PERMISSIONS
from integrations.kubernetes.neighbours import RECENT, View
from integrations.kubernetes.reach import PLATFORM, asker_of, cluster_of, live, still
from integrations.kubernetes.resources import PODS, WORKLOADS, Json, pod_template
from integrations.targeting import each_live
from integrations.verbs import IsolationParameters, done
from patchgap.errors import NotFoundError, RefusedError
from patchgap.model.plan import Control, Effect, Intent, PlannedAction, Receipt, Target, Uncovered
from patchgap.model.workload import Workload
from patchgap.ports import Parameters, Situation
from patchgap.registry import action

QUARANTINE = "patchgap.dev/quarantine"
_ON_HOST = "its pods use the host's network, which no NetworkPolicy reaches"


@action
class IsolateWorkloads:
    """Denies all traffic from and to the workload's pods, by a network policy on the workload's own selector.

    Where that selector also selects other workloads' pods, the target's pods get a quarantine label instead. What else
    lets traffic through, and whether a network plugin enforces the policy, is told by name.

    Example::

        isolate_workloads:
          form: auto
    """

    verb: ClassVar[str] = "isolate_workloads"
    platform: ClassVar[str] = PLATFORM
    effect: ClassVar[Effect] = Effect.REVERSIBLE
    inverse: ClassVar[str] = "release_isolation"
    permissions: ClassVar[tuple[str, ...]] = (
        *isolation.PERMISSIONS,
        *leaks.PERMISSIONS,
        "get,patch core/pods",
        *LIVE_PERMISSIONS,
        *(f"get {r.permission}" for r in WORKLOADS),
    )
    parameters: ClassVar[type[Parameters]] = IsolationParameters

    def targets(
        self,
        parameters: IsolationParameters,
        situation: Situation,
    ) -> Iterable[Target | Uncovered]:
        """The workloads themselves; one on the host's network, or whose cluster lacks the form, is uncovered."""

        def served(workload: Workload, manifest: dict[str, Any]) -> Target | str:
            lacking = isolation.why_not(cluster_of(situation, workload.ref.cluster), parameters.form)
            return _ON_HOST if _on_host(manifest) else lacking or Target.of(workload.ref)

        return each_live(self, situation, live, served)

    def preview(
        self,
        parameters: IsolationParameters,
        target: Target,
        situation: Situation,
    ) -> tuple[str, ...]:
        """The policy, the labels where it needs them, what would leak, and what enforces it."""
        cluster, view = cluster_of(situation, target.cluster), _view(situation, target)
        here = leaks.around(cluster, asker_of(situation), target.namespace, RECENT)
        label = {_key(situation, target): str(situation.incident)}
        labelled = view.unlabelled(label) if view.shared else []
        for pod in labelled:
            _label(cluster, pod, label, dry_run=True)
        said = [f"Pod {p['metadata']['name']}: label {_key(situation, target)} is added" for p in labelled]
        form = isolation.form_of(here.groups, parameters.form, here.enforced)
        lines = standing.preview(cluster, [_policy(situation, target, view.selector, form, shared=view.shared)])
        leaking = leaks.leaks(here, view.labels, form).lines
        return (*lines, *said, *leaking, *view.on_host, isolation.told(here.enforced, form))

    def seen(self, target: Target, situation: Situation) -> Mapping[str, str]:
        """The images, and the selector that the policy takes over."""
        return seen.selector_and_images(live(situation, target))

    def find(self, action: PlannedAction, situation: Situation) -> Mapping[str, Any]:
        """How the pods are selected; kept, since a selector's neighbours may change. And what leaks already: what
        somebody lets through later is drift."""
        view, cluster = _view(situation, action.target), cluster_of(situation, action.target.cluster)
        here = leaks.around(cluster, asker_of(situation), action.target.namespace, RECENT)
        asked = IsolationParameters.model_validate(action.parameters).form
        form = isolation.form_of(here.groups, asked, here.enforced)
        found = leaks.leaks(here, view.labels, form).found
        return {"shared": view.shared, "others": list(view.others), "leaks": found, "form": form}

    def apply(self, intent: Intent, situation: Situation) -> Receipt:
        """Puts the policy; labels the pods where the selector is shared."""
        target, shared = intent.action.target, bool(intent.found["shared"])
        cluster, manifest = cluster_of(situation, target.cluster), _manifest(situation, target)
        if shared:
            label = {_key(situation, target): str(situation.incident)}
            for pod in _pods_of(situation, target, manifest, shared).unlabelled(label):
                _label(cluster, pod, label)
        form = isolation.form_found(intent.found)
        objects = standing.put(cluster, [_policy(situation, target, selector_of(manifest), form, shared=shared)])
        return _receipt(intent, situation, _pods_of(situation, target, manifest, shared), objects)

    def observe(self, intent: Intent, situation: Situation) -> Receipt | None:
        """A receipt where the policy stands and selects every live pod of the workload."""
        target = intent.action.target
        if self.differences(intent, situation):
            return None
        if still(situation, target) is None:
            return done(intent, (f"{target} was deleted or replaced; its policy stands",))
        cluster, view = cluster_of(situation, target.cluster), _view(situation, target, intent.found["shared"])
        return _receipt(
            intent,
            situation,
            view,
            standing.stand(cluster, [_policy_of(situation, intent, view)]),
        )

    def differences(self, intent: Intent, situation: Situation) -> tuple[str, ...]:
        """How what is live differs from what this control wants; () where it does not."""
        target = intent.action.target
        cluster = cluster_of(situation, target.cluster)
        if still(situation, target) is None:  # deleted or replaced: the policy must stand, there are no pods to hold
            kind = isolation.FORMS[isolation.form_found(intent.found)][0]
            gone = cluster.find(kind, target.namespace, _name(situation, target)) is None
            return (f"{kind.kind} {target.namespace}/{_name(situation, target)} is gone",) if gone else ()
        view = _view(situation, target, intent.found["shared"])
        key = _key(situation, target)
        outside = view.unlabelled({key: str(situation.incident)}) if view.shared else []
        before: Mapping[str, str] = intent.found.get("leaks") or {}
        here = leaks.around(cluster, asker_of(situation), target.namespace)
        now = leaks.leaks(here, view.labels, isolation.form_found(intent.found)).found
        opened = [n for n, d in now.items() if before.get(n) != d]
        return (
            *standing.differences(cluster, [_policy_of(situation, intent, view)]),
            *(f"Pod {target.namespace}/{p['metadata']['name']} lacks the label {key}" for p in outside),
            *(f"{leaks.named(n, target.namespace)} was added or changed and lets traffic through" for n in opened),
        )

    def wholeness(self, intent: Intent, situation: Situation) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What lets traffic of the pods through now, and what of it, or of its enforcement, is unknown; in sentences."""
        target = intent.action.target
        if still(situation, target) is None:
            return (), ()  # no pods are left to reach
        cluster, view = cluster_of(situation, target.cluster), _view(situation, target, intent.found["shared"])
        here, form = leaks.around(cluster, asker_of(situation), target.namespace), isolation.form_found(intent.found)
        found = leaks.leaks(here, view.labels, form)
        through = [f"{target}: {leaks.named(n, target.namespace)} lets traffic through" for n in found.found]
        through += [f"{target}: {line}" for line in view.on_host]
        doubt = isolation.doubt(here.enforced, form)
        return tuple(through), tuple(f"{target}: {line}" for line in (*found.untold, doubt) if line)

    def release(self, control: Control, situation: Situation) -> Receipt:
        """Deletes the policy that was made, and takes the labels off that patchgap put on."""
        target = control.intent.action.target
        cluster, key = cluster_of(situation, target.cluster), _key(situation, target)
        made = control.receipt.result.get("objects") or self.made(control.intent, situation)
        detail = standing.remove(cluster, made)
        for pod in cluster.all_of(PODS, target.namespace, labels=f"{key}={situation.incident}"):
            _label(cluster, pod, {key: None})
        return done(control.intent, detail)

    def made(self, intent: Intent, situation: Situation) -> tuple[dict[str, str], ...]:
        """What is there of its policy now, also of one that was cut off."""
        cluster = cluster_of(situation, intent.action.target.cluster)
        return standing.stand(
            cluster, [isolation.policy(isolation.form_found(intent.found), _head(situation, intent.action.target), {})]
        )


def _view(situation: Situation, target: Target, shared: bool | None = None) -> View:
    return _pods_of(situation, target, _manifest(situation, target), shared)


def _manifest(situation: Situation, target: Target) -> Json:
    manifest = live(situation, target)
    if _on_host(manifest):
        raise RefusedError(f"{target}: {_ON_HOST}", "Scale it to zero, or isolate its nodes.")
    return manifest


def _pods_of(situation: Situation, target: Target, manifest: Json, shared: bool | None) -> View:
    affected = {w.ref.uid for w in situation.on(PLATFORM)}
    cluster = cluster_of(situation, target.cluster)
    return neighbours.view(cluster, asker_of(situation), manifest, affected, shared=shared)


def _on_host(manifest: Json) -> bool:
    return bool((pod_template(manifest).get("spec") or {}).get("hostNetwork"))


def _key(situation: Situation, target: Target) -> str:
    """The label's key: of this target and incident alone, so that one release leaves every other quarantine alone."""
    return f"{QUARANTINE}.{hashlib.sha256(f'{situation.incident} {target}'.encode()).hexdigest()[:8]}"


def _name(situation: Situation, target: Target) -> str:
    return standing.object_name(situation.incident, "isolate", target.kind, target.name)


def _policy(situation: Situation, target: Target, own: Mapping[str, Any], form: str, *, shared: bool) -> dict[str, Any]:
    label = {_key(situation, target): str(situation.incident)}
    selector = {"matchLabels": label} if shared else dict(own)
    if selectors.is_empty(selector):
        raise RefusedError(
            f"{target}: an empty selector would isolate the whole namespace", "Scale the workload to zero instead."
        )
    return isolation.policy(form, _head(situation, target), selector)


def _policy_of(situation: Situation, intent: Intent, view: View) -> dict[str, Any]:
    form = isolation.form_found(intent.found)
    return _policy(situation, intent.action.target, view.selector, form, shared=view.shared)


def _head(situation: Situation, target: Target) -> dict[str, Any]:
    return {
        "name": _name(situation, target),
        "namespace": target.namespace,
        "labels": standing.labels(situation.incident, situation.owner),
    }


def _label(cluster: Cluster, pod: Json, label: Mapping[str, str | None], *, dry_run: bool = False) -> None:
    meta = pod["metadata"]
    body = {"metadata": {"uid": meta["uid"], "labels": dict(label)}}
    try:
        cluster.patch(PODS, meta["namespace"], meta["name"], body, dry_run=dry_run)
    except NotFoundError:
        return  # it ended meanwhile: there is nothing to hold or to release


def _receipt(intent: Intent, situation: Situation, view: View, objects: tuple[dict[str, str], ...]) -> Receipt:
    target, form = intent.action.target, isolation.form_found(intent.found)
    here = leaks.around(cluster_of(situation, target.cluster), asker_of(situation), target.namespace)
    found, enforced = leaks.leaks(here, view.labels, form), here.enforced
    whole = not (found.found or found.untold or isolation.doubt(enforced, form) or view.on_host)
    said = "deny all traffic" if whole else "are asked to deny all traffic, but that is not proved to be whole"
    detail = [
        f"{len(view.pods)} pod(s) of {target} {said}",
        *found.lines,
        *view.on_host,
        isolation.told(enforced, form),
    ]
    if view.shared:
        detail.append("its selector is shared: pods are held by a label, and a new pod only after the next run")
    elif view.others:
        detail.append(f"it selects what came since it was planned, and is not affected: {', '.join(view.others)}")
    told = {"form": form, "enforced_by": enforced.plugin, "proved": whole, "untold": found.untold}
    return done(intent, detail, objects=list(objects), leaks=list(found.found), by_label=view.shared, **told)
