"""Argo CD: which Application keeps an object, and what would write its sync policy back.

Owns Argo CD's tracking marks. Automated sync is taken out of an Application (`spec.syncPolicy.automated`, documented and
stable since its first versions), not reconciling altogether (`skip-reconcile` is alpha, and hides what differs): it goes
on telling what differs from Git, and a person may still sync the mend by hand.
Sources: argo-cd.readthedocs.io, Resource Tracking, Automated Sync Policy, Controlling Resource Modification.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property

from integrations.kubernetes.answers import ForbiddenError, NotServedError
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.resources import APPLICATION_SETS, APPLICATIONS, Json
from patchgap.errors import PatchgapError

TRACKING = "argocd.argoproj.io/tracking-id"
_OWN_LABEL, _LABEL = "argocd.argoproj.io/instance", "app.kubernetes.io/instance"
_Itself = tuple[str, str, str, str]  # group, kind, namespace, name
_HERE = "https://kubernetes.default.svc"
_LEAVES = frozenset({"create-only", "create-delete"})  # an ApplicationSet's policies that change no Application
_POLICY = ("/spec/syncPolicy", "/spec/syncPolicy/automated", ".spec.syncPolicy", ".spec.syncPolicy.automated")


class Applications:
    """The Applications of one cluster, listed when first asked for."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    @cached_property
    def _read(self) -> tuple[list[Json], str]:
        """Them, and why they cannot be told of; "" where they can, or there are none."""
        try:
            return self._cluster.all_of(APPLICATIONS), ""
        except NotServedError:
            return [], ""
        except ForbiddenError as error:
            return [], f"patchgap may not {error.permission}" if self._cluster.serves(APPLICATIONS) else ""
        except PatchgapError as error:  # its CRD may not convert: no reason to freeze nothing
            return [], error.problem

    @cached_property
    def _named(self) -> Mapping[str, list[Json]]:
        """Them by what a mark may call them: `name`, or `namespace_name` outside Argo CD's own namespace."""
        named: dict[str, list[Json]] = defaultdict(list)
        for application in self._read[0]:
            meta = application["metadata"]
            for mark in (meta["name"], f"{meta['namespace']}_{meta['name']}"):
                named[mark].append(application)
        return named

    @cached_property
    def _listed(self) -> Mapping[_Itself, list[Json]]:
        """Those that deploy to this cluster, by each object that they say they keep."""
        listed: dict[_Itself, list[Json]] = defaultdict(list)
        for application in self._read[0]:
            if _is_here(application):
                for resource in (application.get("status") or {}).get("resources") or ():
                    group, kind, space, name = (resource.get(k) or "" for k in ("group", "kind", "namespace", "name"))
                    listed[group, kind, space, name].append(application)
        return listed

    def _unmarked(self, manifest: Json, label: str) -> list[Json]:
        """Those that say they keep it; and one that has not said yet, by the label and its destination."""
        space = manifest["metadata"].get("namespace", "")
        new = [
            a
            for a in (self._named.get(label, []) if label else [])
            if (a.get("status") or {}).get("resources") is None
            and ((a.get("spec") or {}).get("destination") or {}).get("namespace") == space
        ]
        return [*self._listed.get(_itself(manifest), []), *new]

    def of(self, manifest: Json) -> Iterator[Json | str]:
        """The Applications that keep the object, and a sentence for each that is named and cannot be paused here."""
        _, untold = self._read
        tracked, own, label = _marks(manifest)
        if untold:
            named = f"Application {tracked or own}" if tracked or own else "an Application of Argo CD"
            yield f"whether {named} keeps it is unknown: {untold}"
            return
        found = self._named.get(tracked or own, []) if tracked or own else self._unmarked(manifest, label)
        yield from (a for a in found if _is_here(a))
        for away in (a for a in found if not _is_here(a)):
            where = (away["spec"].get("destination") or {}).get("server") or "another cluster by name"
            yield (
                f"Argo CD's Application {_name(away)} is named as its keeper and deploys to {where}: whether that is this"
                " cluster cannot be told. Pause its automated sync by hand"
            )
        if (tracked or own) and not found:
            name = tracked or own
            yield (
                f"Argo CD's Application {name} keeps it by its tracking mark and is not in this cluster: an Argo CD"
                f" elsewhere would undo containment. Pause it there: `argocd app set {name} --sync-policy none`"
            )


