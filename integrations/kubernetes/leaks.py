"""Other policies that let traffic of isolated pods through: which kinds there are, which of them select the pods, and what
of it cannot be told.

Owns how each product's allows meet a deny, and the one reading of a namespace's policies that all its targets share. It
writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from integrations.kubernetes import calico, selectors
from integrations.kubernetes.answers import ForbiddenError, NotServedError
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.enforcement import Enforcement, enforcement
from integrations.kubernetes.reach import Asker
from integrations.kubernetes.resources import (
    ADMIN_POLICIES,
    CALICO_GLOBAL_POLICIES,
    CALICO_POLICIES,
    CILIUM_CLUSTER_POLICIES,
    CILIUM_POLICIES,
    NAMESPACES,
    NETWORK_POLICIES,
    Json,
    Resource,
)
from patchgap.errors import NotFoundError
from patchgap.model.codec import digest

_KINDS = (
    NETWORK_POLICIES,
    CILIUM_POLICIES,
    CILIUM_CLUSTER_POLICIES,
    CALICO_POLICIES,
    CALICO_GLOBAL_POLICIES,
    ADMIN_POLICIES,
)
PERMISSIONS = (
    "list networking.k8s.io/networkpolicies",
    "get core/namespaces",
    *(f"list {r.permission}" for r in _KINDS if r is not NETWORK_POLICIES),
)
_PREFIXES = ("k8s:", "any:", "k8s.", "any.")
_NAMESPACE = "io.kubernetes.pod.namespace"


@dataclass
class Leaks:
    """What lets traffic through, by name with its content's digest, and what cannot be told, in sentences."""

    found: dict[str, str] = field(default_factory=dict)
    untold: list[str] = field(default_factory=list)

    @property
    def lines(self) -> tuple[str, ...]:
        """A sentence each."""
        return (
            *(f"{named(n)} also selects these pods and still allows what it allows" for n in self.found),
            *self.untold,
        )


def named(leak: str, namespace: str = "") -> str:
    """A leak as a person looks for it: without a kind it is a NetworkPolicy of the workload's namespace."""
    if "/" in leak:
        return leak.replace("/", " ", 1)
    return f"NetworkPolicy {namespace}/{leak}" if namespace else f"NetworkPolicy {leak}"


@dataclass(frozen=True)
class Around:
    """What of a namespace decides whether a deny holds there: who enforces it, its labels,
    the API groups that are served, and each kind of policy with its objects, or why they are unknown."""

    namespace: str
    labels: Mapping[str, str]
    groups: frozenset[str]
    enforced: Enforcement
    policies: tuple[tuple[Resource, tuple[Json, ...] | str], ...]


def around(cluster: Cluster, asker: Asker, namespace: str, oldest: float = 0.0) -> Around:
    """As it is now, or was at the most `oldest` seconds ago: read once for all targets that ask at the same time."""

    def look() -> Around:
        groups = cluster.groups()
        kinds = [r for r in _KINDS if r is NETWORK_POLICIES or r.group in groups]
        listed = [(r, _listed(cluster, r, namespace)) for r in kinds]
        policies = tuple((r, found) for r, found in listed if found is not None)
        return Around(namespace, _labels_of(cluster, namespace), groups, enforcement(cluster), policies)

    return cluster.together.read(("around", asker, namespace), look, oldest)


def _labels_of(cluster: Cluster, namespace: str) -> Mapping[str, str]:
    labels: Mapping[str, str] = cluster.get(NAMESPACES, "", namespace)["metadata"].get("labels") or {}
    return labels


def _listed(cluster: Cluster, resource: Resource, namespace: str) -> tuple[Json, ...] | str | None:
    """The kind's objects; why they are unknown; None for another version of the group, without that kind."""
    try:
        return tuple(cluster.all_of(resource, namespace if resource.namespaced else ""))
    except NotServedError:
        return None
    except (ForbiddenError, NotFoundError) as error:
        return error.problem


@dataclass(frozen=True)
class _Pods:
    """Whose traffic is asked about: the namespace and its labels, and each set of labels that its pods bear."""

    namespace: str
    about: Mapping[str, str]
    labels: Sequence[Mapping[str, str]]

    def any(self, selects: Callable[[Mapping[str, str]], bool]) -> bool:
        return any(selects(one) for one in self.labels)


def leaks(around: Around, labels: Sequence[Mapping[str, str]], form: str) -> Leaks:
    """What gets past a deny of that form for pods of those labels.

    Kubernetes' policies add up with one another and with Cilium's and Calico's: any allow defeats a deny. A deny of
    Cilium's beats all of those; one of Calico's beats what it orders behind itself. An AdminNetworkPolicy comes first."""
    seen, pods = Leaks(), _Pods(around.namespace, around.labels, labels)
    for resource, listed in around.policies:
        allows = _allows(resource, form)
        if allows is not None:
            _look(resource, listed, pods, seen, allows)
    seen.found = dict(sorted(seen.found.items()))
    return seen


