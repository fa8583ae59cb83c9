"""capture_forensics: what the workload was, kept before anything of it is changed.

Owns what is captured. It reads no Secret's value, and what looks like one in a manifest or a log is redacted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from integrations.keeping import Place, keep, kept, place_of
from integrations.kubernetes.accounts import account_of
from integrations.kubernetes.answers import ForbiddenError
from integrations.kubernetes.cluster import TABLE, Cluster
from integrations.kubernetes.container_logs import Bounds, Logs, read_logs
from integrations.kubernetes.grants import reach_of
from integrations.kubernetes.inventory.families import Family, controller_of, families
from integrations.kubernetes.inventory.snapshot import LIVE_PERMISSIONS, RBAC, read
from integrations.kubernetes.reach import PLATFORM, cluster_of, live
from integrations.kubernetes.resources import EVENTS, SECRETS, SERVICE_ACCOUNTS, WORKLOADS, Json
from integrations.kubernetes.secrets_used import secrets_used
from integrations.redaction import redacted
from integrations.targeting import each_live
from integrations.verbs import CHANGES_EVIDENCE, ForensicsParameters, done
from patchgap.errors import NotFoundError, RefusedError
from patchgap.model.plan import Control, Effect, Intent, PlannedAction, Receipt, Target, Uncovered
from patchgap.ports import Parameters, Situation
from patchgap.registry import action


@action
class CaptureForensics:
    """Keeps the workload's manifests, owner chain, events, logs and what its account may do, in a folder or a bucket.

    Example::

        capture_forensics: {}
    """

    verb: ClassVar[str] = "capture_forensics"
    platform: ClassVar[str] = PLATFORM
    effect: ClassVar[Effect] = Effect.READS
    inverse: ClassVar[str] = ""
    precedes: ClassVar[tuple[str, ...]] = CHANGES_EVIDENCE
    permissions: ClassVar[tuple[str, ...]] = (
        *LIVE_PERMISSIONS,
        *(f"get {r.permission}" for r in WORKLOADS),
        "list core/events",
        "get core/pods/log",
        "get core/serviceaccounts",
        "get core/secrets",  # their names and types
        *(f"list {r.permission}" for r in RBAC),
    )
    parameters: ClassVar[type[Parameters]] = ForensicsParameters

    def targets(
        self,
        parameters: ForensicsParameters,  # noqa: ARG002  (the protocol's)
        situation: Situation,
    ) -> Iterable[Target | Uncovered]:
        """The workloads themselves."""
        return each_live(self, situation, live, lambda w, _: Target.of(w.ref))

    def preview(
        self,
        parameters: ForensicsParameters,  # noqa: ARG002  (the protocol's)
        target: Target,
        situation: Situation,
    ) -> tuple[str, ...]:
        """Where it would be kept; nothing in the cluster changes."""
        live(situation, target)
        return (f"manifests, events, logs and its account's reach are kept in {_place(situation, target).shown}",)

    def find(self, action: PlannedAction, situation: Situation) -> Mapping[str, Any]:
        """Nothing: a capture changes nothing."""
        live(situation, action.target)
        return {}

    def apply(self, intent: Intent, situation: Situation) -> Receipt:
        """Keeps the files, once: what the first run saw is nearer to the incident. Raises ConflictError where a file of
        it was changed since."""
        target = intent.action.target
        place = _place(situation, target)
        if not kept(place):
            keep(place, _captured(situation, target), situation.may_write)
        return _receipt(intent, place)

    def observe(self, intent: Intent, situation: Situation) -> Receipt | None:
        """A receipt where every file is there with the digest that the index gives it. Raises ConflictError where one
        was changed since."""
        place = _place(situation, intent.action.target)
        return _receipt(intent, place) if kept(place) else None

    def release(self, control: Control, situation: Situation) -> Receipt:  # noqa: ARG002  (the protocol's)
        """There is nothing to undo."""
        raise RefusedError("capture_forensics changes nothing and cannot be released", "Leave it out of recover.")


def _place(situation: Situation, target: Target) -> Place:
    """Another object of the same name has another place."""
    name = f"{target.kind}-{target.name}-{target.uid[:8]}"
    return place_of(situation.connections.settings, str(situation.incident), target.cluster, target.namespace, name)


def _receipt(intent: Intent, place: Place) -> Receipt:
    """What is kept, by its own record: the digests prove the files, and what is missing of them is said."""
    files = kept(place)
    captured = json.loads(place.read("captured.json") or b"{}")
    logs = sum(1 for name in files if name.startswith("log_"))
    detail = (
        f"{len(files) - logs} documents and {logs} logs in {place.shown}",
        *captured.get("dangerous", ()),
        *captured.get("missing", ()),
    )
    return done(intent, detail, folder=place.shown, files=dict(files))


def _captured(situation: Situation, target: Target) -> dict[str, bytes]:
    cluster, manifest = cluster_of(situation, target.cluster), live(situation, target)
    snapshot, roles = read(cluster, WORKLOADS, target.namespace), read(cluster, RBAC)
    family = next(
        (f for f in families(snapshot) if f.head["metadata"]["uid"] == manifest["metadata"]["uid"]), Family(manifest)
    )
    parts = [family.head, *family.replica_sets, *family.jobs, *family.pods]
    account = account_of(manifest)
    settings = situation.connections.settings.forensics
    logs = read_logs(cluster, family.pods, Bounds(settings.log_bytes, settings.logs_bytes))
    documents: dict[str, Any] = {
        "workload": redacted(manifest),
        "owners": [_link(p) for p in parts],
        "replicasets": [redacted(r) for r in family.replica_sets],
        "jobs": [redacted(j) for j in family.jobs],
        "pods": [redacted(p) for p in family.pods],
        "events": _events(cluster, target.namespace, {p["metadata"]["uid"] for p in parts}),
        "serviceaccount": _account(cluster, target.namespace, account),
        "secrets": _secrets(cluster, target.namespace, parts),
        "reach": reach_of(roles, target.namespace, account),
        "logs": logs.entries,
    }
    documents["captured"] = {
        "at": situation.clock().isoformat(timespec="seconds"),
        "incident": str(situation.incident),
        "target": str(target),
        "uid": target.uid,
        "untold": dict(snapshot.untold),
        "dangerous": [f"ServiceAccount {account} {s}" for s in documents["reach"]["dangerous"]],
        "missing": _missing(documents, snapshot.why_not(WORKLOADS), logs),
    }
    written = {f"{n}.json": json.dumps(d, indent=2, sort_keys=True).encode() for n, d in documents.items()}
    return {**written, **logs.files}


def _missing(documents: Mapping[str, Any], unlisted: str, logs: Logs) -> list[str]:
    """What a capture does not hold, a sentence each."""
    parts = {n: d["untold"] for n, d in documents.items() if isinstance(d, dict) and isinstance(d.get("untold"), str)}
    secrets = [s["untold"] for s in documents["secrets"] if s.get("untold")]
    return [
        *([f"not all of it could be listed: {unlisted}"] if unlisted else ()),
        *(f"{name} is missing: {why}" for name, why in parts.items() if why),
        *dict.fromkeys(f"a Secret's type is missing: {why}" for why in secrets),
        *([f"{logs.cut} log(s) are kept in part: see logs.json"] if logs.cut else ()),
        *logs.untold,
    ]


def _link(manifest: Json) -> dict[str, str]:
    owner, meta = controller_of(manifest), manifest["metadata"]
    above = f"{owner['kind']}/{owner['name']}" if owner else ""
    return {"object": f"{manifest['kind']}/{meta['name']}", "uid": meta["uid"], "owner": above}


def _events(cluster: Cluster, namespace: str, uids: set[str]) -> Any:
    try:
        listed = cluster.all_of(EVENTS, namespace)
    except ForbiddenError as error:
        return {"untold": f"patchgap may not {error.permission}"}
    return [redacted(e) for e in listed if (e.get("involvedObject") or {}).get("uid") in uids]


def _account(cluster: Cluster, namespace: str, name: str) -> Any:
    try:
        return redacted(cluster.get(SERVICE_ACCOUNTS, namespace, name))
    except ForbiddenError as error:
        return {"untold": f"patchgap may not {error.permission}"}
    except NotFoundError:
        return {"untold": f"there is no service account {name}"}


def _secrets(cluster: Cluster, namespace: str, parts: Iterable[Json]) -> list[dict[str, Any]]:
    """The name and the type of each Secret that the workload uses, and how. The server prints them: no value comes."""
    used: dict[str, set[str]] = {}
    for name, ways in (u for p in parts for u in secrets_used(p).items()):
        used.setdefault(name, set()).update(ways)
    return [{"name": n, "used_by": sorted(ways), **_type_of(cluster, namespace, n)} for n, ways in sorted(used.items())]


def _type_of(cluster: Cluster, namespace: str, name: str) -> dict[str, str]:
    try:
        table = cluster.get(SECRETS, namespace, name, accept=TABLE)
    except ForbiddenError as error:
        return {"untold": f"patchgap may not {error.permission}"}
    except NotFoundError:
        return {"untold": f"there is no Secret {name}"}
    columns = [c["name"] for c in table["columnDefinitions"]]
    [row] = table["rows"]
    return {"type": str(row["cells"][columns.index("Type")]), "uid": str(row["object"]["metadata"]["uid"])}
