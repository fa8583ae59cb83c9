"""The table of kinds that the rehearsal cluster serves, and of those that it does not.

Owns names, verbs and what each kind's strategy does (generation, returned objects, selectable fields).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from integrations.rehearsal import custom
from integrations.rehearsal.status import Target

FULL = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
STATUS = ("get", "patch", "update")
CREATE = ("create",)


@dataclass(frozen=True)
class Resource:
    """One served kind. `subresources` maps a name to (kind, its group version or "", verbs)."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    verbs: tuple[str, ...] = FULL
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[tuple[str, str, str, tuple[str, ...]], ...] = ()
    generation: bool = False
    returns_deleted: bool = False
    field_labels: tuple[str, ...] = ()
    list_only: bool = False

    @property
    def group_version(self) -> str:
        """`apps/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def key(self) -> str:
        """The plural with its group: the key of storage and of rules."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def target(self, name: str = "") -> Target:
        """The resource (and name) for a status."""
        return Target(self.group, self.plural, self.kind, name)

    def has(self, subresource: str) -> bool:
        """Whether the subresource is served."""
        return any(name == subresource for name, *_ in self.subresources)


def _status(kind: str) -> tuple[tuple[str, str, str, tuple[str, ...]], ...]:
    return (("status", kind, "", STATUS),)


def _scaled(kind: str) -> tuple[tuple[str, str, str, tuple[str, ...]], ...]:
    return (("scale", "Scale", "autoscaling/v1", STATUS), ("status", kind, "", STATUS))


_ADMISSION = "admissionregistration.k8s.io"
_RBAC = "rbac.authorization.k8s.io"
_AUTH = "authorization.k8s.io"
_POD_FIELDS = (
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.podIPs",
    "status.nominatedNodeName",
)
_EVENT_FIELDS = (
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
)
_POD_PARTS = (
    ("attach", "PodAttachOptions", "", ("create", "get")),
    ("binding", "Binding", "", CREATE),
    ("ephemeralcontainers", "Pod", "", STATUS),
    ("eviction", "Eviction", "policy/v1", CREATE),
    ("log", "Pod", "", ("get",)),
    ("status", "Pod", "", STATUS),
)

