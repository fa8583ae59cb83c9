"""What a plan must never do: touch a protected object, or change more than its tier's limits. Both refuse whole.

Counts on resolved targets, never on what a playbook meant. Pure: it reads nothing but its arguments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from patchgap.errors import BadInputError
from patchgap.model.plan import Effect, PlannedAction, Target
from patchgap.model.workload import Workload
from patchgap.playbook.language import Limits
from patchgap.playbook.quantities import percent
from patchgap.settings import Protection

SYSTEM_NAMESPACES = frozenset({"kube-system", "kube-public", "kube-node-lease"})
CHANGES = frozenset({Effect.REVERSIBLE, Effect.IRREVERSIBLE})
_CONTROL_PLANE = ("kube-apiserver", "etcd", "kube-controller-manager", "kube-scheduler")
_PARTS = 4  # cluster/namespace/Kind/name


@dataclass(frozen=True)
class Guard:
    """What is protected: the system's namespaces, patchgap's own, control-plane nodes, and the configured list.

    Raises BadInputError for a configured pattern that is not cluster/namespace/Kind/name: a pattern that matches
    nothing would protect nothing."""

    protection: Protection
    own_namespace: str
    estate: Sequence[Workload] = field(repr=False, default=())

    def __post_init__(self) -> None:
        for pattern in self.protection.workloads:
            if len(pattern.split("/")) != _PARTS or not all(pattern.split("/")):
                raise BadInputError(
                    "protect.workloads",
                    f"{pattern} is not a pattern of a workload",
                    "Write cluster/namespace/Kind/name; each part may hold *.",
                )

    def protects(self, target: Target) -> tuple[str, ...]:
        """A sentence for each protected object that the target is, or serves; empty where it may be changed."""
        told = [self._object(target.cluster, target.namespace, target.kind, target.name)]
        told += [
            self._object(*name.split("/", _PARTS - 1)) for name in target.workloads if name.count("/") >= _PARTS - 1
        ]
        return tuple(dict.fromkeys(t for t in told if t))

    def along(self, target: Target) -> tuple[str, ...]:
        """As `protects`, and for each configured workload or namespace that lives within the target: in a namespace that is
        held, or on a node that is to take no pods (a DaemonSet's pods still start there)."""
        return tuple(dict.fromkeys((*self.protects(target), *self.configured(self._within(target)))))

    def configured(self, names: Iterable[str]) -> tuple[str, ...]:
        """A sentence for each of these (cluster/namespace/Kind/name) that the settings protect."""
        told = (
            self._by_settings(name, *name.split("/", _PARTS - 1)) for name in names if name.count("/") >= _PARTS - 1
        )
        return tuple(dict.fromkeys(t for t in told if t))

    def _within(self, target: Target) -> Iterator[str]:
        for ref in (w.ref for w in self.estate if w.ref.cluster == target.cluster and _lives_in(w, target)):
            yield f"{ref.cluster}/{ref.namespace}/{ref.kind}/{ref.name}"

    def _object(self, cluster: str, namespace: str, kind: str, name: str) -> str:
        where = "/".join(p for p in (cluster, namespace, kind, name) if p)
        held = name if kind == "Namespace" else namespace
        if held in SYSTEM_NAMESPACES:
            return f"{where} is protected: {held} is the system's namespace"
        if held and held == self.own_namespace:
            return f"{where} is protected: {held} is patchgap's own namespace"
        if kind == "Node" and (why := self._node(cluster, name)):
            return f"{where} is protected: {why}"
        return self._by_settings(where, cluster, namespace, kind, name)

    def _by_settings(self, where: str, cluster: str, namespace: str, kind: str, name: str) -> str:
        held = name if kind == "Namespace" else namespace
        if any(fnmatchcase(held, pattern) for pattern in self.protection.namespaces if held):
            return f"{where} is protected: the settings protect the namespace {held}"
        for pattern in self.protection.workloads:
            if all(
                fnmatchcase(p, w) for p, w in zip((cluster, namespace, kind, name), pattern.split("/"), strict=True)
            ):
                return f"{where} is protected: the settings protect {pattern}"
        return ""

    def _node(self, cluster: str, name: str) -> str:
        on_it = [w for w in self.estate if w.ref.cluster == cluster and name in w.nodes]
        if not on_it:
            return "nothing known runs on this node, so that it may be the control plane's"
        control = next((w for w in on_it if _is_control_plane(w)), None)
        return f"it runs {control.ref.name}, so it is a control-plane node" if control else ""


def _lives_in(workload: Workload, target: Target) -> bool:
    if target.kind == "Namespace":
        return workload.ref.namespace == target.name
    return target.kind == "Node" and target.name in workload.nodes and workload.ref.kind != "DaemonSet"


def _is_control_plane(workload: Workload) -> bool:
    return workload.ref.namespace == "kube-system" and workload.ref.name.startswith(_CONTROL_PLANE)


def over(
    limits: Limits,
    tier: int,
    mine: Collection[str],
    actions: Iterable[PlannedAction],
    estate: Iterable[Workload],
    before: Collection[str] = (),
) -> tuple[str, ...]:
    """A sentence with the figures for each limit that changing the tier's workloads breaks; empty where all hold.

    `mine` names the tier's workloads: a target shared with another tier (a block of the whole cluster) counts in each
    for its own. A target that names no workload counts as one itself, in the tier that plans it. A share of an
    environment that is not known is broken. `before` is what the incident intended to change under earlier plans."""
    known = {str(w.ref): w for w in estate}
    changing = [a for a in actions if a.effect in CHANGES]
    reached = {name: a.target for a in changing for name in a.target.workloads if name in mine}
    reached |= {str(a.target): a.target for a in changing if not a.target.workloads and a.tier == tier}
    environments = Counter(known[name].environment if name in known else "unknown" for name in reached)
    namespaces = {_namespace(name, target) for name, target in reached.items()}
    counts = (
        ("workloads", len(reached), limits.workloads),
        ("namespaces", len(namespaces), limits.namespaces),
        ("environments", len(environments), limits.environments),
    )
    told = [
        f"tier {tier} would change {count} {what}, and its limit is {limit}"
        for what, count, limit in counts
        if limit is not None and count > limit
    ]
    if any(a.tier == tier for a in changing):
        told += beyond(limits.per_action or {}, limits.per_incident, [a for a in changing if a.tier == tier], before)
    if limits.share is not None:
        told += _over_share(limits.share, tier, environments, Counter(w.environment for w in known.values()))
    return tuple(told)


def beyond(
    per_action: Mapping[str, int], per_incident: int | None, actions: Iterable[PlannedAction], before: Collection[str]
) -> list[str]:
    """A sentence for each verb with more targets than it may have, and where the incident would come to change more
    than it may, what it changed `before` included, each thing counted once."""
    planned = list(actions)
    verbs = Counter(a.verb for a in planned)
    told = [
        f"{verb} would have {verbs[verb]} targets, and its limit is {limit}"
        for verb, limit in sorted(per_action.items())
        if verbs[verb] > limit
    ]
    reached = {name for a in planned for name in a.reached} | set(before)
    if per_incident is not None and len(reached) > per_incident:
        told.append(f"the incident would have changed {len(reached)} workloads in all, and its limit is {per_incident}")
    return told


def _namespace(name: str, target: Target) -> tuple[str, str]:
    parts = name.split("/")
    return (parts[0], parts[1]) if target.workloads and len(parts) >= _PARTS else (target.cluster, target.namespace)


def _over_share(share: float, tier: int, reached: Mapping[str, int], known: Mapping[str, int]) -> list[str]:
    told = []
    for environment, count in sorted(reached.items()):
        of = known.get(environment, 0)
        if of == 0:
            told.append(
                f"tier {tier} has a limit of {percent(share)}, and no workload of {environment} is known to count"
            )
        elif count > share * of + 1e-9:
            told.append(
                f"tier {tier} would change {count} of the {of} known workloads of {environment} "
                f"({percent(round(count / of, 3))}), and its limit is {percent(share)}"
            )
    return told
