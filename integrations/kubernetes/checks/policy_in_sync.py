"""policy_in_sync: every control that stands is live as it was set, and nothing else bears the incident's name.

Owns the comparison of controls with the clusters; what a control consists of is its action's to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from integrations.kubernetes import gitops, isolation, leaks, proof, standing
from integrations.kubernetes.answers import ForbiddenError
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.inventory.snapshot import LIVE_PERMISSIONS
from integrations.kubernetes.live import each_cluster
from integrations.kubernetes.reach import PLATFORM, settings_of
from integrations.kubernetes.resources import CONFIG_MAPS, NETWORK_POLICIES, POLICIES, POLICY_BINDINGS
from integrations.observed import Seen, in_sync, reversible
from integrations.verbs import SyncParameters
from patchgap import registry
from patchgap.model.evidence import Evidence
from patchgap.model.plan import Control, Intent
from patchgap.ports import Parameters, Situation
from patchgap.registry import check


@check
class PolicyInSync:
    """Each standing control's objects are live, as set, and held by patchgap alone; none is left of a released one.

    Example::

        policy_in_sync: {}
    """

    verb: ClassVar[str] = "policy_in_sync"
    platform: ClassVar[str] = PLATFORM
    about: ClassVar[str] = ""
    permissions: ClassVar[tuple[str, ...]] = (
        "get,list admissionregistration.k8s.io/validatingadmissionpolicies",
        "get,list admissionregistration.k8s.io/validatingadmissionpolicybindings",
        "get,list core/configmaps in home",
        *(f"get,list {r.permission}" for r, _ in isolation.FORMS.values()),
        *leaks.PERMISSIONS,
        *(p.replace("list ", "get,list ") for p in LIVE_PERMISSIONS),
        *proof.PERMISSIONS,
        *gitops.READING,
    )
    parameters: ClassVar[type[Parameters]] = SyncParameters

    def observe(
        self,
        parameters: SyncParameters,  # noqa: ARG002  (the protocol's)
        situation: Situation,
    ) -> Sequence[Evidence]:
        """One piece of evidence a configured cluster."""
        return tuple(each_cluster(self.verb, situation, "controls and their objects", _look))


def _look(cluster: Cluster, situation: Situation) -> Seen:
    seen = Seen()
    controls = reversible(situation.controls, PLATFORM, cluster.name)
    in_sync(seen, controls, situation, lambda intent: _differences(intent, situation), ForbiddenError)
    halves = reversible(situation.halves, PLATFORM, cluster.name)
    stray = _stray(cluster, [*_objects(controls), *_begun(halves, situation, seen)], situation, seen)
    seen.failed += [f"{s} bears the incident's label, and no standing control made it" for s in stray]
    ids = {n: [str(c.intent.action.id) for c in held] for n, held in (("controls", controls), ("halves", halves))}
    seen.value = {**ids, "stray": stray}
    seen.passed.append(f"cluster {cluster.name}: {len(controls)} standing control(s) compared")
    return seen


def _objects(controls: Sequence[Control]) -> list[Mapping[str, str]]:
    return [o for c in controls for o in c.receipt.result.get("objects") or ()]


def _begun(halves: Sequence[Control], situation: Situation, seen: Seen) -> list[Mapping[str, str]]:
    """What is there of controls that were begun and not done: the ledger knows of it, and a release takes it away."""
    found: list[Mapping[str, str]] = []
    for half in halves:
        action: Any = registry.load().action(half.intent.action.verb, PLATFORM)
        made = action.made(half.intent, situation) if hasattr(action, "made") else ()
        seen.passed.append(
            f"{half.intent.action} was begun and not done: {len(made)} object(s) of it are there to be released"
        )
        found += made
    return found


def _differences(intent: Intent, situation: Situation) -> list[str]:
    action: Any = registry.load().action(intent.action.verb, PLATFORM)
    found = list(action.differences(intent, situation)) if hasattr(action, "differences") else []
    gone = not found and action.observe(intent, situation) is None
    return ["its effect was not observed"] if gone else found


def _stray(cluster: Cluster, objects: Sequence[Mapping[str, str]], situation: Situation, seen: Seen) -> list[str]:
    known = {(o["kind"], o["namespace"], o["name"]) for o in objects}
    stray = []
    home = settings_of(situation).namespace
    label = f"{standing.INCIDENT}={situation.incident}"
    for resource, namespace in (
        (POLICIES, ""),
        (POLICY_BINDINGS, ""),
        (CONFIG_MAPS, home),
        (NETWORK_POLICIES, ""),
    ):
        try:
            listed = cluster.all_of(resource, namespace, labels=label)
        except ForbiddenError as error:
            seen.unknown.append(f"cluster {cluster.name}: what is left cannot be told: {error}")
            continue
        for found in listed:
            key = (found["kind"], found["metadata"].get("namespace", ""), found["metadata"]["name"])
            if key not in known:
                stray.append("/".join(p for p in key if p))
    return stray
