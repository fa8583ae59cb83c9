"""The columns of the tables that a real server prints of the common kinds, in its order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from integrations.rehearsal import cells
from integrations.rehearsal.document import Json, dig


@dataclass(frozen=True)
class Column:
    """One column: its name, what it holds of an object at a time, and how it is described. A `wide` one is for
    `-o wide`."""

    name: str
    cell: Callable[[Json, float], Any]
    type: str = "string"
    wide: bool = False
    words: str = ""
    format: str = ""

    def definition(self) -> Json:
        """As a table's head has it."""
        head = {"name": self.name, "type": self.type, "format": self.format}
        return {**head, "description": self.words, "priority": int(self.wide)}


def _of(name: str, read: Callable[[Json], Any], kind: str = "string", *, wide: bool = False, words: str = "") -> Column:
    return Column(name, lambda item, _now: read(item), kind, wide, words)


def _at(name: str, *path: str, otherwise: Any = "", wide: bool = False) -> Column:
    return _of(name, cells.whole(*path, otherwise=otherwise), wide=wide)


def _number(name: str, *path: str) -> Column:
    return _of(name, cells.whole(*path, otherwise=0), "integer")


def _size(name: str, *paths: tuple[str, ...]) -> Column:
    return _of(name, lambda item: sum(len(dig(item, *path) or ()) for path in paths))


def _text(name: str, *path: str, otherwise: str) -> Column:
    return _of(name, lambda item: str(cells.whole(*path, otherwise=otherwise)(item)))


def _containers(*path: str) -> tuple[Column, Column]:
    return _of("Containers", cells.each("name", *path), wide=True), _of("Images", cells.each("image", *path), wide=True)


def _selects(*path: str, name: str = "Selector", wide: bool = True) -> Column:
    return _of(name, lambda item: cells.selected(dig(item, *path)), wide=wide)


def _labels(name: str, *path: str, wide: bool = True) -> Column:
    return _of(name, lambda item: cells.labels(dig(item, *path)), wide=wide)


def _node(name: str, key: str) -> Column:
    return _of(name, lambda node: dig(node, "status", "nodeInfo", key) or "<unknown>", wide=True)


_NAME_WORDS = (
    "Name must be unique within a namespace. Is required when creating resources, although some resources may "
    "allow a client to request the generation of an appropriate name automatically. Name is primarily intended "
    "for creation idempotence and configuration definition. Cannot be updated. More info: "
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
)
_NAME = Column("Name", lambda item, _now: item["metadata"]["name"], words=_NAME_WORDS, format="name")
_AGE = Column(
    "Age",
    lambda item, now: cells.since(item["metadata"].get("creationTimestamp"), now),
    words="CreationTimestamp is a timestamp representing the server time when this object was created.",
)
_CREATED = Column("Created At", lambda item, _now: item["metadata"].get("creationTimestamp"), "date")
_TEMPLATE = _containers("spec", "template")
_SELECTOR = _selects("spec", "selector")
_REPLICAS = (
    _number("Desired", "spec", "replicas"),
    _number("Current", "status", "replicas"),
    _number("Ready", "status", "readyReplicas"),
)
_BOUND = (
    _NAME,
    _of("Role", lambda item: f"{item['roleRef']['kind']}/{item['roleRef']['name']}"),
    _AGE,
    _of("Users", cells.subjects("User"), wide=True),
    _of("Groups", cells.subjects("Group"), wide=True),
    _of("ServiceAccounts", cells.subjects("ServiceAccount"), wide=True),
)
_POD = (
    _NAME,
    _of("Ready", cells.pod_ready, words="The aggregate readiness state of this pod for accepting traffic."),
    _of("Status", cells.pod_status, words="The aggregate status of the containers in this pod."),
    _of("Restarts", cells.pod_restarts, words="The number of times the containers in this pod have been restarted."),
    _AGE,
    _of("IP", lambda pod: dig(pod, "status", "podIP") or cells.NONE, wide=True),
    _of("Node", lambda pod: pod["spec"].get("nodeName") or cells.NONE, wide=True),
    _of("Nominated Node", lambda _: cells.NONE, wide=True),
    _of("Readiness Gates", lambda _: cells.NONE, wide=True),
)
_NODE = (
    _NAME,
    _of("Status", cells.node_status),
    _of("Roles", cells.node_roles),
    _AGE,
    _at("Version", "status", "nodeInfo", "kubeletVersion"),
    _of("Internal-IP", cells.node_address("InternalIP"), wide=True),
    _of("External-IP", cells.node_address("ExternalIP"), wide=True),
    _node("OS-Image", "osImage"),
    _node("Kernel-Version", "kernelVersion"),
    _node("Container-Runtime", "containerRuntimeVersion"),
)
_SERVICE = (
    _NAME,
    _at("Type", "spec", "type", otherwise="ClusterIP"),
    _of("Cluster-IP", lambda service: next(iter(dig(service, "spec", "clusterIPs") or ()), cells.NONE)),
    _of("External-IP", cells.external),
    _of("Port(s)", cells.ports),
    _AGE,
    _labels("Selector", "spec", "selector"),
)
_EVENT = (
    Column("Last Seen", cells.event_seen("lastTimestamp")),
    _at("Type", "type"),
    _at("Reason", "reason"),
    _of("Object", cells.event_object),
    _at("Subobject", "involvedObject", "fieldPath", wide=True),
    _of("Source", lambda event: ", ".join(filter(None, (event.get("source") or {}).values())), wide=True),
    _of("Message", lambda event: str(event.get("message") or "").strip()),
    Column("First Seen", cells.event_seen("firstTimestamp"), wide=True),
    _at("Count", "count", otherwise=1, wide=True),
    Column("Name", lambda event, _now: event["metadata"]["name"], wide=True, format="name"),
)
_DAEMON_SET = (
    _NAME,
    _number("Desired", "status", "desiredNumberScheduled"),
    _number("Current", "status", "currentNumberScheduled"),
    _number("Ready", "status", "numberReady"),
    _number("Up-to-date", "status", "updatedNumberScheduled"),
    _number("Available", "status", "numberAvailable"),
    _labels("Node Selector", "spec", "template", "spec", "nodeSelector", wide=False),
    _AGE,
    *_TEMPLATE,
    _SELECTOR,
)
_DEPLOYMENT = (
    _NAME,
    _of("Ready", cells.replicas),
    _at("Up-to-date", "status", "updatedReplicas", otherwise=0),
    _at("Available", "status", "availableReplicas", otherwise=0),
    _AGE,
    *_TEMPLATE,
    _SELECTOR,
)
_CRON_JOB = (
    _NAME,
    _at("Schedule", "spec", "schedule"),
    _at("Timezone", "spec", "timeZone", otherwise=cells.NONE),
    _of("Suspend", lambda item: str(bool(dig(item, "spec", "suspend")))),
    _of("Active", lambda item: len(dig(item, "status", "active") or ()), "integer"),
    Column("Last Schedule", cells.last_schedule),
    _AGE,
    *_containers("spec", "jobTemplate", "spec", "template"),
    _selects("spec", "jobTemplate", "spec", "selector"),
)
_JOB = (
    _NAME,
    _of("Status", cells.job_status),
    _of("Completions", cells.completions),
    Column("Duration", cells.lasted),
    _AGE,
    *_TEMPLATE,
    _SELECTOR,
)
_BUDGET = (
    _NAME,
    _text("Min Available", "spec", "minAvailable", otherwise="N/A"),
    _text("Max Unavailable", "spec", "maxUnavailable", otherwise="N/A"),
    _number("Allowed Disruptions", "status", "disruptionsAllowed"),
    _AGE,
)

