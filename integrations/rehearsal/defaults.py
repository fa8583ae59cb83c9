"""What the API server fills in before it stores an object (the versions' defaulting functions).

Owns default values per kind; knows nothing of validation or admission.
Every function changes the document it is given, which is the caller's own copy.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from integrations.rehearsal import custom
from integrations.rehearsal.document import Json
from integrations.rehearsal.resources import Resource


def _fill(document: Json, **values: Any) -> None:
    for key, value in values.items():
        if document.get(key) is None:
            document[key] = value


def _sub(document: Json, key: str) -> Json:
    inner = document.get(key)
    if not isinstance(inner, dict):
        inner = {}
        document[key] = inner
    return inner


def _items(document: Json, key: str) -> list[Json]:
    return [item for item in document.get(key) or () if isinstance(item, dict)]


def pull_policy(image: str) -> str:
    """`Always` for the tag `latest` or none at all, else `IfNotPresent`."""
    if "@" in image:
        return "IfNotPresent"
    tail = image.rsplit("/", 1)[-1]
    tag = tail.partition(":")[2]
    return "Always" if tag in ("", "latest") else "IfNotPresent"


def _probe(container: Json, name: str) -> None:
    probe = container.get(name)
    if isinstance(probe, dict):
        _fill(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
        for http in _items({"x": [probe.get("httpGet")]}, "x"):
            _fill(http, path="/", scheme="HTTP")


def container(document: Json, *, ephemeral: bool = False) -> None:
    """A container's defaults."""
    if isinstance(document.get("image"), str):
        _fill(document, imagePullPolicy=pull_policy(document["image"]))
    _fill(document, terminationMessagePath="/dev/termination-log", terminationMessagePolicy="File")
    if document.get("resources") is None:
        document["resources"] = {}
    for name in ("requests", "limits"):
        resources = document["resources"]
        if name == "requests" and isinstance(resources.get("limits"), dict):
            resources["requests"] = {**resources["limits"], **(resources.get("requests") or {})}
    for port in _items(document, "ports"):
        _fill(port, protocol="TCP")
    if not ephemeral:
        for name in ("livenessProbe", "readinessProbe", "startupProbe"):
            _probe(document, name)
    for variable in _items(document, "env"):
        reference = (variable.get("valueFrom") or {}).get("fieldRef")
        if isinstance(reference, dict):
            _fill(reference, apiVersion="v1")


def _volume(volume: Json) -> None:
    sources = set(volume) - {"name"}
    if not sources:
        volume["emptyDir"] = {}
    for name in ("secret", "configMap", "downwardAPI", "projected"):
        if isinstance(volume.get(name), dict):
            _fill(volume[name], defaultMode=420)
    if isinstance(volume.get("hostPath"), dict):
        _fill(volume["hostPath"], type="")
    for source in _items(volume.get("projected") or {}, "sources"):
        if isinstance(source.get("serviceAccountToken"), dict):
            _fill(source["serviceAccountToken"], expirationSeconds=3600)
        for item in _items(source.get("downwardAPI") or {}, "items"):
            if isinstance(item.get("fieldRef"), dict):
                _fill(item["fieldRef"], apiVersion="v1")


def pod_spec(spec: Json) -> None:
    """A pod spec's defaults, in a pod or in a template."""
    for key in ("initContainers", "containers"):
        for one in _items(spec, key):
            container(one)
    for one in _items(spec, "ephemeralContainers"):
        container(one, ephemeral=True)
    _fill(
        spec,
        restartPolicy="Always",
        terminationGracePeriodSeconds=30,
        dnsPolicy="ClusterFirst",
        schedulerName="default-scheduler",
    )
    if spec.get("securityContext") is None:
        spec["securityContext"] = {}
    for volume in _items(spec, "volumes"):
        _volume(volume)
    if spec.get("serviceAccountName"):
        spec["serviceAccount"] = spec["serviceAccountName"]
    elif spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"]
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(key) is False:
            del spec[key]


def _template(spec: Json) -> None:
    if isinstance(spec.get("template"), dict):
        template = spec["template"]
        template["metadata"] = template.get("metadata") or {}
        if isinstance(template.get("spec"), dict):
            pod_spec(template["spec"])


def _node(document: Json) -> None:
    for condition in _items(document.get("status") or {}, "conditions"):
        condition.setdefault("lastHeartbeatTime", None)
        condition.setdefault("lastTransitionTime", None)


def _pod(document: Json) -> None:
    for condition in _items(document.get("status") or {}, "conditions"):
        condition.setdefault("lastProbeTime", None)
        condition.setdefault("lastTransitionTime", None)
    spec = _sub(document, "spec")
    pod_spec(spec)
    _fill(spec, enableServiceLinks=True)


