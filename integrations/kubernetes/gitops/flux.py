"""Flux: which Kustomization or HelmRelease keeps an object, and what would resume it.

Owns Flux' labels. `spec.suspend` stops a keeper; nothing syncs it meanwhile, also not by hand.
Sources: fluxcd.io, Kustomization (Suspend; labels of applied objects), HelmRelease (Suspend).
"""

from __future__ import annotations

from collections.abc import Iterator

from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.resources import HELM_RELEASES, KUSTOMIZATIONS, Json, Resource
from patchgap.errors import PatchgapError

_ID_PARTS = 4
_MARKS = ((KUSTOMIZATIONS, "kustomize.toolkit.fluxcd.io"), (HELM_RELEASES, "helm.toolkit.fluxcd.io"))


class Keepers:
    """The keepers of one cluster, each read once."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._read: dict[tuple[Resource, str, str], Json | str] = {}

    def of(self, manifest: Json) -> Iterator[Json | str]:
        """Those that the object's labels name, and a sentence for each that cannot be suspended here."""
        for named in _named(manifest):
            if named not in self._read:
                self._read[named] = _found(self._cluster, *named)
            yield self._read[named]


def _found(cluster: Cluster, resource: Resource, space: str, name: str) -> Json | str:
    named = f"{resource.kind} {space}/{name}"
    try:
        found = cluster.find(resource, space, name)
    except PatchgapError as error:
        return f"Flux' {named} keeps it by its labels and cannot be read: {error.problem}"
    if found is None:
        return (
            f"Flux' {named} keeps it by its labels and is not served in this cluster as {resource.api_version}: a Flux"
            f" elsewhere, or of another version, would undo containment. Suspend it there by hand"
        )
    if (found.get("spec") or {}).get("kubeConfig"):
        return (
            f"Flux' {named} is named as its keeper and deploys to another cluster's kubeconfig: whether that is this"
            " cluster cannot be told. Suspend it by hand"
        )
    return found


def _named(manifest: Json) -> Iterator[tuple[Resource, str, str]]:
    labels = manifest["metadata"].get("labels") or {}
    for resource, prefix in _MARKS:
        space, name = labels.get(f"{prefix}/namespace"), labels.get(f"{prefix}/name")
        if space and name:
            yield resource, str(space), str(name)


def kept(keeper: Json) -> tuple[tuple[str, str, str], ...]:
    """Namespace, kind and name of what its inventory lists (`NAMESPACE_NAME_GROUP_KIND`; none holds a further `_`)."""
    entries = ((keeper.get("status") or {}).get("inventory") or {}).get("entries") or ()
    parts = [str(e.get("id") or "").split("_") for e in entries]
    return tuple((p[0], p[-1], p[1]) for p in parts if len(p) == _ID_PARTS)


def along(keeper: Json) -> tuple[str, ...]:
    """What else is not reconciled meanwhile."""
    entries = ((keeper.get("status") or {}).get("inventory") or {}).get("entries") or ()
    return (f"it keeps {len(entries)} object(s), and none of them is reconciled meanwhile",) if entries else ()


def resumers(cluster: Cluster, keeper: Json) -> Iterator[str]:
    """Whoever of Flux keeps the keeper itself: it writes the field back where Git states it."""
    for resource, space, name in _named(keeper):
        if (resource.kind, space, name) == (
            keeper["kind"],
            keeper["metadata"]["namespace"],
            keeper["metadata"]["name"],
        ):
            continue  # the root Kustomization keeps itself
        named = f"{resource.kind} {space}/{name}"
        try:
            found = cluster.find(resource, space, name)
        except PatchgapError:
            found = None
        if not ((found or {}).get("spec") or {}).get("suspend"):
            yield f"{named} keeps it, and writes the field back where its Git states it: suspend that one first"


def mend(keeper: Json) -> str:
    """How a patched image gets through."""
    kind, meta = keeper["kind"].lower(), keeper["metadata"]
    return (
        "its mend gets through: commit the patched digest, name it to patchgap, then"
        f" `flux resume {kind} {meta['name']} -n {meta['namespace']}`"
    )
