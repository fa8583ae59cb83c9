"""Kinds that are not Kubernetes' own, served once their product is installed on the cluster, as its CRDs would have it.

Owns the rows of the products that argue with containment or enforce it; their fields are stored as they come, without a schema.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Custom:
    """One kind of a product. `has_status` is False where the CRD has no status subresource."""

    group: str
    version: str
    plural: str
    kind: str
    short: tuple[str, ...]
    has_status: bool = True
    namespaced: bool = True


PRODUCTS: dict[str, tuple[Custom, ...]] = {
    "argocd": (
        Custom("argoproj.io", "v1alpha1", "applications", "Application", ("app", "apps"), has_status=False),
        Custom("argoproj.io", "v1alpha1", "applicationsets", "ApplicationSet", ("appset", "appsets")),
    ),
    "flux": (
        Custom("helm.toolkit.fluxcd.io", "v2", "helmreleases", "HelmRelease", ("hr",)),
        Custom("kustomize.toolkit.fluxcd.io", "v1", "kustomizations", "Kustomization", ("ks",)),
    ),
    "cilium": (
        Custom("cilium.io", "v2", "ciliumnetworkpolicies", "CiliumNetworkPolicy", ("cnp",)),
        Custom(
            "cilium.io",
            "v2",
            "ciliumclusterwidenetworkpolicies",
            "CiliumClusterwideNetworkPolicy",
            ("ccnp",),
            namespaced=False,
        ),
    ),
    "calico": (  # as Calico's own API server has them: it gives no status
        Custom("projectcalico.org", "v3", "networkpolicies", "NetworkPolicy", ("caliconp",), has_status=False),
        Custom(
            "projectcalico.org",
            "v3",
            "globalnetworkpolicies",
            "GlobalNetworkPolicy",
            ("gnp",),
            has_status=False,
            namespaced=False,
        ),
    ),
    "adminpolicies": (
        Custom(
            "policy.networking.k8s.io",
            "v1alpha1",
            "adminnetworkpolicies",
            "AdminNetworkPolicy",
            ("anp",),
            namespaced=False,
        ),
    ),
    "keda": (Custom("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject", ("so",)),),
}
KINDS: tuple[Custom, ...] = tuple(kind for kinds in PRODUCTS.values() for kind in kinds)
GROUPS = frozenset(kind.group for kind in KINDS)


def groups_of(product: str) -> frozenset[str]:
    """The API groups that a product brings. Raises KeyError for one that the rehearsal does not know."""
    return frozenset(kind.group for kind in PRODUCTS[product])