def _deployment(document: Json) -> None:
    spec = _sub(document, "spec")
    _template(spec)
    _fill(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    strategy = _sub(spec, "strategy")
    _fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _fill(_sub(strategy, "rollingUpdate"), maxUnavailable="25%", maxSurge="25%")


def _replica_set(document: Json) -> None:
    spec = _sub(document, "spec")
    _template(spec)
    _fill(spec, replicas=1)


def _stateful_set(document: Json) -> None:
    spec = _sub(document, "spec")
    _template(spec)
    _fill(spec, replicas=1, podManagementPolicy="OrderedReady", revisionHistoryLimit=10)
    strategy = _sub(spec, "updateStrategy")
    _fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _fill(_sub(strategy, "rollingUpdate"), partition=0)
    _fill(_sub(spec, "persistentVolumeClaimRetentionPolicy"), whenDeleted="Retain", whenScaled="Retain")


def _daemon_set(document: Json) -> None:
    spec = _sub(document, "spec")
    annotations = document["metadata"].get("annotations") or {}
    document["metadata"]["annotations"] = {"deprecated.daemonset.template.generation": "1", **annotations}
    _template(spec)
    _fill(spec, revisionHistoryLimit=10)
    strategy = _sub(spec, "updateStrategy")
    _fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _fill(_sub(strategy, "rollingUpdate"), maxUnavailable=1, maxSurge=0)


def _job_spec(spec: Json) -> None:
    _template(spec)


def _job(document: Json) -> None:
    spec = _sub(document, "spec")
    _job_spec(spec)
    if spec.get("completions") is None and spec.get("parallelism") is None:
        _fill(spec, completions=1)
    _fill(
        spec,
        parallelism=1,
        backoffLimit=6,
        completionMode="NonIndexed",
        suspend=False,
        manualSelector=False,
        podReplacementPolicy="Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed",
    )
    template = (spec.get("template") or {}).get("metadata") or {}
    metadata = document["metadata"]
    if not metadata.get("labels") and template.get("labels"):
        metadata["labels"] = dict(template["labels"])


def _cron_job(document: Json) -> None:
    spec = _sub(document, "spec")
    _fill(spec, concurrencyPolicy="Allow", suspend=False, successfulJobsHistoryLimit=3, failedJobsHistoryLimit=1)
    job = _sub(spec, "jobTemplate")
    job["metadata"] = job.get("metadata") or {}
    _job_spec(_sub(job, "spec"))


def _namespace(document: Json) -> None:
    labels = document["metadata"].get("labels") or {}
    document["metadata"]["labels"] = {**labels, "kubernetes.io/metadata.name": document["metadata"].get("name", "")}


def _secret(document: Json) -> None:
    _fill(document, type="Opaque")
    plain = document.pop("stringData", None)
    if plain:
        coded = {key: base64.b64encode(value.encode()).decode() for key, value in plain.items()}
        document["data"] = {**(document.get("data") or {}), **coded}


def _service(document: Json) -> None:
    spec = _sub(document, "spec")
    _fill(spec, type="ClusterIP", sessionAffinity="None")
    if spec["type"] != "ExternalName":
        _fill(spec, internalTrafficPolicy="Cluster")
    for port in _items(spec, "ports"):
        _fill(port, protocol="TCP")
        _fill(port, targetPort=port.get("port"))


def _network_policy(document: Json) -> None:
    spec = _sub(document, "spec")
    if spec.get("podSelector") is None:
        spec["podSelector"] = {}
    if spec.get("policyTypes") is None:
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
    for rule in (*_items(spec, "ingress"), *_items(spec, "egress")):
        for port in _items(rule, "ports"):
            _fill(port, protocol="TCP")


def _match(match: Json) -> None:
    for key in ("namespaceSelector", "objectSelector"):
        if match.get(key) is None:
            match[key] = {}
    _fill(match, matchPolicy="Equivalent")
    for rule in (*_items(match, "resourceRules"), *_items(match, "excludeResourceRules")):
        _fill(rule, scope="*")


def _policy(document: Json) -> None:
    spec = _sub(document, "spec")
    _fill(spec, failurePolicy="Fail")
    if isinstance(spec.get("matchConstraints"), dict):
        _match(spec["matchConstraints"])


def _policy_binding(document: Json) -> None:
    spec = _sub(document, "spec")
    if isinstance(spec.get("matchResources"), dict):
        _match(spec["matchResources"])


def _binding(document: Json) -> None:
    reference = document.get("roleRef")
    if isinstance(reference, dict):
        _fill(reference, apiGroup="rbac.authorization.k8s.io")
    for subject in _items(document, "subjects"):
        if subject.get("kind") in ("User", "Group"):
            _fill(subject, apiGroup="rbac.authorization.k8s.io")


def _event(document: Json) -> None:
    if document.get("source") is None:
        document["source"] = {}
    for key in ("firstTimestamp", "lastTimestamp", "eventTime"):
        document.setdefault(key, None)
    _fill(document, reportingComponent="", reportingInstance="")


def _cluster_role(document: Json) -> None:
    document.setdefault("rules", None)


_BY_KIND: dict[str, Callable[[Json], None]] = {
    "ClusterRole": _cluster_role,
    "ClusterRoleBinding": _binding,
    "CronJob": _cron_job,
    "DaemonSet": _daemon_set,
    "Deployment": _deployment,
    "Event": _event,
    "Job": _job,
    "Namespace": _namespace,
    "NetworkPolicy": _network_policy,
    "Node": _node,
    "Pod": _pod,
    "ReplicaSet": _replica_set,
    "Role": _cluster_role,
    "RoleBinding": _binding,
    "Secret": _secret,
    "Service": _service,
    "StatefulSet": _stateful_set,
    "ValidatingAdmissionPolicy": _policy,
    "ValidatingAdmissionPolicyBinding": _policy_binding,
}


def fill(resource: Resource, document: Json) -> None:
    """Fill in a document's defaults; a kind without any, and another product's, is left as it is."""
    function = _BY_KIND.get(resource.kind)
    if function is not None and resource.group not in custom.GROUPS:
        function(document)
