"""isolate_workloads: the workload's pods, those to come included, neither reach nor are reached over the network.

Owns the choice between the workload's own selector and a quarantine label, and the telling of what leaks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from integrations.kubernetes import selectors, standing
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.inventory import selector_of
from integrations.kubernetes.inventory.families import Family, families
from integrations.kubernetes.inventory.snapshot import LIVE_PERMISSIONS, read
from integrations.kubernetes.inventory.states import is_over, live_pods
from integrations.kubernetes.reach import PLATFORM, cluster_of, done, each_live, live, scoped, still
from integrations.kubernetes.resources import NETWORK_POLICIES, PODS, WORKLOADS, Json, pod_template
from patchgap.errors import NotFoundError, RefusedError
from patchgap.model.codec import digest
from patchgap.model.plan import Control, Effect, Intent, PlannedAction, Receipt, Target, Uncovered
from patchgap.model.workload import Workload
from patchgap.ports import Parameters, Situation
from patchgap.registry import action

QUARANTINE = "patchgap.dev/quarantine"
_ON_HOST = "its pods use the host's network, which no NetworkPolicy reaches"


class IsolationParameters(Parameters):
    """None: an isolation is whole."""


@action
class IsolateWorkloads:
    """Denies all traffic from and to the workload's pods, by a NetworkPolicy on the workload's own selector.

    Where that selector also selects other workloads' pods, the target's pods get a quarantine label instead.

    Example::

        isolate_workloads: {}
    """

    verb: ClassVar[str] = "isolate_workloads"
    platform: ClassVar[str] = PLATFORM
    effect: ClassVar[Effect] = Effect.REVERSIBLE
    inverse: ClassVar[str] = "release_isolation"
    permissions: ClassVar[tuple[str, ...]] = (
        "get,list,create,patch,delete networking.k8s.io/networkpolicies",
        "get,patch core/pods",
        *LIVE_PERMISSIONS,
        *(f"get {r.permission}" for r in WORKLOADS),
    )
    parameters: ClassVar[type[Parameters]] = IsolationParameters

    def targets(
        self,
        parameters: IsolationParameters,  # noqa: ARG002  (the protocol's)
        situation: Situation,
    ) -> Iterable[Target | Uncovered]:
        """The workloads themselves; one on the host's network is uncovered."""

        def served(workload: Workload, manifest: dict[str, Any]) -> Target | str:
            return _ON_HOST if _on_host(manifest) else Target.of(workload.ref)

        return each_live(self.verb, situation, served)

    def preview(
        self,
        parameters: IsolationParameters,  # noqa: ARG002  (the protocol's)
        target: Target,
        situation: Situation,
    ) -> tuple[str, ...]:
        """The policy, the labels where it needs them, and what would leak."""
        cluster, view = cluster_of(situation, target.cluster), _view(situation, target)
        label = {_key(situation, target): str(situation.incident)}
        labelled = view.unlabelled(label) if view.shared else []
        for pod in labelled:
            _label(cluster, pod, label, dry_run=True)
        said = [f"Pod {p['metadata']['name']}: label {_key(situation, target)} is added" for p in labelled]
        lines = standing.preview(cluster, [_policy(situation, target, view)])
        return (*lines, *said, *_leak_lines(_leaks(cluster, target, view)))

    def find(self, action: PlannedAction, situation: Situation) -> Mapping[str, Any]:
        """How the pods are selected; kept, since a selector's neighbours may change. And what leaks already: what
        somebody lets through later is drift."""
        view = _view(situation, action.target)
        leaks = _leaks(cluster_of(situation, action.target.cluster), action.target, view)
        return {"shared": view.shared, "others": list(view.others), "leaks": leaks}

    def apply(self, intent: Intent, situation: Situation) -> Receipt:
        """Puts the policy; labels the pods where the selector is shared."""
        target = intent.action.target
        cluster, view = cluster_of(situation, target.cluster), _view(situation, target, intent.found["shared"])
        if view.shared:
            label = {_key(situation, target): str(situation.incident)}
            for pod in view.unlabelled(label):
                _label(cluster, pod, label)
        objects = standing.put(cluster, [_policy(situation, target, view)])
        return _receipt(intent, cluster, view, objects)

    def observe(self, intent: Intent, situation: Situation) -> Receipt | None:
        """A receipt where the policy stands and selects every live pod of the workload."""
        target = intent.action.target
        if self.differences(intent, situation):
            return None
        if still(situation, target) is None:
            return done(intent, (f"{target} was deleted or replaced; its policy stands",))
        cluster, view = cluster_of(situation, target.cluster), _view(situation, target, intent.found["shared"])
        return _receipt(intent, cluster, view, standing.stand(cluster, [_policy(situation, target, view)]))

    def differences(self, intent: Intent, situation: Situation) -> tuple[str, ...]:
        """How what is live differs from what this control wants; () where it does not."""
        target = intent.action.target
        cluster = cluster_of(situation, target.cluster)
        if still(situation, target) is None:  # deleted or replaced: the policy must stand, there are no pods to hold
            gone = cluster.find(NETWORK_POLICIES, target.namespace, _name(situation, target)) is None
            return (f"NetworkPolicy {target.namespace}/{_name(situation, target)} is gone",) if gone else ()
        view = _view(situation, target, intent.found["shared"])
        key = _key(situation, target)
        outside = view.unlabelled({key: str(situation.incident)}) if view.shared else []
        before: Mapping[str, str] = intent.found.get("leaks") or {}
        opened = [n for n, d in _leaks(cluster, target, view).items() if before.get(n) != d]
        return (
            *standing.differences(cluster, [_policy(situation, target, view)]),
            *(f"Pod {target.namespace}/{p['metadata']['name']} lacks the label {key}" for p in outside),
            *(f"NetworkPolicy {target.namespace}/{n} was added or changed and lets traffic through" for n in opened),
        )

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
        return standing.stand(cluster, [_headed(situation, intent.action.target)])


