"""start_patched_canary: the patched image runs beside the affected workload, in a few pods of its own.

Owns when a canary is started, brought to a newer mend and withdrawn. What it consists of is `canaries`' to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from pydantic import Field

from integrations.kubernetes import canaries, seen, standing
from integrations.kubernetes.reach import PLATFORM, cluster_of, live, still
from integrations.targeting import each_live
from integrations.verbs import done
from patchgap.errors import RefusedError, WaitingError
from patchgap.model.plan import Control, Effect, Intent, PlannedAction, Receipt, Target, Uncovered
from patchgap.model.workload import Workload
from patchgap.playbook.quantities import Share
from patchgap.ports import Parameters, Situation
from patchgap.registry import action


class CanaryParameters(Parameters):
    """How large the canary is."""

    share: Share = Field(
        default=0.1, description="The canary's pods as a share of the workload's replicas; at least one pod."
    )


@action
class StartPatchedCanary:
    """Runs the incident's patched image in a second Deployment beside each affected one, reached by the same Services.

    Waits until a patched image of the affected repository is named (`patchgap incident patch`), and holds up no other
    step. The affected Deployment keeps its replicas.

    Example::

        start_patched_canary: {share: 10%}
    """

    verb: ClassVar[str] = "start_patched_canary"
    platform: ClassVar[str] = PLATFORM
    effect: ClassVar[Effect] = Effect.REVERSIBLE
    inverse: ClassVar[str] = "withdraw_canary"
    permissions: ClassVar[tuple[str, ...]] = (*canaries.PERMISSIONS, *canaries.NEIGHBOURS)
    parameters: ClassVar[type[Parameters]] = CanaryParameters

    def targets(
        self,
        parameters: CanaryParameters,  # noqa: ARG002  (the protocol's)
        situation: Situation,
    ) -> Iterable[Target | Uncovered]:
        """The Deployments; what cannot have a canary is named with why."""

        def served(workload: Workload, manifest: dict[str, Any]) -> Target | str:
            if reason := canaries.unfit(manifest):
                return reason
            if not manifest["spec"].get("replicas", 1):
                return "it is scaled to zero: there is nothing to stand beside; set the patched image by hand"
            return Target.of(workload.ref)

        return each_live(self, situation, live, served)

    def preview(self, parameters: CanaryParameters, target: Target, situation: Situation) -> tuple[str, ...]:
        """The Deployment that would be made, or what it waits for, and what selects its pods."""
        cluster, original = cluster_of(situation, target.cluster), live(situation, target)
        replicas = original["spec"].get("replicas", 1)
        pods = canaries.pods_of(parameters.share, replicas)
        name = canaries.canary_name(situation, target)
        said = f"Deployment {target.namespace}/{name}: {pods} pod(s) beside the {replicas} of {target.name}, which stay"
        try:
            wanted = canaries.mends(original, situation)
        except (WaitingError, RefusedError) as error:  # a mend that is not there yet refuses no plan
            return (str(error), f"then {said}")
        if given_up := canaries.given_up(situation, wanted):
            return (*canaries.refused(given_up), f"then {said}")
        manifest = canaries.manifest_of(original, situation, target, wanted, pods)
        labels = manifest["spec"]["template"]["metadata"]["labels"]
        lines = standing.preview(cluster, [manifest]) if wanted else ("nothing affected runs there any more",)
        return (said, *_mended(wanted), *lines, *canaries.neighbours(cluster, target, labels))

    def seen(self, target: Target, situation: Situation) -> Mapping[str, str]:
        """The images that a mend replaces, and the selector that the canary's pods must not meet."""
        return seen.selector_and_images(live(situation, target))

    def find(self, action: PlannedAction, situation: Situation) -> Mapping[str, Any]:
        """The replicas that the canary is a share of. Raises WaitingError while no patched image is named, or none but one
        whose canary failed on another workload."""
        original = live(situation, action.target)
        if reason := canaries.unfit(original):
            raise RefusedError(f"{action.target}: {reason}", "Plan again.")
        given_up = canaries.given_up(situation, canaries.mends(original, situation))
        cluster = cluster_of(situation, action.target.cluster)
        if given_up and canaries.found_beside(cluster, situation, action.target) is None:
            raise WaitingError("; ".join(canaries.refused(given_up)), "Name it with `patchgap incident patch`.")
        return {"replicas": original["spec"].get("replicas", 1)}

    def apply(self, intent: Intent, situation: Situation) -> Receipt:
        """Puts the canary, or brings it to the mend that was named last."""
        if (stands := self.observe(intent, situation)) is not None:
            return stands
        target = intent.action.target
        cluster, original = cluster_of(situation, target.cluster), live(situation, target)
        wanted = canaries.mends(original, situation)
        manifest = canaries.manifest_of(original, situation, target, wanted, _pods(intent))
        standing.put(cluster, [manifest])
        return self._receipt(intent, situation, manifest, wanted)

    def observe(self, intent: Intent, situation: Situation) -> Receipt | None:
        """A receipt where the canary runs the mend that was named last, or is needed no more."""
        if self.differences(intent, situation):
            return None
        target = intent.action.target
        original = still(situation, target)
        wanted = canaries.mends(original, situation) if original else {}
        canary = canaries.found_beside(cluster_of(situation, target.cluster), situation, target)
        if canary is not None and wanted:
            return self._receipt(intent, situation, canary, wanted)
        if original is None:
            said: tuple[str, ...] = (f"{target} was deleted or replaced: a canary has nothing to stand beside",)
        elif not wanted:
            said = (f"{target} runs nothing affected any more: no canary is needed",)
        else:
            said = canaries.refused(canaries.given_up(situation, wanted))
        return done(intent, said, objects=list(self.made(intent, situation)), stands=canary is not None)

    def differences(self, intent: Intent, situation: Situation) -> tuple[str, ...]:
        """How what is live differs from the canary that is wanted; () where it does not."""
        target = intent.action.target
        original = still(situation, target)
        if original is None or not (wanted := canaries.mends(original, situation)):
            return ()
        canary = canaries.found_beside(cluster_of(situation, target.cluster), situation, target)
        if canary is None:
            return () if canaries.given_up(situation, wanted) else (f"the canary of {target} is gone",)
        runs, pods = canaries.images(canary), canary["spec"].get("replicas", 1)
        found = [f"container {c} runs {runs.get(c)}, not {i}" for c, i in wanted.items() if runs.get(c) != i]
        found += [] if pods == _pods(intent) else [f"it has {pods} replica(s), not {_pods(intent)}"]
        return tuple(f"the canary of {target}: {line}" for line in found)

    def release(self, control: Control, situation: Situation) -> Receipt:
        """Deletes the canary, and nothing else. Raises ConflictError where someone else has changed or scaled it."""
        intent = control.intent
        cluster = cluster_of(situation, intent.action.target.cluster)
        return done(intent, canaries.remove(cluster, situation, intent.action.target))

    def made(self, intent: Intent, situation: Situation) -> tuple[dict[str, str], ...]:
        """What is there of it now, also of one that was cut off."""
        target = intent.action.target
        return standing.stand(cluster_of(situation, target.cluster), [canaries.stub(situation, target)])

    def _receipt(self, intent: Intent, situation: Situation, canary: Mapping[str, Any], wanted: Any) -> Receipt:
        target = intent.action.target
        labels = canary["spec"]["template"]["metadata"]["labels"]
        name, replicas = canary["metadata"]["name"], intent.found["replicas"]
        said = f"Deployment {target.namespace}/{name}: {_pods(intent)} pod(s) beside the {replicas} of {target.name}"
        beside = canaries.neighbours(cluster_of(situation, target.cluster), target, labels)
        objects = list(self.made(intent, situation))
        return done(intent, (said, *_mended(wanted), *beside), objects=objects, images=dict(wanted))


def _pods(intent: Intent) -> int:
    share = CanaryParameters.model_validate(intent.action.parameters).share
    return canaries.pods_of(share, intent.found["replicas"])


def _mended(wanted: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"container {name}: {image}" for name, image in wanted.items())
