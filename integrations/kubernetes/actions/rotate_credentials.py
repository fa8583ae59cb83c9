"""rotate_credentials: every token of the workload's service account stops working, and its consumers get new ones.

Owns the order of a rotation, and that it can be cut off at any line and run again: the intent holds the account's
manifest, so an account that is missing is made again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from integrations.kubernetes import restarts, secret_rotation
from integrations.kubernetes.accounts import (
    ROTATED,
    TOKEN_TYPE,
    account_of,
    consumers,
    is_believed,
    kept,
    made_from,
    named,
    planned,
    probe_of,
    token_secrets,
)
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.inventory.snapshot import LIVE_PERMISSIONS
from integrations.kubernetes.reach import PLATFORM, cluster_of, live
from integrations.kubernetes.resources import SECRETS, SERVICE_ACCOUNTS, WORKLOADS, Json
from integrations.kubernetes.restarts import Restarts, fate, is_due, restart, restart_all
from integrations.verbs import RotationParameters, done
from patchgap.errors import ConflictError, PatchgapError, RefusedError, UnreachableError
from patchgap.model.plan import Control, Effect, Intent, PlannedAction, Receipt, Target, Uncovered
from patchgap.ports import Parameters, Situation
from patchgap.registry import action

REFUSED = "refused"
_WAIT = 30.0  # seconds: API servers cache an accepted token for some


@action
class RotateCredentials:
    """Replaces the workloads' service accounts, so that every token of the old ones is refused, has their Secrets rotated
    by the rotators that the settings name, and restarts the consumers; a refused token and changed data prove it.

    What unaffected workloads share is replaced for them too: the plan names each. A Secret without a rotator is uncovered.

    Example::

        rotate_credentials:
          irreversible: accept
    """

    verb: ClassVar[str] = "rotate_credentials"
    platform: ClassVar[str] = PLATFORM
    effect: ClassVar[Effect] = Effect.IRREVERSIBLE
    inverse: ClassVar[str] = ""
    permissions: ClassVar[tuple[str, ...]] = (
        *LIVE_PERMISSIONS,
        *(f"get {r.permission}" for r in WORKLOADS),
        "get,create,patch,delete core/serviceaccounts",
        "create core/serviceaccounts/token",
        "get,list,create,delete core/secrets",
        "patch apps/deployments",
        "patch apps/statefulsets",
        "patch apps/daemonsets",
    )
    parameters: ClassVar[type[Parameters]] = RotationParameters

    def targets(
        self,
        parameters: RotationParameters,  # noqa: ARG002  (the protocol's)
        situation: Situation,
    ) -> Iterable[Target | Uncovered]:
        """A target a service account, naming every workload that runs as it: the unaffected are restarted too, so that
        they are planned, counted and protected like the others. A target a Secret that is consumed, in the same way."""
        users: dict[tuple[str, str, str], list[str]] = {}
        for w in situation.on(PLATFORM):
            try:
                account = account_of(live(situation, w.ref))
            except PatchgapError as error:
                yield Uncovered(self.verb, str(w.ref), str(error))
                continue
            users.setdefault((w.ref.cluster, w.ref.namespace, account), []).append(str(w.ref))
        replaced: list[Target] = []
        for (cluster, namespace, account), workloads in users.items():
            found = _target(situation, cluster, namespace, account, workloads)
            if isinstance(found, str):
                yield from (Uncovered(self.verb, w, found) for w in workloads)
            else:
                replaced.append(found)
                yield found
        yield from secret_rotation.targets(self.verb, situation, replaced)

    def preview(
        self,
        parameters: RotationParameters,  # noqa: ARG002  (the protocol's)
        target: Target,
        situation: Situation,
    ) -> tuple[str, ...]:
        """The account, its token Secrets, and every consumer with what happens to it."""
        if target.kind == secret_rotation.KIND:
            return secret_rotation.preview(target, situation)
        if _rotation_of(situation, target) is not None:
            return ("it was replaced for this incident already; what has not been restarted since is",)
        cluster, manifest = cluster_of(situation, target.cluster), live(situation, target)
        cluster.delete(SERVICE_ACCOUNTS, target.namespace, target.name, target.uid, dry_run=True)
        cluster.apply(_made(manifest, situation), dry_run=True)
        lines = [f"replaced by a new one (uid {target.uid} goes): every token of it is refused"]
        for secret in token_secrets(cluster, target.namespace, target.name):
            cluster.delete(SECRETS, target.namespace, secret["name"], secret["uid"], dry_run=True)
            lines.append(f"Secret {secret['name']}: made again with a new token")
        affected = {str(w.ref) for w in situation.on(PLATFORM)}
        for consumer in consumers(cluster, target.namespace, target.name):
            restart(cluster, consumer, situation, dry_run=True)
            own = named(target, consumer) in affected
            lines.append(f"{fate(consumer)}{'' if own else ' (it is not affected)'}")
        return tuple(lines)

    def seen(self, target: Target, situation: Situation) -> Mapping[str, str]:
        """The token Secrets that are made again, or the Secret's version; of a rotation that was begun, as it found them."""
        if target.kind == secret_rotation.KIND:
            return secret_rotation.seen(target, situation)
        if (begun := _rotation_of(situation, target)) is not None:
            return made_from(begun.intent.found["manifest"], begun.intent.found["tokens"])
        cluster = cluster_of(situation, target.cluster)
        now = cluster.find(SERVICE_ACCOUNTS, target.namespace, target.name)  # another one of that name is seen as it is
        return made_from(kept(now) if now else {}, token_secrets(cluster, target.namespace, target.name))

    def find(self, action: PlannedAction, situation: Situation) -> Mapping[str, Any]:
        """The account's manifest and its Secrets' names; no token and no data."""
        target = action.target
        if target.kind == secret_rotation.KIND:
            return secret_rotation.find(action, situation)
        if (begun := _rotation_of(situation, target)) is not None:
            return begun.intent.found
        manifest = live(situation, target)
        tokens = token_secrets(cluster_of(situation, target.cluster), target.namespace, target.name)
        return {"uid": manifest["metadata"]["uid"], "manifest": kept(manifest), "tokens": list(tokens)}

    def apply(self, intent: Intent, situation: Situation) -> Receipt:
        """Replaces the account, once, restarts the consumers, tries a token of the old account, and looks at the restarts."""
        target, found = intent.action.target, intent.found
        if target.kind == secret_rotation.KIND:
            return secret_rotation.apply(intent, situation)
        cluster = cluster_of(situation, target.cluster)
        current = cluster.find(SERVICE_ACCOUNTS, target.namespace, target.name)
        probe = None
        if current is not None and current["metadata"]["uid"] == found["uid"]:
            probe = probe_of(cluster, target.namespace, target.name)
            for secret in found["tokens"]:
                cluster.delete(SECRETS, target.namespace, secret["name"], secret["uid"])
            cluster.delete(SERVICE_ACCOUNTS, target.namespace, target.name, found["uid"])
        made = _replaced(cluster, target, found, situation)
        for secret in found["tokens"]:
            _replace_secret(cluster, target, secret, situation)
        using = consumers(cluster, target.namespace, target.name)
        ours = planned(target, using)
        restart_all(cluster, ours, situation)
        late = [f"{c}: runs as it only since the plan was made: restart it by hand" for c in using if c not in ours]
        outcome = _tried(cluster, probe)
        return _receipt(intent, made, restarts.seen(cluster, ours, restarts.MOMENT), outcome, late)

    def observe(self, intent: Intent, situation: Situation) -> Receipt | None:
        """A receipt where the account is the new one and every consumer was restarted. What it cannot see again is
        whether an old token was tried: such a receipt says `unproved`."""
        target = intent.action.target
        if target.kind == secret_rotation.KIND:
            return secret_rotation.observe(intent, situation)
        if self.differences(intent, situation):
            return None
        made = live(situation, Target(PLATFORM, target.cluster, target.namespace, target.kind, target.name, ""))
        cluster = cluster_of(situation, target.cluster)
        ours = planned(target, consumers(cluster, target.namespace, target.name))
        return _receipt(intent, made, restarts.seen(cluster, ours), "unproved")

    def differences(self, intent: Intent, situation: Situation) -> tuple[str, ...]:
        """How what is live differs from a finished rotation; () where it does not."""
        target, found = intent.action.target, intent.found
        if target.kind == secret_rotation.KIND:
            return secret_rotation.differences(intent, situation)
        cluster = cluster_of(situation, target.cluster)
        current = cluster.find(SERVICE_ACCOUNTS, target.namespace, target.name)
        if current is None:
            return (f"{target} is missing",)
        if current["metadata"]["uid"] == found["uid"]:
            return (f"{target} is still the old one (uid {found['uid']})",)
        tokens = {s["name"]: s["uid"] for s in token_secrets(cluster, target.namespace, target.name)}
        old = [s["name"] for s in found["tokens"] if tokens.get(s["name"]) in (None, s["uid"])]
        ours = planned(target, consumers(cluster, target.namespace, target.name))
        late = [c for c in ours if is_due(c, situation)]
        return (
            *(f"Secret {target.namespace}/{n} has not been made again" for n in old),
            *(f"{c} in {target.namespace} has not been restarted" for c in late),
        )

    def release(self, control: Control, situation: Situation) -> Receipt:  # noqa: ARG002  (the protocol's)
        """Nothing brings an old token back."""
        raise RefusedError("a rotation cannot be released: the old tokens are gone", "Leave it out of recover.")


