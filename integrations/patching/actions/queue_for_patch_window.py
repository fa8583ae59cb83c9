"""queue_for_patch_window: what can wait is taken up again when the next patch window opens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field

from integrations.patching.connection import Patching
from integrations.patching.windows import Window
from integrations.verbs import done
from patchgap.errors import ConflictError, NotFoundError
from patchgap.model.plan import Control, Effect, Intent, Outcome, PlannedAction, Receipt, Target, Uncovered
from patchgap.ports import Parameters, ScheduledRun, Situation
from patchgap.registry import action

PLATFORM = "patching"
FLOW = "patch-window"


class WindowParameters(Parameters):
    """Which window."""

    window: str = Field(
        default="weekly", pattern=r"^[a-z0-9][a-z0-9-]{0,40}$", description="Its name in the calendar of windows."
    )


@action
class QueueForPatchWindow:
    """Schedules a run of `patch-window` for the next window: it reminds whoever holds the ticket, then scopes, contains
    and verifies again, and queues itself for the window after while the incident is open.

    Example::

        queue_for_patch_window: {window: weekly}
    """

    verb: ClassVar[str] = "queue_for_patch_window"
    platform: ClassVar[str] = PLATFORM
    effect: ClassVar[Effect] = Effect.NOTIFIES
    inverse: ClassVar[str] = "cancel_patch_window"
    permissions: ClassVar[tuple[str, ...]] = ("create, read and cancel flow runs at the Prefect API",)
    parameters: ClassVar[type[Parameters]] = WindowParameters

    def targets(self, parameters: WindowParameters, situation: Situation) -> Iterable[Target | Uncovered]:
        """One run, for every workload of the tier; where there is no such window, that is said of each."""
        workloads = tuple(str(w.ref) for w in situation.workloads)
        try:
            _next(situation, parameters.window)
        except NotFoundError as error:
            return tuple(Uncovered(self.verb, w, str(error)) for w in workloads)
        name = f"{situation.incident}-{parameters.window}"
        return (Target(PLATFORM, "", "", "PatchWindow", name, "", workloads),)

    def preview(
        self,
        parameters: WindowParameters,
        target: Target,  # noqa: ARG002  (the protocol's)
        situation: Situation,
    ) -> tuple[str, ...]:
        """When it would run, and what it would do. Raises NotFoundError where no window opens."""
        return (f"run {FLOW} in {_next(situation, parameters.window)}: remind, scope, contain and verify again",)

    def find(self, action: PlannedAction, situation: Situation) -> Mapping[str, Any]:
        """The window to come. Raises ConflictError where a person has cancelled the run that patchgap queued."""
        window = _next(situation, str(action.parameters["window"]))
        theirs = [r for r in _runs(action, situation) if r.cancelled and not r.ours and r.at == window.begins]
        if theirs:
            raise ConflictError(
                f"the run {theirs[0].id} for {window} was cancelled in Prefect by someone else",
                "Leave it so, or schedule it there again; patchgap queues it for the window after.",
            )
        return {"begins": window.begins.isoformat()}

    def apply(self, intent: Intent, situation: Situation) -> Receipt:
        """Schedules it for the next window; one run a window, however often it is tried."""
        action = intent.action
        window = _next(situation, str(action.parameters["window"]))
        runs = [r for r in _runs(action, situation) if r.at == window.begins]
        if waiting := next((r for r in runs if r.waiting), None):
            return _receipt(intent, waiting)
        key = f"{action.id}-{window.begins:%Y%m%dT%H%M}-{len(runs)}"
        scheduler = situation.connections.of(Patching).scheduler()
        tags = _tags(action, situation)
        run = scheduler.schedule(FLOW, {"incident": situation.incident}, key, window.begins, tags)
        return _receipt(intent, ScheduledRun(run, window.begins, waiting=True))

    def observe(self, intent: Intent, situation: Situation) -> Receipt | None:
        """A receipt where a run waits for its window, also one that a person has moved; None where it began: then the
        next window is to be queued. Raises UnreachableError."""
        waiting = next((r for r in _runs(intent.action, situation) if r.waiting), None)
        return None if waiting is None else _receipt(intent, waiting)

    def release(self, control: Control, situation: Situation) -> Receipt:
        """Cancels the runs that wait as they were queued. Raises ConflictError where a person has moved one."""
        action, queued = control.intent.action, control.receipt.result.get("at")
        waiting = [r for r in _runs(action, situation) if r.waiting]
        if moved := next((r for r in waiting if queued and r.at != datetime.fromisoformat(queued)), None):
            raise ConflictError(
                f"the run {moved.id} was moved from {queued} to {moved.at.isoformat()} by someone else",
                "Cancel it in Prefect if it is not wanted.",
            )
        for run in waiting:
            situation.may_write()
            situation.connections.of(Patching).scheduler().cancel(run.id)
        said = f"{len(waiting)} queued run(s) cancelled" if waiting else "no run was waiting any more"
        return Receipt(action.id, Outcome.DONE, (said,), {"cancelled": [r.id for r in waiting]})


def _next(situation: Situation, window: str) -> Window:
    return situation.connections.of(Patching).calendar().next(window, situation.clock())


def _tags(action: PlannedAction, situation: Situation) -> tuple[str, ...]:
    return (str(situation.incident), str(action.id))


def _runs(action: PlannedAction, situation: Situation) -> tuple[ScheduledRun, ...]:
    return situation.connections.of(Patching).scheduler().find(FLOW, _tags(action, situation))


def _receipt(intent: Intent, run: ScheduledRun) -> Receipt:
    said = f"run {run.id} of {FLOW} waits for {run.at:%Y-%m-%d %H:%M} UTC"
    return done(intent, (said,), run=run.id, at=run.at.isoformat())
