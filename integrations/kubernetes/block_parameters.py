"""The ConfigMaps that hold a block's digests: one, or sixteen by the digests' first letter where one does not hold them.

Owns how many one takes and which digest is in which; what is blocked is the action's to say. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from integrations.kubernetes import admission, standing
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.resources import CONFIG_MAPS
from patchgap.errors import RefusedError

MOST = 4000  # in one ConfigMap: 0.6 MB of its 1 MiB, and 0.9 of the 1.5 MB that etcd takes with the fields' owners
SPLIT = 1000  # so many in one ConfigMap before they are split: small writes, for slow servers
SHARDS = "0123456789abcdef"
_SHARDED = "shards"  # a key of the first ConfigMap where there are more


@dataclass(frozen=True, slots=True)
class Live:
    """What a block refuses in its cluster now, and whether that is kept in shards."""

    digests: frozenset[str]
    sharded: bool


def live(cluster: Cluster, namespace: str, policy: str, incident: str) -> Live:
    """What the incident's own ConfigMaps hold; nothing where there are none."""
    first = _held(cluster, namespace, policy, incident)
    sharded = _SHARDED in first
    more = [_held(cluster, namespace, f"{policy}-{letter}", incident) for letter in SHARDS if sharded]
    digests = (v for kept in (first, *more) for k, v in kept.items() if k.startswith("digest."))
    return Live(frozenset(digests), sharded)


def _held(cluster: Cluster, namespace: str, name: str, incident: str) -> Mapping[str, str]:
    kept = cluster.find(CONFIG_MAPS, namespace, name)
    if kept is None or kept["metadata"].get("labels", {}).get(standing.INCIDENT) != incident:
        return {}
    data: Mapping[str, str] = kept.get("data") or {}
    return data


def of(digests: frozenset[str], standing_now: Live) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """The data of the first ConfigMap, and of the shards by their letter. A digest stays where it is however many come,
    and what was split stays so. Raises RefusedError where there are none or too many."""
    if not digests:
        raise RefusedError("there is no digest to block", "Add the SBOMs of the affected images to the graph.")
    if len(digests) <= SPLIT and not standing_now.sharded:
        return admission.digests("digest", digests), {}
    found = {letter: [d for d in digests if d.partition(":")[2].startswith(letter)] for letter in SHARDS}
    if (largest := max(map(len, found.values()))) > MOST:
        raise RefusedError(
            f"{len(digests)} digests to block, {largest} of them in one ConfigMap, which holds {MOST}",
            f"About {MOST * len(SHARDS)} are the most: narrow the scope, or stop the pulls at the registry.",
        )
    # Never without data: the policy would fail on it, and refuse everything.
    shards = {letter: {"shard": letter, **admission.digests("digest", held)} for letter, held in found.items()}
    return {_SHARDED: str(len(SHARDS))}, shards
