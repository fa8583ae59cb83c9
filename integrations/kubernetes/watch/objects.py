"""A cluster's objects as the watches tell of them, and which workloads a change of one of them touches.

Owns the copy in memory, cut down to what the inventory reads. What a workload is, is derived by the inventory's own
code, from just the objects that belong to it: a change of one pod reads one family again, not the cluster.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from integrations.kubernetes.accounts import account_of
from integrations.kubernetes.inventory import inventory_of
from integrations.kubernetes.inventory.families import controller_of, head_of
from integrations.kubernetes.inventory.privileges import Subject, named_by, subjects_of
from integrations.kubernetes.inventory.snapshot import EVERYTHING, Snapshot
from integrations.kubernetes.resources import (
    CONTROLLER_REVISIONS,
    NAMESPACES,
    NODES,
    PODS,
    SERVICE_ACCOUNTS,
    WORKLOADS,
    Json,
)
from patchgap.model.workload import ClusterInventory, Workload, WorkloadRef
from patchgap.settings import ClusterSettings, KubernetesSettings

AWAITED = 0.5  # seconds that a new object waits for an owner that is named and not seen yet
_MEMBERS = frozenset(r.kind for r in WORKLOADS)
_AROUND = tuple(r for r in EVERYTHING if r not in (*WORKLOADS, CONTROLLER_REVISIONS))
_ROUTES = frozenset({"Service", "Ingress"})
_ROLES = frozenset({"Role", "ClusterRole"})
_BINDINGS = frozenset({"RoleBinding", "ClusterRoleBinding"})


class Difference(NamedTuple):
    """Workloads as they are now, and those that are no more."""

    seen: tuple[Workload, ...]
    gone: tuple[WorkloadRef, ...]


class Objects:
    """One cluster's objects. Not safe to share between threads."""

    def __init__(self, cluster: str, settings: KubernetesSettings, configured: ClusterSettings) -> None:
        self._cluster = cluster
        self._settings = settings
        self._configured = configured
        self._held: dict[str, dict[str, Json]] = {r.kind: {} for r in EVERYTHING}
        self._members: dict[str, Json] = {}  # every object of a workload kind, by uid
        self._below: dict[str, set[str]] = {}  # uids by their controller's
        self._heads: dict[str, str] = {}  # a member's workload, as it was last derived
        self._told: dict[str, WorkloadRef] = {}  # the workloads that were derived
        self._awaited: dict[str, float] = {}  # since when a new member waits for its owner
        self.untold: dict[str, str] = {}
        self._touched: set[str] = set()
        self._spaces: set[str] = set()
        self._nodes: set[str] = set()
        self._subjects: set[Subject] = set()

    @property
    def count(self) -> int:
        """How many objects are held."""
        return sum(len(held) for held in self._held.values())

    def put(self, manifest: Json) -> bool:
        """The object as it is now; whether that is news."""
        kind, uid = manifest["kind"], manifest["metadata"]["uid"]
        old = self._held[kind].get(uid)
        if old == manifest:
            return False
        self._held[kind][uid] = manifest
        self._changed(kind, uid, old, manifest)
        return True

    def drop(self, kind: str, uid: str) -> bool:
        """The object is no more; whether that is news."""
        old = self._held[kind].pop(uid, None)
        if old is None:
            return False
        self._changed(kind, uid, old, None)
        return True

    def missing(self, kind: str, listed: Iterable[Json]) -> tuple[Json, ...]:
        """Those that are held and not in a whole list of the kind: their deletion was not told."""
        there = {one["metadata"]["uid"] for one in listed}
        return tuple(one for uid, one in self._held[kind].items() if uid not in there)

    def workload_of(self, manifest: Json) -> str:
        """The workload that the object belongs to, as it was last derived; "" where it is no part of one."""
        head = self._heads.get(manifest["metadata"]["uid"], "")
        return str(self._told.get(head, ""))

    def inventory(self) -> ClusterInventory:
        """Every workload; from here on, `difference` tells what changes."""
        self._forget()
        self._awaited = {}
        self._heads = {uid: self._head(uid) for uid in self._members}
        found = self._derive(self._held)
        self._told = {one.ref.uid: one.ref for one in found.workloads}
        return found

    def difference(self, now: float) -> Difference:
        """What changed since it was last asked, `now` being any clock of seconds."""
        heads = set(self._relinked(now)) | set(self._around())
        self._forget()
        derived = self._derive(self._families(heads)).workloads if heads else ()
        seen = {one.ref.uid: one for one in derived}
        gone = tuple(self._told.pop(uid) for uid in heads - seen.keys() if uid in self._told)
        self._told.update({uid: one.ref for uid, one in seen.items()})
        return Difference(tuple(seen.values()), gone)

    def waits(self) -> bool:
        """Whether something waits for an owner that has not been seen."""
        return bool(self._awaited)

    def _forget(self) -> None:
        self._touched, self._spaces, self._nodes, self._subjects = set(), set(), set(), set()

    def _changed(self, kind: str, uid: str, old: Json | None, new: Json | None) -> None:
        either = [one for one in (old, new) if one is not None]
        if kind in _MEMBERS:
            self._link(uid, old, new)
            self._touched.add(uid)
        elif kind == CONTROLLER_REVISIONS.kind:
            self._link(uid, old, new, is_member=False)
            self._touched |= {owner["uid"] for one in either if (owner := controller_of(one))}
        elif kind == NAMESPACES.kind:
            self._spaces |= {one["metadata"]["name"] for one in either}
        elif kind in _ROUTES:
            self._spaces |= {one["metadata"]["namespace"] for one in either}
        elif kind == NODES.kind:
            self._nodes |= {one["metadata"]["name"] for one in either}
        elif kind == SERVICE_ACCOUNTS.kind:
            self._subjects |= {Subject(kind, one["metadata"]["namespace"], one["metadata"]["name"]) for one in either}
        elif kind in _BINDINGS:
            self._subjects |= {subject for one in either for subject in named_by(one)}
        elif kind in _ROLES:
            self._subjects |= {subject for one in either for subject in self._bound_to(one)}

    def _link(self, uid: str, old: Json | None, new: Json | None, *, is_member: bool = True) -> None:
        was, owner = (controller_of(one) if one is not None else None for one in (old, new))
        if was:
            self._below.get(was["uid"], set()).discard(uid)
        if owner:
            self._below.setdefault(owner["uid"], set()).add(uid)
        if is_member and new is not None:
            self._members[uid] = new
        elif is_member:
            self._members.pop(uid, None)
        if is_member and (old is None or new is None or was != owner):
            self._touched |= self._under(uid)  # they have another head now

    def _under(self, uid: str) -> set[str]:
        """The uid and all that is below it."""
        found, rest = {uid}, [uid]
        while rest:
            below = self._below.get(rest.pop(), set()) - found
            found |= below
            rest += below
        return found

    def _head(self, uid: str) -> str:
        return str(head_of(self._members[uid], self._members)["metadata"]["uid"])

    def _relinked(self, now: float) -> Iterator[str]:
        """The workloads, then and now, of every member that was touched or has waited long enough."""
        for uid in self._touched | self._awaited.keys():
            old = self._heads.get(uid)
            if old is not None:
                yield old
            if uid not in self._members:
                self._heads.pop(uid, None)
                self._awaited.pop(uid, None)
            elif old is not None or not self._awaits(uid, now):
                self._awaited.pop(uid, None)
                self._heads[uid] = self._head(uid)
                yield self._heads[uid]

    def _awaits(self, uid: str, now: float) -> bool:
        """Whether a new member is to wait: each kind is told of by a watch of its own, in no order between them."""
        owner = controller_of(self._members[uid])
        if not owner or owner["kind"] not in _MEMBERS or owner["uid"] in self._members:
            return False
        return now - self._awaited.setdefault(uid, now) < AWAITED

    def _around(self) -> Iterator[str]:
        """The workloads that are touched by what is around them: their namespace, routes, nodes, privileges."""
        if self._nodes:
            for uid, pod in self._held[PODS.kind].items():
                if (pod.get("spec") or {}).get("nodeName") in self._nodes and uid in self._heads:
                    yield self._heads[uid]
        if not (self._spaces or self._subjects):
            return
        for uid, ref in self._told.items():
            if ref.namespace in self._spaces:
                yield uid
            elif self._subjects and uid in self._members:
                means = subjects_of(ref.namespace, account_of(self._members[uid]))
                if not self._subjects.isdisjoint(means):
                    yield uid

    def _bound_to(self, role: Json) -> Iterator[Subject]:
        meta = role["metadata"]
        for kind in _BINDINGS:
            for binding in self._held[kind].values():
                named = binding["roleRef"]
                is_it = (named["kind"], named["name"]) == (role["kind"], meta["name"])
                if is_it and role["kind"] == "Role":
                    is_it = binding["metadata"].get("namespace") == meta.get("namespace")
                if is_it:
                    yield from named_by(binding)

    def _families(self, heads: Iterable[str]) -> dict[str, dict[str, Json]]:
        """The members of these workloads, and their revisions, by kind."""
        found: dict[str, dict[str, Json]] = {r.kind: {} for r in (*WORKLOADS, CONTROLLER_REVISIONS)}
        revisions = self._held[CONTROLLER_REVISIONS.kind]
        for uid in {below for head in heads for below in self._under(head)}:
            if uid in self._members:
                found[self._members[uid]["kind"]][uid] = self._members[uid]
            elif uid in revisions:
                found[CONTROLLER_REVISIONS.kind][uid] = revisions[uid]
        return found

    def _derive(self, members: dict[str, dict[str, Json]]) -> ClusterInventory:
        objects = {kind: tuple(held.values()) for kind, held in members.items()}
        objects |= {r.kind: tuple(self._held[r.kind].values()) for r in _AROUND}
        snapshot = Snapshot(self._cluster, objects, dict(self.untold))
        return inventory_of(snapshot, self._settings, self._configured)
