"""Where a workload stands and near which data: environment, region, classification, what it writes to, exposure.

Owns the order in which labels and annotations are believed: the workload's, its template's, its namespace's, then
(for the region) its nodes', then the cluster's settings. Nothing said is "unknown", never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from integrations.kubernetes.inventory.snapshot import Snapshot
from integrations.kubernetes.resources import INGRESSES, NAMESPACES, NODES, SERVICES, Json, pod_template
from patchgap.model.workload import Classification, DataScope
from patchgap.settings import ClusterSettings, KubernetesSettings


class Placement:
    """Answers for the workloads of one snapshot."""

    def __init__(self, snapshot: Snapshot, settings: KubernetesSettings, cluster: ClusterSettings) -> None:
        self._settings = settings
        self._cluster = cluster
        self._namespaces = {n["metadata"]["name"]: n for n in snapshot.of(NAMESPACES)}
        self._nodes = {n["metadata"]["name"]: n for n in snapshot.of(NODES)}
        routed = {route for i in snapshot.of(INGRESSES) for route in _backends(i)}
        self._open: dict[str, list[Mapping[str, str]]] = {}  # a namespace's selectors that traffic from outside reaches
        for service in snapshot.of(SERVICES):
            meta, spec = service["metadata"], service.get("spec") or {}
            reached = spec.get("type") == "LoadBalancer" or (meta["namespace"], meta["name"]) in routed
            if reached and spec.get("selector"):
                self._open.setdefault(meta["namespace"], []).append(spec["selector"])
        self._routes_told = not snapshot.why_not((SERVICES, INGRESSES))

    def said(self, head: Json, key: str) -> str:
        """The value of a label or annotation, from the nearest that says it; "" where none does."""
        namespace = self._namespaces.get(head["metadata"].get("namespace", ""), {})
        for holder in (head, pod_template(head), namespace):
            if value := _value(holder, key):
                return value
        return ""

    def environment(self, head: Json) -> str:
        """The environment, or "unknown"."""
        return self.said(head, self._settings.environment_label) or self._cluster.environment or "unknown"

    def region(self, head: Json, nodes: Sequence[str]) -> str:
        """The region, or "unknown"; of a workload on nodes of several regions, each, joined by ", "."""
        key = self._settings.region_label
        of_nodes = sorted({v for n in nodes if (v := _value(self._nodes.get(n, {}), key))})
        return self.said(head, key) or ", ".join(of_nodes) or self._cluster.region or "unknown"

    def data_scope(self, head: Json) -> DataScope:
        """The classification and the stores that it writes to."""
        said = self.said(head, self._settings.classification_label).lower()
        known = said in {c.value for c in Classification}
        stores = self.said(head, self._settings.writes_to_annotation).split(",")
        return DataScope(
            Classification(said) if known else Classification.UNKNOWN, tuple(s.strip() for s in stores if s.strip())
        )

    def internet_exposed(self, head: Json) -> bool | None:
        """Whether a label says so, or a LoadBalancer or an Ingress leads to it; None where that cannot be read."""
        said = self.said(head, self._settings.internet_exposed_label).lower()
        if said in {"true", "false"}:
            return said == "true"
        labels = (pod_template(head).get("metadata") or {}).get("labels") or {}
        selectors = self._open.get(head["metadata"].get("namespace", ""), ())
        if any(selector.items() <= labels.items() for selector in selectors):
            return True
        return False if self._routes_told else None

    def annotations(self, head: Json) -> dict[str, str]:
        """The configured keys that something says, with their values."""
        s = self._settings
        keys = (
            s.environment_label,
            s.region_label,
            s.classification_label,
            s.writes_to_annotation,
            s.internet_exposed_label,
        )
        return {k: v for k in keys if (v := self.said(head, k))}


def _value(holder: Json, key: str) -> str:
    meta = holder.get("metadata") or {}
    return (meta.get("labels") or {}).get(key) or (meta.get("annotations") or {}).get(key) or ""


def _backends(ingress: Json) -> list[tuple[str, str]]:
    spec, namespace = ingress.get("spec") or {}, ingress["metadata"]["namespace"]
    backends = [spec.get("defaultBackend") or {}]
    for rule in spec.get("rules") or ():
        backends += [p.get("backend") or {} for p in (rule.get("http") or {}).get("paths") or ()]
    return [(namespace, b["service"]["name"]) for b in backends if b.get("service")]