def _target(situation: Situation, cluster: str, namespace: str, account: str, affected: Iterable[str]) -> Target | str:
    """The account, or why it cannot be rotated. One that was rotated for this incident is still the planned one."""
    try:
        reached = cluster_of(situation, cluster)
        if reached.identity() == f"system:serviceaccount:{namespace}:{account}":
            return "patchgap runs as this account: it would lock itself out"
        uid = str(reached.get(SERVICE_ACCOUNTS, namespace, account)["metadata"]["uid"])
        target = Target(PLATFORM, cluster, namespace, "ServiceAccount", account, uid)
        if (begun := _rotation_of(situation, target)) is not None:
            target = replace(target, uid=begun.intent.action.target.uid)
        using = (named(target, c) for c in consumers(reached, namespace, account))
        return replace(target, workloads=tuple(sorted({*affected, *using})))
    except PatchgapError as error:
        return str(error)


def _rotation_of(situation: Situation, target: Target) -> Control | None:
    """The incident's rotation that put this account there, or the one of this very target; also one that was cut off
    between the old account and its receipt."""
    for control in situation.done_or_begun:
        held = control.intent.action.target
        same = held.by_name == target.by_name
        uids = {held.uid, *(control.receipt.result.get("uid") or {}).values()}
        if same and control.intent.action.verb == RotateCredentials.verb and target.uid in uids:
            return control
    return None


