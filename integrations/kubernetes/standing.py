"""The objects that an action keeps in a cluster for an incident: put there, compared with what is live, removed.

Owns their names and labels, and the rule that nothing of someone else's is overwritten or deleted. It does not know
what the objects do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from integrations.kubernetes.cluster import FIELD_MANAGER, Cluster
from integrations.kubernetes.resources import NAMESPACES, Json, of_kind, of_object
from patchgap.errors import ConflictError

INCIDENT = "patchgap.dev/incident"
MANAGED_BY = "app.kubernetes.io/managed-by"
_ROOTS = (".spec", ".data", ".binaryData")
_DEFAULTS = (("matchPolicy", "Equivalent"),)  # what a server adds that is not empty
_LONGEST_NAME = 200  # of 253: controllers append
HOME_PERMISSIONS = ("get core/namespaces in home",)  # to make it is its administrator's part


def object_name(incident: str, *parts: str) -> str:
    """`patchgap-<incident>-<parts>`, fit for an object; a long one is cut and keeps a digest of the whole."""
    name = "-".join(("patchgap", incident, *parts)).lower()
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{name[:_LONGEST_NAME]}-{hashlib.sha256(name.encode()).hexdigest()[:10]}"


def labels(incident: str, owner: str) -> dict[str, str]:
    """The labels that every object of an incident carries."""
    return {INCIDENT: incident, MANAGED_BY: owner}


def home(cluster: Cluster, namespace: str, owner: str) -> tuple[Json, ...]:
    """The namespace for patchgap's own objects, as a manifest to apply, where the cluster lacks it."""
    if cluster.find(NAMESPACES, "", namespace):
        return ()
    return ({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": {MANAGED_BY: owner}}},)


def preview(cluster: Cluster, manifests: Sequence[Json]) -> tuple[str, ...]:
    """What putting these would do, a line an object, by the server's dry run. Raises as `put` would."""
    absent = {m["metadata"]["name"] for m in manifests if m["kind"] == "Namespace"}
    lines = []
    for manifest in manifests:
        live = _found(cluster, manifest)
        _refuse_foreign(cluster, manifest, live)
        if manifest["metadata"].get("namespace") not in absent:  # the dry run leaves no namespace to run in
            cluster.apply(manifest, dry_run=True)
        done = not live or _unlike(manifest, live, "")
        lines.append(f"{_place(manifest)}: {('change' if live else 'create') if done else 'stands already'}")
    return tuple(lines)


def put(cluster: Cluster, manifests: Sequence[Json]) -> tuple[dict[str, str], ...]:
    """Applies each that does not stand, in order, and returns what was made as kind, namespace, name and uid, as the server
    answered. Raises ConflictError, with nothing overwritten, where someone else made or changed one of them."""
    found = [_found(cluster, manifest) for manifest in manifests]
    for manifest, live in zip(manifests, found, strict=True):
        _refuse_foreign(cluster, manifest, live)
    stand = [
        cluster.apply(manifest) if live is None or _unlike(manifest, live, "") else live
        for manifest, live in zip(manifests, found, strict=True)
    ]
    return tuple(_reference(live) for live in stand if live["kind"] != "Namespace")


def stand(cluster: Cluster, manifests: Sequence[Json]) -> tuple[dict[str, str], ...]:
    """The references of those that are live and this incident's."""
    found = ((m, _found(cluster, m)) for m in manifests)
    return tuple(_reference(live) for m, live in found if live and _incident(live) == _incident(m))


def differences(cluster: Cluster, manifests: Sequence[Json]) -> tuple[str, ...]:
    """Every way in which the live objects are not these, naming the field and who holds it; () where they are."""
    found: list[str] = []
    for manifest in manifests:
        live = _found(cluster, manifest)
        if live is None or live["metadata"].get("deletionTimestamp"):
            found.append(f"{_place(manifest)} is gone")
            continue
        held = foreign(live)
        found += [f"{_place(manifest)}: {field} is held by {who}" for field, who in held]
        if not held:
            found += [f"{_place(manifest)}: {line}" for line in _unlike(manifest, live, "")]
    return tuple(found)


def remove(cluster: Cluster, objects: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    """Deletes exactly the objects that were made, the last first; a line for each. One that is gone is a success.
    Raises ConflictError, before anything is deleted, where one is another object or someone else has changed it."""
    live = []
    for made in reversed(objects):
        found = cluster.find(of_object(made), made["namespace"], made["name"])
        if found is None:
            continue
        if found["metadata"]["uid"] != made["uid"]:
            raise ConflictError(
                f"cluster {cluster.name}: {_place(found)} is not the object that patchgap made",
                "Look at who made it, and delete it by hand if it should go.",
            )
        _refuse_changed(cluster, found)
        live.append(made)
    for made in live:
        cluster.delete(of_object(made), made["namespace"], made["name"], made["uid"])
    return tuple(f"deleted {m['kind']} {m['name']}" for m in live) or ("it was gone already",)


def _found(cluster: Cluster, manifest: Json) -> dict[str, Any] | None:
    meta = manifest["metadata"]
    return cluster.find(of_object(manifest), meta.get("namespace", ""), meta["name"])


def _reference(live: Json) -> dict[str, str]:
    meta, plain = live["metadata"], live["apiVersion"] == of_kind(live["kind"]).api_version
    return {
        **({} if plain else {"apiVersion": live["apiVersion"]}),  # where its kind alone does not say it
        "kind": live["kind"],
        "namespace": meta.get("namespace", ""),
        "name": meta["name"],
        "uid": meta["uid"],
    }


def _place(manifest: Json) -> str:
    meta = manifest["metadata"]
    return " ".join((manifest["kind"], "/".join(p for p in (meta.get("namespace"), meta["name"]) if p)))


def _incident(manifest: Json) -> str:
    return str((manifest["metadata"].get("labels") or {}).get(INCIDENT) or "")


def _refuse_foreign(cluster: Cluster, manifest: Json, live: Json | None) -> None:
    if live is None or manifest["kind"] == "Namespace":
        return
    if _incident(live) != _incident(manifest):
        raise ConflictError(
            f"cluster {cluster.name}: {_place(live)} exists and is not this incident's",
            "Rename or delete that object; patchgap does not take over what it did not make.",
        )
    _refuse_changed(cluster, live)


def _refuse_changed(cluster: Cluster, live: Json) -> None:
    if held := foreign(live):
        fields = "; ".join(f"{field} is held by {who}" for field, who in held)
        raise ConflictError(
            f"cluster {cluster.name}: someone else has changed {_place(live)}: {fields}",
            "Agree with that owner, undo their change or delete the object; nothing was overwritten.",
        )


def foreign(live: Json) -> list[tuple[str, str]]:
    """The fields of spec and data that another manager holds, with that manager."""
    held = []
    for entry in live["metadata"].get("managedFields") or ():
        if entry.get("manager") == FIELD_MANAGER or entry.get("subresource"):
            continue
        owned = entry.get("fieldsV1") or {}
        for root in _ROOTS:
            held += [(p, str(entry.get("manager"))) for p in _paths(owned.get(f"f:{root[1:]}"), root)]
    return held


def _paths(fields: Json | None, path: str) -> Iterator[str]:
    if fields is None:
        return
    below = {k: v for k, v in fields.items() if k != "."}
    if not below:
        yield path
    for key, value in below.items():
        kind, _, name = key.partition(":")
        yield from _paths(value, f"{path}.{name}" if kind == "f" else f"{path}[{name}]")


def _added(wanted: Json, live: Json, path: str) -> list[str]:
    """What the live object says besides: an allowing rule, an exclusion or a condition would undo the control."""
    if path and not path.startswith(_ROOTS):
        return []
    extra = {k: v for k, v in live.items() if k not in wanted and v and (k, v) not in _DEFAULTS}
    return sorted(k for k in extra if path or f".{k}" in _ROOTS)


def _unlike(wanted: Any, live: Any, path: str) -> list[str]:
    """Where `live` lacks what is wanted; what a server adds by default is no difference."""
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        more = [f"{path}.{k} was added" for k in _added(wanted, live, path)]
        return [*(line for k, v in wanted.items() for line in _unlike(v, live.get(k), f"{path}.{k}")), *more]
    if isinstance(wanted, list | tuple) and isinstance(live, list) and len(wanted) == len(live):
        pairs = enumerate(zip(wanted, live, strict=True))
        return [line for i, (w, v) in pairs for line in _unlike(w, v, f"{path}[{i}]")]
    if wanted == live or (not wanted and live is None):
        return []
    return [f"{path} is not as it was set"]
