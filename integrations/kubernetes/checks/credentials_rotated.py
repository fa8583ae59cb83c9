"""credentials_rotated: the old tokens are refused, and nothing that runs holds one.

Owns what a finished rotation looks like; whether an old token was tried is in the rotation's receipt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from integrations.kubernetes.accounts import account_of
from integrations.kubernetes.actions.rotate_credentials import REFUSED, RESTARTED, RotateCredentials
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.images import ENDED_PHASES
from integrations.kubernetes.inventory.snapshot import LIVE_PERMISSIONS
from integrations.kubernetes.live import Seen, each_cluster, evidence
from integrations.kubernetes.reach import PLATFORM
from integrations.kubernetes.resources import PODS, SERVICE_ACCOUNTS, Json
from patchgap.model.evidence import Evidence
from patchgap.model.plan import Control
from patchgap.ports import Parameters, Situation
from patchgap.registry import check


class RotatedParameters(Parameters):
    """None: every rotation of the incident is looked at."""


@check
class CredentialsRotated:
    """Each rotated account is a new one, its old token Secrets are gone, a token of the old one was tried and
    refused, and no pod that runs as it is older than it.

    Example::

        credentials_rotated: {}
    """

    verb: ClassVar[str] = "credentials_rotated"
    platform: ClassVar[str] = PLATFORM
    about: ClassVar[str] = RotateCredentials.verb
    permissions: ClassVar[tuple[str, ...]] = (*LIVE_PERMISSIONS, "get core/serviceaccounts", "list core/secrets")
    parameters: ClassVar[type[Parameters]] = RotatedParameters

    def observe(
        self,
        parameters: RotatedParameters,  # noqa: ARG002  (the protocol's)
        situation: Situation,
    ) -> Sequence[Evidence]:
        """One piece of evidence a cluster with a rotation."""
        rotations = [c for c in situation.controls if _is_rotation(c)]
        if not rotations:
            seen = Seen(unknown=["no rotation is recorded for this incident"])
            return (evidence(self.verb, seen, f"{PLATFORM}: rotations", situation),)

        def look(cluster: Cluster) -> Seen:
            seen = Seen()
            for control in rotations:
                if control.intent.action.target.cluster == cluster.name:
                    _look(cluster, control, situation, seen)
            return seen

        names = tuple(dict.fromkeys(c.intent.action.target.cluster for c in rotations))
        return tuple(each_cluster(self.verb, situation, names, "service accounts and pods", look))


def _is_rotation(control: Control) -> bool:
    return control.intent.action.platform == PLATFORM and control.intent.action.verb == RotateCredentials.verb


def _look(cluster: Cluster, control: Control, situation: Situation, seen: Seen) -> None:
    target, result = control.intent.action.target, control.receipt.result
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


def _old_pods(cluster: Cluster, namespace: str, account: str, incident: str) -> list[str]:
    """The live pods that are older than the account they run as: their tokens are the old one's."""
    current = cluster.find(SERVICE_ACCOUNTS, namespace, account)
    if current is None:
        return []  # told by the comparison already
    made = current["metadata"]["creationTimestamp"]
    pods = [p for p in cluster.all_of(PODS, namespace) if account_of(p) == account and _lives(p)]
    return sorted(str(p["metadata"]["name"]) for p in pods if _is_older(p, made, incident))


def _lives(pod: Json) -> bool:
    return (pod.get("status") or {}).get("phase") not in ENDED_PHASES


def _is_older(pod: Json, made: str, incident: str) -> bool:
    """By the server's clock, which tells whole seconds: of two objects of one second, a pod that bears the restart's
    mark is the newer, and any other counts as older."""
    created: str = pod["metadata"]["creationTimestamp"]
    marked = (pod["metadata"].get("annotations") or {}).get(RESTARTED) == incident
    return created < made or (created == made and not marked)
