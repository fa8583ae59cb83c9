"""The kinds of the Kubernetes API that patchgap reads or writes, and where each is served.

Owns paths and plural names; it knows neither a transport nor what the kinds mean to an incident.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind. `group` is "" for the core group."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def permission(self) -> str:
        """The resource as permissions name it: `apps/deployments`, `core/pods`."""
        return f"{self.group or 'core'}/{self.plural}"

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The path of the object, or of the list where `name` is ""; over all namespaces where `namespace` is ""."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts += [p for p in (self.plural, name, subresource) if p]
        return "/" + "/".join(quote(p, safe="") for p in parts)


NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
NODES = Resource("", "v1", "nodes", "Node", namespaced=False)
PODS = Resource("", "v1", "pods", "Pod")
SERVICES = Resource("", "v1", "services", "Service")
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
SECRETS = Resource("", "v1", "secrets", "Secret")
EVENTS = Resource("", "v1", "events", "Event")
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
STATEFUL_SETS = Resource("apps", "v1", "statefulsets", "StatefulSet")
DAEMON_SETS = Resource("apps", "v1", "daemonsets", "DaemonSet")
REPLICA_SETS = Resource("apps", "v1", "replicasets", "ReplicaSet")
CONTROLLER_REVISIONS = Resource("apps", "v1", "controllerrevisions", "ControllerRevision")
JOBS = Resource("batch", "v1", "jobs", "Job")
CRON_JOBS = Resource("batch", "v1", "cronjobs", "CronJob")
AUTOSCALERS = Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
DISRUPTION_BUDGETS = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
INGRESSES = Resource("networking.k8s.io", "v1", "ingresses", "Ingress")
NETWORK_POLICIES = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
ROLES = Resource("rbac.authorization.k8s.io", "v1", "roles", "Role")
ROLE_BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding")
CLUSTER_ROLES = Resource("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", namespaced=False)
CLUSTER_ROLE_BINDINGS = Resource(
    "rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False
)
POLICIES = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingadmissionpolicies",
    "ValidatingAdmissionPolicy",
    namespaced=False,
)
POLICY_BINDINGS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingadmissionpolicybindings",
    "ValidatingAdmissionPolicyBinding",
    namespaced=False,
)
SELF_REVIEWS = Resource("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", namespaced=False)

APPLICATIONS = Resource("argoproj.io", "v1alpha1", "applications", "Application")
APPLICATION_SETS = Resource("argoproj.io", "v1alpha1", "applicationsets", "ApplicationSet")
KUSTOMIZATIONS = Resource("kustomize.toolkit.fluxcd.io", "v1", "kustomizations", "Kustomization")
HELM_RELEASES = Resource("helm.toolkit.fluxcd.io", "v2", "helmreleases", "HelmRelease")
SCALED_OBJECTS = Resource("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject")

CILIUM_POLICIES = Resource("cilium.io", "v2", "ciliumnetworkpolicies", "CiliumNetworkPolicy")
CILIUM_CLUSTER_POLICIES = Resource(
    "cilium.io", "v2", "ciliumclusterwidenetworkpolicies", "CiliumClusterwideNetworkPolicy", namespaced=False
)
CALICO_POLICIES = Resource("projectcalico.org", "v3", "networkpolicies", "NetworkPolicy")
CALICO_GLOBAL_POLICIES = Resource(
    "projectcalico.org", "v3", "globalnetworkpolicies", "GlobalNetworkPolicy", namespaced=False
)
ADMIN_POLICIES = Resource(
    "policy.networking.k8s.io", "v1alpha1", "adminnetworkpolicies", "AdminNetworkPolicy", namespaced=False
)

SBOM_REPORTS = Resource("aquasecurity.github.io", "v1alpha1", "sbomreports", "SbomReport")
CLUSTER_SBOM_REPORTS = Resource(
    "aquasecurity.github.io", "v1alpha1", "clustersbomreports", "ClusterSbomReport", namespaced=False
)

WORKLOADS = (DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS, REPLICA_SETS, JOBS, CRON_JOBS, PODS)

_ALL = tuple(r for r in list(globals().values()) if isinstance(r, Resource))
_BY_KIND = {r.kind: r for r in reversed(_ALL)}  # where a product took a kind's name, Kubernetes' own is meant
_BY_NAME = {(r.api_version, r.kind): r for r in _ALL}
_NAMESPACED = {(r.group, r.plural) for r in _ALL if r.namespaced}


def of_kind(kind: str) -> Resource:
    """The resource of a kind. Raises KeyError for a kind that patchgap does not touch."""
    return _BY_KIND[kind]


def is_namespaced(group: str, plural: str) -> bool:
    """Whether objects of that resource stand in a namespace; of one that is not known, False."""
    return (group, plural) in _NAMESPACED


def of_object(manifest: Json) -> Resource:
    """The resource of a manifest or a reference, by its apiVersion too where it has one: Calico's NetworkPolicy is not
    Kubernetes'. Raises KeyError as `of_kind`."""
    return _BY_NAME.get((manifest.get("apiVersion", ""), manifest["kind"])) or of_kind(manifest["kind"])


def pod_template(manifest: Json) -> Json:
    """The pod template of a workload's manifest as `{"metadata", "spec"}`; of a Pod, the pod itself."""
    spec: Json = manifest.get("spec") or {}
    if manifest.get("kind") == "Pod":
        return manifest
    if manifest.get("kind") == "CronJob":
        spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    template: Json = spec.get("template") or {}
    return template