class _View:
    """The workload and its unaffected neighbours as they are now. `shared` where its selector selects theirs too:
    their pods, or those that their templates have yet to make."""

    def __init__(self, family: Family, neighbours: Sequence[Family], *, shared: bool | None) -> None:
        self.selector: Mapping[str, Any] = selector_of(family.head)
        self.pods = live_pods(family)
        template = (pod_template(family.head).get("metadata") or {}).get("labels") or {}
        self.labels = [template, *(_labels(p) for p in self.pods)]
        everything = selectors.is_empty(self.selector)
        made = [m for n in neighbours for m in _made_by(n)]
        met = [name for name, labels in made if everything or selectors.selects(self.selector, labels)]
        self.others = tuple(sorted(met))
        self.shared = (everything or bool(met)) if shared is None else shared

    def unlabelled(self, label: Mapping[str, str]) -> list[Json]:
        """The live pods without the quarantine label."""
        return [p for p in self.pods if not label.items() <= _labels(p).items()]


def _view(situation: Situation, target: Target, shared: bool | None = None) -> _View:
    manifest = live(situation, target)
    if _on_host(manifest):
        raise RefusedError(f"{target}: {_ON_HOST}", "Scale it to zero, or isolate its nodes.")
    snapshot = read(cluster_of(situation, target.cluster), WORKLOADS, target.namespace)
    if untold := snapshot.why_not(WORKLOADS):
        raise RefusedError(f"{target}: its neighbours cannot be told: {untold}", "Grant that permission.")
    family, neighbours, affected = None, list[Family](), {w.ref.uid for w in scoped(situation)}
    for f in families(snapshot):
        if f.head["metadata"]["uid"] == manifest["metadata"]["uid"]:
            family = f
        elif f.head["metadata"]["uid"] not in affected:
            neighbours.append(f)
    if family is None:
        raise NotFoundError(f"{target} went away while it was read", "Refresh the inventory and plan again.")
    return _View(family, neighbours, shared=shared)


