"""What a kind's strategy sets when an object is created or updated: status, generated fields, generations.

Owns the parts that clients cannot set; knows nothing of users or admission.
"""

from __future__ import annotations

from collections.abc import Callable

from integrations.rehearsal.document import Json, clone, dig
from integrations.rehearsal.resources import Resource

_EMPTY_STATUS: dict[str, Json] = {
    "CronJob": {},
    "DaemonSet": {
        "currentNumberScheduled": 0,
        "numberMisscheduled": 0,
        "desiredNumberScheduled": 0,
        "numberReady": 0,
    },
    "Deployment": {},
    "Job": {},
    "Namespace": {"phase": "Active"},
    "PodDisruptionBudget": {
        "disruptionsAllowed": 0,
        "currentHealthy": 0,
        "desiredHealthy": 0,
        "expectedPods": 0,
    },
    "ReplicaSet": {"replicas": 0},
    "Service": {"loadBalancer": {}},
    "StatefulSet": {"replicas": 0, "availableReplicas": 0},
    "ValidatingAdmissionPolicy": {},
}
_METADATA_KEPT_BY_STATUS = ("labels", "ownerReferences", "finalizers")


def quality_of_service(spec: Json) -> str:
    """A pod's QoS class from its containers' resources."""
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    resources = [one.get("resources") or {} for one in containers]
    if not any(r.get("requests") or r.get("limits") for r in resources):
        return "BestEffort"
    for one in resources:
        limits, requests = one.get("limits") or {}, one.get("requests") or one.get("limits") or {}
        if set(limits) < {"cpu", "memory"} or any(requests.get(k) != limits.get(k) for k in ("cpu", "memory")):
            return "Burstable"
    return "Guaranteed"


def _job(document: Json) -> None:
    spec, metadata = document["spec"], document["metadata"]
    if spec.get("manualSelector"):
        return
    uid, name = metadata["uid"], metadata["name"]
    labels = {
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": name,
        "controller-uid": uid,
        "job-name": name,
    }
    template = spec["template"].setdefault("metadata", {})
    template["labels"] = {**(template.get("labels") or {}), **labels}
    metadata["labels"] = {**(metadata.get("labels") or {}), **labels}
    spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}


def _namespace(document: Json) -> None:
    document["spec"] = {"finalizers": ["kubernetes"]}


def _node(document: Json) -> None:
    document["spec"] = document.get("spec") or {}
    status = document.setdefault("status", {})
    status.setdefault("daemonEndpoints", {"kubeletEndpoint": {"Port": 0}})
    status.setdefault("nodeInfo", dict.fromkeys(_NODE_INFO, ""))


_NODE_INFO = (
    "machineID",
    "systemUUID",
    "bootID",
    "kernelVersion",
    "osImage",
    "containerRuntimeVersion",
    "kubeletVersion",
    "kubeProxyVersion",
    "operatingSystem",
    "architecture",
)

_ON_CREATE: dict[str, Callable[[Json], None]] = {
    "Job": _job,
    "Namespace": _namespace,
    "Node": _node,
}


def prepare_create(resource: Resource, document: Json) -> None:
    """Set what the server alone sets on a new object."""
    if resource.generation:
        document["metadata"]["generation"] = 1
    if resource.kind == "Pod":
        document["status"] = {"phase": "Pending", "qosClass": quality_of_service(document["spec"])}
    elif resource.kind in _EMPTY_STATUS:
        document["status"] = clone(_EMPTY_STATUS[resource.kind])
    elif resource.kind not in ("Node", "Application"):  # an Application has no status subresource
        document.pop("status", None)
    function = _ON_CREATE.get(resource.kind)
    if function is not None:
        function(document)


def keep_parts(resource: Resource, subresource: str, old: Json, new: Json) -> None:
    """Put back what an update through this endpoint may not change."""
    if subresource == "status":
        kept = {key: value for key, value in old.items() if key not in ("status", "metadata")}
        new.update(clone(kept))
        for key in _METADATA_KEPT_BY_STATUS if resource.kind != "Node" else ():
            _restore(old["metadata"], new["metadata"], key)
    elif subresource == "ephemeralcontainers":
        added = dig(new, "spec", "ephemeralContainers")
        new.update({key: clone(value) for key, value in old.items() if key != "metadata"})
        if added:
            new["spec"]["ephemeralContainers"] = added
    elif resource.has("status"):
        _restore(old, new, "status")
    if resource.kind == "Namespace" and subresource != "finalize":
        _restore(old, new, "spec")
    if resource.kind == "Pod" and not subresource:
        _restore(old["spec"], new["spec"], "ephemeralContainers")


def _restore(old: Json, new: Json, key: str) -> None:
    if key in old:
        new[key] = clone(old[key])
    else:
        new.pop(key, None)


def bump_generation(resource: Resource, subresource: str, old: Json, new: Json) -> None:
    """Raise the generation where the desired state changed."""
    metadata = new["metadata"]
    metadata.pop("generation", None)
    before = old["metadata"].get("generation")
    if before is None:
        return
    changed = resource.generation and subresource != "status" and old.get("spec") != new.get("spec")
    if resource.kind == "DaemonSet" and dig(old, "spec", "template") != dig(new, "spec", "template"):
        metadata.setdefault("annotations", {})["deprecated.daemonset.template.generation"] = str(before + 1)
    metadata["generation"] = before + 1 if changed else before