def _made(manifest: Json, situation: Situation) -> dict[str, Any]:
    made = kept(manifest)
    annotations = {**made["metadata"].get("annotations", {}), ROTATED: str(situation.incident)}
    return {**made, "metadata": {**made["metadata"], "annotations": annotations}}


def _replaced(cluster: Cluster, target: Target, found: Mapping[str, Any], situation: Situation) -> Json:
    """The new account; made where it is missing, also after a run that was cut off. Raises ConflictError where the
    name belongs to another incident's rotation or to someone else."""
    manifest = _made(found["manifest"], situation)

    def new_one() -> Json | None:
        current = cluster.find(SERVICE_ACCOUNTS, target.namespace, target.name)
        if current is not None and current["metadata"]["uid"] == found["uid"]:
            return None  # it is being deleted
        return cluster.apply(manifest)

    made = cluster.until(_WAIT, new_one)
    if made is None:
        raise UnreachableError(
            f"{target} is held in deletion by a finalizer",
            "Find who holds it (metadata.finalizers), then run it again.",
        )
    return made


def _replace_secret(cluster: Cluster, target: Target, secret: Mapping[str, Any], situation: Situation) -> None:
    meta = {
        "name": secret["name"],
        "namespace": target.namespace,
        "labels": secret["labels"],
        "annotations": {**secret["annotations"], ROTATED: str(situation.incident)},
    }
    body = {"apiVersion": SECRETS.api_version, "kind": SECRETS.kind, "type": TOKEN_TYPE, "metadata": meta}

    def made() -> bool | None:
        live_ones = {s["name"]: s["uid"] for s in token_secrets(cluster, target.namespace, target.name)}
        if live_ones.get(secret["name"], secret["uid"]) != secret["uid"]:
            return True
        try:
            cluster.create(SECRETS, target.namespace, body)
        except ConflictError:
            return None  # the old one is being deleted
        return True

    if not cluster.until(_WAIT, made):
        raise UnreachableError(
            f"Secret {target.namespace}/{secret['name']} cannot be made again: its name is taken",
            "Look at what holds that name, then run it again.",
        )


def _tried(cluster: Cluster, probe: Cluster | None) -> str:
    """`refused`, `accepted`, or `unproved` where an earlier run replaced the account and its token is gone."""
    if probe is None:
        return "unproved"
    gone = cluster.until(_WAIT, lambda: None if is_believed(probe) else REFUSED)
    return gone or "accepted"


def _told(outcome: str) -> str:
    return {
        REFUSED: "a token of the old account was tried and is refused",
        "accepted": "a token of the old account is STILL accepted",
    }.get(outcome, "no token of the old account could be tried: the run that held it was cut off")


def _receipt(intent: Intent, made: Json, seen: Restarts, outcome: str, late: Iterable[str] = ()) -> Receipt:
    uids = {"old": intent.found["uid"], "new": made["metadata"]["uid"]}
    tokens = [t["name"] for t in intent.found["tokens"]]
    detail, holds = (*seen.said, *late, _told(outcome)), outcome == REFUSED and not seen.stand_still
    return done(intent, detail, probe=outcome, proved=holds, uid=uids, tokens=tokens)
