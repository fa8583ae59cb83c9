"""capture_forensics: what the workload was, kept before anything of it is changed.

Owns what is captured and where it is put. It reads no Secret, and what looks like one in a manifest is redacted.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from integrations.kubernetes.answers import ForbiddenError
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.inventory.families import Family, controller_of, families
from integrations.kubernetes.inventory.snapshot import LIVE_PERMISSIONS, read
from integrations.kubernetes.reach import PLATFORM, cluster_of, done, each_live, live
from integrations.kubernetes.redaction import redacted
from integrations.kubernetes.resources import EVENTS, SERVICE_ACCOUNTS, WORKLOADS, Json, pod_template
from patchgap.errors import BadInputError, NotFoundError, RefusedError
from patchgap.model.plan import Control, Effect, Intent, Outcome, PlannedAction, Receipt, Target, Uncovered
from patchgap.ports import Parameters, Situation
from patchgap.registry import action


class ForensicsParameters(Parameters):
    """None: what a workload consists of is captured whole."""


@action
class CaptureForensics:
    """Writes the workload's manifest, owner chain, pods, events and service account to patchgap's home.

    Example::

        capture_forensics: {}
    """

    verb: ClassVar[str] = "capture_forensics"
    platform: ClassVar[str] = PLATFORM
    effect: ClassVar[Effect] = Effect.READS
    inverse: ClassVar[str] = ""
    precedes: ClassVar[tuple[str, ...]] = (
        "isolate_workloads",
        "scale_to_zero",
        "evict_workloads",
        "rotate_credentials",
        "promote_canary",
    )
    permissions: ClassVar[tuple[str, ...]] = (
        *LIVE_PERMISSIONS,
        *(f"get {r.permission}" for r in WORKLOADS),
        "list core/events",
        "get core/serviceaccounts",
    )
    parameters: ClassVar[type[Parameters]] = ForensicsParameters

    def targets(
        self,
        parameters: ForensicsParameters,  # noqa: ARG002  (the protocol's)
        situation: Situation,
    ) -> Iterable[Target | Uncovered]:
        """The workloads themselves."""
        return each_live(self.verb, situation, lambda w, _: Target.of(w.ref))

    def preview(
        self,
        parameters: ForensicsParameters,  # noqa: ARG002  (the protocol's)
        target: Target,
        situation: Situation,
    ) -> tuple[str, ...]:
        """The folder that would be written; nothing in the cluster changes."""
        live(situation, target)
        return (f"manifests, pods and events are written to {_folder(situation, target)}",)

    def find(self, action: PlannedAction, situation: Situation) -> Mapping[str, Any]:
        """Nothing: a capture changes nothing."""
        live(situation, action.target)
        return {}

    def apply(self, intent: Intent, situation: Situation) -> Receipt:
        """Writes the files, mode 0600. A second run keeps what the first one saw: it is nearer to the incident."""
        target = intent.action.target
        folder = _folder(situation, target)
        if not (folder / "index.json").is_file():
            _write(folder, _captured(situation, target))
        files = _kept(folder)
        return done(intent, (f"{len(files)} files in {folder}",), folder=str(folder), files=files)

    def observe(self, intent: Intent, situation: Situation) -> Receipt | None:
        """A receipt where every file is there with the digest that the index gives it."""
        folder = _folder(situation, intent.action.target)
        files = _kept(folder)
        if not files or any(_digest(folder / n) != d for n, d in files.items()):
            return None
        return Receipt(
            intent.action.id,
            Outcome.DONE,
            (f"{len(files)} files in {folder}",),
            {"folder": str(folder), "files": files},
        )

    def release(self, control: Control, situation: Situation) -> Receipt:  # noqa: ARG002  (the protocol's)
        """There is nothing to undo."""
        raise RefusedError("capture_forensics changes nothing and cannot be released", "Leave it out of recover.")


def _folder(situation: Situation, target: Target) -> Path:
    parts = (str(situation.incident), target.cluster, target.namespace, f"{target.kind}-{target.name}")
    if any(p in {"", ".", ".."} or "/" in p or "\\" in p for p in parts):
        raise RefusedError(f"{target} has no name that a folder can bear", "Rename the cluster in patchgap.toml.")
    return situation.connections.settings.home.joinpath("forensics", *parts)


def _captured(situation: Situation, target: Target) -> dict[str, Any]:
    cluster, manifest = cluster_of(situation, target.cluster), live(situation, target)
    snapshot = read(cluster, WORKLOADS, target.namespace)
    family = next(
        (f for f in families(snapshot) if f.head["metadata"]["uid"] == manifest["metadata"]["uid"]), Family(manifest)
    )
    parts = [family.head, *family.replica_sets, *family.jobs, *family.pods]
    uids = {p["metadata"]["uid"] for p in parts}
    account = str((pod_template(manifest).get("spec") or {}).get("serviceAccountName") or "default")
    return {
        "workload": redacted(manifest),
        "owners": [_link(p) for p in parts],
        "replicasets": [redacted(r) for r in family.replica_sets],
        "jobs": [redacted(j) for j in family.jobs],
        "pods": [redacted(p) for p in family.pods],
        "events": _events(cluster, target.namespace, uids),
        "serviceaccount": _account(cluster, target.namespace, account),
        "captured": {
            "at": situation.clock().isoformat(timespec="seconds"),
            "incident": str(situation.incident),
            "target": str(target),
            "uid": target.uid,
            "untold": dict(snapshot.untold),
        },
    }


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


def _write(folder: Path, captured: Mapping[str, Any]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, document in captured.items():
            _write_file(folder / f"{name}.json", document)
        index = {f"{name}.json": _digest(folder / f"{name}.json") for name in captured}
        _write_file(folder / "index.json", index)  # last: its presence says that the capture is whole
    except OSError as error:
        raise BadInputError(
            folder,
            f"the forensics cannot be written: {error.strerror}",
            "Make PATCHGAP_HOME writable, with space left.",
        ) from error


def _write_file(path: Path, document: Any) -> None:
    path.unlink(missing_ok=True)  # of a capture that was cut off
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(document, file, indent=2, sort_keys=True)


def _kept(folder: Path) -> dict[str, str]:
    try:
        index: dict[str, str] = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return index


def _digest(path: Path) -> str:
    try:
        return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
