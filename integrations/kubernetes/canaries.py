"""The canary of an incident: a second Deployment beside the affected one, with its pod labels and the patched images.

Owns which containers need the mend and which image mends them, what such a Deployment looks like, where none may be, and
its removal. The original is not scaled down for it: nothing but the canary has to be undone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from integrations.digests import digest_in
from integrations.kubernetes import standing
from integrations.kubernetes.answers import ForbiddenError, NotServedError
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.reach import PLATFORM
from integrations.kubernetes.resources import (
    AUTOSCALERS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    SERVICES,
    Json,
    Resource,
    pod_template,
)
from integrations.kubernetes.selectors import selects
from patchgap.errors import ConflictError, WaitingError
from patchgap.model.exposure import Standing, repository_of
from patchgap.model.plan import Target
from patchgap.ports import Situation

CANARY_OF = "patchgap.dev/canary-of"  # a pod's label: the UID of the Deployment that it stands beside
STARTED = "patchgap.dev/canary-since"
_SIZE = "patchgap.dev/canary-pods"
PERMISSIONS = (
    "get,create,patch,delete apps/deployments",
    "get apps/statefulsets",
    "get apps/daemonsets",
    "get apps/replicasets",
    "get batch/jobs",
    "get batch/cronjobs",
    "get core/pods",
)
NEIGHBOURS = (
    "list core/services",
    "list autoscaling/horizontalpodautoscalers",
    "list policy/poddisruptionbudgets",
)
_LISTS = ("containers", "initContainers")
_KINDS = {
    "StatefulSet": "a canary of a StatefulSet would have other names and volumes than its pods: roll the mend out by hand",
    "DaemonSet": "a DaemonSet runs one pod a node and leaves no room for a canary: roll the mend out by hand",
    "Job": "a Job runs to its end: start it again with the patched image",
    "CronJob": "a CronJob's next run takes its image: set the patched one by hand",
    "ReplicaSet": "a bare ReplicaSet rolls nothing out: set the patched image and replace its pods by hand",
    "Pod": "a bare Pod has no replicas to share: start it again with the patched image",
}


def unfit(manifest: Json) -> str:
    """Why no canary may stand beside this workload, in a sentence; "" where one may."""
    kind, spec = manifest["kind"], manifest.get("spec") or {}
    if kind != "Deployment":
        return _KINDS.get(kind, f"a {kind} has no canary")
    if (spec.get("strategy") or {}).get("type") == "Recreate":
        return "its strategy is Recreate: two versions of it must not run at once; roll the mend out by hand"
    for volume in (pod_template(manifest).get("spec") or {}).get("volumes") or ():
        claim = volume.get("persistentVolumeClaim")
        if claim and not claim.get("readOnly"):
            return f"it writes to the volume claim {claim['claimName']}, which a canary would write to as well"
    return ""


def canary_name(situation: Situation, target: Target) -> str:
    """The canary's name, in its original's namespace."""
    return standing.object_name(situation.incident, "canary", target.name)


def images(manifest: Json) -> dict[str, str]:
    """Each container of the pod template with its image, init containers included."""
    spec = pod_template(manifest).get("spec") or {}
    return {c["name"]: c.get("image") or "" for name in _LISTS for c in spec.get(name) or ()}


def is_clean(situation: Situation, image: str) -> bool:
    """Whether the SBOM of the image proves that nothing affected is in it. One without a digest is not proved."""
    digest = digest_in(image)
    judged = situation.judge([digest]).get(digest) if digest else None
    return judged is not None and judged.verdict == "clean"


def affected(manifest: Json, situation: Situation) -> dict[str, str]:
    """The containers of the live template that are exposed and not proved clean, each with its image."""
    exposed = {
        e.container.name
        for e in situation.exposures
        if e.workload.ref.uid == manifest["metadata"]["uid"] and e.standing is not Standing.NOT_AFFECTED
    }
    return {n: i for n, i in images(manifest).items() if n in exposed and not is_clean(situation, i)}


def mends(manifest: Json, situation: Situation) -> dict[str, str]:
    """The patched image of each container that needs one. Raises WaitingError where one is not named yet,
    RefusedError where the one that was named is not proved."""
    return {name: _mend_of(image, situation) for name, image in affected(manifest, situation).items()}


def _mend_of(image: str, situation: Situation) -> str:
    repository = repository_of(image)
    named = [m for m in situation.mends if _short(repository_of(m)) == _short(repository)]
    if not named:
        raise WaitingError(
            f"it waits for a patched image of {repository}",
            f"Name one with `patchgap incident patch {situation.incident} --image {repository}@sha256:…`.",
        )
    mend, digest = named[-1], digest_in(named[-1])
    if digest not in situation.patched or not is_clean(situation, mend):
        raise situation.no_mend(mend, digest)
    return mend


def _short(repository: str) -> str:
    return repository.removeprefix("docker.io/").removeprefix("library/")


def pods_of(share: float, replicas: int) -> int:
    """That share of the replicas, rounded up; at least one."""
    return max(1, math.ceil(round(share * replicas, 6)))


def with_images(spec: Json, wanted: Mapping[str, str]) -> dict[str, Any]:
    """The lists of a pod's spec in which an image changes, whole, with those images."""
    changed = {}
    for name in _LISTS:
        held = spec.get(name) or ()
        if any(c["name"] in wanted for c in held):
            changed[name] = [{**c, "image": wanted.get(c["name"], c.get("image"))} for c in held]
    return changed


