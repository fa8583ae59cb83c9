"""promote_canary: a canary that held out gives its image to the affected workload; one that did not is withdrawn.

Owns what a good canary is, the rollout of its image, and what may be put back: never an image that is not proved clean.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, ClassVar

from pydantic import Field

from integrations.digests import digest_in
from integrations.kubernetes import canaries, canary_watch, rollouts, seen
from integrations.kubernetes.actions.start_patched_canary import CanaryParameters, StartPatchedCanary
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.holds import TakenError, retried
from integrations.kubernetes.reach import PLATFORM, cluster_of, live, reverter, still
from integrations.kubernetes.resources import DEPLOYMENTS, Json
from integrations.verbs import done
from patchgap.errors import PatchgapError, RefusedError, WaitingError
from patchgap.model.plan import Control, Effect, Intent, Outcome, PlannedAction, Receipt, Target, Uncovered
from patchgap.playbook.quantities import Duration, in_words
from patchgap.ports import Parameters, Situation
from patchgap.registry import action

_MOMENT = 3.0  # seconds that a rollout is waited for here; a longer one is looked at again in the next round


class PromoteParameters(Parameters):
    """How long the canary must hold out, and what tells that it does not."""

    after: Duration = Field(
        default=timedelta(minutes=30),
        description="How long every pod of the canary must have been ready without a break; in twice that it must come to it.",
    )
    queries: tuple[str, ...] = Field(
        default=(),
        description="Names from `[prometheus.queries]`: above 0 while the canary serves errors. Readiness alone without.",
        examples=[["canary_errors"]],
    )


@action
class PromoteCanary:
    """Sets the canary's image in the affected Deployment once it has held out, and removes the canary.

    One that does not hold out is withdrawn, a person is called, and its image is promoted nowhere in the incident. Undone, it
    leaves the patched image where the one found is not proved clean.

    Example::

        promote_canary: {after: 30m, queries: [canary_errors]}
    """

    verb: ClassVar[str] = "promote_canary"
    platform: ClassVar[str] = PLATFORM
    effect: ClassVar[Effect] = Effect.REVERSIBLE
    inverse: ClassVar[str] = "withdraw_promotion"
    follows: ClassVar[str] = "start_patched_canary"
    permissions: ClassVar[tuple[str, ...]] = (
        *(p for p in canaries.PERMISSIONS if "deployments" not in p and "pods" not in p),
        "get,patch,delete apps/deployments",
        "get,list core/pods",
    )
    parameters: ClassVar[type[Parameters]] = PromoteParameters

    def targets(
        self,
        parameters: PromoteParameters,  # noqa: ARG002  (the protocol's)
        situation: Situation,
    ) -> Iterable[Target | Uncovered]:
        """The Deployments that can have a canary."""
        for found in StartPatchedCanary().targets(CanaryParameters(), situation):
            yield Uncovered(self.verb, found.target, found.reason) if isinstance(found, Uncovered) else found

    def preview(self, parameters: PromoteParameters, target: Target, situation: Situation) -> tuple[str, ...]:
        """The images that would be set, and when; what a query does not answer now is said."""
        original = live(situation, target)
        quiet = f" and {', '.join(parameters.queries)} at or below 0" if parameters.queries else ""
        when = f"once its canary has been ready for {in_words(parameters.after)}{quiet}"
        last = "then the canary is removed; one that does not hold out is withdrawn, and a person is called"
        asked = canary_watch.asked(situation, parameters.queries)
        try:
            wanted = canaries.mends(original, situation)
        except (WaitingError, RefusedError) as error:  # a mend that is not there yet refuses no plan
            return (str(error), f"then, {when}, its image is set in {target.name}", last, *asked, *reverter(original))
        if given_up := canaries.given_up(situation, wanted):
            return (*canaries.refused(given_up), last, *reverter(original))
        if wanted:
            _set(cluster_of(situation, target.cluster), original, wanted, dry_run=True)
        now = canaries.images(original)
        lines = [f"{when}: container {n}: {now[n]} -> {i}" for n, i in wanted.items()]
        return (*lines, last, *asked, *reverter(original))

    def seen(self, target: Target, situation: Situation) -> Mapping[str, str]:
        """The images that a mend replaces."""
        return seen.images(live(situation, target))

    def find(self, action: PlannedAction, situation: Situation) -> Mapping[str, Any]:
        """The images that stand before the promotion. Raises WaitingError until the canary has come out well or ill."""
        original = live(situation, action.target)
        wanted = canaries.mends(original, situation)
        if wanted and not canaries.given_up(situation, wanted):
            _wait(_look(action, situation, wanted).waits, action.target)
        return {"images": canaries.affected(original, situation)}

    def apply(self, intent: Intent, situation: Situation) -> Receipt:
        """Sets the image of a good canary, follows the rollout and removes the canary. Raises WaitingError while pods are
        being replaced. A bad canary is withdrawn, and the receipt says FAILED."""
        target = intent.action.target
        cluster, original = cluster_of(situation, target.cluster), live(situation, target)
        if wanted := canaries.mends(original, situation):
            if given_up := canaries.given_up(situation, wanted):
                return _withdraw(intent, situation, given_up)
            look = _look(intent.action, situation, wanted)
            _wait(look.waits, target)
            if look.bad:
                why = f"the canary of {target} failed: {look.bad}"
                return _withdraw(intent, situation, dict.fromkeys(wanted.values(), why))
            retried(lambda: _promote(cluster, intent, situation))
        _follow(cluster, target)
        gone = canaries.remove(cluster, situation, target)
        return _promoted(intent, situation, live(situation, target), gone)

    def observe(self, intent: Intent, situation: Situation) -> Receipt | None:
        """A receipt where the workload runs nothing affected, its rollout is over and the canary is gone; one that waits
        where the patched image is set and there is more to do."""
        target = intent.action.target
        original = still(situation, target)
        if original is None:
            said = f"{target} was deleted or replaced meanwhile: there is nothing to promote to"
            return done(intent, (said,), stands=False)
        cluster = cluster_of(situation, target.cluster)
        if canaries.affected(original, situation):
            return None
        left = rollouts.unfinished(original)
        if not left and canaries.found_beside(cluster, situation, target) is None:
            return _promoted(intent, situation, original)
        said = f"{target}: the patched image is set; {left or 'its canary is to be removed'}"
        return Receipt(intent.action.id, Outcome.WAITING, (said,))

    def differences(self, intent: Intent, situation: Situation) -> tuple[str, ...]:
        """The containers that run something affected again, or still; () where none does."""
        original = still(situation, intent.action.target)
        found = canaries.affected(original, situation) if original else {}
        return tuple(f"{intent.action.target}: container {n} runs {i}, not a patched image" for n, i in found.items())

    def release(self, control: Control, situation: Situation) -> Receipt:
        """Puts back the images found where they are proved clean by now; an affected or unknown one is not brought back,
        and the receipt says how a person does. Raises ConflictError where someone else has set another image since."""
        return done(control.intent, retried(lambda: _undone(control, situation)))


def _look(action: PlannedAction, situation: Situation, wanted: Mapping[str, str]) -> canary_watch.Look:
    """How its own canary does and, once that has held out, those of the same images beside other workloads."""
    parameters = PromoteParameters.model_validate(action.parameters)
    asked = (situation, action.target, wanted, parameters.after, parameters.queries)
    own = canary_watch.look(*asked)
    return own if own.bad or own.waits else canary_watch.worst_elsewhere(*asked)


def _wait(why: str, target: Target) -> None:
    if why:
        raise WaitingError(f"{target}: {why}", "Each round looks again.")


def _withdraw(intent: Intent, situation: Situation, given_up: Mapping[str, str]) -> Receipt:
    """Removes the canary. That its image is given up is recorded even where the canary cannot be removed."""
    target = intent.action.target
    why = "; ".join(dict.fromkeys(given_up.values()))
    try:
        canaries.remove(cluster_of(situation, target.cluster), situation, target)
        said = [f"the canary of {target} is withdrawn, and nothing was promoted: {why}"]
        ended = _canaries_of(situation, target)
    except PatchgapError as error:
        said = [f"nothing was promoted to {target}: {why}", f"its canary is still there: {error}"]
        ended = []
    digests = {digest_in(image) for image in given_up}
    for control in situation.controls:
        action, now = control.intent.action, control.receipt.result.get("images") or {}
        if action.verb == PromoteCanary.verb and digests & {digest_in(image) for image in now.values()}:
            said.append(f"{action.target} was given it before: look at it")
    fix = "Look at its pods' logs, and name another image with `patchgap incident patch`: this one is given up."
    result = {"withdrawn": dict(given_up), "ended": ended, "stands": False}
    return Receipt(intent.action.id, Outcome.FAILED, (*said, fix), result)


def _promote(cluster: Cluster, intent: Intent, situation: Situation) -> None:
    """Sets the images where those that were found still stand. Raises ConflictError where others do."""
    target, found = intent.action.target, intent.found["images"]
    original = live(situation, target)
    for name, image in canaries.affected(original, situation).items():
        if image not in {found.get(name), *situation.mends}:
            raise _foreign(target, name, image)
    _set(cluster, original, canaries.mends(original, situation))


def _set(cluster: Cluster, original: Json, wanted: Mapping[str, str], *, dry_run: bool = False) -> None:
    meta, spec = original["metadata"], original["spec"]["template"]["spec"]
    # The version keeps another's write to the same lists from being lost.
    pinned = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
    body = {"metadata": pinned, "spec": {"template": {"spec": canaries.with_images(spec, wanted)}}}
    cluster.patch(DEPLOYMENTS, meta["namespace"], meta["name"], body, dry_run=dry_run)


def _follow(cluster: Cluster, target: Target) -> None:
    """Waits a moment for the rollout. Raises WaitingError where it goes on, PatchgapError where it is stuck."""

    def over() -> bool | None:
        return True if not rollouts.unfinished(cluster.get(DEPLOYMENTS, target.namespace, target.name)) else None

    if cluster.until(_MOMENT, over):
        return
    original = cluster.get(DEPLOYMENTS, target.namespace, target.name)
    if why := rollouts.stuck(original):
        raise PatchgapError(
            f"the rollout of the patched image in {target} is stuck: {why}",
            f"See `kubectl -n {target.namespace} rollout status deployment/{target.name}`; its canary stays meanwhile.",
        )
    _wait(f"it waits for the rollout: {rollouts.unfinished(original) or 'it is just over'}", target)


def _canaries_of(situation: Situation, target: Target) -> list[str]:
    """The actions whose canary is over once it is removed."""
    held = (c.intent.action for c in situation.controls)
    return [str(a.id) for a in held if (a.verb, a.target.bare) == (PromoteCanary.follows, target.bare)]


def _promoted(intent: Intent, situation: Situation, original: Json, more: Iterable[str] = ()) -> Receipt:
    now = canaries.images(original)
    found = intent.found["images"]
    lines = [f"container {name}: {image} -> {now.get(name)}" for name, image in found.items() if now.get(name) != image]
    said = lines or [f"{intent.action.target} runs nothing affected any more"]
    images = {name: now[name] for name in found if name in now}
    ended = _canaries_of(situation, intent.action.target)
    return done(intent, (*said, *more, *reverter(original)), images=images, ended=ended, stands=bool(lines))


def _foreign(target: Target, name: str, image: str) -> TakenError:
    return TakenError(
        f"{target}: someone has set container {name} to {image} since the promotion was planned",
        "Decide with them which image is to run; nothing was overwritten.",
    )


def _undone(control: Control, situation: Situation) -> tuple[str, ...]:
    """Puts back what may be, in one write; what became of each container, in sentences."""
    target, found = control.intent.action.target, control.intent.found["images"]
    original = still(situation, target)
    if original is None:
        return (f"{target} was deleted or replaced meanwhile: there is nothing to put back",)
    now, ours = canaries.images(original), control.receipt.result.get("images") or {}
    changed = {n: before for n, before in found.items() if now.get(n, before) != before}
    back = {n: before for n, before in changed.items() if canaries.is_clean(situation, before)}
    for name in back:
        if now[name] not in {ours.get(name), *situation.mends}:
            raise _foreign(target, name, now[name])
    if back:
        _set(cluster_of(situation, target.cluster), original, back)
    said = [f"{target}: container {name}: {image} again" for name, image in back.items()]
    said += [
        f"{target}: container {n} keeps {now[n]}: {before} is not proved clean and is not brought back; by hand:"
        f" kubectl -n {target.namespace} set image deployment/{target.name} {n}={before}"
        for n, before in changed.items()
        if n not in back
    ]
    return tuple(said) or (f"{target} runs the images that were found",)