RESOURCES: tuple[Resource, ...] = (
    Resource("", "v1", "configmaps", "ConfigMap", short=("cm",)),
    Resource("", "v1", "events", "Event", short=("ev",), field_labels=_EVENT_FIELDS),
    Resource(
        "",
        "v1",
        "namespaces",
        "Namespace",
        namespaced=False,
        short=("ns",),
        field_labels=("status.phase",),
        verbs=tuple(v for v in FULL if v != "deletecollection"),
        subresources=(("finalize", "Namespace", "", ("update",)), ("status", "Namespace", "", STATUS)),
    ),
    Resource(
        "",
        "v1",
        "nodes",
        "Node",
        namespaced=False,
        short=("no",),
        subresources=_status("Node"),
        field_labels=("spec.unschedulable",),
    ),
    Resource(
        "",
        "v1",
        "pods",
        "Pod",
        short=("po",),
        categories=("all",),
        returns_deleted=True,
        subresources=tuple(p for p in _POD_PARTS if p[0] != "attach"),
        generation=True,
        field_labels=_POD_FIELDS,
    ),
    Resource(
        "",
        "v1",
        "replicationcontrollers",
        "ReplicationController",
        short=("rc",),
        categories=("all",),
        subresources=_scaled("ReplicationController"),
        generation=True,
        list_only=True,
        field_labels=("status.replicas",),
    ),
    Resource("", "v1", "secrets", "Secret", field_labels=("type",)),
    Resource(
        "",
        "v1",
        "serviceaccounts",
        "ServiceAccount",
        short=("sa",),
        returns_deleted=True,
        subresources=(("token", "TokenRequest", "authentication.k8s.io/v1", CREATE),),
    ),
    Resource(
        "",
        "v1",
        "services",
        "Service",
        short=("svc",),
        categories=("all",),
        returns_deleted=True,
        subresources=_status("Service"),
        field_labels=("spec.clusterIP", "spec.type"),
    ),
    Resource("apps", "v1", "controllerrevisions", "ControllerRevision"),
    Resource(
        "apps",
        "v1",
        "daemonsets",
        "DaemonSet",
        short=("ds",),
        categories=("all",),
        subresources=_status("DaemonSet"),
        generation=True,
    ),
    Resource(
        "apps",
        "v1",
        "deployments",
        "Deployment",
        short=("deploy",),
        categories=("all",),
        subresources=_scaled("Deployment"),
        generation=True,
    ),
    Resource(
        "apps",
        "v1",
        "replicasets",
        "ReplicaSet",
        short=("rs",),
        categories=("all",),
        subresources=_scaled("ReplicaSet"),
        generation=True,
        field_labels=("status.replicas",),
    ),
    Resource(
        "apps",
        "v1",
        "statefulsets",
        "StatefulSet",
        short=("sts",),
        categories=("all",),
        subresources=_scaled("StatefulSet"),
        generation=True,
    ),
    Resource(
        "batch",
        "v1",
        "cronjobs",
        "CronJob",
        short=("cj",),
        categories=("all",),
        subresources=_status("CronJob"),
        generation=True,
    ),
    Resource(
        "batch",
        "v1",
        "jobs",
        "Job",
        categories=("all",),
        subresources=_status("Job"),
        generation=True,
        field_labels=("status.successful",),
    ),
    Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", short=("netpol",), generation=True),
    Resource(
        "policy",
        "v1",
        "poddisruptionbudgets",
        "PodDisruptionBudget",
        short=("pdb",),
        subresources=_status("PodDisruptionBudget"),
        generation=True,
    ),
    Resource(
        _ADMISSION,
        "v1",
        "validatingadmissionpolicies",
        "ValidatingAdmissionPolicy",
        namespaced=False,
        categories=("api-extensions",),
        subresources=_status("ValidatingAdmissionPolicy"),
        generation=True,
    ),
    Resource(
        _ADMISSION,
        "v1",
        "validatingadmissionpolicybindings",
        "ValidatingAdmissionPolicyBinding",
        namespaced=False,
        categories=("api-extensions",),
        generation=True,
    ),
    Resource(_RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False),
    Resource(_RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False),
    Resource(_RBAC, "v1", "rolebindings", "RoleBinding"),
    Resource(_RBAC, "v1", "roles", "Role"),
    Resource(_AUTH, "v1", "localsubjectaccessreviews", "LocalSubjectAccessReview", verbs=CREATE),
    Resource(_AUTH, "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False, verbs=CREATE),
    Resource(_AUTH, "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", namespaced=False, verbs=CREATE),
    Resource(_AUTH, "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False, verbs=CREATE),
    Resource("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", namespaced=False, verbs=CREATE),
    Resource("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", namespaced=False, verbs=CREATE),
    Resource(
        "autoscaling",
        "v2",
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
        short=("hpa",),
        categories=("all",),
        subresources=_status("HorizontalPodAutoscaler"),
        list_only=True,
    ),
    *(
        Resource(
            one.group,
            one.version,
            one.plural,
            one.kind,
            namespaced=one.namespaced,
            short=one.short,
            subresources=_status(one.kind) if one.has_status else (),
            generation=True,
        )
        for one in custom.KINDS
    ),
)

BY_PATH: Mapping[tuple[str, str, str], Resource] = {(r.group, r.version, r.plural): r for r in RESOURCES}
BY_KEY: Mapping[str, Resource] = {r.key: r for r in RESOURCES}
BY_KIND: Mapping[tuple[str, str, str], Resource] = {(r.group, r.version, r.kind): r for r in RESOURCES}

GROUP_ORDER = (
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "networking.k8s.io",
    "policy",
    _RBAC,
    _ADMISSION,
)

# What a real server of the same version serves and the rehearsal cluster does not: 501, not 404.
ELSEWHERE: Mapping[str, frozenset[str]] = {
    "": frozenset(
        [
            "bindings",
            "componentstatuses",
            "endpoints",
            "limitranges",
            "persistentvolumeclaims",
            "persistentvolumes",
            "podtemplates",
            "resourcequotas",
        ]
    ),
    "networking.k8s.io": frozenset(["ingressclasses", "ingresses", "ipaddresses", "servicecidrs"]),
    _ADMISSION: frozenset(
        [
            "mutatingadmissionpolicies",
            "mutatingadmissionpolicybindings",
            "mutatingwebhookconfigurations",
            "validatingwebhookconfigurations",
        ]
    ),
}
VERSIONS_ELSEWHERE = frozenset({("autoscaling", "v1")})
GROUPS_ELSEWHERE = frozenset(
    [
        "apiregistration.k8s.io",
        "events.k8s.io",
        "certificates.k8s.io",
        "storage.k8s.io",
        "apiextensions.k8s.io",
        "scheduling.k8s.io",
        "coordination.k8s.io",
        "node.k8s.io",
        "discovery.k8s.io",
        "flowcontrol.apiserver.k8s.io",
        "resource.k8s.io",
        "internal.apiserver.k8s.io",
        "storagemigration.k8s.io",
    ]
)