def manifest_of(original: Json, situation: Situation, target: Target, wanted: Mapping[str, str], pods: int) -> Json:
    """The canary's manifest: the original's pod template with those images, and a selector that its own pods alone meet.
    The original never takes them over: a pod that has a controller is nobody else's."""
    spec, template = original["spec"], pod_template(original)
    mine = {**standing.labels(situation.incident, situation.owner), CANARY_OF: target.uid}
    marks = {k: mine[k] for k in (standing.INCIDENT, CANARY_OF)}
    meta = {k: v for k, v in (template.get("metadata") or {}).items() if k in {"labels", "annotations"} and v}
    kept = {k: v for k, v in (original["metadata"].get("labels") or {}).items() if k.startswith("patchgap.dev/")}
    selector = spec.get("selector") or {}
    copied = ("minReadySeconds", "progressDeadlineSeconds", "revisionHistoryLimit")
    return {
        "apiVersion": DEPLOYMENTS.api_version,
        "kind": DEPLOYMENTS.kind,
        "metadata": {
            "name": canary_name(situation, target),
            "namespace": target.namespace,
            "labels": {**kept, **mine},
            "annotations": {STARTED: situation.clock().isoformat(), _SIZE: str(pods)},
        },
        "spec": {
            **{k: spec[k] for k in copied if k in spec},
            "replicas": pods,
            "selector": {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), **marks}},
            "template": {
                "metadata": {**meta, "labels": {**(meta.get("labels") or {}), **marks}},
                "spec": {**template["spec"], **with_images(template["spec"], wanted)},
            },
        },
    }


def stub(situation: Situation, target: Target) -> Json:
    """As much of the canary's manifest as names it and its incident."""
    meta = {"name": canary_name(situation, target), "namespace": target.namespace}
    labels = standing.labels(situation.incident, situation.owner)
    return {"apiVersion": DEPLOYMENTS.api_version, "kind": DEPLOYMENTS.kind, "metadata": {**meta, "labels": labels}}


def found_beside(cluster: Cluster, situation: Situation, target: Target) -> dict[str, Any] | None:
    """The incident's canary of the target as it is now; None where there is none. Raises ConflictError where what bears
    its name is not the incident's."""
    live = cluster.find(DEPLOYMENTS, target.namespace, canary_name(situation, target))
    if live is None or live["metadata"].get("deletionTimestamp"):
        return None
    if (live["metadata"].get("labels") or {}).get(standing.INCIDENT) != situation.incident:
        raise ConflictError(
            f"{target.namespace}/Deployment/{live['metadata']['name']} exists and is not this incident's canary",
            "Rename or delete that object; patchgap does not take over what it did not make.",
        )
    return live


