"""credentials_rotated: the old tokens are refused, and nothing that runs holds one.

Owns what a finished rotation looks like; whether an old token was tried is in the rotation's receipt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from integrations.kubernetes import secret_rotation
from integrations.kubernetes.accounts import account_of
from integrations.kubernetes.actions.rotate_credentials import REFUSED, RotateCredentials
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.images import has_ended
from integrations.kubernetes.inventory.snapshot import LIVE_PERMISSIONS
from integrations.kubernetes.live import each_cluster
from integrations.kubernetes.reach import PLATFORM
from integrations.kubernetes.resources import PODS, SERVICE_ACCOUNTS, WORKLOADS, Json, of_kind
from integrations.kubernetes.restarts import restart_mark
from integrations.observed import Seen, evidence
from integrations.verbs import RotatedParameters
from patchgap.model.evidence import Evidence
from patchgap.model.plan import Control, PlannedAction, Uncovered
from patchgap.ports import Parameters, Situation
from patchgap.registry import check


@check
class CredentialsRotated:
    """Each rotated account is a new one, its old token Secrets are gone, a token of the old one was tried and
    refused, and no pod that runs as it is older than it; each rotated Secret has other data, and its consumers have it.

    Example::

        credentials_rotated: {}
    """

    verb: ClassVar[str] = "credentials_rotated"
    platform: ClassVar[str] = PLATFORM
    about: ClassVar[str] = RotateCredentials.verb
    permissions: ClassVar[tuple[str, ...]] = (
        *LIVE_PERMISSIONS,
        *(f"get {r.permission}" for r in WORKLOADS),
        "get core/serviceaccounts",
        "get,list core/secrets",
    )
    parameters: ClassVar[type[Parameters]] = RotatedParameters

    def observe(
        self,
        parameters: RotatedParameters,  # noqa: ARG002  (the protocol's)
        situation: Situation,
    ) -> Sequence[Evidence]:
        """One piece of evidence a configured cluster. A rotation that was planned and is not done fails; a workload
        whose account the plan could not cover is unknown while it is there."""
        rotations = [c for c in situation.controls if _is_rotation(c.intent.action)]
        planned = [a for a in situation.planned if _is_rotation(a)]
        missed = [u for u in situation.uncovered if u.verb == RotateCredentials.verb]
        if not (rotations or planned or missed):
            seen = Seen(unknown=["no rotation is recorded for this incident"])
            return (evidence(self.verb, seen, f"{PLATFORM}: rotations", situation.clock()),)
        done = {c.intent.action.id for c in rotations}

        def look(cluster: Cluster, situation: Situation) -> Seen:
            seen = Seen()
            undone = [a.target for a in planned if a.target.cluster == cluster.name and a.id not in done]
            seen.failed += [f"{target}: its rotation was planned and is not done" for target in undone]
            seen.unknown += [f"{u.target}: {u.reason}" for u in missed if _is_there(cluster, u)]
            for control in rotations:
                if control.intent.action.target.cluster == cluster.name:
                    _look(cluster, control, situation, seen)
            if not seen.failed and not seen.unknown and not seen.passed:
                seen.passed.append(f"cluster {cluster.name}: nothing of the incident was to be rotated here")
            return seen

        return tuple(each_cluster(self.verb, situation, "service accounts and pods", look))


def _is_rotation(action: PlannedAction) -> bool:
    return action.platform == PLATFORM and action.verb == RotateCredentials.verb


def _is_there(cluster: Cluster, missed: Uncovered) -> bool:
    """Whether the workload that was not covered is in this cluster and still there."""
    name, _, rest = missed.target.partition("/")
    namespace, kind, workload = rest.split("/", 2)
    return name == cluster.name and cluster.find(of_kind(kind), namespace, workload) is not None


def _look(cluster: Cluster, control: Control, situation: Situation, seen: Seen) -> None:
    target, result = control.intent.action.target, control.receipt.result
    if target.kind == secret_rotation.KIND:
        _look_at_secret(cluster, control, situation, seen)
        return
    differing = list(RotateCredentials().differences(control.intent, situation))
    old = _old_pods(cluster, target.namespace, target.name, str(situation.incident))
    seen.failed += differing + [f"Pod {target.namespace}/{n} runs with a token from before the rotation" for n in old]
    outcome = result.get("probe", "unproved")
    if outcome == "accepted":
        seen.failed.append(f"{target}: a token of the old account was tried and is still accepted")
    elif outcome != REFUSED:
        seen.unknown.append(f"{target}: no token of the old account was tried, so that it is refused is not proved")
    elif not differing and not old:
        seen.passed.append(f"{target}: replaced, a token of the old account is refused, every pod is newer")
    seen.value[str(target)] = {"uid": result.get("uid"), "probe": outcome, "old_pods": old}


def _look_at_secret(cluster: Cluster, control: Control, situation: Situation, seen: Seen) -> None:
    target, result = control.intent.action.target, control.receipt.result
    differing = list(RotateCredentials().differences(control.intent, situation))
    old = secret_rotation.old_pods(cluster, target, str(situation.incident), str(result.get("changed_by", "9999")))
    seen.failed += differing + [f"Pod {target.namespace}/{n} runs with the value from before" for n in old]
    if not differing and not old:
        seen.passed.append(f"{target}: its data has changed, and every pod that consumes it is newer")
    seen.value[str(target)] = {"version": result.get("version"), "old_pods": old}


def _old_pods(cluster: Cluster, namespace: str, account: str, incident: str) -> list[str]:
    """The live pods that are older than the account they run as: their tokens are the old one's."""
    current = cluster.find(SERVICE_ACCOUNTS, namespace, account)
    if current is None:
        return []  # told by the comparison already
    made = current["metadata"]["creationTimestamp"]
    pods = [p for p in cluster.all_of(PODS, namespace) if account_of(p) == account and not has_ended(p)]
    return sorted(str(p["metadata"]["name"]) for p in pods if _is_older(p, made, incident))


def _is_older(pod: Json, made: str, incident: str) -> bool:
    """By the server's clock, which tells whole seconds: of two objects of one second, a pod that bears the restart's
    mark is the newer, and any other counts as older."""
    created: str = pod["metadata"]["creationTimestamp"]
    marked = restart_mark(incident) in (pod["metadata"].get("annotations") or {})
    return created < made or (created == made and not marked)
