"""A workload's pods, and what else its selector selects: what a policy on it would hold besides.

Owns whose pod each is, by its controllers. Pods are asked for at each call. What stands above them in the namespace is
read once for all targets that ask within `RECENT` seconds; where a pod's controller is not in it, it is read anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from integrations.kubernetes import selectors
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.images import has_ended
from integrations.kubernetes.inventory import selector_of
from integrations.kubernetes.inventory.families import controller_of, head_of
from integrations.kubernetes.inventory.snapshot import Snapshot, read
from integrations.kubernetes.inventory.states import is_over
from integrations.kubernetes.reach import Asker
from integrations.kubernetes.resources import PODS, WORKLOADS, Json, pod_template
from patchgap.errors import RefusedError

RECENT = 2.0  # seconds: no longer than a target's own calls may take between the look and the effect
_CONTROLLERS = tuple(r for r in WORKLOADS if r is not PODS)


@dataclass(frozen=True)
class _Above:
    """What makes pods in a namespace, by uid; and of each that has pods to make yet its uid, name and their labels."""

    listed: Mapping[str, Json]
    made: tuple[tuple[str, str, Mapping[str, str]], ...]


class View:
    """The workload with its live pods and its neighbours' as they are now. `others` are the names of what its selector
    selects besides, of workloads that are not in `affected`: pods, or what has yet to make them. `shared` says whether
    the pods are to be held by a label of their own because of that."""

    def __init__(
        self,
        manifest: Json,
        pods: list[Json],
        above: _Above,
        affected: Collection[str],
        *,
        shared: bool | None,
    ) -> None:
        self.selector: Mapping[str, Any] = selector_of(manifest)
        own = manifest["metadata"]["uid"]
        mine = {own, *affected}
        heads = [(str(head_of(p, above.listed)["metadata"]["uid"]), p) for p in pods if not has_ended(p)]
        self.pods = [p for uid, p in heads if uid == own]
        template = (pod_template(manifest).get("metadata") or {}).get("labels") or {}
        self.labels = [template, *(labels_of(p) for p in self.pods)]
        everything = selectors.is_empty(self.selector)

        def met(labels: Mapping[str, str]) -> bool:
            return everything or selectors.selects(self.selector, labels)

        names = [str(p["metadata"]["name"]) for uid, p in heads if uid not in mine and met(labels_of(p))]
        names += [name for uid, name, labels in above.made if uid not in mine and met(labels)]
        self.others = tuple(sorted(names))
        self.shared = (everything or bool(names)) if shared is None else shared
        on_host = sorted(str(p["metadata"]["name"]) for p in self.pods if (p.get("spec") or {}).get("hostNetwork"))
        self.on_host = tuple(f"Pod {name} uses the host's network, which no policy reaches" for name in on_host)

    def unlabelled(self, label: Mapping[str, str]) -> list[Json]:
        """The live pods without the quarantine label."""
        return [p for p in self.pods if not label.items() <= labels_of(p).items()]


def view(
    cluster: Cluster, asker: Asker, manifest: Json, affected: Collection[str], *, shared: bool | None = None
) -> View:
    """The view of a workload by its live manifest. Raises RefusedError naming what may not be listed."""
    namespace = str(manifest["metadata"].get("namespace") or "")
    above = _above(cluster, asker, namespace, RECENT)
    pods = _pods(cluster, asker, manifest)
    if any(_is_stranger(p, above) for p in pods):
        above = _above(cluster, asker, namespace, 0.0)
    return View(manifest, pods, above, affected, shared=shared)


def labels_of(pod: Json) -> Mapping[str, str]:
    """A pod's labels."""
    labels: Mapping[str, str] = pod["metadata"].get("labels") or {}
    return labels


def _pods(cluster: Cluster, asker: Asker, manifest: Json) -> list[Json]:
    """What the workload's own selector selects now. A kind without one (a CronJob, a Pod) may have pods of other labels,
    from earlier templates: then all of the namespace."""
    namespace = str(manifest["metadata"].get("namespace") or "")
    own = (manifest.get("spec") or {}).get("selector") or {}
    if not selectors.is_empty(own):
        return list(_told(read(cluster, (PODS,), namespace, labels=selectors.text(own))).of(PODS))
    key = ("pods", asker, namespace)
    return list(_told(cluster.together.read(key, lambda: read(cluster, (PODS,), namespace))).of(PODS))


def _is_stranger(pod: Json, above: _Above) -> bool:
    """Whether its controller, or that one's, came after what was read."""
    manifest: Json | None = pod
    for _ in _CONTROLLERS:  # owner references are user input: they may run in a circle
        owner = controller_of(manifest) if manifest else None
        if owner is None:
            return False
        manifest = above.listed.get(owner["uid"])
        if manifest is None:
            return owner["kind"] in {r.kind for r in _CONTROLLERS}
    return False


def _above(cluster: Cluster, asker: Asker, namespace: str, oldest: float) -> _Above:
    def look() -> _Above:
        snapshot = _told(read(cluster, _CONTROLLERS, namespace))
        listed = {str(o["metadata"]["uid"]): o for r in _CONTROLLERS for o in snapshot.of(r)}
        return _Above(listed, tuple(_made(listed)))

    return cluster.together.read(("above", asker, namespace), look, oldest)


def _made(listed: Mapping[str, Json]) -> Iterator[tuple[str, str, Mapping[str, str]]]:
    """The templates that make the next pods: a CronJob between two runs or a workload at zero has no pods today."""
    for uid, manifest in listed.items():
        if head_of(manifest, listed) is not manifest or (manifest["kind"] == "Job" and is_over(manifest)):
            continue
        labels = (pod_template(manifest).get("metadata") or {}).get("labels") or {}
        yield uid, f"{manifest['kind']}/{manifest['metadata']['name']}", labels


def _told(snapshot: Snapshot) -> Snapshot:
    if untold := snapshot.why_not(WORKLOADS):
        raise RefusedError(f"the workload's neighbours cannot be told: {untold}", "Grant that permission.")
    return snapshot
