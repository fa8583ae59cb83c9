"""scale_to_zero: the workload runs nothing until it is restored.

Owns the order of it; what zero is for a service and for a function is `capacity`'s to know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from integrations.aws import capacity, holds, seen
from integrations.aws.accounts import PLATFORM
from integrations.aws.holds import Held, words
from integrations.aws.inventory.ecs import SERVICE
from integrations.aws.reach import Live, live, still
from integrations.targeting import each_live
from integrations.verbs import ScaleParameters, done
from patchgap.model.plan import Control, Effect, Intent, Outcome, PlannedAction, Receipt, Target, Uncovered
from patchgap.model.workload import Workload
from patchgap.ports import Parameters, Situation
from patchgap.registry import action


@action
class ScaleToZero:
    """Sets an ECS service's desired count to 0 with its autoscaling suspended, and a Lambda function's reserved
    concurrency to 0.

    Example::

        scale_to_zero: {}
    """

    verb: ClassVar[str] = "scale_to_zero"
    platform: ClassVar[str] = PLATFORM
    effect: ClassVar[Effect] = Effect.REVERSIBLE
    inverse: ClassVar[str] = "restore_scale"
    permissions: ClassVar[tuple[str, ...]] = (*capacity.PERMISSIONS, *holds.PERMISSIONS)
    parameters: ClassVar[type[Parameters]] = ScaleParameters

    def targets(self, parameters: Any, situation: Situation) -> Iterable[Target | Uncovered]:  # noqa: ARG002
        """The workloads themselves; a DAEMON service, or tasks that no service holds, have no scale."""

        def served(workload: Workload, found: Live) -> Target | str:
            _held(found, situation)
            return Target.of(workload.ref)

        return each_live(self, situation, live, served)

    def preview(self, parameters: Any, target: Target, situation: Situation) -> tuple[str, ...]:  # noqa: ARG002
        """The fields that would change. AWS has no dry run of these calls."""
        held = _held(live(situation, target), situation)
        held.refuse_foreign(held.before)
        lines = [f"{k}: {held.now[k]} -> {v}" for k, v in held.zero.items()]
        note = "its running tasks are stopped" if target.kind == SERVICE else "every invocation is refused"
        return (*lines, note)

    def seen(self, target: Target, situation: Situation) -> Mapping[str, str]:
        """What it runs, and its count or its concurrency before any incident held it."""
        found = live(situation, target)
        return seen.of_workload(found, _held(found, situation).before)

    def find(self, action: PlannedAction, situation: Situation) -> Mapping[str, Any]:
        """The fields before any incident held them."""
        return {"before": dict(_held(live(situation, action.target), situation).before)}

    def apply(self, intent: Intent, situation: Situation) -> Receipt:
        """Holds the same workload that was planned at zero."""
        _held(live(situation, intent.action.target), situation).hold(intent.found["before"])
        return done(intent, (_said(intent),))

    def observe(self, intent: Intent, situation: Situation) -> Receipt | None:
        """A receipt where it stands at zero."""
        return None if self.differences(intent, situation) else done(intent, (_said(intent),))

    def differences(self, intent: Intent, situation: Situation) -> tuple[str, ...]:
        """How what is live differs from zero; () where it does not."""
        found = still(situation, intent.action.target)
        if found is None:
            return ()  # it was deleted or replaced: what was scaled runs nothing
        held = _held(found, situation)
        if held.holder not in held.holds:
            return (f"{found.label} does not bear the incident's hold",)
        return tuple(f"{found.label}: {k} is {held.now.get(k)}" for k, v in held.zero.items() if held.now.get(k) != v)

    def release(self, control: Control, situation: Situation) -> Receipt:
        """Restores what was found where it still stands at zero and nobody else holds it. Raises ConflictError where
        someone else has set another value meanwhile."""
        intent = control.intent
        found = still(situation, intent.action.target)
        if found is None:
            return done(intent, (f"{intent.action.target} was deleted or replaced meanwhile: nothing is to restore",))
        whole = control.receipt.outcome is Outcome.DONE
        return done(intent, (_held(found, situation).let_go(intent.found["before"], done=whole),))


def _held(found: Live, situation: Situation) -> Held:
    return capacity.at_zero(found, str(situation.incident))


def _said(intent: Intent) -> str:
    return f"{intent.action.target} stands at zero; it was {words(intent.found['before'])}"