COLUMNS: Mapping[str, tuple[Column, ...]] = {  # by the key of the resource
    "configmaps": (_NAME, _size("Data", ("data",), ("binaryData",)), _AGE),
    "events": _EVENT,
    "namespaces": (_NAME, _at("Status", "status", "phase"), _AGE),
    "nodes": _NODE,
    "pods": _POD,
    "replicationcontrollers": (_NAME, *_REPLICAS, _AGE, *_TEMPLATE, _labels("Selector", "spec", "selector")),
    "secrets": (_NAME, _at("Type", "type", otherwise="Opaque"), _size("Data", ("data",)), _AGE),
    "serviceaccounts": (_NAME, _size("Secrets", ("secrets",)), _AGE),
    "services": _SERVICE,
    "controllerrevisions.apps": (_NAME, _of("Controller", cells.controller), _at("Revision", "revision"), _AGE),
    "daemonsets.apps": _DAEMON_SET,
    "deployments.apps": _DEPLOYMENT,
    "replicasets.apps": (_NAME, *_REPLICAS, _AGE, *_TEMPLATE, _SELECTOR),
    "statefulsets.apps": (_NAME, _of("Ready", cells.replicas), _AGE, *_TEMPLATE),
    "cronjobs.batch": _CRON_JOB,
    "jobs.batch": _JOB,
    "networkpolicies.networking.k8s.io": (
        _NAME,
        _selects("spec", "podSelector", name="Pod-Selector", wide=False),
        _AGE,
    ),
    "poddisruptionbudgets.policy": _BUDGET,
    "validatingadmissionpolicies.admissionregistration.k8s.io": (
        _NAME,
        _of("Validations", lambda item: len(dig(item, "spec", "validations") or ()), "integer"),
        _of("ParamKind", cells.parameter_kind),
        _AGE,
    ),
    "validatingadmissionpolicybindings.admissionregistration.k8s.io": (
        _NAME,
        _at("PolicyName", "spec", "policyName"),
        _of("ParamRef", cells.parameter),
        _AGE,
    ),
    "clusterrolebindings.rbac.authorization.k8s.io": _BOUND,
    "clusterroles.rbac.authorization.k8s.io": (_NAME, _CREATED),
    "rolebindings.rbac.authorization.k8s.io": _BOUND,
    "roles.rbac.authorization.k8s.io": (_NAME, _CREATED),
}
