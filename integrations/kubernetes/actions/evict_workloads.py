"""evict_workloads: the pods that run now end, as their disruption budgets allow, and their controllers make new ones.

Owns which pods are asked to go, and what it says where a budget makes them wait. What a new pod is made of is decided
elsewhere: by a block, a freeze, the mend.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from integrations.kubernetes import pods, seen
from integrations.kubernetes.answers import BudgetError
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.images import has_ended
from integrations.kubernetes.inventory.families import controller_of
from integrations.kubernetes.reach import PLATFORM, cluster_of, live
from integrations.kubernetes.resources import PODS, WORKLOADS, Json
from integrations.targeting import each_live
from integrations.verbs import done
from patchgap.errors import ConflictError, NotFoundError, RefusedError
from patchgap.model.plan import Control, Effect, Intent, Outcome, PlannedAction, Receipt, Target, Uncovered
from patchgap.model.workload import Workload
from patchgap.ports import IrreversibleParameters, Parameters, Situation
from patchgap.registry import action

_WAIT = 30.0  # seconds that one target waits for its budgets; the next run goes on
_MIRROR = "kubernetes.io/config.mirror"


class EvictParameters(IrreversibleParameters):
    """What is evicted besides pods that a controller makes again."""

    bare_pods: Literal["evict"] | None = Field(
        default=None,
        description="`evict` says that pods without a controller go too, though nothing makes them again.",
    )


@action
class EvictWorkloads:
    """Evicts the pods of the affected workloads by the Eviction API, which respects disruption budgets.

    A pod that a budget holds back waits, and the receipt names the budget; the next run asks again. A pod without a
    controller is left, unless the step says `bare_pods: evict`: nothing would make it again.

    Example::

        evict_workloads:
          irreversible: accept
    """

    verb: ClassVar[str] = "evict_workloads"
    platform: ClassVar[str] = PLATFORM
    effect: ClassVar[Effect] = Effect.IRREVERSIBLE
    inverse: ClassVar[str] = ""
    permissions: ClassVar[tuple[str, ...]] = (
        *pods.PERMISSIONS,
        *(f"get {r.permission}" for r in WORKLOADS),
        "create core/pods/eviction",
    )
    parameters: ClassVar[type[Parameters]] = EvictParameters

    def targets(self, parameters: EvictParameters, situation: Situation) -> Iterable[Target | Uncovered]:
        """The workloads themselves."""

        def served(workload: Workload, manifest: dict[str, Any]) -> Target | str:
            if _MIRROR in (manifest["metadata"].get("annotations") or {}):
                return "it is a static pod: its node makes it from a file, which must be taken away there"
            if workload.ref.kind == "Pod" and controller_of(manifest) is None and parameters.bare_pods is None:
                return "no controller makes this pod again: say `bare_pods: evict` in the step, or delete it by hand"
            return Target.of(workload.ref)

        return each_live(self, situation, live, served)

    def preview(
        self,
        parameters: EvictParameters,  # noqa: ARG002  (the protocol's)
        target: Target,
        situation: Situation,
    ) -> tuple[str, ...]:
        """Each pod, and whether it would go at once, by the server's dry run."""
        live(situation, target)
        cluster = cluster_of(situation, target.cluster)
        running = [p for p in pods.pods_of(cluster, target) if _runs(p)]
        lines = [_foreseen(cluster, target, p) for p in running]
        if target.kind == "DaemonSet" and running:
            lines.append("a DaemonSet makes them again on the same nodes at once")
        return tuple(lines) or ("no pod of it runs: there is nothing to evict",)

    def seen(self, target: Target, situation: Situation) -> Mapping[str, str]:
        """The images: what is evicted is made again from them."""
        return seen.images(live(situation, target))

    def find(self, action: PlannedAction, situation: Situation) -> Mapping[str, Any]:
        """The pods that run now: those alone are evicted, and never what is made after them."""
        live(situation, action.target)
        running = pods.pods_of(cluster_of(situation, action.target.cluster), action.target)
        return {"pods": [pods.reference(p) for p in running if _runs(p)]}

    def apply(self, intent: Intent, situation: Situation) -> Receipt:
        """Asks for each eviction until it is granted, for a while; a receipt of failure names what still waits."""
        target = intent.action.target
        cluster = cluster_of(situation, target.cluster)
        held: dict[str, str] = {}

        def asked() -> bool | None:
            held.clear()
            for pod in _left(cluster, target, intent):
                try:
                    pods.evict(cluster, target.namespace, pod)
                except BudgetError as error:
                    held[pod["name"]] = error.budget
                except (NotFoundError, ConflictError):
                    continue  # it went meanwhile, or another bears its name
            return None if held else True

        if cluster.until(_WAIT, asked):
            return _receipt(intent)
        waits = tuple(f"Pod {target.namespace}/{name} waits: {budget}" for name, budget in sorted(held.items()))
        gone = len(intent.found["pods"]) - len(held)
        return Receipt(intent.action.id, Outcome.FAILED, (*waits, f"{gone} pod(s) of it were evicted; run it again"))

    def observe(self, intent: Intent, situation: Situation) -> Receipt | None:
        """A receipt where none of the pods that were found is left, or each is on its way out."""
        target = intent.action.target
        return None if _left(cluster_of(situation, target.cluster), target, intent) else _receipt(intent)

    def release(self, control: Control, situation: Situation) -> Receipt:  # noqa: ARG002  (the protocol's)
        """Nothing brings a pod back; its controller has made another."""
        raise RefusedError("an eviction cannot be released", "Leave it out of recover.")


def _runs(pod: Json) -> bool:
    return not has_ended(pod) and not pod["metadata"].get("deletionTimestamp")


def _left(cluster: Cluster, target: Target, intent: Intent) -> list[Mapping[str, str]]:
    """Those of the pods that were found that neither ended nor are on their way out."""
    running = {p["metadata"]["uid"] for p in cluster.all_of(PODS, target.namespace) if _runs(p)}
    return [p for p in intent.found["pods"] if p["uid"] in running]


def _foreseen(cluster: Cluster, target: Target, pod: Json) -> str:
    found = pods.reference(pod)
    named = f"Pod {found['name']} on {found['node'] or 'no node yet'}"
    try:
        pods.evict(cluster, target.namespace, found, dry_run=True)
    except BudgetError as error:
        return f"{named}: waits: {error.budget}"
    except (NotFoundError, ConflictError):
        return f"{named}: gone meanwhile"
    return f"{named}: evicted"


def _receipt(intent: Intent) -> Receipt:
    found = intent.found["pods"]
    return done(intent, (f"{intent.action.target}: {len(found)} pod(s) evicted",), pods=[p["name"] for p in found])
