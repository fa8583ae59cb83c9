"""Restarting what uses an account, for an incident: once each, by a mark on the pod template, and what cannot be; and what was
seen of it.

Owns the mark. It does not know why a restart is wanted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from integrations.kubernetes import rollouts
from integrations.kubernetes.accounts import Consumer
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.holds import PAUSED, Held
from integrations.kubernetes.resources import Json, of_kind, pod_template
from patchgap.errors import NotFoundError
from patchgap.ports import Situation

_MARK = "patchgap.dev/restarted-for"
MOMENT = 2.0  # seconds that restarts are looked at; what takes longer is told as under way
_RESTARTS = ("Deployment", "StatefulSet", "DaemonSet")


def restart_mark(incident: str, part: str = "") -> str:
    """The annotation of a pod that was restarted for an incident: one a key, so that another rotation keeps it. `part`
    tells restarts of one incident apart, each for another thing that was rotated."""
    return f"{_MARK}.{incident}" + (f".{part}" if part else "")


def restart(
    cluster: Cluster, consumer: Consumer, situation: Situation, part: str = "", *, dry_run: bool = False
) -> None:
    """Rolls its pods, once an incident and part; does nothing where that is not due. Raises NotFoundError and ConflictError."""
    if not is_due(consumer, situation, part):
        return
    head = consumer.head
    mark = {"metadata": {"annotations": {restart_mark(str(situation.incident), part): "true"}}}
    body = {"metadata": {"uid": head["metadata"]["uid"]}, "spec": {"template": mark, **_resumed(head)}}
    meta = head["metadata"]
    cluster.patch(of_kind(head["kind"]), meta["namespace"], meta["name"], body, dry_run=dry_run)


def restart_marks(manifest: Json) -> tuple[str, ...]:
    """The restarts that its pod template has seen, of any incident."""
    meta: Json = pod_template(manifest).get("metadata") or {}
    return tuple(sorted(k for k in meta.get("annotations") or {} if k.startswith(f"{_MARK}.")))


def _resumed(head: Json) -> dict[str, object]:
    """A Deployment whose rollouts patchgap itself holds still rolls again, else its pods would keep what was rotated:
    a freeze knows the mark of the restart and lets it be."""
    if head["kind"] != "Deployment" or not head["spec"].get("paused"):
        return {}
    held = Held.of(head, "", PAUSED)
    return {"paused": held.before} if held.holds else {}


def _is_paused(head: Json) -> bool:
    """Whether its team holds its rollouts still."""
    return head["kind"] == "Deployment" and bool(head["spec"].get("paused") and _resumed(head).get("paused", True))


def is_due(consumer: Consumer, situation: Situation, part: str = "") -> bool:
    """Whether patchgap restarts this kind and has not done so for the incident."""
    if consumer.head["kind"] not in _RESTARTS:
        return False
    template = consumer.head["spec"]["template"].get("metadata") or {}
    return restart_mark(str(situation.incident), part) not in (template.get("annotations") or {})


def restart_all(cluster: Cluster, consumers: Iterable[Consumer], situation: Situation, part: str = "") -> None:
    """Restarts each that is there still."""
    for consumer in consumers:
        with suppress(NotFoundError):
            restart(cluster, consumer, situation, part)


@dataclass(frozen=True, slots=True)
class Restarts:
    """What was seen of restarts: a sentence each, and whether one of them stands still."""

    said: tuple[str, ...]
    stand_still: bool


def seen(cluster: Cluster, consumers: Sequence[Consumer], wait: float = 0) -> Restarts:
    """How they run, at most that many seconds from now: anew, or why their rollout stands still, as the cluster says. One that
    only needs longer is told as that; each verification looks for pods of before."""
    now: dict[str, Json | None] = {}

    def settled() -> bool | None:
        for c in consumers:
            if _rolls(c):
                meta = c.head["metadata"]
                now[str(c)] = cluster.find(of_kind(c.head["kind"]), meta["namespace"], meta["name"])
        heads = [head for head in now.values() if head is not None]
        return True if all(rollouts.refused(head) or not rollouts.rolling(head) for head in heads) else None

    cluster.until(wait, settled)
    said = [_seen(c, now[str(c)]) if str(c) in now else fate(c) for c in consumers]
    return Restarts(tuple(said), any(head is not None and rollouts.refused(head) for head in now.values()))


def _seen(consumer: Consumer, head: Json | None) -> str:
    if head is None:
        return f"{consumer} was deleted meanwhile"
    if why := rollouts.refused(head):
        return f"{consumer}: NOT restarted, its rollout stands still ({rollouts.rolling(head)}): {why}"
    if left := rollouts.rolling(head):
        return f"{consumer}: its restart is under way: {left}"
    return f"{fate(consumer)}; every pod of it is new"


def _rolls(consumer: Consumer) -> bool:
    """Whether its pods are replaced as soon as it is marked."""
    head = consumer.head
    return head["kind"] in _RESTARTS and not _is_on_delete(head) and not _is_paused(head)


def _is_on_delete(head: Json) -> bool:
    """Whether its pods are replaced only as somebody deletes them."""
    return (head["spec"].get("updateStrategy") or {}).get("type") == "OnDelete"


def fate(consumer: Consumer) -> str:
    """What a restart comes to for it, in words: also where patchgap restarts no such thing."""
    kind = consumer.head["kind"]
    if kind in _RESTARTS:
        if _is_on_delete(consumer.head):
            return f"{consumer}: marked for restart; its strategy is OnDelete: delete its pods by hand"
        if _is_paused(consumer.head):
            return f"{consumer}: marked for restart; its team has paused its rollouts: it restarts when they resume"
        if _resumed(consumer.head):
            return f"{consumer}: restarted, for which its rollouts go on again; the freeze's policy stands"
        return f"{consumer}: restarted"
    if kind == "CronJob" and not consumer.live_pods:
        return f"{consumer}: its next run gets what is new"
    if not consumer.live_pods:
        return f"{consumer}: runs nothing"
    return f"{consumer}: patchgap cannot restart it: its {len(consumer.live_pods)} pod(s) hold what was rotated"
