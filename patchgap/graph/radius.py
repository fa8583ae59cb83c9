"""How far an exposure reaches: its workloads in the order in which to look at them, and what they come to together.

The order is lexicographic, without weights: what VEX does not clear before what it does; then data scope (sensitive or
unknown, internal, public), internet exposure (exposed or unknown first), privilege (cluster admin or unknown, privileged,
host namespace, added capabilities, granted rights, none), running replicas, and the name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from patchgap.model.claimed import is_claimed
from patchgap.model.exposure import Exposure, Standing
from patchgap.model.workload import Classification, Privileges, Workload

_SCOPES = {
    Classification.SENSITIVE: 0,
    Classification.UNKNOWN: 0,
    Classification.INTERNAL: 1,
    Classification.PUBLIC: 2,
}


class Privilege(IntEnum):
    """The worst that a workload may do; the lower the worse."""

    CLUSTER_ADMIN = 0
    PRIVILEGED = 1
    HOST_NAMESPACE = 2
    CAPABILITIES = 3
    RIGHTS = 4  # its account may do something by RBAC or IAM: `reach` says what
    NONE = 5


@dataclass(frozen=True, slots=True)
class Reach:
    """One exposed workload. `standing` is the worst of its exposures'."""

    workload: Workload
    exposures: tuple[Exposure, ...]
    standing: Standing
    privilege: Privilege
    privilege_known: bool


@dataclass(frozen=True, slots=True)
class Total:
    """What the workloads come to; those that VEX clears are counted apart and in nothing else. `sensitive` holds those
    of `unknown_scope` too, and `internet` those of `unknown_internet`. `may_include` are those of which it is not sure;
    `replicas` are seen or told to run, `claimed_replicas` are what exposure documents say."""

    workloads: int
    may_include: int
    replicas: int
    claimed_replicas: int
    namespaces: int
    clusters: int
    sensitive: int
    unknown_scope: int
    internet: int
    unknown_internet: int
    writes_to: tuple[str, ...]
    cleared: int


def ranked(exposures: Iterable[Exposure]) -> tuple[Reach, ...]:
    """The exposed workloads, the worst first."""
    held: dict[object, list[Exposure]] = {}
    for one in exposures:
        held.setdefault(one.workload.ref, []).append(one)
    return tuple(sorted((_reach(group) for group in held.values()), key=_order))


def total(reached: Sequence[Reach]) -> Total:
    """All that VEX does not clear, together."""
    standings = [one.standing for one in reached]
    open_ = [one.workload for one in reached if one.standing is not Standing.NOT_AFFECTED]
    return Total(
        workloads=len(open_),
        may_include=standings.count(Standing.UNKNOWN),
        replicas=sum(one.running for one in open_ if not is_claimed(one)),
        claimed_replicas=sum(one.replicas for one in open_ if is_claimed(one)),
        namespaces=len({(one.ref.cluster, one.ref.namespace) for one in open_}),
        clusters=len({one.ref.cluster for one in open_}),
        sensitive=sum(_SCOPES[one.data_scope.classification] == 0 for one in open_),
        unknown_scope=sum(one.data_scope.classification is Classification.UNKNOWN for one in open_),
        internet=sum(one.internet_exposed is not False for one in open_),
        unknown_internet=sum(one.internet_exposed is None for one in open_),
        writes_to=tuple(sorted({store for one in open_ for store in one.data_scope.writes_to})),
        cleared=len(reached) - len(open_),
    )


def privilege_of(held: Privileges) -> tuple[Privilege, bool]:
    """The worst that it may do, and whether that is known: what could not be read counts as the worst."""
    if held.cluster_admin or held.cloud_admin:
        return Privilege.CLUSTER_ADMIN, True
    if held.cluster_admin is None or held.unknown:
        return Privilege.CLUSTER_ADMIN, False
    if held.privileged:
        return Privilege.PRIVILEGED, True
    if held.host_namespace:
        return Privilege.HOST_NAMESPACE, True
    if held.capabilities:
        return Privilege.CAPABILITIES, True
    return (Privilege.RIGHTS if held.reach else Privilege.NONE), True


def _reach(group: Sequence[Exposure]) -> Reach:
    standings = {one.standing for one in group}
    worst = next(one for one in (Standing.AFFECTED, Standing.UNKNOWN, Standing.NOT_AFFECTED) if one in standings)
    workload = group[0].workload
    return Reach(workload, tuple(group), worst, *privilege_of(workload.privileges))


def _order(one: Reach) -> tuple[object, ...]:
    workload = one.workload
    return (
        one.standing is Standing.NOT_AFFECTED,
        _SCOPES[workload.data_scope.classification],
        workload.internet_exposed is False,
        one.privilege,
        -workload.running,
        workload.ref,
    )
