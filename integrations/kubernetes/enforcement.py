"""Whether anything in a cluster enforces network policies: which network plugin is recognised by its DaemonSet, and whether
it runs on every node.

Owns the table of plugins. A policy that nothing enforces is accepted all the same, so what is not recognised is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from integrations.kubernetes.answers import ForbiddenError
from integrations.kubernetes.cluster import SYSTEM, Cluster
from integrations.kubernetes.resources import DAEMON_SETS, Json

PERMISSIONS = (f"list {DAEMON_SETS.permission}",)
_HOMES = frozenset(  # a DaemonSet of that name elsewhere may be anything
    (SYSTEM, "calico-system", "cilium", "cilium-system", "antrea", "kube-router", "openshift-ovn-kubernetes")
)


@dataclass(frozen=True, slots=True)
class Enforcement:
    """What was recognised. `plugin` is "" where nothing was; `doubt` is a sentence, "" where every node enforces."""

    plugin: str
    doubt: str


def _always(daemon_set: Json) -> str:  # noqa: ARG001  (a row's)
    return ""


def _aws(daemon_set: Json) -> str:
    agents = [c for c in _containers(daemon_set) if c.get("name") in {"aws-eks-nodeagent", "aws-network-policy-agent"}]
    on = any("--enable-network-policy=true" in (a.get("args") or ()) for a in agents)
    return "" if on else "the AWS VPC CNI runs without its network policy agent, so that it enforces no policy"


def _kube_router(daemon_set: Json) -> str:
    off = any("--run-firewall=false" in (c.get("args") or ()) for c in _containers(daemon_set))
    return "kube-router runs without its firewall, so that it enforces no policy" if off else ""


_PLUGINS: dict[str, tuple[str, Callable[[Json], str]]] = {
    "calico-node": ("Calico", _always),
    "canal": ("Canal", _always),
    "cilium": ("Cilium", _always),
    "anetd": ("GKE Dataplane V2", _always),
    "antrea-agent": ("Antrea", _always),
    "kube-router": ("kube-router", _kube_router),
    "weave-net": ("Weave Net", _always),
    "azure-npm": ("Azure Network Policy Manager", _always),
    "ovnkube-node": ("OVN-Kubernetes", _always),
    "kube-network-policies": ("kube-network-policies", _always),
    "aws-node": ("AWS VPC CNI", _aws),
}


def enforcement(cluster: Cluster) -> Enforcement:
    """The plugin that enforces policies there; several may run, and the first without a doubt is taken."""
    try:
        listed = cluster.all_of(DAEMON_SETS)
    except ForbiddenError as error:
        return Enforcement("", f"unknown whether anything enforces it: patchgap may not {error.permission}")
    found = sorted(_recognised(listed), key=lambda e: bool(e.doubt))
    if not found:
        return Enforcement("", "unknown whether anything enforces it: no network plugin that does is recognised")
    return found[0]


def _recognised(listed: list[Json]) -> Iterator[Enforcement]:
    for daemon_set in listed:
        meta = daemon_set["metadata"]
        row = _PLUGINS.get(meta["name"])
        if row is not None and meta["namespace"] in _HOMES:
            yield Enforcement(row[0], row[1](daemon_set) or _absent(row[0], daemon_set.get("status") or {}))


def _absent(plugin: str, status: Json) -> str:
    wanted, ready = int(status.get("desiredNumberScheduled") or 0), int(status.get("numberReady") or 0)
    if wanted and ready >= wanted:
        return ""
    return f"{plugin} is ready on {ready} of {wanted} node(s): unknown whether the others enforce it"


def _containers(daemon_set: Json) -> list[Json]:
    spec: Json = ((daemon_set.get("spec") or {}).get("template") or {}).get("spec") or {}
    return [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