def _made_by(family: Family) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The names and labels of its pods, and of the template that makes the next ones: a CronJob between two runs or a
    workload at zero has no pods today."""
    for pod in live_pods(family):
        yield str(pod["metadata"]["name"]), _labels(pod)
    head = family.head
    if head["kind"] != "Pod" and not (head["kind"] == "Job" and is_over(head)):
        yield (
            f"{head['kind']}/{head['metadata']['name']}",
            (pod_template(head).get("metadata") or {}).get("labels") or {},
        )


def _on_host(manifest: Json) -> bool:
    return bool((pod_template(manifest).get("spec") or {}).get("hostNetwork"))


def _labels(pod: Json) -> Mapping[str, str]:
    return pod["metadata"].get("labels") or {}


def _key(situation: Situation, target: Target) -> str:
    """The label's key: of this target and incident alone, so that one release leaves every other quarantine alone."""
    return f"{QUARANTINE}.{hashlib.sha256(f'{situation.incident} {target}'.encode()).hexdigest()[:8]}"


def _name(situation: Situation, target: Target) -> str:
    return standing.object_name(situation.incident, "isolate", target.kind, target.name)


def _policy(situation: Situation, target: Target, view: _View) -> dict[str, Any]:
    label = {_key(situation, target): str(situation.incident)}
    selector = {"matchLabels": label} if view.shared else dict(view.selector)
    if selectors.is_empty(selector):
        raise RefusedError(
            f"{target}: an empty selector would isolate the whole namespace", "Scale the workload to zero instead."
        )
    return {**_headed(situation, target), "spec": {"podSelector": selector, "policyTypes": ["Ingress", "Egress"]}}


def _headed(situation: Situation, target: Target) -> dict[str, Any]:
    return {
        "apiVersion": NETWORK_POLICIES.api_version,
        "kind": NETWORK_POLICIES.kind,
        "metadata": {
            "name": _name(situation, target),
            "namespace": target.namespace,
            "labels": standing.labels(situation.incident, situation.owner),
        },
    }


def _label(cluster: Cluster, pod: Json, label: Mapping[str, str | None], *, dry_run: bool = False) -> None:
    meta = pod["metadata"]
    body = {"metadata": {"uid": meta["uid"], "labels": dict(label)}}
    try:
        cluster.patch(PODS, meta["namespace"], meta["name"], body, dry_run=dry_run)
    except NotFoundError:
        return  # it ended meanwhile: there is nothing to hold or to release


def _leaks(cluster: Cluster, target: Target, view: _View) -> dict[str, str]:
    """Other policies that select these pods and allow something, by name with their content's digest: policies add up,
    a deny overrides none."""
    found = {}
    for policy in cluster.all_of(NETWORK_POLICIES, target.namespace):
        spec = policy.get("spec") or {}
        allows = spec.get("ingress") or spec.get("egress")
        if allows and any(selectors.selects(spec.get("podSelector") or {}, labels) for labels in view.labels):
            found[str(policy["metadata"]["name"])] = digest(spec)
    return dict(sorted(found.items()))


def _leak_lines(leaks: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"NetworkPolicy {n} also selects these pods and still allows what it allows" for n in leaks)


def _receipt(intent: Intent, cluster: Cluster, view: _View, objects: tuple[dict[str, str], ...]) -> Receipt:
    target = intent.action.target
    leaks = sorted(_leaks(cluster, target, view))
    detail = [f"{len(view.pods)} pod(s) of {target} deny all traffic", *_leak_lines(leaks)]
    if view.shared:
        detail.append("its selector is shared: pods are held by a label, and a new pod only after the next run")
    return done(intent, detail, objects=list(objects), leaks=leaks, by_label=view.shared)