def remove(cluster: Cluster, situation: Situation, target: Target) -> tuple[str, ...]:
    """Deletes the canary and nothing else; a line for it. Raises ConflictError where someone else has changed or scaled
    it: it may carry what they need."""
    live = found_beside(cluster, situation, target)
    if live is None:
        return (f"the canary of {target} is gone already",)
    pods, count = (live["metadata"].get("annotations") or {}).get(_SIZE), live["spec"].get("replicas", 1)
    if pods != str(count):
        raise ConflictError(
            f"someone has scaled the canary {live['metadata']['name']} from {pods} to {count} pod(s)",
            "Agree with them, and scale it back or delete it by hand; nothing was removed.",
        )
    return standing.remove(cluster, standing.stand(cluster, [stub(situation, target)]))


def given_up(situation: Situation, wanted: Mapping[str, str]) -> dict[str, str]:
    """The wanted images whose canary failed on any workload of the incident, each with why: they are neither started nor
    promoted again. By digest: a mirror's copy is the same image."""
    failed = situation.given_up
    return {i: failed[d] for i in wanted.values() if (d := digest_in(i)) in failed}


def refused(given_up: Mapping[str, str]) -> tuple[str, ...]:
    """A sentence an image that was given up: it waits for another."""
    return tuple(f"it waits for another image: {image} was withdrawn: {why}" for image, why in given_up.items())


def started(situation: Situation) -> Iterator[tuple[Target, Mapping[str, str]]]:
    """The targets beside which a canary of the incident was put, with the images by container that it was given."""
    for control in situation.controls:
        action = control.intent.action
        if (action.verb, action.platform) != ("start_patched_canary", PLATFORM) or action.id in situation.release_begun:
            continue
        if control.receipt.stands and (given := control.receipt.result.get("images")):
            yield action.target, given


def neighbours(cluster: Cluster, target: Target, labels: Mapping[str, str]) -> Iterator[str]:
    """What else of the namespace selects the canary's pods, in sentences."""
    services = _listed(cluster, SERVICES, target.namespace)
    if isinstance(services, str):
        yield services
    else:
        reaching = [
            _name(s) for s in services if (w := s["spec"].get("selector")) and selects({"matchLabels": w}, labels)
        ]
        yield (
            f"Service {', '.join(reaching)} reaches it"
            if reaching
            else "no Service selects its pods: it is sent nothing"
        )
    scalers = _listed(cluster, AUTOSCALERS, target.namespace)
    if isinstance(scalers, str):
        yield scalers
    else:
        for one in scalers:
            if (one["spec"]["scaleTargetRef"]["kind"], one["spec"]["scaleTargetRef"]["name"]) == (
                target.kind,
                target.name,
            ):
                yield f"HorizontalPodAutoscaler {_name(one)} may count its pods with {target.name}'s and scale that higher"
    budgets = _listed(cluster, DISRUPTION_BUDGETS, target.namespace)
    if isinstance(budgets, str):
        yield budgets
    else:
        held = [_name(b) for b in budgets if (w := b["spec"].get("selector")) and selects(w, labels)]
        yield from (f"PodDisruptionBudget {name} counts its pods too" for name in held)


def _name(manifest: Json) -> str:
    return str(manifest["metadata"]["name"])


def _listed(cluster: Cluster, resource: Resource, namespace: str) -> list[Json] | str:
    try:
        return cluster.all_of(resource, namespace)
    except ForbiddenError as error:
        return f"whether a {resource.kind} selects its pods is unknown: patchgap may not {error.permission}"
    except NotServedError:
        return []
