"""isolate_workloads: nothing reaches the workload, and it reaches nothing.

Owns the order: the group before the workload is put into it, and the workload out before the group goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from integrations.aws import holds, network, quarantine, seen
from integrations.aws.accounts import PLATFORM
from integrations.aws.holds import Held, words
from integrations.aws.inventory.ecs import parts_of
from integrations.aws.reach import Live, account_of, live, still
from integrations.targeting import each_live
from integrations.verbs import IsolationParameters, done
from patchgap.model.plan import Control, Effect, Intent, Outcome, PlannedAction, Receipt, Target, Uncovered
from patchgap.model.workload import Workload
from patchgap.ports import Parameters, Situation
from patchgap.registry import action

_NONE_YET = "sg-of-the-incident"


@action
class IsolateWorkloads:
    """Puts an ECS service into an empty security group of the incident's own, in place of its groups; takes every
    invocation from a Lambda function.

    ECS replaces the tasks for it: the old ones are stopped first. Where their image is pulled through the task's own
    network, as on Fargate, no new task starts while the isolation stands.

    Example::

        isolate_workloads: {}
    """

    verb: ClassVar[str] = "isolate_workloads"
    platform: ClassVar[str] = PLATFORM
    effect: ClassVar[Effect] = Effect.REVERSIBLE
    inverse: ClassVar[str] = "release_isolation"
    permissions: ClassVar[tuple[str, ...]] = (*network.PERMISSIONS, *quarantine.PERMISSIONS, *holds.PERMISSIONS)
    parameters: ClassVar[type[Parameters]] = IsolationParameters

    def targets(self, parameters: Any, situation: Situation) -> Iterable[Target | Uncovered]:  # noqa: ARG002
        """The workloads themselves; a service without security groups of its own cannot be isolated."""

        def served(workload: Workload, found: Live) -> Target | str:
            network.isolated(found, str(situation.incident), _NONE_YET)
            return Target.of(workload.ref)

        return each_live(self, situation, live, served)

    def preview(self, parameters: Any, target: Target, situation: Situation) -> tuple[str, ...]:  # noqa: ARG002
        """The fields that would change, and what that does to what runs. AWS has no dry run of these calls."""
        found = live(situation, target)
        held = network.isolated(found, str(situation.incident), _group(found, situation) or _NONE_YET)
        held.refuse_foreign(held.before)
        lines = [f"{k}: {held.now[k]} -> {v}" for k, v in held.zero.items()]
        if network.is_networked(found):
            return (*lines, "its tasks are stopped and replaced; on Fargate none starts again before the release")
        return (*lines, "every invocation is refused, of each of its versions")

    def seen(self, target: Target, situation: Situation) -> Mapping[str, str]:
        """What it runs, and its groups or its concurrency before any incident held it."""
        found = live(situation, target)
        return seen.of_workload(found, network.isolated(found, str(situation.incident), _NONE_YET).before)

    def find(self, action: PlannedAction, situation: Situation) -> Mapping[str, Any]:
        """The fields before any incident held them, and the VPC where the quarantine group is to be."""
        found = live(situation, action.target)
        held = network.isolated(found, str(situation.incident), _group(found, situation) or _NONE_YET)
        where = {"vpc": _vpc(found, held.before)} if network.is_networked(found) else {}
        return {"before": dict(held.before), **where}

    def apply(self, intent: Intent, situation: Situation) -> Receipt:
        """Holds the same workload that was planned apart."""
        found, incident = live(situation, intent.action.target), str(situation.incident)
        group = ""
        if network.is_networked(found):
            network.isolated(found, incident, _group(found, situation) or _NONE_YET).refuse_foreign(
                intent.found["before"]
            )
            group = quarantine.make(found.account, found.region, intent.found["vpc"], incident)
        network.isolated(found, incident, group).hold(intent.found["before"])
        return self._receipt(intent, live(situation, intent.action.target), group)

    def observe(self, intent: Intent, situation: Situation) -> Receipt | None:
        """A receipt where it stands apart; tasks of before that still run are told in it, and are drift once the verb is
        done."""
        found = still(situation, intent.action.target)
        if found is None:
            return done(intent, (f"{intent.action.target} is gone",))
        return None if _unlike(intent, found, situation) else self._receipt(intent, found, _group(found, situation))

    def differences(self, intent: Intent, situation: Situation) -> tuple[str, ...]:
        """How what is live differs from isolation, tasks of before that still run included; () where it does not."""
        found = still(situation, intent.action.target)
        if found is None:
            return ()  # it was deleted or replaced: what was isolated runs nothing
        return (*_unlike(intent, found, situation), *_outside(found))

    def release(self, control: Control, situation: Situation) -> Receipt:
        """Restores what was found where nobody else has changed it, then deletes the group where nothing is left in it.
        Raises WaitingError where the group cannot go yet and no release comes after this one."""
        intent, incident = control.intent, str(situation.incident)
        found = still(situation, intent.action.target)
        said = f"{intent.action.target} was deleted or replaced meanwhile"
        if found is not None:
            held = network.isolated(found, incident, _group(found, situation) or _NONE_YET)
            said = held.let_go(intent.found["before"], done=control.receipt.outcome is Outcome.DONE)
        if vpc := intent.found.get("vpc"):
            target = intent.action.target
            where = account_of(situation, target.cluster), parts_of(target.namespace)[0]
            said += "; " + quarantine.remove(*where, vpc, incident, last=lambda: not _is_shared(intent, situation))
        return done(intent, (said,))

    def _receipt(self, intent: Intent, found: Live, group: str) -> Receipt:
        said = f"{intent.action.target} stands apart; it was {words(intent.found['before'])}"
        outside = _outside(found)
        return done(intent, (said, *outside), proved=not outside, **({"group": group} if group else {}))


def _vpc(found: Live, before: Mapping[str, str]) -> str:
    return quarantine.vpc_of(found.account, found.region, before["groups"].split("+"))


def _is_shared(intent: Intent, situation: Situation) -> bool:
    """Whether another workload is held in the same group now, whose release comes after this one."""
    for control in situation.done_or_begun:
        other = control.intent
        beside = other.action.id != intent.action.id and other.action.verb == intent.action.verb
        if beside and other.found.get("vpc") == intent.found["vpc"]:
            found = still(situation, other.action.target)
            held = network.isolated(found, str(situation.incident), _NONE_YET) if found else None
            if held is not None and held.holder in held.holds:
                return True
    return False


def _group(found: Live, situation: Situation) -> str:
    """The number of the incident's group, where it is made already."""
    if not network.is_networked(found):
        return ""
    vpc = quarantine.vpc_of(found.account, found.region, network.groups_of(found))
    made = quarantine.find(found.account, found.region, vpc, str(situation.incident))
    return str(made["GroupId"]) if made else ""


def _unlike(intent: Intent, found: Live, situation: Situation) -> tuple[str, ...]:
    group = _group(found, situation)
    held: Held = network.isolated(found, str(situation.incident), group or _NONE_YET)
    lines = [f"{found.label}: {k} is {held.now.get(k)}" for k, v in held.zero.items() if held.now.get(k) != v]
    if held.holder not in held.holds:
        lines.append(f"{found.label} does not bear the incident's hold")
    if group:
        made = quarantine.find(found.account, found.region, intent.found["vpc"], str(situation.incident))
        if made is None or quarantine.rules_of(made):
            lines.append(f"the quarantine group {group} lets something through, or is gone")
    return tuple(lines)


def _outside(found: Live) -> tuple[str, ...]:
    count = network.left_outside(found) if network.is_networked(found) else 0
    return (f"{count} task(s) of before still run in the groups of before",) if count else ()
