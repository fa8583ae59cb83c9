"""Which object belongs to which workload: pod -> ReplicaSet -> Deployment, pod -> Job -> CronJob.

Owns the owner chain. A workload is the highest owner of a known kind; an owner that is not listed ends the chain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from integrations.kubernetes.inventory.snapshot import Snapshot
from integrations.kubernetes.resources import CONTROLLER_REVISIONS, WORKLOADS, Json


@dataclass
class Family:
    """A workload with everything that its controllers made below it."""

    head: Json
    owners: tuple[str, ...] = ()
    pods: list[Json] = field(default_factory=list)
    replica_sets: list[Json] = field(default_factory=list)
    jobs: list[Json] = field(default_factory=list)
    revisions: list[Json] = field(default_factory=list)


def controller_of(manifest: Json) -> Json | None:
    """The owner reference of the controller, or None."""
    references = manifest["metadata"].get("ownerReferences") or ()
    return next((r for r in references if r.get("controller")), None)


def families(snapshot: Snapshot) -> Iterator[Family]:
    """Every workload of the snapshot, once, in a stable order."""
    listed = {o["metadata"]["uid"]: o for r in WORKLOADS for o in snapshot.of(r)}
    found: dict[str, Family] = {}
    for uid, manifest in listed.items():
        head = head_of(manifest, listed)
        family = found.setdefault(head["metadata"]["uid"], Family(head, _above(head)))
        if manifest["kind"] == "Pod":
            family.pods.append(manifest)
        elif uid != head["metadata"]["uid"]:
            (family.replica_sets if manifest["kind"] == "ReplicaSet" else family.jobs).append(manifest)
    for revision in snapshot.of(CONTROLLER_REVISIONS):  # a StatefulSet's or a DaemonSet's earlier templates
        owner = controller_of(revision)
        if owner and owner["uid"] in found:
            found[owner["uid"]].revisions.append(revision)
    yield from sorted(found.values(), key=_order)


def head_of(manifest: Json, listed: Mapping[str, Json]) -> Json:
    """The highest owner that is listed (by uid): the workload that the object belongs to, itself where it has none."""
    seen = {manifest["metadata"]["uid"]}
    while (reference := controller_of(manifest)) and reference["uid"] in listed and reference["uid"] not in seen:
        seen.add(reference["uid"])  # owner references are user input: they may run in a circle
        manifest = listed[reference["uid"]]
    return manifest


def _above(head: Json) -> tuple[str, ...]:
    reference = controller_of(head)
    return (f"{reference['kind']}/{reference['name']}",) if reference else ()


def _order(family: Family) -> tuple[str, str, str]:
    meta = family.head["metadata"]
    return meta.get("namespace", ""), family.head["kind"], meta["name"]
