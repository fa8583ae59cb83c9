"""Rollouts and GitOps objects held still by a freeze, and let go again.

Owns when a pause must stand: until it is released; for a Deployment, until the mend is named and nothing affected is
rolling out, or until patchgap itself restarts it; for a GitOps object, until the mend is named and its team resumes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from integrations.digests import digest_in
from integrations.kubernetes import gitops
from integrations.kubernetes.holds import PAUSED, Held, settled
from integrations.kubernetes.images import images_of
from integrations.kubernetes.reach import cluster_of, live, still
from integrations.kubernetes.resources import Json, pod_template
from integrations.kubernetes.restarts import restart_marks
from patchgap.model.plan import Control, Intent, Outcome, Target
from patchgap.ports import Situation


def preview(situation: Situation, target: Target, holder: str) -> tuple[str, ...]:
    """What would change, by the server's dry run; and what a person must know of it."""
    cluster, manifest = cluster_of(situation, target.cluster), live(situation, target)
    held = Held.of(manifest, holder, PAUSED)
    held.hold(cluster, held.before, dry_run=True)
    if target.kind not in gitops.KINDS:
        return (held.change,)
    return (held.change, *gitops.warnings(cluster, manifest), gitops.mend(manifest))


def seen(manifest: Json, holder: str) -> dict[str, str]:
    """Whether it was paused before any incident held it: field by field, as a plan shows it."""
    held = Held.of(manifest, holder, PAUSED)
    return {held.stop.field: held.told(held.before)}


def found(situation: Situation, target: Target, holder: str) -> dict[str, Any]:
    """What a release restores, and which restarts of patchgap's came before the pause."""
    manifest = live(situation, target)
    before = Held.of(manifest, holder, PAUSED).before
    return {"before": before, **({} if target.kind in gitops.KINDS else {"restarts": list(restart_marks(manifest))})}


def hold(intent: Intent, situation: Situation, holder: str) -> tuple[str, ...]:
    """Pauses it, or lets it go where the mend is named and may roll out; says which."""
    target, before = intent.action.target, intent.found["before"]
    cluster = cluster_of(situation, target.cluster)
    if differences(intent, situation, holder):
        read = partial(Held.live, situation, target, holder, PAUSED)
        if _is_due(live(situation, target), situation, target):
            settled(read, lambda held: held.let_go(cluster, before, done=False))
        else:
            settled(read, lambda held: held.hold(cluster, before))
    return _said(situation, live(situation, target), target, holder)


def differences(intent: Intent, situation: Situation, holder: str) -> tuple[str, ...]:
    """How what is live differs from what this pause wants now; () where it does not."""
    target = intent.action.target
    manifest = still(situation, target)
    if manifest is None or _was_restarted(manifest, intent.found):
        return ()  # it is gone, or patchgap's own restart rolls out
    held = Held.of(manifest, holder, PAUSED)
    if _is_due(manifest, situation, target):
        return (f"{target}: {held.stop.field} is held still, though the mend is named",) if held.is_mine else ()
    if not held.is_still and target.kind in gitops.KINDS and situation.patched and held.is_mine:
        return ()  # its team has resumed it for the mend: the freeze refuses whatever else it applies
    return held.amiss(target)


def let_go(control: Control, situation: Situation, holder: str) -> tuple[str, ...]:
    """Restores what was found where nobody else has changed it since. Raises ConflictError where someone has."""
    target, before = control.intent.action.target, control.intent.found["before"]
    # A Deployment that was let go already may be paused by its team since: without the note it is theirs.
    whole = control.receipt.outcome is Outcome.DONE and target.kind in gitops.KINDS
    cluster = cluster_of(situation, target.cluster)
    read = partial(Held.still, situation, target, holder, PAUSED)
    said = settled(read, lambda held: held.let_go(cluster, before, done=whole))
    if said is None:
        return (f"{target} was deleted or replaced meanwhile: there is nothing to resume",)
    manifest = still(situation, target)
    told = gitops.resumed(manifest) if manifest is not None and target.kind in gitops.KINDS else ()
    return (f"{target}: {said}", *told)


def _was_restarted(manifest: Json, found: Mapping[str, Any]) -> bool:
    return manifest["kind"] == "Deployment" and bool(set(restart_marks(manifest)) - set(found.get("restarts") or ()))


def _is_due(manifest: Json, situation: Situation, target: Target) -> bool:
    """Whether a Deployment's pause is to end: the mend is named, so that the policy admits it and nothing else, and
    nothing affected would go on rolling out."""
    if target.kind in gitops.KINDS or not situation.patched:
        return False
    return _is_rolled_out(manifest) or not _holds_affected(manifest, situation)


def _is_rolled_out(manifest: Json) -> bool:
    status = manifest.get("status") or {}
    wanted, updated = manifest["spec"].get("replicas", 1), status.get("updatedReplicas", 0)
    observed = status.get("observedGeneration", 0) >= manifest["metadata"].get("generation", 0)
    return bool(observed and updated == wanted == status.get("replicas", 0))


def _holds_affected(manifest: Json, situation: Situation) -> bool:
    """Whether its template names an affected image, or one that cannot be told for want of a digest."""
    spec = pod_template(manifest).get("spec") or {}
    digests = [digest_in(image) for image in images_of(spec)]
    return any(not d or d in situation.affected_digests - situation.patched for d in digests)


def _said(situation: Situation, manifest: Json, target: Target, holder: str) -> tuple[str, ...]:
    held = Held.of(manifest, holder, PAUSED)
    told = f"{target}: {held.stop.field} is {held.told(held.now)}"
    if target.kind in gitops.KINDS:
        cluster = cluster_of(situation, target.cluster)
        return (told, *gitops.resumers(cluster, manifest), gitops.mend(manifest))
    if not held.is_still and situation.patched:
        return (f"{told}: the mend is named, and only the mend may change it",)
    return (told,)