def _marks(manifest: Json) -> tuple[str, str, str]:
    """The Application's name by the tracking id, by Argo CD's own label, and by the label that Helm charts write too.
    A tracking id of another object was copied, and Argo CD itself does not follow it."""
    meta = manifest["metadata"]
    labels, notes = meta.get("labels") or {}, meta.get("annotations") or {}
    name, _, tracked = str(notes.get(TRACKING) or "").partition(":")
    group, kind, space, itself = _itself(manifest)
    itself = f"{group}/{kind}:{space}/{itself}"
    return name if tracked == itself else "", str(labels.get(_OWN_LABEL) or ""), str(labels.get(_LABEL) or "")


def _itself(manifest: Json) -> _Itself:
    meta = manifest["metadata"]
    return manifest["apiVersion"].rpartition("/")[0], manifest["kind"], meta.get("namespace", ""), meta["name"]


def _is_here(application: Json) -> bool:
    destination = (application.get("spec") or {}).get("destination") or {}
    return destination.get("server") == _HERE or destination.get("name") == "in-cluster"


def _name(manifest: Json) -> str:
    return f"{manifest['metadata']['namespace']}/{manifest['metadata']['name']}"


def kept(application: Json) -> tuple[tuple[str, str, str], ...]:
    """Namespace, kind and name of what its status lists."""
    listed = (application.get("status") or {}).get("resources") or ()
    return tuple((str(r.get("namespace") or ""), str(r.get("kind") or ""), str(r.get("name") or "")) for r in listed)


def along(application: Json) -> tuple[str, ...]:
    """What else is not synced meanwhile, and a sync that is under way."""
    status = application.get("status") or {}
    count = len(status.get("resources") or ())
    lines = [f"it keeps {count} object(s), and none of them is synced by itself meanwhile"] if count else []
    if "operation" in application or (status.get("operationState") or {}).get("phase") == "Running":
        lines.append("a sync of it is under way and goes on; the freeze refuses what it may still change")
    return tuple(lines)


def resumers(cluster: Cluster, keeper: Json) -> Iterator[str]:
    """Whoever of Argo CD would write the keeper's field back: its ApplicationSet, or the Application above it."""
    for owner in keeper["metadata"].get("ownerReferences") or ():
        if owner["kind"] == APPLICATION_SETS.kind:
            yield from _set(cluster, keeper, owner["name"])
    tracked, own, _ = _marks(keeper)
    if tracked or own:
        yield (
            f"Application {tracked or own} keeps it (an app of apps) and writes it back where its own sync is automated:"
            f" pause that one first"
        )


def _set(cluster: Cluster, keeper: Json, name: str) -> Iterator[str]:
    named = f"ApplicationSet {keeper['metadata']['namespace']}/{name}"
    advice = "set its spec.syncPolicy.applicationsSync to create-only, or ignore that field in it"
    try:
        found = cluster.find(APPLICATION_SETS, keeper["metadata"]["namespace"], name)
    except PatchgapError as error:
        yield f"{named} made it, and whether it writes its sync policy back is unknown: {error.problem}"
        return
    spec = (found or {}).get("spec") or {}
    ignored = [p for i in spec.get("ignoreApplicationDifferences") or () for p in _paths(i, keeper)]
    leaves = (spec.get("syncPolicy") or {}).get("applicationsSync") in _LEAVES or set(ignored) & set(_POLICY)
    if found is not None and not leaves:
        yield f"{named} made it and writes its sync policy back: {advice}"


def _paths(ignore: Json, application: Json) -> list[str]:
    if ignore.get("name") not in (None, "", application["metadata"]["name"]):
        return []
    return [*(ignore.get("jsonPointers") or ()), *(ignore.get("jqPathExpressions") or ())]


def mend(application: Json) -> str:
    """How a patched image gets through."""
    name = application["metadata"]["name"]
    return f"its mend gets through: commit the patched digest, name it to patchgap, then `argocd app sync {name}`"


def resumed(application: Json) -> tuple[str, ...]:
    """What Argo CD said of it last: it applies Git as soon as it syncs by itself again."""
    if ((application.get("status") or {}).get("sync") or {}).get("status") != "OutOfSync":
        return ()
    return ("Argo CD says that Git differs from what runs (OutOfSync), and applies Git now",)