def _allows(resource: Resource, form: str) -> Callable[[Json, _Pods], bool | None] | None:
    """How a policy of that kind is asked whether it gets past a deny of that form; None where none can."""
    if resource is ADMIN_POLICIES:
        return _admin
    if resource in (CALICO_POLICIES, CALICO_GLOBAL_POLICIES):
        return None if form == "cilium" else lambda policy, pods: _calico(policy, pods, behind=form == "calico")
    if form != "kubernetes":
        return None
    return _kubernetes if resource is NETWORK_POLICIES else _cilium


def _look(
    resource: Resource,
    listed: tuple[Json, ...] | str,
    pods: _Pods,
    seen: Leaks,
    allows: Callable[[Json, _Pods], bool | None],
) -> None:
    if isinstance(listed, str):
        seen.untold.append(f"whether a {resource.kind} of {resource.group} lets traffic through is unknown: {listed}")
        return
    for policy in listed:
        answer = allows(policy, pods)
        if answer is False:
            continue
        name = str(policy["metadata"]["name"])
        if answer is None:
            seen.untold.append(f"whether {resource.kind} {name} selects these pods cannot be told from its selector")
        else:
            said = name if resource is NETWORK_POLICIES else f"{_kind(resource)}/{name}"
            seen.found[said] = digest(policy.get("spec") or policy.get("specs") or {})


def _kind(resource: Resource) -> str:
    return f"Calico-{resource.kind}" if resource is CALICO_POLICIES else resource.kind


def _kubernetes(policy: Json, pods: _Pods) -> bool:
    spec = policy.get("spec") or {}
    selector = spec.get("podSelector") or {}
    return bool(spec.get("ingress") or spec.get("egress")) and pods.any(lambda one: selectors.selects(selector, one))


def _cilium(policy: Json, pods: _Pods) -> bool:
    """An empty rule allows nothing; a rule of a node's selector is about nodes."""
    specs = [s for s in (policy.get("spec"), *(policy.get("specs") or ())) if s]
    here = {_NAMESPACE: pods.namespace}
    here |= {f"io.cilium.k8s.namespace.labels.{k}": v for k, v in pods.about.items()}
    for spec in specs:
        selector = _plain(spec.get("endpointSelector") or {})
        allows = "endpointSelector" in spec and any(r for part in ("ingress", "egress") for r in spec.get(part) or ())
        if allows and any(selectors.selects(selector, {**one, **here}) for one in pods.labels):
            return True
    return False


def _plain(selector: Mapping[str, Any]) -> dict[str, Any]:
    """The selector without the source of each label, which for a pod's is Kubernetes."""
    return {
        "matchLabels": {_bare(k): v for k, v in (selector.get("matchLabels") or {}).items()},
        "matchExpressions": [{**e, "key": _bare(e["key"])} for e in selector.get("matchExpressions") or ()],
    }


def _bare(key: str) -> str:
    return next((key[len(p) :] for p in _PREFIXES if key.startswith(p)), key)


def _calico(policy: Json, pods: _Pods, *, behind: bool) -> bool | None:
    """Whether it allows something, or passes it by; with `behind`, only what comes before our own counts."""
    spec = policy.get("spec") or {}
    rules = [*(spec.get("ingress") or ()), *(spec.get("egress") or ())]
    if not any(r.get("action") == "Allow" for r in rules) or (behind and calico.comes_after(spec)):
        return False
    whole = {**pods.about, "projectcalico.org/name": pods.namespace}
    within = calico.selects(str(spec.get("namespaceSelector") or "all()"), whole)
    own = {"projectcalico.org/namespace": pods.namespace, "projectcalico.org/orchestrator": "k8s"}
    told = [calico.selects(str(spec.get("selector") or "all()"), {**one, **own}) for one in pods.labels]
    if within is False or all(t is False for t in told):
        return False
    return True if within and any(told) else None


def _admin(policy: Json, pods: _Pods) -> bool:
    spec = policy.get("spec") or {}
    rules = [*(spec.get("ingress") or ()), *(spec.get("egress") or ())]
    return any(r.get("action") == "Allow" for r in rules) and any(_subjects(spec.get("subject") or {}, pods))


def _subjects(subject: Mapping[str, Any], pods: _Pods) -> Iterator[bool]:
    if "namespaces" in subject:
        yield selectors.selects(subject["namespaces"] or {}, pods.about)
    if "pods" in subject:
        of = subject["pods"] or {}
        yield selectors.selects(of.get("namespaceSelector") or {}, pods.about) and pods.any(
            lambda one: selectors.selects(of.get("podSelector") or {}, one)
        )
