"""Rotating a Secret that affected workloads consume: its rotator is asked, its changed data is the proof, and then every
consumer is restarted.

Owns that order. A restart before the value has changed would hand the old one out again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from integrations.kubernetes import restarts
from integrations.kubernetes.accounts import TOKEN_OF, TOKEN_TYPE, Consumer, consumers_of, named, planned
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.reach import PLATFORM, cluster_of, live
from integrations.kubernetes.resources import SECRETS, Json
from integrations.kubernetes.restarts import Restarts, fate, is_due, restart, restart_all, restart_mark
from integrations.kubernetes.rotators import KnownSecret, ask, known, new_salt, rotator_of
from integrations.kubernetes.secrets_used import secrets_used
from integrations.verbs import done
from patchgap.errors import ConflictError, NotFoundError, PatchgapError, RefusedError, WaitingError
from patchgap.model.plan import Intent, Outcome, PlannedAction, Receipt, Target, Uncovered
from patchgap.ports import Situation
from patchgap.settings import RotatorSettings

KIND = SECRETS.kind
_HOW = "Add [[kubernetes.rotators]] for it: a webhook, or a person who rotates it by hand."


def targets(verb: str, situation: Situation, accounts: Iterable[Target]) -> Iterator[Target | Uncovered]:
    """A target a Secret that an affected workload consumes, naming every workload that does. One without a rotator is
    uncovered, by name; tokens of the accounts that are replaced anyway go with those."""
    replaced = {(a.cluster, a.namespace, a.name) for a in accounts}
    used: dict[tuple[str, str, str], set[str]] = {}
    listed: dict[tuple[str, str], dict[str, Consumer]] = {}
    for workload in situation.on(PLATFORM):
        ref, place = workload.ref, (workload.ref.cluster, workload.ref.namespace)
        try:
            manifest, cluster = live(situation, ref), cluster_of(situation, ref.cluster)
            if place not in listed:
                every = consumers_of(cluster, ref.namespace, lambda _: True)
                listed[place] = {c.head["metadata"]["uid"]: c for c in every}
            own = listed[place].get(manifest["metadata"]["uid"])
            parts = (manifest, *(own.family.pods if own else ()))
        except PatchgapError as error:
            yield Uncovered(verb, str(ref), f"which Secrets it consumes cannot be told: {error}")
            continue
        for name, ways in (u for part in parts for u in secrets_used(part).items()):
            if "optional" not in ways or cluster.find(SECRETS, ref.namespace, name):
                used.setdefault((ref.cluster, ref.namespace, name), set()).add(str(ref))
    for (where, namespace, name), workloads in sorted(used.items()):
        try:
            found = _target(situation, Target(PLATFORM, where, namespace, KIND, name, ""), workloads, replaced)
        except PatchgapError as error:
            found = str(error)
        if found is not None:
            yield found if isinstance(found, Target) else Uncovered(verb, f"{where}/{namespace}/{KIND}/{name}", found)


def _target(
    situation: Situation, bare: Target, affected: Iterable[str], replaced: Container[tuple[str, str, str]]
) -> Target | str | None:
    """The Secret, why it cannot be rotated, or None where it is a token that is replaced with its account."""
    cluster = cluster_of(situation, bare.cluster)
    secret = known(cluster, bare.namespace, bare.name)
    if secret is None:
        return "it is consumed and not there: whether its value still works cannot be told"
    if secret.type == TOKEN_TYPE and (bare.cluster, bare.namespace, secret.annotations.get(TOKEN_OF, "")) in replaced:
        return None
    if rotator_of(situation, bare.cluster, bare.namespace, bare.name, secret) is None:
        return f"it has no rotator: its value stays what it was. {_HOW}"
    begun = next((i for i in _begun(situation) if i.action.target.by_name == bare.by_name), None)
    using = {named(bare, c) for c in _users(cluster, bare)}
    uid = begun.action.target.uid if begun else secret.uid
    return replace(bare, uid=uid, workloads=tuple(sorted({*affected, *using})))


def preview(target: Target, situation: Situation) -> tuple[str, ...]:
    """Who is asked, and every consumer with what happens to it."""
    cluster, rotator = cluster_of(situation, target.cluster), _rotator(situation, target)
    how = "by hand: this waits for it" if rotator.kind == "person" else f"at {rotator.url}"
    lines = [f"rotator {rotator.name} gives it another value, {how}; nothing brings the old one back"]
    affected = {str(w.ref) for w in situation.on(PLATFORM)}
    for consumer in _users(cluster, target):
        restart(cluster, consumer, situation, _part(target), dry_run=True)
        own = named(target, consumer) in affected
        lines.append(f"{fate(consumer)}{'' if own else ' (it is not affected)'}")
    return tuple(lines)


def seen(target: Target, situation: Situation) -> Mapping[str, str]:
    """The version that is rotated; of a rotation that was begun, the one that it found."""
    if begun := next((i for i in _begun(situation) if i.action.target.by_name == target.by_name), None):
        return {"version": str(begun.found["version"])}
    secret = known(cluster_of(situation, target.cluster), target.namespace, target.name)
    return {"version": secret.version if secret else ""}


def find(action: PlannedAction, situation: Situation) -> Mapping[str, Any]:
    """By what the old value is known again: a salted digest of it."""
    target = action.target
    if begun := next((i for i in _begun(situation) if i.action.target.by_name == target.by_name), None):
        return begun.found
    salt = new_salt()
    secret = known(cluster_of(situation, target.cluster), target.namespace, target.name, salt)
    if secret is None or secret.uid != target.uid:
        raise ConflictError(f"{target} is another object than the planned one, or gone", "Plan again.")
    return {"uid": secret.uid, "version": secret.version, "salt": salt, "digest": secret.digest}


def apply(intent: Intent, situation: Situation) -> Receipt:
    """Asks the rotator while the value is the old one; restarts the consumers once it is not. Raises WaitingError where
    it has not changed yet: the next round asks again."""
    target = intent.action.target
    cluster, said = cluster_of(situation, target.cluster), "its value had changed already"
    if not (changed := _changed(cluster, intent)):
        rotator = _rotator(situation, target)
        said = ask(rotator, situation, target)
        patience = 0.0 if rotator.kind == "person" else rotator.wait_seconds
        changed = cluster.until(patience, lambda: _changed(cluster, intent))
    if changed is None:
        raise WaitingError(f"{said}, and {target} still has its old value", "Its changed data is the proof.")
    using = _users(cluster, target)
    ours = planned(target, using)
    restart_all(cluster, ours, situation, _part(target))
    late = [f"{c}: consumes it only since the plan was made: restart it by hand" for c in using if c not in ours]
    seen = restarts.seen(cluster, ours, restarts.MOMENT)
    return _receipt(intent, changed, (said, "its data has changed", *late), seen, situation)


def observe(intent: Intent, situation: Situation) -> Receipt:
    """A receipt where the value has changed and every consumer was restarted; else one that waits."""
    if missing := differences(intent, situation):
        return Receipt(intent.action.id, Outcome.WAITING, missing)
    target, cluster = intent.action.target, cluster_of(situation, intent.action.target.cluster)
    seen = restarts.seen(cluster, planned(target, _users(cluster, target)))
    return _receipt(intent, _changed(cluster, intent), ("its data has changed",), seen, situation)


def differences(intent: Intent, situation: Situation) -> tuple[str, ...]:
    """What is left of the rotation, a sentence each."""
    target = intent.action.target
    cluster = cluster_of(situation, target.cluster)
    if _changed(cluster, intent) is None:
        return (f"{target} still has its old value, or is gone",)
    due = [c for c in planned(target, _users(cluster, target)) if is_due(c, situation, _part(target))]
    return tuple(f"{c} in {target.namespace} has not been restarted" for c in due)


def old_pods(cluster: Cluster, target: Target, incident: str, since: str) -> list[str]:
    """The live pods that consume it and were started with the old value: without the restart's mark, and no newer than
    the change as it was seen."""
    mark = restart_mark(incident, _part(target))
    pods = [p for c in _users(cluster, target) for p in c.live_pods]
    old = [p for p in pods if not _marked(p, mark) and p["metadata"]["creationTimestamp"] <= since]
    return sorted(str(p["metadata"]["name"]) for p in old)


def _marked(pod: Json, mark: str) -> bool:
    return mark in (pod["metadata"].get("annotations") or {})


def _users(cluster: Cluster, target: Target) -> tuple[Consumer, ...]:
    return consumers_of(cluster, target.namespace, lambda m: target.name in secrets_used(m))


def _changed(cluster: Cluster, intent: Intent) -> KnownSecret | None:
    """The Secret where its data is not the old one; also under a new uid, where the rotator made it anew."""
    target, found = intent.action.target, intent.found
    now = known(cluster, target.namespace, target.name, found["salt"])
    return now if now is not None and now.digest != found["digest"] else None


def _rotator(situation: Situation, target: Target) -> RotatorSettings:
    secret = known(cluster_of(situation, target.cluster), target.namespace, target.name)
    if secret is None:
        raise NotFoundError(f"{target} is gone", "Plan again.")
    rotator = rotator_of(situation, target.cluster, target.namespace, target.name, secret)
    if rotator is None:
        raise RefusedError(f"{target} has no rotator any more", _HOW)
    return rotator


def _begun(situation: Situation) -> Iterator[Intent]:
    """The incident's rotations of Secrets, done or begun."""
    for control in situation.done_or_begun:
        if control.intent.action.verb == "rotate_credentials" and control.intent.action.target.kind == KIND:
            yield control.intent


def _part(target: Target) -> str:
    """What tells this Secret's restarts from others of the incident, within the length of an annotation's name."""
    return hashlib.sha256(target.name.encode()).hexdigest()[:8]


def _receipt(
    intent: Intent, changed: KnownSecret | None, detail: tuple[str, ...], seen: Restarts, situation: Situation
) -> Receipt:
    now = changed or KnownSecret("", "", "")
    return done(
        intent,
        (*detail, *seen.said),
        proved=not seen.stand_still,
        uid={"old": intent.found["uid"], "new": now.uid},
        version={"old": intent.found["version"], "new": now.version},
        changed_by=situation.clock().strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
